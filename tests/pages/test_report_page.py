"""A report's page in a real browser, opened as a file: the explorer lives, nobody is asked for anything."""

import numpy as np
from playwright.sync_api import expect

from mgaplib import report


def test_the_explorer_of_a_report_lives_without_any_server(browser, tmp_path):
    rng = np.random.default_rng(0)
    meaning, offset = rng.normal(size=(40, 8)), 2 * np.eye(8)[0]
    found = report.measure(*(meaning + 0.3 * rng.normal(size=(40, 8)) + s * offset for s in (1, -1)))
    path = tmp_path / "report.html"
    path.write_text(found.to_html(captions=["</script><b>x</b>"] * 40), encoding="utf-8")
    context = browser.new_context()
    page, asked, wrong = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    gap = page.locator("[data-metric=gap]")
    expect(gap).to_contain_text(f"{found.metrics.value['modality_gap']:.3f}")
    page.get_by_role("slider", name="Shift").press("End")
    expect(gap).not_to_have_text(f"{found.metrics.value['modality_gap']:.3f}")
    expect(page.locator(".widget-picture")).to_have_count(0)
    assert not wrong
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked
    context.close()

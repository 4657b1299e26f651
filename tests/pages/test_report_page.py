"""A report's page in a real browser, opened as a file: the explorer lives, nobody is asked for anything."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from built_book import PATIENCE
from playwright.sync_api import expect

from mgaplib import report


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    meaning, offset = rng.normal(size=(40, 8)), 2 * np.eye(8)[0]
    return report.measure(*(meaning + 0.3 * rng.normal(size=(40, 8)) + s * offset for s in (1, -1)))


@pytest.fixture(scope="module")
def report_address(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(found.to_html(captions=["</script><b>x</b>"] * 40), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_report(browser, report_address):
    """Open the report; whatever happens to it, no request leaves the file and nothing goes wrong."""
    contexts, asked, wrong = [], [], []

    def open_it(address=report_address, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == [], "\n".join(wrong)
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked


def test_the_explorer_of_a_report_lives_without_any_server(open_report, found):
    page = open_report()
    gap = page.locator("[data-metric=gap]")
    expect(gap).to_contain_text(f"{found.metrics.value['modality_gap']:.3f}")
    page.get_by_role("slider", name="Shift").press("End")
    expect(gap).not_to_have_text(f"{found.metrics.value['modality_gap']:.3f}")
    expect(page.locator(".widget-picture")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_a_phone_and_can_be_read_by_all(open_report, scheme):
    page = open_report(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    expect(page.locator(".mgap")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
    faults = Axe().run(page, options=rules).response["violations"]
    assert [fault["help"] for fault in faults if fault["impact"] in ("serious", "critical")] == []


def test_a_report_of_three_modalities_in_a_browser(open_report, tmp_path):
    rng = np.random.default_rng(0)
    meaning = rng.normal(size=(40, 8))
    sets = {name: meaning + rng.normal(size=8) for name in ("image", "text", "audio <b>")}
    (tmp_path / "three.html").write_text(report.measure_several(sets).to_html(), encoding="utf-8")
    for width in (390, 1280):
        size = {"width": width, "height": 800}
        page = open_report((tmp_path / "three.html").as_uri(), viewport=size, color_scheme="dark")
        expect(page.locator("section")).to_have_count(7)
        expect(page.locator("h1")).to_contain_text("image, text, audio <b>")
        expect(page.locator("figure img")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).response["violations"] == []

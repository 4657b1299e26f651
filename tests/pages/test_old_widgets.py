"""An executed chapter whose kernel had ipywidgets 7.7.1, Colab's version, in the book's own widget host.

`make unit` executes it in such an environment and keeps it. Real Colab was not run: it needs an account,
and puts a page of its own around the notebook.
"""

import base64

import nbformat
import numpy as np
import pytest
from built_book import ROOT, Visit, serve, widget_page
from ipywidgets import embed

from mgaplib.widgets import GapExplorer

KEPT = ROOT / "build/executed/loss_landscape.ipynb"
STATE, VIEW = (f"application/vnd.jupyter.widget-{kind}+json" for kind in ("state", "view"))
AGAIN = "run `make unit` first: it executes a chapter in an environment like Colab's"


@pytest.fixture(scope="module")
def executed():
    """The notebook as its kernel left it."""
    if not KEPT.exists():
        pytest.fail(f"there is no {KEPT}; {AGAIN}")
    return nbformat.read(KEPT, as_version=4)


@pytest.fixture(scope="module")
def pinned(executed):
    """The same explorer, made here with the pinned ipywidgets from the same embeddings."""
    sides = []
    for name in ("images", "texts"):
        text, shape = executed.metadata["kernel_says"][name]
        x = np.frombuffer(base64.b64decode(text), "<f4").reshape(shape).astype(float)
        sides.append(x / np.linalg.norm(x, axis=1, keepdims=True))
    return GapExplorer(*sides)


def numbers(view) -> dict[str, float]:
    """Return what a widget shows once the last movement has been drawn."""
    return view.evaluate(
        """async root => {
          await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(null))));
          const shown = [...root.querySelectorAll("[data-metric]")];
          return Object.fromEntries(shown.map(e => [e.dataset.metric, Number(e.dataset.value)]));
        }"""
    )


def test_an_old_kernels_explorer_shows_the_numbers_of_both_pythons(executed, pinned, browser, tmp_path):
    models = dict(executed.metadata["widgets"][STATE]["state"])
    shown = [
        o.data[VIEW]["model_id"]
        for c in executed.cells
        for o in c.get("outputs", [])
        if VIEW in o.get("data", {})
    ]
    old = models[shown[0]]
    new = embed.dependency_state([pinned], drop_defaults=False)
    if old["state"]["_esm"] != new[pinned.model_id]["state"]["_esm"]:
        pytest.fail(f"{KEPT} shows the widget as it was before a change; {AGAIN}")
    assert old["state"]["metrics"] == pytest.approx(pinned.metrics, abs=1e-4)
    widget_page(tmp_path, {**models, **new}, [shown[0], pinned.model_id])

    with serve(tmp_path) as site:
        visit = Visit(browser.new_context(viewport={"width": 1000, "height": 900}).new_page(), site)
        views = visit.go(site).locator(".mgap").all()
        assert len(views) == 2
        data = pinned.data
        low, high = data["shift_range"]
        for shift, tau, said in executed.metadata["kernel_says"]["numbers"]:
            pinned.shift, pinned.tau = shift, tau
            stop = round((shift - low) / (high - low) * (data["stops"] - 1))
            degree = int(np.argmin(np.abs(np.array(data["taus"]) - tau)))
            for view in views:
                view.get_by_role("slider", name="Shift").fill(str(stop))
                view.get_by_role("slider", name="Temperature").fill(str(degree))
            of_old, of_new = map(numbers, views)
            assert of_old == pytest.approx(said, abs=1e-4)
            assert of_new == pytest.approx(pinned.metrics, abs=1e-4)
            assert of_old == pytest.approx(of_new, abs=1e-6)
        assert (visit.outside, visit.errors) == ([], [])
        visit.page.context.close()

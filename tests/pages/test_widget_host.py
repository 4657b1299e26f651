"""The book's own widget host, on pages made here: several widgets, bad data, clean-up, text as text."""

import copy
import html
import re
from pathlib import Path

import numpy as np
import pytest
from built_book import Visit, serve, widget_page
from ipywidgets import IntSlider, embed
from playwright.sync_api import expect
from shown import settle

from mgaplib import landscape
from mgaplib.widgets import GapExplorer

NASTY = "<img src=x onerror=document.body.dataset.hacked=1> & </script>"
COUNTER = """
export default {
  initialize({ model }) {
    document.body.dataset.initialized = Number(document.body.dataset.initialized ?? 0) + 1;
    return () => { document.body.dataset.ended = "model"; };
  },
  render({ model, el }) {
    const button = document.createElement("button");
    const show = () => { button.textContent = String(model.get("count")); };
    button.addEventListener("click", () => model.set("count", model.get("count") + 1));
    model.on("change:count", show);
    show();
    el.append(button);
    return () => { document.body.dataset.left = Number(document.body.dataset.left ?? 0) + 1; };
  },
};
"""


@pytest.fixture(scope="module")
def explorer():
    rng = np.random.default_rng(0)
    meaning, offset = rng.normal(size=(30, 6)), 3 * np.eye(6)[0]
    images, texts = (meaning + 0.5 * rng.normal(size=(30, 6)) + sign * offset for sign in (1, -1))
    return GapExplorer(
        images,
        texts,
        labels=np.arange(30) % 3,
        class_embeddings=texts[:3],
        captions=[f"{NASTY} {i}" for i in range(30)],
        pictures=rng.integers(0, 255, (30, 8, 8, 3)).astype(np.uint8),
    )


@pytest.fixture(scope="module")
def saved(explorer):
    """What a notebook saves of the explorer."""
    return embed.dependency_state([explorer], drop_defaults=False)  # its own code counts as a default


def counter_model(**state):
    return {
        "model_name": "AnyModel",
        "model_module": "anywidget",
        "state": {"_esm": COUNTER, "count": 0, **state},
    }


@pytest.fixture
def show(tmp_path, browser):
    """Serve a page with some models and the places where they are shown, and open it."""
    visits, servers = [], []

    def show_page(models, places, errors=()):
        widget_page(tmp_path, models, places)
        servers.append(serve(tmp_path))
        site = servers[-1].__enter__()
        context = browser.new_context()
        context.clock.install()  # so that a test can let time pass at once
        visit = Visit(context.new_page(), site)
        visits.append((visit, list(errors)))
        return visit.go(site)

    yield show_page
    for visit, errors in visits:
        assert visit.outside == []
        assert len(visit.errors) == len(errors), visit.errors
        assert all(re.search(e, said) for e, said in zip(errors, visit.errors, strict=True)), visit.errors
        visit.page.context.close()
    for server in servers:
        server.__exit__(None, None, None)


def test_two_views_share_one_model_that_is_initialised_once(show):
    page = show({"a": counter_model()}, ["a", "a"])
    first, second = page.get_by_role("button").all()
    first.click()
    second.click()
    assert [first.inner_text(), second.inner_text()] == ["2", "2"]
    assert page.evaluate("document.body.dataset.initialized") == "1"


def test_the_picture_gives_way_to_the_widget(show):
    assert show({"a": counter_model()}, ["a"]).locator(".widget-picture").count() == 0


def test_widgets_of_one_kind_are_independent(show):
    page = show({"a": counter_model(), "b": counter_model(count=5)}, ["a", "b"])
    page.get_by_role("button").nth(0).click()
    assert [b.inner_text() for b in page.get_by_role("button").all()] == ["1", "5"]


def test_a_removed_widget_cleans_up_and_its_model_after_the_last(show):
    page = show({"a": counter_model()}, ["a", "a"])
    page.evaluate("document.querySelector('.static-widget').remove()")
    page.wait_for_function("document.body.dataset.left === '1'")
    assert page.evaluate("document.body.dataset.ended") is None
    page.evaluate("document.querySelector('.static-widget').remove()")
    page.wait_for_function("document.body.dataset.ended === 'model'")


def test_styles_are_added_once(show):
    css = ".static-widget button { color: rgb(1, 2, 3) }"
    page = show({"a": counter_model(_css=css), "b": counter_model(_css=css)}, ["a", "b"])
    assert page.evaluate("getComputedStyle(document.querySelector('button')).color") == "rgb(1, 2, 3)"
    assert page.locator("head style").count() == 1


@pytest.mark.parametrize(
    "model, words",
    [
        (None, "holds no state"),
        (
            {"model_name": "IntSliderModel", "model_module": "@jupyter-widgets/controls", "state": {}},
            "running kernel",
        ),
        (counter_model(_esm="export default { render() { throw new Error('no luck') } }"), "no luck"),
        (counter_model(_esm="this is no module"), "cannot be shown"),
        (counter_model(_esm="throw null"), "cannot be shown: null"),
        (counter_model(_esm=""), "code is missing"),
        ({**counter_model(), "buffers": [{"path": ["x"], "encoding": "hex", "data": "00"}]}, "not as base64"),
        (
            {**counter_model(), "buffers": [{"path": ["x"], "encoding": "base64", "data": "!"}]},
            "cannot be shown",
        ),
    ],
)
def test_a_broken_widget_says_so_in_its_place_and_the_others_live(show, model, words):
    models = {"good": counter_model(), **({"bad": model} if model else {})}
    page = show(models, ["bad", "good"], errors=["."])
    assert words in page.get_by_role("alert").inner_text()
    assert page.locator(".widget-picture").count() == 1  # the picture of the broken one stays
    page.get_by_role("button").click()
    assert page.get_by_role("button").inner_text() == "1"


def test_a_core_slider_of_ipywidgets_is_told_to_need_a_kernel(show):
    slider = IntSlider()
    models = embed.dependency_state([slider], drop_defaults=False)
    page = show(models, [slider.model_id], errors=["running kernel"])
    assert "run this chapter" in page.get_by_role("alert").inner_text()


def test_the_explorer_lives_here_too_and_reads_captions_as_text(show, saved, explorer):
    page = show(saved, [explorer.model_id, explorer.model_id])
    first, second = page.locator(".mgap").all()
    first.get_by_role("slider", name="Look at a pair").press("ArrowRight")
    expect(first).to_contain_text(NASTY)
    assert page.evaluate("document.body.dataset.hacked") is None
    assert page.locator(".mgap img").count() == 0
    for view in (first, second):  # Python's numbers, digit for digit as shown
        accuracy = view.locator("[data-metric=zero_shot_accuracy]").inner_text()
        assert accuracy == f"{explorer.metrics['zero_shot_accuracy']:.3f}"
    first.get_by_role("slider", name="Shift").press("End")
    expect(second.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", "1.50")


def test_an_explorer_removed_in_flight_leaves_nothing_behind(show, saved, explorer):
    page = show(saved, [explorer.model_id, explorer.model_id])
    page.evaluate(
        """() => {
            const revoke = URL.revokeObjectURL;
            URL.revokeObjectURL = url => { document.body.dataset.revoked = url; revoke.call(URL, url); };
        }"""
    )
    first = page.locator(".mgap").first
    first.get_by_role("slider", name="Shift").press("Home")
    first.get_by_role("button", name="Close the gap").evaluate(  # it would glide there in half a second
        "button => { button.click(); button.closest('.static-widget').remove(); }"
    )
    page.wait_for_function("document.body.dataset.revoked?.startsWith('blob:')")
    [left] = page.locator(".mgap").all()
    slider = left.get_by_role("slider", name="Shift")
    settle(page)
    rest = slider.get_attribute("aria-valuetext")
    assert float(rest.replace("−", "-")) < 0.45  # the flight ended with the view that began it
    page.clock.run_for(900)
    assert slider.get_attribute("aria-valuetext") == rest
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "1.50")


def test_a_pair_shows_its_picture_and_caption_to_the_mouse_and_its_neighbours(show, saved, explorer):
    page = show(saved, [explorer.model_id])
    root = page.locator(".mgap")
    box = root.locator("canvas").first.bounding_box()
    looked = root.get_by_role("slider", name="Look at a pair")
    for row in range(5, 100, 2):  # down through the cloud of texts until a point is met
        page.mouse.move(box["x"] + box["width"] * 0.26, box["y"] + box["height"] * row / 100)
        if looked.get_attribute("aria-valuetext") != "none":
            break
    pair = int(looked.get_attribute("aria-valuetext").split()[0])
    assert f"Pair {pair} “{NASTY} {pair - 1}”, cosine" in root.inner_text()

    def pictures():
        return [p.get_attribute("aria-label") for p in root.locator(".mgap-thumb").all()]

    def captions():
        first = root.locator(".mgap-found ol").first.locator("li").all()
        return [int(li.inner_text().split("”")[0].split()[-1]) for li in first]

    for key, shift in (("Home", -1), ("End", 1.5)):  # what a shift does to a search
        root.get_by_role("slider", name="Shift").press(key)
        settle(page)
        x, y = landscape.shift(explorer._land.images, explorer._land.texts, shift)
        cosines = x @ y.T
        nearest = np.argsort(-cosines[:, pair - 1])[:3] + 1
        assert pictures() == [f"picture {pair}", *(f"picture {i}" for i in nearest)]
        assert captions() == np.argsort(-cosines[pair - 1])[:3].tolist()
        rank = 1 + (cosines[pair - 1] > cosines[pair - 1, pair - 1]).sum()
        assert f"Its own caption ranks {rank} of 30" in root.inner_text()


BROKEN = {
    "nothing": lambda model: model["state"].update(data={}),
    "a short gram": lambda model: next(b for b in model["buffers"] if b["path"][-1] == "gram").update(
        data="AAAA"
    ),
    "no gram": lambda model: model["buffers"].remove(
        next(b for b in model["buffers"] if b["path"][-1] == "gram")
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_explorer_names_what_is_wrong_with_its_data(show, saved, explorer, kind):
    models = copy.deepcopy(saved)
    BROKEN[kind](models[explorer.model_id])
    if kind == "nothing":
        models[explorer.model_id]["buffers"] = []
    page = show(models, [explorer.model_id], errors=["."])
    words = {"nothing": "name no pairs", "a short gram": "gram holds 3 bytes", "no gram": "lack gram"}[kind]
    assert words in page.get_by_role("alert").inner_text()


def test_pages_without_widgets_load_no_host_and_no_page_loads_requirejs():
    from built_book import BOOK, NOT_BUILT, chapters

    if not chapters():
        pytest.fail(NOT_BUILT)
    for address in chapters():
        source = (BOOK / address).read_text(encoding="utf-8")
        scripts = [html.unescape(s) for s in re.findall(r"<script[^>]*\ssrc=\"([^\"]*)", source)]
        has_widgets = "vnd.jupyter.widget-" in source
        assert any(Path(s.split("?")[0]).name == "widget_host.js" for s in scripts) == has_widgets, address
        assert not [s for s in scripts if re.search(r"require|embed-amd|https?:", s)], address

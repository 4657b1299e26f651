"""The GapExplorer on the built pages: alive without a kernel, its numbers the library's."""

import re

import pytest
from built_book import BOOK, NOT_BUILT, PATIENCE
from playwright.sync_api import expect
from shown import Shown

from mgaplib import landscape, metrics
from mgaplib.embeddings import load_embeddings

PAGES = ["chapters/index.html", "chapters/dynamics/loss_landscape.html"]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}


class Explorer(Shown):
    """The first explorer on a page; picture 0 has the points, 1 the landscape."""

    def __init__(self, page):
        super().__init__(page, "mgap")

    @property
    def shift(self) -> float:
        return float(self.said("Shift"))

    @property
    def tau(self) -> float:
        return float(self.said("Temperature"))

    def rest(self):
        """Wait until it no longer moves: the same numbers twice, two frames apart."""
        before = None
        while (now := str(self.numbers())) != before:  # as text: no NaN equals another
            before = now


@pytest.fixture(scope="module")
def clip():
    return load_embeddings("clip")


@pytest.fixture(params=PAGES)
def open_explorer(request, visitor):
    """Open the explorer of a page; whatever happens to it, no other host is asked and nothing fails."""
    if not (BOOK / request.param).exists():
        pytest.fail(NOT_BUILT)
    visits = []

    def open_it(**options):
        visits.append(visitor(request.param, **options))
        return Explorer(visits[-1].page)

    yield open_it
    for visit in visits:
        assert (visit.outside, visit.errors) == ([], [])
        visit.page.context.close()


def expected(clip, shift, tau):
    x, y = landscape.shift(clip.images, clip.texts, shift)
    return {
        "gap": metrics.modality_gap(x, y),
        "loss": metrics.contrastive_loss(x, y, tau),
        "loss_image_to_text": metrics.contrastive_loss(x, y, tau, "image_to_text"),
        "loss_text_to_image": metrics.contrastive_loss(x, y, tau, "text_to_image"),
        "recall_image_to_text": metrics.recall_at_k(x, y),
        "recall_text_to_image": metrics.recall_at_k(y, x),
    }


def test_keyboard_moves_it_and_the_numbers_are_the_librarys(open_explorer, clip):
    explorer = open_explorer(**DESKTOP)
    start = explorer.numbers()
    assert start == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)
    explorer.press("Shift", "ArrowRight", times=7)
    explorer.press("Temperature", "ArrowRight", times=4)
    assert explorer.numbers()["loss"] != start["loss"]
    assert explorer.numbers() == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)
    for shift_key, tau_key in (("Home", "Home"), ("End", "End")):  # both ends of both sliders
        explorer.press("Shift", shift_key)
        explorer.press("Temperature", tau_key)
        assert explorer.numbers() == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)


def test_mouse_drags_the_slider_the_landscape_and_presses_the_buttons(open_explorer, clip):
    explorer = open_explorer(**DESKTOP)
    mouse = explorer.page.mouse
    box = explorer.slider("Shift").bounding_box()
    mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=4)
    mouse.up()
    dragged = explorer.shift
    assert dragged > 0.6
    assert explorer.numbers() == pytest.approx(expected(clip, dragged, explorer.tau), abs=1e-4)
    box = explorer.canvas(1)
    mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60, steps=4)
    mouse.up()
    explorer.settle()
    assert explorer.shift < 0
    assert explorer.numbers() == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)
    for name, words in (("Close the gap", r"^0\.(49|50|51)$"), ("As trained", r"^0\.00$")):
        explorer.root.get_by_role("button", name=name).click()
        expect(explorer.slider("Shift")).to_have_attribute("aria-valuetext", re.compile(words))
        explorer.rest()  # it glides there
        assert explorer.numbers() == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)
    assert explorer.shift == 0


def test_lowest_loss_is_the_librarys_minimum(open_explorer, clip):
    explorer = open_explorer(**DESKTOP, reduced_motion="reduce")
    land = landscape.ShiftLandscape(clip.images, clip.texts)
    for times in (0, 8, 8):
        explorer.press("Temperature", "ArrowRight", times=times)
        explorer.root.get_by_role("button", name="Lowest loss").click()
        numbers, best = explorer.numbers(), land.minimum(explorer.tau)
        assert explorer.shift == pytest.approx(best.shift, abs=0.011)  # shown with two decimals
        assert numbers["loss"] == pytest.approx(best.loss, abs=1e-3)


def test_reduced_motion_goes_there_at_once(open_explorer, clip):
    explorer = open_explorer(**DESKTOP, reduced_motion="reduce")
    explorer.root.get_by_role("button", name="Close the gap").click()
    gap = explorer.numbers()["gap"]
    assert explorer.shift == pytest.approx(0.5, abs=0.02)
    # How far it closes is the data's affair: the stand-in's rows keep a little.
    assert gap == pytest.approx(
        metrics.modality_gap(*landscape.shift(clip.images, clip.texts, explorer.shift)), abs=0.01
    )


def test_touch_moves_it_on_a_phone_without_sideways_scrolling(open_explorer, clip):
    explorer = open_explorer(**PHONE, color_scheme="dark")
    page = explorer.page
    box = explorer.canvas(1)
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + 80)
    explorer.settle()
    assert explorer.shift > 0.5
    assert explorer.numbers() == pytest.approx(expected(clip, explorer.shift, explorer.tau), abs=1e-4)
    explorer.slider("Shift").scroll_into_view_if_needed()
    box = explorer.slider("Shift").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    explorer.settle()
    assert explorer.shift < 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = explorer.root.evaluate(
        "root => [...root.querySelectorAll('*')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth).length"
    )
    assert wide == 0


def test_points_show_their_pair_to_mouse_and_keyboard(open_explorer):
    explorer = open_explorer(**DESKTOP)
    explorer.press("Look at a pair", "ArrowRight", times=3)
    assert explorer.said("Look at a pair").startswith("3 of ")
    assert "Pair 3" in explorer.root.inner_text()
    box = explorer.canvas(0)
    for row in range(10, 100, 3):  # sweep over the left cloud until a point is met
        explorer.page.mouse.move(box["x"] + box["width"] * 0.26, box["y"] + box["height"] * row / 100)
        if not explorer.said("Look at a pair").startswith("3 of "):
            break
    assert not explorer.said("Look at a pair").startswith("3 of ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wears_the_pages_theme(open_explorer, scheme):
    explorer = open_explorer(**DESKTOP, color_scheme=scheme)
    assert explorer.root.get_attribute("data-theme") == scheme
    other = {"light": "dark", "dark": "light"}[scheme]
    explorer.page.evaluate("theme => (document.documentElement.dataset.theme = theme)", other)
    explorer.settle()
    assert explorer.root.get_attribute("data-theme") == other


def test_tells_a_screen_reader_what_it_shows(open_explorer):
    explorer = open_explorer(**DESKTOP)
    for label in ("Shift", "Temperature", "Look at a pair"):
        assert explorer.slider(label).count() == 1
    pictures = explorer.root.get_by_role("img")
    assert "centroids are" in pictures.nth(0).get_attribute("aria-label")
    assert "lowest" in pictures.nth(1).get_attribute("aria-label")
    status = explorer.root.get_by_role("status")
    before = status.inner_text()
    explorer.press("Shift", "ArrowRight", times=30)
    expect(status).not_to_have_text(before)  # it speaks once the slider rests


def test_measures_how_soon_it_answers_a_slider_event(open_explorer, record_property, capsys):
    explorer = open_explorer(**DESKTOP)
    durations = []
    for _ in range(20):
        explorer.press("Shift", "ArrowRight")
        durations.append(
            explorer.page.evaluate("performance.getEntriesByName('mgap-explorer').at(-1).duration")
        )
    median = sorted(durations)[len(durations) // 2]
    record_property("slider_event_ms", median)
    with capsys.disabled():  # reported, not asserted: the machine may be busy
        print(f"\nslider event, 500 pairs: median {median:.1f} ms")
    assert len(durations) == 20


def test_without_scripts_a_described_picture_stands_there(open_explorer, browser, site):
    address = open_explorer().page.url
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    picture = page.locator(".widget-picture img").first
    assert picture.is_visible()
    assert "gap" in picture.get_attribute("alt")
    context.close()


def test_its_slider_stands_on_the_first_screen(open_explorer):
    explorer = open_explorer(**DESKTOP)
    top = "root => root.querySelector('input').getBoundingClientRect().top + scrollY"
    assert explorer.root.evaluate(top) < 900

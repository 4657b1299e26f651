"""What a reader may set in a GapExplorer, on a page made here: address, tries, sentence, swipes, axes."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from shown import PHONE, Shown

from mgaplib import landscape, metrics
from mgaplib.widgets import GapExplorer

N = 40


def draw_pairs(seed=0, noise=0.7):
    rng = np.random.default_rng(seed)
    meaning, offset = rng.normal(size=(N, 8)), 2 * np.eye(8)[0]
    return tuple(meaning + noise * rng.normal(size=(N, 8)) + side * offset for side in (1, -1))


@pytest.fixture(scope="module")
def pairs():
    return draw_pairs()


@pytest.fixture
def explorer(pairs):
    tries = [("Close it", {"shift": 0.5}, "The clouds meet.")]
    tries += [("Warm", {"tau": 0.5, "zoom": True, "pair": 2}, "A soft softmax.")]
    return GapExplorer(*pairs, tries=tries)


@pytest.fixture
def open_it(show):
    def open_explorer(*explorers, **options):
        return Shown(show(*explorers, **options), "mgap")

    return open_explorer


def test_the_visible_sentence_goes_with_the_frame_and_the_live_region_waits(open_it, explorer):
    shown = open_it(explorer)
    clock, heard = shown.page.clock, shown.root.get_by_role("status")
    clock.run_for(800)
    clock.pause_at(shown.page.evaluate("Date.now()") + 60_000)
    before = heard.inner_text()
    for key in ("End", "Home"):
        shown.slider("Shift").press(key)
        clock.run_for(50)  # a few frames
        gap = shown.root.locator("[data-metric=gap]").evaluate("e => Number(e.dataset.value)")
        assert f"the gap is {gap:.2f}" in shown.root.locator(".mgap-status").inner_text()
        assert heard.inner_text() == before
    clock.run_for(800)
    assert heard.inner_text() == shown.root.locator(".mgap-status").inner_text()


def test_the_sentence_and_the_button_agree_on_where_the_loss_is_lowest(open_it, pairs):
    shown = open_it(GapExplorer(*pairs, tau=0.5))
    shown.root.get_by_role("button", name="Lowest loss").click()
    shown.settle()
    sentence = shown.root.locator(".mgap-status")
    assert "no other shift has a lower loss" in sentence.inner_text()
    shown.press("Shift", "ArrowRight")
    shown.press("Shift", "ArrowRight")
    assert "the loss is lowest at shift" in sentence.inner_text()


@pytest.mark.parametrize("tau", [0.02, 0.04, 0.2])
def test_no_stop_of_the_slider_has_a_lower_loss_where_the_button_goes(open_it, tau):
    pairs = draw_pairs(noise=0.3)  # the tabulated curve alone is a stop off at .02 and .04
    explorer = GapExplorer(*pairs, tau=tau)
    stops = np.linspace(-1, 1.5, 251)
    losses = landscape.ShiftLandscape(*pairs, dtype="float64").loss(stops, tau)[:, 0]
    shown = open_it(explorer)
    shown.root.get_by_role("button", name="Lowest loss").click()
    shown.settle()
    assert float(shown.said("Shift")) == pytest.approx(stops[losses.argmin()])
    assert shown.numbers()["loss"] == pytest.approx(losses.min(), abs=1e-3)
    sentence = shown.root.locator(".mgap-status")
    assert "no other shift has a lower loss" in sentence.inner_text()
    for key, times in (("ArrowLeft", 1), ("ArrowRight", 2)):
        shown.press("Shift", key, times=times)
        assert f"lowest at shift {stops[losses.argmin()]:.2f}".replace("-", "−") in sentence.inner_text()


def test_a_loss_that_falls_to_the_sliders_end_is_not_called_lowest_there(open_it):
    sides = next(
        sides
        for sides in (draw_pairs(seed, noise=3.0) for seed in range(20))
        if landscape.ShiftLandscape(*sides).loss(np.linspace(-1, 1.5, 51), 0.01)[:, 0].argmin() == 50
    )
    shown = open_it(GapExplorer(*sides, shift=1.5))
    text = shown.root.locator(".mgap-status").inner_text()
    assert "falls to the slider's end" in text and "no other shift" not in text


def test_highest_recall_is_the_librarys_at_the_sliders_stops(open_it, explorer, pairs):
    shown = open_it(explorer)
    shown.root.get_by_role("button", name="Highest R@1").click()
    shown.settle()
    found = [
        np.mean([metrics.recall_at_k(*moved), metrics.recall_at_k(*moved[::-1])])
        for moved in (landscape.shift(*pairs, shift) for shift in np.linspace(-1, 1.5, 251))
    ]
    numbers = shown.numbers()
    assert (numbers["recall_image_to_text"] + numbers["recall_text_to_image"]) / 2 == pytest.approx(
        max(found)
    )
    assert "no other finds more" in shown.root.locator(".mgap-status").inner_text()


def test_a_zoomed_loss_axis_is_drawn_otherwise(open_it, explorer):
    shown = open_it(explorer)
    shown.press("Temperature", "End")
    kept = shown.drawn(1)
    shown.root.get_by_label("zoom in on the loss").click()
    shown.settle()
    assert shown.drawn(1) != kept


def test_a_try_sets_what_it_names_and_only_that(open_it, explorer):
    shown = open_it(explorer)
    shown.root.get_by_role("button", name="Close it").click()
    shown.root.get_by_role("button", name="Warm").click()
    shown.settle()
    assert (shown.said("Shift"), shown.said("Temperature")) == ("0.50", "0.5")
    assert shown.said("Look at a pair").startswith("3 of")
    for name in ("Close it", "Warm"):
        expect(shown.root.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
    said = shown.root.locator(".mgap-tried")
    expect(said).to_have_text("A soft softmax.")  # the last that was pressed
    shown.root.get_by_role("button", name="Close it").click()
    expect(said).to_have_text("The clouds meet.")
    shown.press("Shift", "ArrowRight")
    expect(said).to_have_text("A soft softmax.")
    shown.press("Temperature", "Home")
    expect(said).to_be_empty()
    expect(shown.root.get_by_role("button", name="Close it")).to_have_attribute("aria-pressed", "false")


def test_two_explorers_keep_their_settings_apart_in_the_address(open_it, explorer, pairs):
    shown = open_it(explorer, GapExplorer(*pairs), address="#limits")
    page = shown.page
    shown.press("Shift", "End")
    page.locator(".mgap").nth(1).get_by_role("slider", name="Temperature").press("End")
    page.clock.run_for(300)
    assert page.evaluate("location.hash") == "#limits&gap.shift=1.5&gap-2.tau=1"
    page.reload()
    for number, (shift, tau) in enumerate([("1.50", "0.01"), ("0.00", "1")]):
        root = page.locator(".mgap").nth(number)
        expect(root.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", shift)
        expect(root.get_by_role("slider", name="Temperature")).to_have_attribute("aria-valuetext", tau)
    page.locator(".mgap").first.get_by_role("button", name="As trained").click()
    page.clock.run_for(300)
    assert page.evaluate("location.hash") == "#limits&gap-2.tau=1"  # what is as at first is not said


def test_back_brings_the_settings_back(open_it, explorer):
    shown = open_it(explorer)
    page, first = shown.page, shown.page.url
    shown.press("Shift", "Home")
    page.clock.run_for(300)
    page.goto(first.rstrip("/") + "/widget_host.js")
    page.go_back()
    expect(page.locator(".mgap").get_by_role("slider", name="Shift")).to_have_attribute(
        "aria-valuetext", "−1.00"
    )


@pytest.mark.parametrize(
    "hash_", ["#gap.shift=9", "#gap.shift=", "#gap.tau=0", "#gap.pair=99", "#gap.zoom=2"]
)
def test_nonsense_in_the_address_is_left_out(open_it, explorer, hash_):
    shown = open_it(explorer, address=hash_)
    assert (shown.said("Shift"), shown.said("Temperature")) == ("0.00", "0.01")
    assert shown.said("Look at a pair") == "none"


def test_a_swipe_over_the_curve_scrolls_or_moves_but_never_both(open_it, explorer):
    shown = open_it(explorer, **PHONE)
    page = shown.page
    shown.canvas(1)
    place = page.evaluate("scrollY")
    shown.swipe(1, along=-150)
    assert page.evaluate("scrollY") > place and shown.said("Shift") == "0.00"
    shown.canvas(1)
    place = page.evaluate("scrollY")
    shown.swipe(1, across=100)
    assert page.evaluate("scrollY") == place and float(shown.said("Shift")) > 0.3
    shown.swipe(0, along=-100)  # over the points: nothing is picked
    assert shown.said("Look at a pair") == "none"


def test_a_swipe_over_the_slider_scrolls_or_moves_but_never_both(open_it, explorer):
    shown = open_it(explorer, **PHONE)
    page, box = shown.page, shown.slider("Shift").bounding_box()
    shown.swipe_from(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, along=-150)
    assert page.evaluate("scrollY") > 0 and shown.said("Shift") == "0.00"
    page.evaluate("scrollTo(0, 0)")
    shown.swipe_from(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, across=-60)
    assert page.evaluate("scrollY") == 0 and shown.said("Shift") != "0.00"


def test_slider_and_curve_share_a_phones_screen(open_it, explorer):
    shown = open_it(explorer, **PHONE)
    slider, curve = shown.slider("Shift").bounding_box(), shown.root.locator("canvas").nth(1).bounding_box()
    assert curve["y"] > slider["y"] and curve["y"] + curve["height"] - slider["y"] < 760
    assert shown.fits()


@pytest.mark.parametrize("options", [{}, PHONE], ids=["light", "dark phone"])
def test_axe_finds_nothing(open_it, pairs, options):
    rng = np.random.default_rng(0)
    explorer = GapExplorer(
        *pairs,
        pair=3,
        captions=[f"caption {k}" for k in range(N)],
        pictures=rng.integers(0, 255, (N, 16, 16, 3)).astype(np.uint8),
        tries=[("Close it", {"shift": 0.5}, "The clouds meet.")],
    )
    shown = open_it(explorer, **options)
    assert re.search("Its own caption ranks", shown.root.inner_text())
    assert shown.violations() == []

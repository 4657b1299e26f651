"""The AtlasExplorer in a browser, on a page made here: numbers, keys, pointing, touch, address."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from shown import PHONE, Shown

from mgaplib import landscape
from mgaplib.pairs import Pairs
from mgaplib.widgets import AtlasExplorer

N = 24
NASTY = "<img src=x onerror=document.body.dataset.hacked=1>"


def draw_pairs(seed, apart):
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(N, 8))
    images, texts = (meaning + 0.6 * rng.normal(size=(N, 8)) + side * apart for side in (1, -1))
    texts[1] = texts[0]  # a repeated caption
    return Pairs(images, texts)


@pytest.fixture(scope="module")
def models():
    return {"far": draw_pairs(0, 1.0), "near": draw_pairs(1, 0.2), NASTY: draw_pairs(2, 0.5)}


@pytest.fixture
def atlas(models):
    rng = np.random.default_rng(0)
    return AtlasExplorer(
        models,
        captions=[f"caption {NASTY} {k}" for k in range(N)],
        pictures=rng.integers(0, 255, (N, 16, 16, 3)).astype(np.uint8),
        tries=[("Close the near one", {"left": "near", "shift": 0.5, "pair": 3}, "It closes.")],
    )


def numbers(shown) -> dict[str, dict[str, float]]:
    shown.settle()
    return shown.root.evaluate(
        "root => Object.fromEntries([...root.querySelectorAll('[data-side]')].map(part => [part.dataset.side,"
        " Object.fromEntries([...part.querySelectorAll('[data-metric]')]"
        ".map(e => [e.dataset.metric, Number(e.dataset.value)]))]))"
    )


def assert_librarys(shown, atlas):
    found = numbers(shown)
    for side, expected in atlas.metrics.items():
        assert found[side] == pytest.approx(expected, abs=2e-4)


def test_numbers_are_the_librarys_under_slider_and_choice(show, atlas):
    shown = Shown(show(atlas), "mgap-atlas")
    assert_librarys(shown, atlas)
    pictures = {shown.drawn(0)}
    for key, shift in (("End", 1.5), ("Home", -1.0)):
        shown.press("Shift", key)
        atlas.shift = shift
        assert_librarys(shown, atlas)
        pictures.add(shown.drawn(0))
    shown.root.get_by_label("Model on the right").select_option(NASTY)
    atlas.right = NASTY
    assert_librarys(shown, atlas)
    assert len(pictures) == 3
    assert shown.page.evaluate("document.body.dataset.hacked") is None


def test_both_gaps_close_together(show, atlas):
    shown = Shown(show(atlas), "mgap-atlas")
    shown.root.get_by_role("button", name="Close both gaps").click()
    atlas.shift = 0.5
    assert_librarys(shown, atlas)
    assert all(side["gap"] < 0.2 for side in numbers(shown).values())


def test_a_pair_shows_what_it_finds_in_each_model_where_it_is(show, atlas, models):
    shown = Shown(show(atlas), "mgap-atlas")
    shown.press("Look at a pair", "ArrowRight", times=5)
    shown.press("Shift", "End")
    found = shown.root.locator(".mgap-found").all()
    assert len(found) == 2
    for panel, name in zip(found, ("far", "near"), strict=True):
        x, y = landscape.shift(models[name], None, 1.5)
        nearest = np.argsort(-(x @ y.T)[:, 4])[:3] + 1
        shown_pictures = [p.get_attribute("aria-label") for p in panel.locator(".mgap-thumb").all()]
        assert shown_pictures == [f"picture {k}" for k in nearest]
        rank = 1 + int(((x @ y.T)[4] > (x @ y.T)[4, 4] + 1e-9).sum())
        assert f"Its own caption ranks {rank} of {N}" in panel.inner_text()


def test_pointing_at_a_cell_names_its_row_and_column(show, atlas, models):
    shown = Shown(show(atlas), "mgap-atlas")
    order = atlas.data["sets"][0]["order"]
    box = shown.canvas(0)
    cell = (box["width"] - 18) / (2 * N)
    row, column = 3, N + 7  # an image, a text
    shown.page.mouse.move(box["x"] + 18 + (column + 0.5) * cell, box["y"] + 18 + (row + 0.5) * cell)
    shown.settle()
    image, text = order[3], order[7]
    cosines = [models[name].images[image] @ models[name].texts[text] for name in ("far", "near")]
    said = shown.root.locator(".mgap-cell").first.inner_text().replace("−", "-")
    assert f"Picture “caption {NASTY} {image}” and caption “caption {NASTY} {text}”" in said
    assert f"cosine {cosines[0]:.2f} (far), {cosines[1]:.2f} (near)" in said
    assert shown.said("Look at a pair").startswith(f"{image + 1} of")


def test_arrow_keys_walk_through_a_matrix(show, atlas):
    shown = Shown(show(atlas), "mgap-atlas")
    order = atlas.data["sets"][0]["order"]
    matrix = shown.root.locator("canvas").first
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        matrix.press(key)
    shown.settle()
    assert shown.said("Look at a pair").startswith(f"{order[2] + 1} of")
    expect(shown.root.get_by_role("status").nth(1)).to_contain_text(f"{NASTY} {order[2]}” and picture")


def test_pointing_at_a_dot_picks_its_pair(show, atlas):
    shown = Shown(show(atlas), "mgap-atlas")
    box = shown.canvas(4)  # matrices, clouds and histogram of the left, clouds of the right
    for row in range(5, 100, 2):
        for column in range(5, 100, 10):
            shown.page.mouse.move(
                box["x"] + box["width"] * column / 100, box["y"] + box["height"] * row / 100
            )
            shown.settle()
            if shown.said("Look at a pair") != "none":
                return
    raise AssertionError("no dot was met")


def test_a_try_sets_everything_it_names_and_is_marked(show, atlas):
    shown = Shown(show(atlas), "mgap-atlas")
    button = shown.root.get_by_role("button", name="Close the near one")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    shown.settle()
    assert shown.said("Shift") == "0.50" and shown.said("Look at a pair").startswith("4 of")
    expect(shown.root.get_by_label("Model on the left")).to_have_value("near")
    expect(button).to_have_attribute("aria-pressed", "true")


def test_answers_touch_on_a_dark_phone_and_a_swipe_over_a_matrix_only_scrolls(show, atlas):
    shown = Shown(show(atlas, **PHONE), "mgap-atlas")
    assert shown.root.get_attribute("data-theme") == "dark"
    assert shown.fits()
    shown.canvas(0)
    before = shown.page.evaluate("scrollY")
    shown.swipe(0, along=-200)
    assert shown.page.evaluate("scrollY") > before
    assert shown.said("Look at a pair") == "none"
    box = shown.canvas(0)
    shown.page.touchscreen.tap(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6)
    shown.settle()
    assert shown.said("Look at a pair") != "none"


def test_slider_and_both_matrices_share_a_phones_screen(show, atlas):
    shown = Shown(show(atlas, **PHONE), "mgap-atlas")
    slider = shown.slider("Shift").bounding_box()
    matrices = [shown.root.locator("canvas").nth(k).bounding_box() for k in (0, 1)]
    assert max(m["y"] + m["height"] for m in matrices) - slider["y"] < 760  # a header stands above


@pytest.mark.parametrize("options", [{}, PHONE], ids=["light", "dark phone"])
def test_axe_finds_nothing(show, atlas, options):
    shown = Shown(show(atlas, **options), "mgap-atlas")
    shown.press("Look at a pair", "ArrowRight", times=2)
    assert shown.violations() == []


def test_data_that_were_cut_are_named_in_its_place(show, atlas):
    def cut(model):
        buffer = next(b for b in model["buffers"] if b["path"][-2:] == ["cross", "levels"])
        buffer["data"] = buffer["data"][:400]

    page = show(atlas, errors=1, spoil=cut)
    assert "cross holds 300 bytes" in page.get_by_role("alert").inner_text()


# --- the address


def test_settings_live_in_the_address_and_two_atlases_keep_apart(show, atlas, models):
    other = AtlasExplorer(models, name="other")
    page = show(atlas, other)
    first, second = page.locator(".mgap-atlas").all()
    first.get_by_role("slider", name="Shift").press("End")
    page.clock.run_for(300)
    second.get_by_label("Model on the left").select_option("near")
    page.clock.run_for(300)
    assert re.sub("^[^#]*", "", page.url) == "#atlas.shift=1.5&other.left=near"
    page.reload()
    first, second = page.locator(".mgap-atlas").all()
    expect(first.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", "1.50")
    expect(first.get_by_label("Model on the left")).to_have_value("far")
    expect(second.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", "0.00")
    expect(second.get_by_label("Model on the left")).to_have_value("near")
    page.evaluate("location.hash = '#atlas.shift=-0.5'")  # a link to another state of the same page
    expect(first.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", "−0.50")


def test_a_link_leads_to_the_explorer_that_it_sets_and_nonsense_is_left_out(show, atlas, models):
    other = AtlasExplorer(models, name="other")
    page = show(atlas, other, address="#other.shift=0.5&other.left=nobody&other.pair=2.5")
    second = page.locator(".mgap-atlas").nth(1)
    expect(second.get_by_role("slider", name="Shift")).to_have_attribute("aria-valuetext", "0.50")
    expect(second.get_by_label("Model on the left")).to_have_value("far")
    page.wait_for_function("document.querySelectorAll('.mgap-atlas')[1].getBoundingClientRect().top < 200")

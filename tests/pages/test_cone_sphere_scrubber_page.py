"""The smaller explorers in a browser, on a page made here and on the book's own: numbers, keys, touch."""

import numpy as np
import pytest
from built_book import BOOK, NOT_BUILT
from playwright.sync_api import expect
from shown import PHONE, Shown

from mgaplib import metrics
from mgaplib.dynamics import sphere
from mgaplib.training import History
from mgaplib.widgets import ConeExplorer, SphereExplorer, TrainingScrubber

# --- SphereExplorer


def sphere_numbers(shown) -> dict[str, float]:
    """What the library says of the setting that a SphereExplorer shows."""
    elevation = float(shown.said("Texts off").rstrip("°"))
    upper, _, lower = shown.said("Temperature").partition("/")
    tau = float(upper) / float(lower or 1)
    mismatched = shown.root.get_by_role("checkbox").is_checked()
    pairs = sphere.six_pairs(elevation, mismatched=mismatched)
    curve = sphere.loss_curve(lambda e: sphere.six_pairs(e, mismatched=mismatched), range(91), tau)
    return {
        "gap": metrics.modality_gap(*pairs),
        "loss": metrics.contrastive_loss(*pairs, tau),
        "best_elevation": curve.argmin(),
        "best_loss": curve.min(),
    }


def assert_sphere_is_the_librarys(shown):
    assert shown.numbers() == pytest.approx(sphere_numbers(shown), abs=1e-4)


def test_sphere_numbers_are_the_librarys_under_keys_toggle_and_buttons(show):
    shown = Shown(show(SphereExplorer()), "mgap-sphere")
    assert_sphere_is_the_librarys(shown)
    shown.press("Texts off", "ArrowRight", times=6)
    shown.press("Temperature", "ArrowLeft", times=3)
    assert_sphere_is_the_librarys(shown)
    for key in ("Home", "End"):
        shown.press("Texts off", key)
        shown.press("Temperature", key)
        assert_sphere_is_the_librarys(shown)
    shown.press("Temperature", "Home")
    before = shown.numbers()
    shown.root.get_by_label("swap the captions").click()
    assert shown.numbers()["best_elevation"] == 0 != before["best_elevation"]
    assert_sphere_is_the_librarys(shown)
    shown.root.get_by_role("button", name="Lowest loss").click()
    assert shown.numbers()["gap"] == pytest.approx(0, abs=1e-9)


def test_globe_turns_by_arrow_keys_and_by_dragging_and_turns_back(show):
    shown = Shown(show(SphereExplorer(elevation=30.0)), "mgap-sphere")
    globe = shown.root.locator("canvas").first
    pictures, labels = [shown.drawn(0)], [globe.get_attribute("aria-label")]
    for key in ("ArrowLeft", "ArrowDown"):
        globe.press(key)
        pictures.append(shown.drawn(0))
        labels.append(globe.get_attribute("aria-label"))
    box = shown.canvas(0)
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + 110, steps=3)
    shown.page.mouse.up()
    pictures.append(shown.drawn(0))
    assert len(set(pictures)) == 4 and len(set(labels)) == 3
    assert_sphere_is_the_librarys(shown)  # turning changes no number
    shown.root.get_by_role("button", name="Face the pairs").click()
    assert shown.drawn(0) == pictures[0]


def test_sphere_answers_touch_on_a_dark_phone(show):
    shown = Shown(show(SphereExplorer(), **PHONE), "mgap-sphere")
    assert shown.root.get_attribute("data-theme") == "dark"
    box = shown.canvas(1)
    shown.page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + 80)
    shown.settle()
    assert float(shown.said("Texts off").rstrip("°")) > 20
    assert_sphere_is_the_librarys(shown)
    assert shown.fits()


def test_sphere_tells_a_screen_reader_what_it_shows(show):
    shown = Shown(show(SphereExplorer()), "mgap-sphere")
    status = shown.root.get_by_role("status")
    expect(status).to_contain_text("Two captions are swapped")
    shown.root.get_by_role("checkbox").click()
    expect(status).to_contain_text("All captions are right")
    assert "lowest" in shown.root.get_by_role("img").get_attribute("aria-label")


def test_sphere_without_its_data_says_so_in_its_place(show):
    page = show(SphereExplorer(), errors=1, spoil=lambda model: model["state"].update(data={}))
    assert "the data lack taus or spacing" in page.get_by_role("alert").inner_text()


# --- ConeExplorer


def narrowing(**options):
    return ConeExplorer(["relu", "tanh"], depth=6, width=32, **options)


def test_cone_numbers_are_the_librarys_under_keys_and_choice(show):
    explorer = narrowing()
    shown = Shown(show(explorer), "mgap-cone")
    assert shown.numbers() == pytest.approx(explorer.metrics, abs=1e-4)
    drawn = {shown.drawn(0)}
    for key, layer in (("End", 6), ("ArrowLeft", 5), ("Home", 0)):
        shown.press("Depth", key)
        explorer.layer = layer
        assert shown.numbers() == pytest.approx(explorer.metrics, abs=1e-4)
        drawn.add(shown.drawn(0))
    shown.press("Depth", "End")
    shown.root.get_by_label("Activation").select_option("tanh")
    explorer.layer, explorer.activation = 6, "tanh"
    assert shown.numbers() == pytest.approx(explorer.metrics, abs=1e-4)
    assert len(drawn) == 3  # layer 5 is where it began


def test_cone_answers_touch_on_a_dark_phone(show):
    explorer = narrowing()
    shown = Shown(show(explorer, **PHONE), "mgap-cone")
    box = shown.canvas(2)
    shown.page.touchscreen.tap(box["x"] + box["width"] - 20, box["y"] + 60)
    explorer.layer = 6
    assert shown.numbers() == pytest.approx(explorer.metrics, abs=1e-4)
    assert shown.root.get_attribute("data-theme") == "dark"
    assert shown.fits()


def test_cone_tells_a_screen_reader_what_it_shows(show):
    shown = Shown(show(narrowing()), "mgap-cone")
    assert "half-angle" in shown.root.get_by_role("img").nth(1).get_attribute("aria-label")
    shown.press("Depth", "Home")
    expect(shown.root.get_by_role("status")).to_contain_text("Before the first layer")


def test_two_cones_and_a_globe_stand_on_one_page(show):
    page = show(narrowing(), narrowing(seed=1), SphereExplorer())
    first, second = page.locator(".mgap-cone").all()
    first.get_by_role("slider").press("Home")
    assert first.get_by_role("slider").input_value() == "0"
    assert second.get_by_role("slider").input_value() == "5"


def test_cone_whose_tables_are_cut_says_so_in_its_place(show):
    def cut(model):
        [counts] = [buffer for buffer in model["buffers"] if buffer["path"][-1] == "counts"]
        counts["data"] = counts["data"][:400]

    page = show(narrowing(), errors=1, spoil=cut)
    assert "counts holds 300 bytes" in page.get_by_role("alert").inner_text()


# --- TrainingScrubber

NASTY = "<img src=x onerror=document.body.dataset.hacked=1>"


def run(seed, steps=(0, 5, 10, 15)):
    rng, history = np.random.default_rng(seed), History(pool=12)
    for step in steps:
        images, texts = (rng.normal(size=(12, 4)) + sign * np.eye(4)[0] for sign in (2, -2))
        history.snapshots[step] = images, texts
        gap = metrics.modality_gap(images, texts)
        history.records.append({"step": step, "gap": gap, "tau": 0.01 * (seed + 1), "loss": 4.0 / (step + 1)})
    return history


def scrubbing():
    return TrainingScrubber({"cold": run(0), NASTY: run(1)})


def run_numbers(shown) -> dict[str, dict[str, float]]:
    shown.settle()
    return shown.root.evaluate(
        "root => Object.fromEntries([...root.querySelectorAll('[data-run]')].map(part => [part.dataset.run,"
        " Object.fromEntries([...part.querySelectorAll('[data-metric]')]"
        ".map(e => [e.dataset.metric, Number(e.dataset.value)]))]))"
    )


def test_scrubber_shows_the_records_under_keys_and_names_runs_as_plain_text(show):
    scrubber = scrubbing()
    shown = Shown(show(scrubber), "mgap-scrubber")
    drawn = {shown.drawn(0)}
    for key, step in (("ArrowRight", 5), ("End", 15), ("ArrowLeft", 10)):
        shown.press("Step of training", key)
        scrubber.step = step
        assert shown.said("Step of training") == f"{step} of 15"
        assert run_numbers(shown) == {
            name: pytest.approx(m, abs=1e-9) for name, m in scrubber.metrics.items()
        }
        drawn.add(shown.drawn(0))
    assert len(drawn) == 4
    assert NASTY in shown.root.inner_text()
    assert shown.page.evaluate("document.body.dataset.hacked") is None


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_scrubber_plays_only_when_asked_and_stops_at_the_end(show, motion):
    shown = Shown(show(scrubbing(), reduced_motion=motion), "mgap-scrubber")
    clock, button = shown.page.clock, shown.root.get_by_role("button")
    clock.pause_at(shown.page.evaluate("Date.now()") + 60_000)  # from here on time passes when it is told to
    clock.run_for(5000)
    assert shown.said("Step of training") == "0 of 15"
    button.click()
    clock.run_for(500)  # a step takes 450
    assert shown.said("Step of training") == "5 of 15"
    expect(button).to_have_text("Pause")
    button.click()
    clock.run_for(5000)
    assert shown.said("Step of training") == "5 of 15"
    expect(button).to_have_text("Play")
    button.click()
    clock.run_for(5000)
    assert shown.said("Step of training") == "15 of 15"
    expect(button).to_have_text("Play")


def test_scrubber_answers_touch_on_a_dark_phone(show):
    shown = Shown(show(scrubbing(), **PHONE), "mgap-scrubber")
    box = shown.canvas(2)
    shown.page.touchscreen.tap(box["x"] + box["width"] * 0.7, box["y"] + 50)
    shown.settle()
    assert shown.said("Step of training") == "10 of 15"
    assert shown.fits()


def test_scrubber_tells_a_screen_reader_what_it_shows(show):
    shown = Shown(show(scrubbing()), "mgap-scrubber")
    shown.press("Step of training", "ArrowRight")
    expect(shown.root.get_by_role("status")).to_contain_text("Step 5. Gap:")
    assert "cold, step 5" in shown.root.get_by_role("img").first.get_attribute("aria-label")


def test_a_removed_scrubber_stops_playing(show):
    page = show(scrubbing(), scrubbing())
    page.get_by_role("button", name="Play").first.click()
    page.evaluate("document.querySelector('.static-widget').remove()")
    page.clock.run_for(5000)  # what still ran would fail on the page
    assert page.locator(".mgap-scrubber").count() == 1


# --- on the book's own pages

WIRED = [
    ("chapters/dynamics/mismatched_pairs.html", "mgap-sphere", sphere_numbers),
    ("chapters/cone/depth_and_activation.html", "mgap-cone", lambda shown: ConeExplorer(["relu"]).metrics),
]


@pytest.mark.parametrize("path, kind, library", WIRED, ids=[kind for _, kind, _ in WIRED])
def test_stands_on_its_chapters_page_with_the_librarys_numbers(visitor, path, kind, library):
    if not (BOOK / path).exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(path)
    shown = Shown(visit.page, kind)
    assert shown.numbers() == pytest.approx(library(shown), abs=1e-4)
    assert (visit.outside, visit.errors) == ([], [])
    visit.page.context.close()


def test_scrubber_stands_in_chapter_training_with_the_numbers_of_its_table(visitor):
    path = "chapters/dynamics/training.html"
    if not (BOOK / path).exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(path)
    shown = Shown(visit.page, "mgap-scrubber")
    table = visit.page.locator("table.dataframe", has_text="gap before").first.evaluate(
        """table => {
            const head = [...table.querySelectorAll("thead th")].map(cell => cell.textContent.trim());
            return Object.fromEntries([...table.querySelectorAll("tbody tr")].map(row => {
                const cells = [...row.children].map(cell => cell.textContent.trim());
                return [cells[0], Object.fromEntries(head.map((name, k) => [name, Number(cells[k])]))];
            }));
        }"""
    )
    shown.press("Step of training", "End")
    after = run_numbers(shown)
    assert set(after) == set(table) == {"fixed 0.01", "fixed 0.1", "learned", "closed start"}
    for name, row in table.items():
        for what in ("gap", "tau", "loss"):
            assert after[name][what] == pytest.approx(row[what], abs=5.1e-4), (name, what)
    shown.press("Step of training", "Home")
    before = run_numbers(shown)
    assert {name: row["gap before"] for name, row in table.items()} == pytest.approx(
        {name: numbers["gap"] for name, numbers in before.items()}, abs=5.1e-4
    )
    assert (visit.outside, visit.errors) == ([], [])
    visit.page.context.close()

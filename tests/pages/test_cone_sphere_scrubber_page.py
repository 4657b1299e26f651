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
    mismatched = shown.root.get_by_role("checkbox", name="swap").is_checked()
    pairs = sphere.six_pairs(elevation, mismatched=mismatched)
    curve = sphere.loss_curve(lambda e: sphere.six_pairs(e, mismatched=mismatched), range(91), tau)
    return {
        "gap": metrics.modality_gap(*pairs),
        "loss": sphere.loss_curve(lambda _: pairs, [0], tau)[0],
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
    shown.root.get_by_role("checkbox", name="swap").click()
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


def run(seed, steps=(0, 5, 10, 15), recall=False):
    rng, history = np.random.default_rng(seed), History(pool=12)
    for step in steps:
        images, texts = (rng.normal(size=(12, 4)) + sign * np.eye(4)[0] for sign in (2, -2))
        history.snapshots[step] = images, texts
        gap = metrics.modality_gap(images, texts)
        found = dict.fromkeys(("image_to_text", "text_to_image"), step / 20) if recall else {}
        history.records.append(
            {"step": step, "gap": gap, "tau": 0.01 * (seed + 1), "loss": 4.0 / (step + 1), **found}
        )
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


def test_a_playing_scrubber_tells_a_screen_reader_where_it_ended_and_nothing_before(show):
    shown = Shown(show(scrubbing()), "mgap-scrubber")
    clock, heard = shown.page.clock, shown.root.get_by_role("status")
    clock.run_for(800)
    clock.pause_at(shown.page.evaluate("Date.now()") + 60_000)
    before = heard.inner_text()
    shown.root.get_by_role("button").click()
    clock.run_for(1000)  # two of its three steps
    assert "Step 10." in shown.root.locator(".mgap-status").inner_text() and heard.inner_text() == before
    clock.run_for(2000)
    assert "Step 15." in heard.inner_text()


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
    box = shown.canvas(0)
    shown.page.touchscreen.tap(box["x"] + box["width"] * 0.7, box["y"] + 50)
    shown.settle()
    assert shown.said("Step of training") == "10 of 15"
    assert shown.fits()


def test_scrubber_tells_a_screen_reader_what_it_shows(show):
    shown = Shown(show(scrubbing()), "mgap-scrubber")
    shown.press("Step of training", "ArrowRight")
    expect(shown.root.get_by_role("status")).to_contain_text("Step 5. Gap:")
    pictures = [picture.get_attribute("aria-label") for picture in shown.root.get_by_role("img").all()]
    assert pictures[0].startswith("Gap through training: cold")
    assert "cold, step 5" in pictures[1]


def test_a_removed_scrubber_stops_playing(show):
    page = show(scrubbing(), scrubbing())
    page.get_by_role("button", name="Play").first.click()
    page.evaluate("document.querySelector('.static-widget').remove()")
    page.clock.run_for(5000)  # what still ran would fail on the page
    assert page.locator(".mgap-scrubber").count() == 1


def test_scrubber_draws_recall_beside_the_gap_where_every_run_recorded_it(show):
    page = show(
        TrainingScrubber({"a": run(0, recall=True), "b": run(1, recall=True)}),
        TrainingScrubber({"a": run(0, recall=True), "b": run(1)}),
    )
    first, second = page.locator(".mgap-scrubber").all()
    first.get_by_role("slider").press("End")
    label = "R@1 through training, both ways: a 0.75, b 0.75 at step 15"
    expect(first.get_by_role("img").nth(1)).to_have_attribute("aria-label", label)
    assert "R@1 through training" not in second.inner_text()


# --- what all of them do

KINDS = {
    "sphere": (lambda **o: SphereExplorer(**o), "Texts off", {"elevation": 53.0, "zoom": True}, "53°"),
    "cone": (lambda **o: narrowing(**o), "Depth", {"layer": 2, "activation": "tanh"}, "2 of 6"),
    "scrubber": (
        lambda **o: TrainingScrubber({"a": run(0), "b": run(1)}, **o),
        "Step of",
        {"step": 10},
        "10 of 15",
    ),
}
HASHES = {
    "sphere": "#sphere.elevation=53&sphere.zoom=true",
    "cone": "#cone.layer=2&cone.activation=tanh",
    "scrubber": "#training.step=10",
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_a_try_sets_it_and_the_address_says_so_and_brings_it_back(show, kind):
    build, label, state, said = KINDS[kind]
    page = show(build(tries=[("Try this", state, "It moves.")]))
    shown = Shown(page, f"mgap-{kind}")
    button = shown.root.get_by_role("button", name="Try this")
    button.click()
    page.clock.run_for(300)
    shown.settle()
    assert shown.said(label) == said
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("location.hash") == HASHES[kind]
    page.reload()
    assert Shown(page, f"mgap-{kind}").said(label) == said
    page.evaluate("location.hash = 'limits'")  # an anchor is no state: what was set stays
    assert Shown(page, f"mgap-{kind}").said(label) == said


def test_the_visible_sentence_goes_with_the_frame_and_the_live_region_waits(show, kind):
    build, label, _, _ = KINDS[kind]
    shown = Shown(show(build()), f"mgap-{kind}")
    seen, heard = shown.root.locator(".mgap-status"), shown.root.get_by_role("status")
    shown.page.clock.run_for(800)
    shown.page.clock.pause_at(shown.page.evaluate("Date.now()") + 60_000)
    before = heard.inner_text()
    assert before == seen.inner_text()
    shown.slider(label).press("End")
    shown.page.clock.run_for(50)  # a few frames
    assert seen.inner_text() != before == heard.inner_text()
    shown.page.clock.run_for(800)
    assert heard.inner_text() == seen.inner_text()


def test_a_swipe_over_a_curve_scrolls_or_moves_but_never_both(show, kind):
    build, label, _, _ = KINDS[kind]
    shown = Shown(show(build(), build(), **PHONE), f"mgap-{kind}")
    curve, across = {"sphere": (1, 120), "cone": (2, -120), "scrubber": (0, 120)}[kind]
    shown.canvas(curve)
    place, said = shown.page.evaluate("scrollY"), shown.said(label)
    shown.swipe(curve, along=-150)
    assert shown.page.evaluate("scrollY") > place and shown.said(label) == said
    shown.canvas(curve)
    place = shown.page.evaluate("scrollY")
    shown.swipe(curve, across=across)
    assert shown.page.evaluate("scrollY") == place and shown.said(label) != said


def test_slider_and_answer_share_a_phones_screen(show, kind):
    build, label, state, _ = KINDS[kind]
    shown = Shown(show(build(tries=[("Try this", state, "It moves.")]), **PHONE), f"mgap-{kind}")
    last = {"sphere": 1, "cone": 1, "scrubber": 1}[kind]
    slider, answer = shown.slider(label).bounding_box(), shown.root.locator("canvas").nth(last).bounding_box()
    assert answer["y"] + answer["height"] - slider["y"] < 760  # a header stands above


@pytest.mark.parametrize("options", [{}, PHONE], ids=["light", "dark phone"])
def test_axe_finds_nothing(show, kind, options):
    build, _, state, _ = KINDS[kind]
    shown = Shown(show(build(tries=[("Try this", state, "It moves.")]), **options), f"mgap-{kind}")
    assert shown.violations() == []


def test_a_needle_says_how_wide_it_is_and_how_much_wider_it_is_drawn(show):
    explorer = ConeExplorer(["relu"], depth=25, width=64, layer=25)
    shown = Shown(show(explorer), "mgap-cone")
    angle = explorer.metrics["half_angle"]
    assert angle < 0.2
    text = shown.root.locator("[data-metric=half_angle]").inner_text()
    assert float(text.rstrip("°")) == pytest.approx(angle, rel=0.05)


def test_a_zoomed_loss_axis_of_the_sphere_is_drawn_otherwise(show):
    shown = Shown(show(SphereExplorer(tau=1.0)), "mgap-sphere")
    flat = shown.drawn(1)
    shown.root.get_by_label("zoom in on the loss").click()
    shown.settle()
    assert shown.drawn(1) != flat


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
                const numbers = cells.slice(cells.length - head.length);
                return [cells[0], Object.fromEntries(head.map((name, k) => [name, Number(numbers[k])]))];
            }));
        }"""
    )
    shown.press("Step of training", "End")
    after = run_numbers(shown)
    assert set(after) == set(table) == {"fixed 0.01", "fixed 0.1", "learned"}
    for name, row in table.items():
        for what, head in {"gap": "gap", "tau": "τ", "loss": "loss"}.items():
            assert after[name][what] == pytest.approx(row[head], abs=5.1e-4), (name, what)
    shown.press("Step of training", "Home")
    before = run_numbers(shown)
    assert {name: row["gap before"] for name, row in table.items()} == pytest.approx(
        {name: numbers["gap"] for name, numbers in before.items()}, abs=5.1e-4
    )
    assert (visit.outside, visit.errors) == ([], [])
    visit.page.context.close()

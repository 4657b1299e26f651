"""The DynamicsExplorer in a browser: its engine is Python's, its presets keep their word, keys turn it."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from built_book import BOOK, NOT_BUILT, ROOT, serve
from playwright.sync_api import expect
from shown import PHONE, Shown, finish, opened, status

from mgaplib.book import records
from mgaplib.dynamics import bounds, free_points
from mgaplib.dynamics.free_points import COMPARISONS, Draws, FreePoints, Setting, train
from mgaplib.widgets import DynamicsExplorer
from mgaplib.widgets.dynamics_explorer import PRESETS

NAMES = ["gap", "tau", "loss", "recall", "margin"]
PAGES = {
    "chapters/dynamics/what_holds_it.html": DynamicsExplorer,
    "chapters/dynamics/gradient_flow.html": lambda: DynamicsExplorer(
        COMPARISONS["bound"][1], **COMPARISONS["bound"][0]
    ),
}


# --- the engine against the reference


@pytest.fixture(scope="module")
def engine(browser):
    """Evaluate an expression over what the engine exports; `v` are the values that are passed."""
    with serve(ROOT / "mgaplib/widgets") as site:
        page = browser.new_context().new_page()
        page.goto(site + "shared.css")  # any page of that host

        def ask(expression, **values):
            return page.evaluate(
                """async ([expression, v]) => {
                  const m = await import("/dynamics_engine.js");
                  return new Function(...Object.keys(m), "v", "return " + expression)(...Object.values(m), v);
                }""",
                [expression, values],
            )

        yield ask
        page.context.close()


RUN = """(() => {
  const points = new FreePoints(v.setting), rows = [];
  for (let k = 0; k <= 200; k++) {
    if (k) points.step();
    rows.push(v.names.map((name) => points[name]));
  }
  return [rows, [...points.images], [...points.texts]];
})()"""
SETTINGS = [
    {},
    {"n": 2, "d": 2, "start": "together", "gap": 0.3},
    {"start": "cones", "loss": "images", "tau": 0.05, "seed": 2**32 - 1},
    {"loss": "siglip", "temperature": "learned", "tau": 0.1, "wrong": 0.25},
    {"swap": "hard", "swap_share": 0.5, "temperature": "slow", "tau": 0.07},
    {"swap": "soft", "swap_share": 1.0, "temperature": "softplus", "tau": 0.07, "d": 3},
    {"swap": "rows", "swap_share": 0.3, "temperature": "scale10", "tau": 0.07, "n": 9},
    {"wrong": 0.3, "redrawn": False, "temperature": "annealed", "tau": 0.2, "tau_end": 0.02, "horizon": 150},
    *({"temperature": name, "horizon": 120, "n": 12, "seed": 5} for name in free_points.SCHEDULED),
    {"lr": 0.02, "tau_lr": 0.01, "temperature": "learned", "tau": 0.5},
    {"model": "parallel", "start": "independent", "temperature": "learned", "tau": 0.07, "lr": 0.05, "d": 3},
    {"model": "parallel", "start": "matched", "gap": 0.6, "lr": 0.2, "n": 16, "d": 17, "swap": "hard"},
    {
        "model": "parallel",
        "start": "matched",
        "loss": "siglip",
        "temperature": "slow",
        "tau": 0.1,
        "lr": 0.01,
    },
]


@pytest.mark.parametrize("knobs", SETTINGS, ids=str)
def test_200_steps_are_pythons_to_a_millionth(engine, knobs):
    setting = Setting(**knobs)
    rows, images, texts = engine(RUN, setting=asdict(setting), names=NAMES)
    points = FreePoints(setting)
    reference = [[getattr(points, name) for name in NAMES]]
    for _ in range(200):
        points.step()
        reference.append([getattr(points, name) for name in NAMES])
    np.testing.assert_allclose(rows, reference, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose([images, texts], [points.images.ravel(), points.texts.ravel()], atol=1e-6)


def test_every_option_has_been_compared():
    used = [asdict(Setting(**knobs)) for knobs in SETTINGS]
    assert {s["temperature"] for s in used} == set(free_points.TEMPERATURES)
    assert {s["swap"] for s in used} == set(free_points.SWAPS)
    assert {s["loss"] for s in used} == set(free_points.LOSSES)
    assert {s["start"] for s in used} == {*free_points.FREE_STARTS, *free_points.PARALLEL_STARTS}
    assert all(len({s[name] for s in used}) > 1 for name in used[0])


def test_both_draw_the_same_numbers(engine):
    for seed, purpose in ((0, 1), (7, 3), (2**32 - 1, 2)):
        code = "((d) => [d.uniform(), d.uniform(), d.normal()])(new Draws(v.seed, v.purpose))"
        draws = Draws(seed, purpose)
        expected = [*draws.uniform(2), *draws.normal(1)]
        assert engine(code, seed=seed, purpose=purpose) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    "n, margin, beta, gamma", [(2, 2.0, 2.0, 0.3), (16, 0.45, 14.3, 0.3), (48, 0.9, 30, 0.1)]
)
def test_the_closing_bound_is_the_librarys(engine, n, margin, beta, gamma):
    times = [0.0, 1.0, 1e3, 1e6]
    constants = "closingConstants(v.n, v.margin, v.beta, v.gamma).constants"
    code = f"v.times.map((t) => closingBound(t, {constants}, v.gamma))"
    found = engine(code, times=times, n=n, margin=margin, beta=beta, gamma=gamma)
    assert found == pytest.approx(bounds.closing(times, n, margin, beta, gamma), rel=1e-10)


@pytest.mark.parametrize("n, margin, beta", [(16, -0.1, 14.0), (16, 0.1, 2.0), (16, 0.4, 9.999)])
def test_the_closing_bound_is_silent_where_the_librarys_is(engine, n, margin, beta):
    gamma = 0.3 if margin < 0.4 else 0.0001
    with pytest.raises(ValueError):
        bounds.closing_constants(n, margin, beta, gamma)
    assert engine(
        "closingConstants(v.n, v.margin, v.beta, v.gamma).lacks", n=n, margin=margin, beta=beta, gamma=gamma
    )


@pytest.mark.parametrize(
    "n, d, beta", [(48, 15, 1 / 0.07), (2048, 3, 1 / 0.07), (np.inf, 3, 1.0), (np.inf, 63, 100.0)]
)
def test_the_opening_bound_is_the_librarys(engine, n, d, beta):
    code = "openingBound(v.n ?? Infinity, v.d, v.beta, 0.3)"
    found = engine(code, n=None if n == np.inf else n, d=d, beta=beta)
    assert found == pytest.approx(bounds.opening(n, d, beta, 0.3), rel=1e-9)


def test_a_long_run_keeps_few_numbers_evenly(engine):
    code = """(() => {
      const track = new Track();
      for (let steps = 0; steps <= 10000; steps++) track.follow({ steps, gap: steps, tau: 1, loss: 1 });
      return track.kept;
    })()"""
    kept = engine(code)
    assert len(kept["step"]) <= 1024 and kept["step"] == kept["gap"]
    assert set(np.diff(kept["step"])) == {16} and kept["step"][-1] == 10000


# --- the presets


def numbers(shown) -> dict[str, dict[str, float]]:
    shown.settle()
    return shown.root.evaluate(
        "root => Object.fromEntries([...root.querySelectorAll('[data-run]')].map(part => [part.dataset.run,"
        " Object.fromEntries([...part.querySelectorAll('[data-metric]')]"
        ".map(e => [e.dataset.metric, Number(e.dataset.value)]))]))"
    )


def choice(shown, name):
    return shown.root.get_by_role("combobox", name=name)


@pytest.mark.parametrize("comparison", PRESETS)
def test_a_preset_keeps_its_word(show, comparison):
    """The record has seeds 1 to 10; the page runs seed 0, which must lie where one more run should."""
    shown = Shown(show(DynamicsExplorer(n=4, speed=500)), "mgap-dynamics")
    button = shown.root.get_by_role("button", name=PRESETS[comparison][0])
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    steps = 1000 if comparison == "wrong" else 2000
    finish(shown)  # the status may still be that of the run before
    expect(status(shown)).to_contain_text(f"Step {steps:,}:")
    found = numbers(shown)
    runs = records.load("free_points").runs
    first, instead = COMPARISONS[comparison]
    for name, second, knobs in (("first", False, first), ("second", True, {**first, **instead})):
        seen = [
            r["gap_at"][steps // 100] for r in runs if (r["comparison"], r["second"]) == (comparison, second)
        ]
        assert len(seen) == 10
        assert records.foretold(seen, found[name]["gap"]), (name, found[name]["gap"], seen)
        assert found[name]["gap"] == pytest.approx(train(steps, **knobs).gap[-1], abs=1e-4)


def test_the_theorems_bound_is_shown_and_kept(show):
    shown = Shown(show(DynamicsExplorer(speed=500)), "mgap-dynamics")
    shown.root.get_by_role("button", name="No faster").click()
    expect(status(shown)).to_contain_text("Step 2,000:")
    points = FreePoints(**COMPARISONS["bound"][0])
    margin = points.margin / (1 - points.gamma**2)  # it grows from here on
    low = 2 * bounds.closing([2000 * 0.2], 16, margin, 1 / 0.07, 0.3)[0]
    note = shown.root.locator(".mgap-note").first
    expect(note).to_contain_text(f"cannot be below {low:.3f} now")
    expect(note).to_contain_text("says nothing here: it needs 1/τ = exp(ν)")
    assert numbers(shown)["first"]["gap"] > low


def test_the_theorem_on_opening_is_shown_at_independent_starts(show):
    knobs = {"model": "parallel", "start": "independent", "gap": 0.6, "lr": 0.05, "n": 20, "d": 9}
    shown = opened(show(DynamicsExplorer(temperature="learned", tau=0.07, **knobs)))
    shown.root.get_by_role("button", name="Restart").click()
    note = shown.root.locator(".mgap-note").first
    many, few = (bounds.opening(n, 8, 1 / 0.07, 0.3) for n in (np.inf, 20))
    expect(note).to_contain_text(f"grows by {many:.1f} or more")
    expect(note).to_contain_text(f"its bound is {few:.1f}".replace("-", "−"))
    expect(note).to_contain_text("some pair is not matched")
    shown.root.get_by_role("button", name="Step").click()
    run = train(1, temperature="learned", tau=0.07, **knobs)
    expect(note).to_contain_text(f"the first step gave {(run.gap[1] - run.gap[0]) / 0.05:.1f}")


def test_what_is_said_of_the_bound_goes_with_every_frame(show):
    setting, beside = COMPARISONS["bound"]
    shown = opened(show(DynamicsExplorer(beside, **setting)))
    shown.root.get_by_role("button", name="Restart").click()
    note, clock = shown.root.locator(".mgap-note").first, shown.page.clock
    clock.pause_at(shown.page.evaluate("Date.now()") + 60_000)
    shown.root.get_by_role("button", name="Play").click()
    said = []
    for _ in range(3):
        clock.run_for(100)  # a few frames
        expect(shown.root.get_by_role("button", name="Pause")).to_be_visible()
        said.append(re.search(r"cannot be below ([\d.]+) now", note.inner_text())[1])
    assert len(set(said)) == 3 and said == sorted(said, reverse=True)


# --- the controls


#: Keeps every text that the eye's line of words takes from now on.
SAID = """
    window.said = [];
    const keep = () => {
        const words = document.querySelector('.mgap-status')?.textContent;
        if (words && words !== said.at(-1)) said.push(words);
    };
    new MutationObserver(keep).observe(document, { childList: true, subtree: true });
"""


def test_where_no_motion_is_wanted_it_opens_on_the_finished_run(show):
    seen = {}
    for motion in ("reduce", "no-preference"):
        page = show(DynamicsExplorer({"tau": 0.1}, n=12, tau=0.01), reduced_motion=motion)
        page.add_init_script(SAID)
        page.reload()
        shown = Shown(page, "mgap-dynamics")
        expect(status(shown)).to_contain_text("Step 2,000:")
        finish(shown)
        told = shown.root.get_by_text("Your system asks for less motion")
        expect(told).to_have_count(int(motion == "reduce"))
        seen[motion] = numbers(shown), [shown.drawn(k) for k in range(2, 6)], page.evaluate("said")
        for name, second in (("first", 0.01), ("second", 0.1)):
            assert seen[motion][0][name]["gap"] == pytest.approx(
                train(2000, n=12, tau=second).gap[-1], abs=1e-4
            )
    (still, curves, said), (moved, drawn, frames) = seen["reduce"], seen["no-preference"]
    assert still == moved and curves == drawn  # the same run, the same curves
    assert [words.split(":")[0] for words in said] == ["Step 0", "Step 2,000"] and len(frames) > 10


def test_a_knob_turned_before_it_has_opened_opens_it_so(show):
    shown = Shown(show(DynamicsExplorer(n=128, d=32)), "mgap-dynamics")
    expect(shown.root.get_by_role("button", name="Pause")).to_be_visible()
    shown.press("Temperature", "End")  # before it is through
    finish(shown)
    expect(status(shown)).to_contain_text("Step 2,000:")
    assert numbers(shown)["first"]["tau"] == 1


def test_it_opens_no_run_at_its_end_that_a_reader_has_begun_anew(show):
    shown = Shown(show(DynamicsExplorer(n=128, d=64)), "mgap-dynamics")
    expect(shown.root.get_by_role("button", name="Pause")).to_be_visible()
    shown.root.get_by_role("button", name="Restart").press("Enter")  # before it is through
    shown.page.clock.run_for(2000)
    expect(status(shown)).to_contain_text("Step 0:")
    expect(shown.root.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_restarted_it_waits_where_no_motion_is_wanted_and_steps_as_python(show):
    shown = opened(show(DynamicsExplorer(tau=0.05, n=12)))
    shown.root.get_by_role("button", name="Restart").press("Enter")
    shown.page.clock.run_for(2000)
    run = train(3, tau=0.05, n=12)
    names = ["gap", "tau", "loss", "recall"]
    for step in range(4):
        expect(status(shown)).to_contain_text(f"Step {step}:")
        assert numbers(shown) == {"first": pytest.approx({n: getattr(run, n)[step] for n in names}, abs=1e-9)}
        shown.root.get_by_role("button", name="Step").press("Enter")
    shown.root.get_by_role("button", name="Restart").press("Enter")
    expect(status(shown)).to_contain_text("Step 0:")


def test_it_plays_once_in_sight_pauses_by_itself_and_does_not_chatter(show):
    page = show(DynamicsExplorer(n=4), reduced_motion="no-preference")
    shown = Shown(page, "mgap-dynamics")
    page.evaluate(
        "() => { const status = document.querySelector('[role=status]'); window.said = [];"
        " new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true }); }"
    )
    expect(status(shown)).to_contain_text("Step 2,000:")
    assert len(page.evaluate("window.said")) <= 2
    button = shown.root.get_by_role("button", name="Play", exact=True)
    button.press("Enter")  # and further, until it is told to stop
    pause = shown.root.get_by_role("button", name="Pause")
    expect(pause).to_be_visible()
    pause.press("Enter")
    expect(button).to_be_visible()


def test_every_knob_turns_by_keyboard(show):
    shown = Shown(show(DynamicsExplorer(n=8)), "mgap-dynamics")
    shown.root.locator("summary").press("Enter")
    controls = shown.root.locator(".mgap-controls").locator("input, select").all()
    assert len(controls) == 15  # every knob but the optimizer's of the temperature, and what stands beside
    before = shown.page.url
    for control in controls:
        label = control.evaluate("c => c.labels[0].textContent")
        control.focus()
        value = control.input_value()
        for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
            control.press(key)
            if control.input_value() != value:
                break
        assert control.input_value() != value, label
        expect(shown.page).not_to_have_url(before)
        before = shown.page.url


def test_turning_a_knob_starts_anew_with_that_knob(show):
    shown = opened(show(DynamicsExplorer(tau=0.1)))
    shown.press("Temperature", "Home")
    expect(status(shown)).to_contain_text("Step 0:")
    assert numbers(shown)["first"]["tau"] == 0.005
    choice(shown, "The temperature is").select_option("learned")  # CLIP's never falls below .01
    shown.settle()
    assert shown.said("Temperature") == "0.01"


def test_one_knob_of_the_second_run_is_chosen_and_left_out(show):
    shown = opened(show(DynamicsExplorer(tau=0.1, n=8)))
    beside = choice(shown, "Beside it")
    assert set(numbers(shown)) == {"first"}
    beside.select_option("temperature")
    shown.settle()
    second = choice(shown, "The temperature is").nth(1)
    second.select_option("S3")
    assert numbers(shown)["second"]["tau"] == pytest.approx(0.01)
    choice(shown, "The temperature is").first.select_option("S3")  # now they do not differ
    found = numbers(shown)
    assert found["first"] == found["second"]
    beside.select_option("")
    assert set(numbers(shown)) == {"first"}


def test_parallel_modalities_have_starts_of_their_own(show):
    shown = Shown(show(DynamicsExplorer(d=2, tau=0.1, n=8)), "mgap-dynamics")
    shown.root.locator("summary").click()
    choice(shown, "What moves").select_option("parallel")
    shown.settle()
    start = choice(shown, "Start")
    assert start.input_value() == "matched" and shown.said("Dimensions") == "3"
    assert start.locator("option:not([disabled])").all_inner_texts() == [
        "all directions alike",
        "every pair matched",
    ]


def test_the_globe_turns_by_keys_and_by_dragging(show):
    shown = opened(show(DynamicsExplorer(d=3, n=8, tau=0.1)))
    drawn = [shown.drawn(0)]
    globe = shown.root.get_by_role("application")
    for key in ("ArrowLeft", "ArrowUp"):
        globe.press(key)
        drawn.append(shown.drawn(0))
    box = shown.canvas(0)
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + 80, steps=3)
    shown.page.mouse.up()
    assert len({*drawn, shown.drawn(0)}) == 4


def test_the_curves_have_the_theorems_axis_too(show):
    shown = opened(show(DynamicsExplorer(n=8, tau=0.1)))
    expect(status(shown)).to_contain_text("Step 2,000:")
    linear = shown.drawn(2)
    choice(shown, "Axis").select_option("theory")
    shown.settle()
    assert shown.drawn(2) != linear
    expect(status(shown)).to_contain_text("Step 2,000:")  # it turns no knob


# --- the address


def test_the_address_holds_how_runs_are_shown(show):
    page = show(DynamicsExplorer(n=4))
    shown = Shown(page, "mgap-dynamics")
    choice(shown, "Axis").select_option("theory")
    choice(shown, "Steps a frame").select_option("100")
    page.clock.run_for(300)
    assert page.evaluate("location.hash") == "#dynamics.speed=100&dynamics.theory=true"
    page.reload()
    expect(choice(shown, "Axis")).to_have_value("theory")
    expect(choice(shown, "Steps a frame")).to_have_value("100")
    page.evaluate("location.hash = 'dynamics.speed=5'")
    expect(choice(shown, "Axis")).to_have_value("linear")
    expect(choice(shown, "Steps a frame")).to_have_value("5")


def test_the_address_holds_the_knobs(show):
    said = {"d": 3, "tau": 0.03, "temperature": "learned", "redrawn": "false", "beside": "wrong:0.25"}
    address = "#" + "&".join(f"dynamics.{name}={value}" for name, value in said.items())
    shown = opened(show(DynamicsExplorer(), address=address))
    expected = {"d": 3, "tau": 0.03, "temperature": "learned", "redrawn": False}
    ends = train(2000, **expected), train(2000, **expected, wrong=0.25)
    found = numbers(shown)
    for name, run in zip(("first", "second"), ends, strict=True):
        for number in ("gap", "tau", "loss"):
            assert found[name][number] == pytest.approx(getattr(run, number)[-1], abs=1e-4)
    shown.page.evaluate("location.hash = 'dynamics.tau=0.5'")  # and nothing else
    expect(shown.slider("Temperature").first).to_have_attribute("aria-valuetext", "0.5")
    assert numbers(shown)["second"]["tau"] == pytest.approx(0.1)  # as it was at first
    shown.press("Dimensions", "Home")
    expect(shown.page).to_have_url(
        re.compile(r"#dynamics\.d=2&dynamics\.tau=0\.5$|#dynamics\.tau=0\.5&dynamics\.d=2$")
    )


@pytest.mark.parametrize(
    "nonsense",
    [
        "#dynamics",
        "#dynamics.tau=hot&dynamics.n=&dynamics.__proto__=1&dynamics.start=matched&dynamics.beside=swap:%E0%A4%A",
        "#dynamics.n=1e9&dynamics.d=1e9&dynamics.tau=-1&dynamics.beside=model:parallel",
        "#another",
    ],
)
def test_an_address_that_makes_no_sense_changes_nothing(show, nonsense):
    shown = opened(show(DynamicsExplorer(), address=nonsense))
    assert {run: found["gap"] for run, found in numbers(shown).items()} == {
        "first": pytest.approx(train(2000, tau=0.01).gap[-1], abs=1e-4),
        "second": pytest.approx(train(2000, tau=0.1).gap[-1], abs=1e-4),
    }


def test_a_preset_can_be_linked_to(show):
    page = show(DynamicsExplorer())
    shown = Shown(page, "mgap-dynamics")
    shown.root.get_by_role("button", name="No faster").click()
    expect(page).to_have_url(re.compile("beside=temperature"))
    page.reload()
    expect(shown.root.get_by_role("button", name="No faster")).to_have_attribute("aria-pressed", "true")


# --- everybody


@pytest.mark.parametrize("width", [390, 768, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_axe_finds_nothing(show, width, scheme):
    page = show(DynamicsExplorer(d=3), viewport={"width": width, "height": 900}, color_scheme=scheme)
    shown = Shown(page, "mgap-dynamics")
    assert shown.root.get_attribute("data-theme") == scheme
    shown.root.locator("summary").click()
    assert shown.fits()
    found = Axe().run(page, context=".mgap", options={"resultTypes": ["violations"]}).response["violations"]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == []


def test_forced_colours_are_the_readers(show):
    shown = Shown(show(DynamicsExplorer(), forced_colors="active"), "mgap-dynamics")
    ink = shown.root.evaluate("root => getComputedStyle(root).getPropertyValue('--mgap-ink').trim()")
    assert ink == "CanvasText"


def test_touch_on_a_dark_phone(show):
    shown = Shown(show(DynamicsExplorer(n=8, speed=500), **PHONE), "mgap-dynamics")
    shown.root.get_by_role("button", name="Three dimensions").tap()
    expect(status(shown)).to_contain_text("Step 2,000:")
    assert shown.fits()


def test_two_explorers_are_independent_and_each_has_its_name_in_the_address(show):
    address = "#dynamics.tau=0.3&other.tau=0.5"
    page = show(DynamicsExplorer(tau=0.1), DynamicsExplorer(tau=0.2, name="other"), address=address)
    first, second = page.locator(".mgap-dynamics").all()
    for root, said in ((first, "0.3"), (second, "0.5")):
        expect(root.get_by_role("slider", name="Temperature")).to_have_attribute("aria-valuetext", said)
    second.get_by_role("slider", name="Temperature").press("End")
    expect(page).to_have_url(re.compile(r"#dynamics\.tau=0\.3&other\.tau=1$"))


def test_removed_while_it_plays_it_stops(show):
    page = show(DynamicsExplorer(n=8), DynamicsExplorer(n=8), reduced_motion="no-preference")
    Shown(page, "mgap-dynamics")
    page.evaluate("document.querySelector('.static-widget').remove()")
    [left] = page.locator(".mgap-dynamics").all()
    left.scroll_into_view_if_needed()
    expect(left.get_by_role("status")).to_contain_text("Step 2,000:")


def test_without_its_data_it_says_so(show):
    page = show(DynamicsExplorer(), errors=1, spoil=lambda model: model["state"].update(data={}))
    assert "the data lack defaults or presets" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("page, explorer", PAGES.items())
def test_it_stands_at_the_head_of_its_part_and_with_the_theory(visitor, page, explorer):
    if not (BOOK / page).exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(page, reduced_motion="reduce")
    shown = opened(visit.page)
    ends = {name: train(2000, setting) for name, setting in explorer().runs().items()}
    gaps = {name: pytest.approx(run.gap[-1], abs=1e-4) for name, run in ends.items()}
    assert {name: found["gap"] for name, found in numbers(shown).items()} == gaps
    assert (visit.outside, visit.errors) == ([], [])
    visit.page.context.close()

"""The DynamicsExplorer's Python side: knobs are checked, numbers the library's, the picture a run's."""

import json

import pytest
import traitlets
from test_cone_sphere_scrubber import assert_front_end_is_self_contained, assert_shows_a_picture, saved_size

from mgaplib.dynamics import free_points
from mgaplib.dynamics.free_points import COMPARISONS, FreePoints, Setting
from mgaplib.widgets import DynamicsExplorer
from mgaplib.widgets.dynamics_explorer import PRESETS


def numbers(**knobs):
    points = FreePoints(**knobs)
    return {name: pytest.approx(getattr(points, name)) for name in ("gap", "tau", "loss", "recall")}


def test_it_begins_with_the_first_comparison_or_with_the_knobs_that_were_passed():
    assert DynamicsExplorer().metrics == {"first": numbers(tau=0.01), "second": numbers(tau=0.1)}
    assert DynamicsExplorer(tau=0.3).metrics == {"first": numbers(tau=0.3)}
    both = DynamicsExplorer(d=3, seed=2, beside={"wrong": 0.5})
    assert both.metrics == {"first": numbers(d=3, seed=2), "second": numbers(d=3, seed=2, wrong=0.5)}


def test_knobs_can_be_turned_and_a_front_end_is_heard():
    explorer = DynamicsExplorer(tau=0.3)
    explorer.setting = {"tau": 0.05, "n": 9}
    assert explorer.runs() == {"first": Setting(tau=0.05, n=9)}
    explorer.set_state({"setting": {**explorer.setting, "tau": 1}, "beside": {"loss": "siglip"}})
    assert explorer.metrics == {"first": numbers(tau=1, n=9), "second": numbers(tau=1, n=9, loss="siglip")}
    explorer.set_state({"records": {"first": {"step": [0], "gap": [0.5]}}})
    assert explorer.records["first"]["gap"] == [0.5]


def test_every_preset_is_a_comparison_with_its_recorded_gaps():
    assert list(PRESETS) == list(COMPARISONS)
    for (id, (name, sentence)), preset in zip(
        PRESETS.items(), DynamicsExplorer().data["presets"], strict=True
    ):
        assert (preset["name"], preset["sentence"]) == (name, sentence)
        assert (preset["setting"], preset["beside"]) == COMPARISONS[id]
        assert len(preset["beside"]) == 1 and "ten other seeds: gap" in preset["claim"]
        Setting().turned(**preset["setting"]).turned(**preset["beside"])


def test_the_front_ends_knobs_offer_every_name_of_the_library():
    source = DynamicsExplorer._esm
    names = [*free_points.TEMPERATURES, *free_points.SWAPS, *free_points.LOSSES]
    names += [*free_points.FREE_STARTS, *free_points.PARALLEL_STARTS]
    assert [name for name in names if f"{name}: " not in source] == []


BAD = [
    ({"taus": 0.1}, "unknown knob 'taus'; did you mean 'tau'"),
    ({"tau": 3.0}, "tau is 3.0"),
    ({"beside": {"tau": -1}}, "tau is -1"),
    ({"beside": {"hue": 1}}, "unknown knob 'hue'"),
    ({"beside": {"tau": 0.1, "d": 3}}, "beside holds 2 knobs; pass one"),
    ({"beside": {"model": "parallel"}}, "unknown start of the parallel model"),
    ({"presets": ["frosen"]}, "unknown preset 'frosen'; did you mean 'frozen'"),
    ({"speed": 0}, "speed is 0; pass steps a frame"),
]


@pytest.mark.parametrize("options, words", BAD, ids=lambda v: str(v)[:40])
def test_what_makes_no_sense_is_named(options, words):
    with pytest.raises((ValueError, traitlets.TraitError), match=words):
        DynamicsExplorer(**options)


def test_a_refused_knob_changes_nothing():
    explorer = DynamicsExplorer(tau=0.3, beside={"tau": 0.005})
    for setting in (
        {"tau": 9.0},
        {"temperature": "learned", "tau": 0.1},
    ):  # the second run's would be too low
        with pytest.raises(ValueError):
            explorer.setting = setting
        assert explorer.setting["tau"] == 0.3


def test_it_is_small_self_contained_and_has_a_picture():
    explorer = DynamicsExplorer(n=8, d=4)
    assert saved_size(explorer) < 100_000
    assert_front_end_is_self_contained(explorer)
    assert_shows_a_picture(explorer)
    assert json.dumps(explorer.get_state(["setting", "beside", "metrics", "data"]))


def test_its_words_are_those_of_the_run():
    explorer = DynamicsExplorer(n=8, d=4, beside={"tau": 0.1})
    gap, other = (free_points.train(2000, n=8, d=4, tau=tau).gap[-1] for tau in (0.01, 0.1))
    assert (
        f"8 pairs in 4 dimensions (n=8, d=4): gap {gap:.2f} after 2000 steps; with tau=0.1 {other:.2f}"
        in repr(explorer)
    )

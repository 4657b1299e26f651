"""The smaller explorers' Python side: their numbers are the library's, and bad settings are named."""

import json
import re

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from ipywidgets import Widget, embed

from mgaplib import cone, metrics
from mgaplib.cone import kernels
from mgaplib.dynamics import sphere
from mgaplib.training import History
from mgaplib.widgets import ConeExplorer, GapExplorer, SphereExplorer, TrainingScrubber


def saved_size(widget) -> int:
    """Return how many characters a notebook saves of a widget."""
    return len(json.dumps(embed.dependency_state([widget], drop_defaults=False)))


def assert_front_end_is_self_contained(widget):
    for source in (widget._esm, widget._css):
        assert not re.search(
            r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source
        )
        assert "import " not in source  # one module, nothing to fetch


def assert_shows_a_picture(widget):
    bundle, _ = widget._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBORw0KGgo")
    assert len(bundle["image/png"]) < 150_000
    assert bundle["text/plain"] == repr(widget)


def test_an_old_ipywidgets_that_shows_itself_does_not_lose_the_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(Widget, "_ipython_display_", lambda self, **kwargs: shown.append(self), raising=False)
    bundle, _ = DisplayFormatter().format(SphereExplorer())
    assert shown == [] and {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(bundle)


TRIED = {
    "gap": (
        lambda **o: GapExplorer(*np.random.default_rng(0).normal(size=(2, 9, 4)), **o),
        {"shift": 0.5, "pair": 8},
    ),
    "cone": (lambda **o: ConeExplorer(["relu"], depth=3, width=32, **o), {"layer": 3}),
    "sphere": (lambda **o: SphereExplorer(**o), {"elevation": 40.0, "mismatched": False}),
    "scrubber": (lambda **o: TrainingScrubber({"a": draw_history()}, **o), {"step": 5}),
}


@pytest.mark.parametrize("kind", TRIED)
def test_a_try_is_checked_sent_and_changes_nothing_by_itself(kind):
    build, state = TRIED[kind]
    widget, plain = build(tries=[("Try", state, "It moves.")], name="first"), build()
    assert (
        widget.tries == [{"label": "Try", "state": state, "sentence": "It moves."}] and widget.name == "first"
    )
    assert all(getattr(widget, name) == getattr(plain, name) for name in widget.settings)
    assert widget.metrics == plain.metrics


@pytest.mark.parametrize(
    "kind, state, error, words",
    [
        ("gap", {"shift": 9.0}, traitlets.TraitError, "shift is 9.0; pass -1 to 1.5"),
        ("gap", {"pair": 9}, traitlets.TraitError, "pair is 9; pass 0 to 8"),
        ("cone", {"depth": 1}, ValueError, "unknown setting in tries 'depth'"),
        ("sphere", {"elevaton": 1.0}, ValueError, "did you mean 'elevation'"),
        ("scrubber", {"step": 7}, traitlets.TraitError, "step is 7; pass one of"),
        ("scrubber", 5, ValueError, "pass a label, a dict"),
    ],
)
def test_a_try_that_makes_no_sense_is_named(kind, state, error, words):
    with pytest.raises(error, match=words):
        TRIED[kind][0](tries=[("Try", state, "It moves.")])


def test_a_name_that_would_not_stand_in_an_address_is_refused():
    with pytest.raises(traitlets.TraitError, match="letters, digits"):
        SphereExplorer(name="two words")


# --- SphereExplorer


@pytest.fixture(scope="module")
def globe():
    return SphereExplorer()


@settings(max_examples=25, deadline=None)
@given(elevation=st.floats(-90, 90), tau=st.floats(0.005, 1), mismatched=st.booleans())
def test_sphere_metrics_are_the_librarys_at_every_setting(globe, elevation, tau, mismatched):
    globe.elevation, globe.tau, globe.mismatched = elevation, tau, mismatched
    images, texts = sphere.six_pairs(elevation, mismatched=mismatched)
    expected = {
        "gap": metrics.modality_gap(images, texts),
        "loss": sphere.loss_curve(lambda _: (images, texts), [0], tau)[0],
    }
    assert {name: globe.metrics[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("sharpness, degrees", [(1, 0), (5, 0), (35, 53), (50, 65), (100, 78)])
def test_sphere_finds_the_minima_of_the_papers_notebook(sharpness, degrees):
    assert SphereExplorer(tau=1 / sharpness).metrics["best_elevation"] == degrees
    assert SphereExplorer(tau=1 / sharpness, mismatched=False).metrics["best_elevation"] == 0


def test_sphere_takes_the_papers_other_spacing():
    images, texts = sphere.six_pairs(30.0, spacing=15.0)
    explorer = SphereExplorer(15.0, elevation=30.0, tau=0.1)
    assert explorer.metrics["loss"] == pytest.approx(metrics.contrastive_loss(images, texts, 0.1))


def test_sphere_hears_a_front_end(globe):
    globe.set_state({"elevation": 0.0, "mismatched": False})  # what a message from the browser calls
    assert globe.metrics["gap"] == pytest.approx(0.0, abs=1e-9)


def test_sphere_slider_stops_at_the_papers_temperatures(globe):
    taus = np.array(globe.data["taus"])
    assert np.all(np.diff(taus) > 0)
    assert all(np.isclose(taus, 1 / sharpness).any() for sharpness in (1, 5, 35, 50, 100))


@pytest.mark.parametrize(
    "name, value", [("elevation", -91.0), ("elevation", 120.0), ("tau", 0.0), ("tau", 2.0)]
)
def test_sphere_settings_outside_the_sliders_are_refused(globe, name, value):
    before = getattr(globe, name)
    with pytest.raises(traitlets.TraitError, match=rf"{name} is {re.escape(str(value))}; pass"):
        setattr(globe, name, value)
    assert getattr(globe, name) == before


@pytest.mark.parametrize("spacing", [0.0, -20.0, 90.0, float("nan")])
def test_sphere_spacings_that_make_no_sense_are_named(spacing):
    with pytest.raises(ValueError, match="spacing is"):
        SphereExplorer(spacing)


def test_sphere_is_small_self_contained_and_has_a_picture(globe):
    assert saved_size(globe) < 70_000
    assert_front_end_is_self_contained(globe)
    assert_shows_a_picture(globe)


# --- ConeExplorer


@pytest.fixture(scope="module")
def narrowing():
    return ConeExplorer(["tanh", "relu"], depth=6, width=32, seed=3)


def test_cone_metrics_are_the_librarys_at_every_layer(narrowing):
    inputs = np.random.default_rng(3).standard_normal((256, 32), dtype=np.float32)
    for name in ("tanh", "relu"):
        rng = np.random.default_rng([3, kernels.ACTIVATIONS.index(name)])
        layers = list(cone.mlp_layers(inputs, 6, name, rng))
        predicted = kernels.predicted_cosines(
            6,
            name,
            cosine=metrics.mean_cosine(inputs),
            squared_norm=np.square(inputs).sum(axis=1).mean(),
            width=32,
        )
        narrowing.activation = name
        for layer, features in enumerate(layers):
            narrowing.layer = layer
            unit = features / np.linalg.norm(features, axis=1, keepdims=True)
            centre = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
            assert narrowing.metrics["mean_cosine"] == pytest.approx(metrics.mean_cosine(features))
            assert narrowing.metrics["predicted_cosine"] == pytest.approx(predicted[layer], abs=1e-6)
            angle = np.degrees(np.arccos((unit @ centre).mean()))
            assert narrowing.metrics["half_angle"] == pytest.approx(angle, abs=1e-3)


def test_cone_histograms_count_every_pair_once_at_its_cosine(narrowing):
    data = narrowing.data
    counts = np.frombuffer(data["counts"], "<u4").reshape(2, 7, 100)
    measured = np.frombuffer(data["measured"], "<f8").reshape(2, 7)
    assert (counts.sum(axis=-1) == 256 * 255 // 2).all()
    centres = np.linspace(-0.99, 0.99, 100)
    assert counts @ centres / counts.sum(axis=-1) == pytest.approx(measured, abs=0.01)  # half a bin


def test_cone_of_a_network_does_not_depend_on_which_others_are_drawn(narrowing):
    alone = ConeExplorer(["relu"], depth=6, width=32, seed=3, layer=4)
    narrowing.activation, narrowing.layer = "relu", 4
    assert alone.metrics == narrowing.metrics


def test_cone_takes_inputs_and_leaves_them_as_they_were():
    inputs = np.abs(np.random.default_rng(0).normal(size=(40, 8)))
    before = inputs.copy()
    explorer = ConeExplorer(["linear"], depth=2, width=16, inputs=inputs, layer=0)
    assert explorer.metrics["mean_cosine"] == pytest.approx(metrics.mean_cosine(inputs))
    assert np.array_equal(inputs, before)


def test_cone_hears_a_front_end(narrowing):
    narrowing.set_state({"layer": 0, "activation": "tanh"})
    assert abs(narrowing.metrics["mean_cosine"]) < 0.1


BAD_CONES = {
    "unknown activation": ({"activations": ["swish"]}, ValueError, "unknown activation"),
    "no activation": ({"activations": []}, ValueError, "activations is empty"),
    "no depth": ({"depth": 0}, ValueError, "depth is 0"),
    "no width": ({"width": 0}, ValueError, "width is 0"),
    "integers": ({"inputs": np.ones((4, 4), int)}, TypeError, "floating point"),
    "one input": ({"inputs": np.ones((1, 4))}, ValueError, "inputs"),
    "no such layer": ({"layer": 9, "depth": 2}, traitlets.TraitError, "layer is 9; pass 0"),
    "not drawn": (
        {"activation": "relu", "activations": ["tanh"]},
        traitlets.TraitError,
        "activation is 'relu'; pass one of tanh",
    ),
}


@pytest.mark.parametrize("kind", BAD_CONES)
def test_cone_names_bad_input(kind):
    options, error, message = BAD_CONES[kind]
    with pytest.raises(error, match=message):
        ConeExplorer(**{"activations": ["linear"], "depth": 2, "width": 8, **options})


def test_cone_is_small_self_contained_and_has_a_picture(narrowing):
    assert len(kernels.ACTIVATIONS) * 26 * 100 * 4 < 100_000  # its largest table, for all networks
    assert saved_size(narrowing) < 70_000
    assert_front_end_is_self_contained(narrowing)
    assert_shows_a_picture(narrowing)


# --- TrainingScrubber


def draw_history(seed=0, n=20, d=6, steps=(0, 5, 10)):
    """A run as `train` records it: more records than snapshots, a gap that shrinks."""
    rng = np.random.default_rng(seed)
    meaning, history = rng.normal(size=(n, d)), History(pool=n)
    for step in (*steps, steps[-1] + 5):
        offset = (3 - 0.2 * step) * np.eye(d)[0]
        images, texts = (meaning + 0.3 * rng.normal(size=(n, d)) + sign * offset for sign in (1, -1))
        images, texts = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts))
        gap, loss = metrics.modality_gap(images, texts), metrics.contrastive_loss(images, texts, 0.1)
        history.records.append({"step": step, "gap": gap, "tau": 0.1 / (step + 1), "loss": loss})
        if step in steps:
            history.snapshots[step] = images.astype(np.float32), texts.astype(np.float32)
    return history


@pytest.fixture(scope="module")
def histories():
    return {"cold": draw_history(0), "warm": draw_history(1)}


@pytest.fixture(scope="module")
def scrubber(histories):
    return TrainingScrubber(histories)


def sent_points(scrubber):
    data = scrubber.data
    shape = len(data["runs"]), len(data["steps"]), 2, data["n"], 2
    return np.frombuffer(data["points"], "<i2").reshape(shape) / data["scale"]


@pytest.mark.parametrize("step", [0, 5, 10])
def test_scrubber_metrics_are_the_records(scrubber, histories, step):
    scrubber.step = step
    for name, history in histories.items():
        [record] = [record for record in history.records if record["step"] == step]
        assert scrubber.metrics[name] == {what: record[what] for what in ("gap", "tau", "loss")}


def test_scrubber_sends_a_fixed_projection_along_and_across_the_mean_gap(scrubber, histories):
    for points, history in zip(sent_points(scrubber), histories.values(), strict=True):
        steps = history.snapshots.values()
        gaps = [metrics.gap_vector(images, texts) for images, texts in steps]
        axis = np.mean(gaps, axis=0) / np.linalg.norm(np.mean(gaps, axis=0))
        for frame, pair in zip(points, steps, strict=True):
            assert frame[..., 0] == pytest.approx(np.stack(pair) @ axis, abs=1e-4)
        flat = np.concatenate([x for pair in steps for x in pair])
        flat = flat - np.outer(flat @ axis, axis)
        most = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][0]
        across = points[..., 1].ravel()
        signs = [np.abs(across - sign * (flat @ most)).max() for sign in (1, -1)]
        assert min(signs) < 1e-3


def test_scrubber_without_any_gap_falls_back_on_principal_components():
    x = np.eye(4)
    records = [{"step": step, "gap": 0.0, "tau": 0.1, "loss": 1.0} for step in (0, 1)]
    scrubber = TrainingScrubber({"a": History(records, {0: (x, x), 1: (-x, -x)})})
    assert np.isfinite(sent_points(scrubber)).all()


def test_scrubber_draws_some_of_many_pairs_and_says_so(histories):
    scrubber = TrainingScrubber(histories, max_pairs=7)
    assert (scrubber.data["n"], scrubber.data["pool"]) == (7, 20)
    assert sent_points(scrubber).shape == (2, 3, 2, 7, 2)


def test_scrubber_hears_a_front_end(scrubber, histories):
    scrubber.set_state({"step": 5})
    assert scrubber.metrics["warm"]["gap"] == histories["warm"].records[1]["gap"]


def test_scrubber_refuses_a_step_without_a_snapshot(scrubber):
    scrubber.step = 10
    with pytest.raises(traitlets.TraitError, match="step is 7; pass one of 0, 5, 10"):
        scrubber.step = 7
    assert scrubber.step == 10


def without_record(history):
    return History(history.records[1:], history.snapshots)


BAD_RUNS = {
    "no run": (lambda: {}, "histories is empty"),
    "one snapshot": (lambda: {"a": draw_history(steps=(0,))}, "has 1 snapshots"),
    "unlike steps": (lambda: {"a": draw_history(), "b": draw_history(steps=(0, 10))}, "different steps"),
    "unlike pairs": (lambda: {"a": draw_history(), "b": draw_history(n=9)}, "unlike numbers"),
    "no record": (lambda: {"a": without_record(draw_history())}, "no record of step 0"),
}


@pytest.mark.parametrize("kind", BAD_RUNS)
def test_scrubber_names_bad_input(kind):
    build, message = BAD_RUNS[kind]
    with pytest.raises(ValueError, match=message):
        TrainingScrubber(build())


def test_scrubber_needs_two_pairs(histories):
    with pytest.raises(ValueError, match="max_pairs is 1"):
        TrainingScrubber(histories, max_pairs=1)


def test_scrubber_is_small_self_contained_and_has_a_picture(scrubber):
    steps = tuple(range(0, 200, 10))
    large = {str(seed): draw_history(seed, n=300, d=8, steps=steps) for seed in range(3)}
    assert saved_size(TrainingScrubber(large)) < 250_000  # 150 pairs, 20 snapshots, 3 runs
    assert_front_end_is_self_contained(scrubber)
    assert_shows_a_picture(scrubber)

"""The smaller explorers' Python side: their numbers are the library's, and bad settings are named."""

import json
import re

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets import embed

from mgaplib import cone, kernels, metrics, sphere
from mgaplib.widgets import ConeExplorer, SphereExplorer


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
        "loss": metrics.contrastive_loss(images, texts, tau),
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
    assert saved_size(globe) < 60_000
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
    assert saved_size(narrowing) < 60_000
    assert_front_end_is_self_contained(narrowing)
    assert_shows_a_picture(narrowing)

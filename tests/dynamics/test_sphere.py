from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mgaplib import metrics
from mgaplib.dynamics import sphere

ELEVATIONS = np.arange(90.0, -91.0, -1.0)
SHARPNESS = [1, 5, 35, 50, 100]
HEIGHTS = np.linspace(-1, 1, 100)
angles = st.floats(-90, 90)


# What the authors' notebook gives over the five inverse temperatures: where the loss is least (degrees off
# the equator), the least loss, and the loss on the equator.
SWAPPED_20 = [
    (0, 1.5477, 1.5477), (0, 1.0952, 1.0952), (53, 0.8095, 0.8866), (65, 0.8095, 1.0834),
    (78, 0.8096, 2.0142),
]  # fmt: skip
MATCHED_20 = [
    (0, 1.5276, 1.5276), (0, 0.9947, 0.9947), (0, 0.1831, 0.1831), (0, 0.0783, 0.0783),
    (0, 0.0040, 0.0040),
]  # fmt: skip
SWAPPED_15 = [
    (0, 1.6360, 1.6360), (0, 1.2629, 1.2629), (0, 0.8101, 0.8101), (42, 0.8091, 0.8318),
    (68, 0.8091, 1.1894),
]  # fmt: skip


@pytest.mark.parametrize(
    "spacing, mismatched, table", [(20, True, SWAPPED_20), (20, False, MATCHED_20), (15, True, SWAPPED_15)]
)
def test_six_pairs_give_the_published_table(spacing, mismatched, table):
    pairs = partial(sphere.six_pairs, spacing=spacing, mismatched=mismatched)
    for sharpness, (where, least, on_equator) in zip(SHARPNESS, table, strict=True):
        loss = sphere.loss_curve(pairs, ELEVATIONS, 1 / sharpness)
        assert abs(ELEVATIONS[loss.argmin()]) == where
        assert loss.min().round(4) == least
        assert loss[90].round(4) == on_equator
        assert loss[[0, -1]] == pytest.approx(np.log(6), abs=1e-12)


@given(angles, st.sampled_from(SHARPNESS), st.booleans())
def test_lifting_the_texts_is_the_same_as_a_higher_temperature(elevation, sharpness, mismatched):
    softer = sharpness * np.cos(np.radians(elevation))
    assume(softer > 1 / 3)  # above 3, no temperature is taken
    pairs = partial(sphere.six_pairs, mismatched=mismatched)
    lifted = metrics.contrastive_loss(*pairs(elevation), 1 / sharpness)
    assert lifted == pytest.approx(metrics.contrastive_loss(*pairs(0.0), 1 / softer), abs=1e-9)


@given(angles)
def test_both_poles_are_alike(elevation):
    there, back = (sphere.loss_curve(sphere.six_pairs, [e], 0.01) for e in (elevation, -elevation))
    assert there == pytest.approx(back, abs=1e-12)


def test_six_pairs_swap_the_first_two_texts_only():
    images, texts = sphere.six_pairs(0.0)
    np.testing.assert_allclose(texts, images[[1, 0, 2, 3, 4, 5]], atol=1e-15)
    np.testing.assert_allclose(sphere.six_pairs(0.0, mismatched=False)[1], images, atol=1e-15)
    assert np.degrees(np.arccos(images[0] @ images[1])) == pytest.approx(20)


def test_the_authors_temperature_is_inverse_for_nine_pairs_and_only_a_swap_repels():
    for sharpness in (1, 5, 10, 50, 100, 500, 1000):
        matched = sphere.loss_curve(partial(sphere.nine_pairs, mismatched=False), HEIGHTS, 1 / sharpness)
        swapped = sphere.loss_curve(sphere.nine_pairs, HEIGHTS, 1 / sharpness)
        assert abs(HEIGHTS[matched.argmin()]) < 0.02
        assert (abs(HEIGHTS[swapped.argmin()]) < 0.02) == (sharpness < 24.5)
        assert matched[[0, -1]] == pytest.approx(np.log(9), abs=1e-12)
        assert swapped[[0, -1]] == pytest.approx(np.log(9), abs=1e-12)


@given(st.floats(-0.99, 0.99), st.floats(1, 200))
def test_nine_pairs_are_parallel_modalities(height, sharpness):
    images, texts = sphere.nine_pairs(height)
    flat = sphere.nine_pairs(0.0)
    assume(sharpness * (1 - height**2) > 1 / 3)
    expected = metrics.contrastive_loss(*flat, 1 / (sharpness * (1 - height**2)))
    assert metrics.contrastive_loss(images, texts, 1 / sharpness) == pytest.approx(expected, abs=1e-9)
    assert metrics.modality_gap(images, texts) == pytest.approx(2 * abs(height), abs=0.02)


@pytest.mark.parametrize("height", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_every_point_is_on_the_sphere(height):
    for rows in (*sphere.nine_pairs(height), *sphere.six_pairs(90 * height)):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-12)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: sphere.points(np.nan, 0.0), "not finite"),
        (lambda: sphere.six_pairs(91.0), "poles"),
        (lambda: sphere.six_pairs(np.nan), "poles"),
        (lambda: sphere.six_pairs(0.0, spacing=np.nan), "spacing"),
        (lambda: sphere.six_pairs("up"), "elevation"),
        (lambda: sphere.nine_pairs(1.1), "unit sphere"),
        (lambda: sphere.loss_curve(sphere.six_pairs, [0.0], 0.0), "temperature"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

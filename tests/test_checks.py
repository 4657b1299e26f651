"""What is refused at the door, and what the message names."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given

from mgaplib import checks, corrections, landscape, metrics

GOOD = np.array([[3.0, 4.0], [0.0, 2.0]])


def with_value(value):
    array = GOOD.copy()
    array[1, 0] = value
    return array


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones((2, 3), int), TypeError, r"faces holds int64.*faces.astype\('float32'\)"),
        (np.ones((2, 3), bool), TypeError, "faces holds bool"),
        (np.array([["a", "b"], ["c", "d"]]), TypeError, "holds <U1; pass a 2-D array of floats"),
        (np.ones((2, 3), complex), TypeError, "complex128"),
        (np.ones(3), ValueError, r"shape \(3,\); pass a 2-D array"),
        (np.ones((2, 2, 2)), ValueError, r"shape \(2, 2, 2\)"),
        (np.ones((1, 3)), ValueError, "1 rows; at least 2"),
        (np.ones((0, 3)), ValueError, "0 rows"),
        (np.ones((2, 0)), ValueError, r"zero row \(0\)"),
        (with_value(np.nan), ValueError, r"NaN or infinite value in row 1 \(1 such rows\); drop"),
        (with_value(np.inf), ValueError, "NaN or infinite value in row 1"),
        (GOOD * [[1], [0]], ValueError, r"zero row \(1\).*no direction"),
    ],
)
def test_bad_embeddings_are_refused_by_name(bad, error, message):
    with pytest.raises(error, match=f"^faces.*|{message}") as caught:
        checks.embeddings(bad, "faces")
    assert caught.match(message)


def test_rows_are_scaled_and_the_input_is_left_alone():
    before = GOOD.copy()
    assert np.allclose(checks.embeddings(GOOD, "x"), [[0.6, 0.8], [0, 1]])
    assert np.array_equal(GOOD, before)


def test_unnormalised_on_request():
    assert np.array_equal(checks.embeddings(GOOD, "x", normalize=False), GOOD)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_half_precision_is_upcast_and_other_precision_kept(kind):
    wanted = np.float32 if kind is np.float16 else kind
    assert checks.embeddings(GOOD.astype(kind), "x").dtype == wanted


@pytest.mark.parametrize("scale", [1e-30, 1e-42, 1e30, 3e38])
def test_rows_too_short_or_long_to_square_keep_their_direction(scale):
    rows = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32) / 4 * np.float32(scale)
    assert np.allclose(
        checks.embeddings(rows, "x"), [[0.6, 0.8], [0, 1]], atol=2e-2 if scale < 1e-38 else 1e-6
    )


def test_tensors_are_taken():
    import torch

    wanted = checks.embeddings(GOOD, "x")
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        tensor = torch.tensor(GOOD, dtype=kind, requires_grad=True)
        assert np.allclose(checks.embeddings(tensor, "x"), wanted, atol=2e-3)
    with pytest.raises(TypeError, match=r"int64.*x.float\(\)"):
        checks.embeddings(torch.tensor([[1, 2], [3, 4]]), "x")


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_what_passes_has_unit_rows(array):
    if not np.abs(array).max(axis=1).all():
        with pytest.raises(ValueError, match="zero row"):
            checks.embeddings(array, "x")
    else:
        assert np.allclose(np.linalg.norm(checks.embeddings(array, "x"), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_pairs_of_two_shapes_are_refused_with_both(shape):
    with pytest.raises(ValueError, match=r"images has shape \(2, 2\) and texts \(\d, \d\)"):
        checks.pairs(GOOD, np.ones(shape))
    with pytest.raises(ValueError, match=r"queries has shape .* and candidates"):
        checks.pairs(GOOD, np.ones(shape), names=("queries", "candidates"))


@pytest.mark.parametrize("tau", [0, -0.01, np.nan, np.inf])
def test_a_temperature_is_positive_and_finite(tau):
    with pytest.raises(ValueError, match="a temperature is a positive number"):
        checks.temperature(tau)


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(ValueError, match="unknown direction 'image_to_txt'; did you mean 'image_to_text'"):
        checks.known("image_to_txt", ["image_to_text", "text_to_image"], "direction")
    with pytest.raises(ValueError, match="'a' or 'b'"):
        checks.known("zzz", ["a", "b"], "letter")


X, Y = np.eye(6), np.roll(np.eye(6), 1, axis=1) + 0.1


@pytest.mark.parametrize("bad", ["abc", None, [0.1, 0.2], np.nan, np.inf, 1e-320, -1])
def test_numbers_that_make_no_sense_are_named(bad):
    land = landscape.ShiftLandscape(X, Y)
    calls = {
        "tau": [lambda: metrics.contrastive_loss(X, X, bad), lambda: land.minimum(bad)],
        "k": [lambda: metrics.recall_at_k(X, X, bad), lambda: land.recall(0.0, bad)],
        "t": [lambda: metrics.uniformity(X, bad)],
        "alpha": [lambda: metrics.alignment(X, X, bad)],
        "block_size": [lambda: metrics.contrastive_loss(X, X, 0.1, block_size=bad)]
        if bad is not None
        else [],
        "seed": [lambda: metrics.linear_separability(X, X, bad)],
        "variance": [lambda: corrections.ProjectedShift(variance=bad).fit(X, Y)] if bad != 1e-320 else [],
        "ridge": [lambda: corrections.Procrustes(ridge=bad).fit(X, Y)] if bad != 1e-320 else [],
    }
    for name, attempts in calls.items():
        for attempt in attempts:
            with pytest.raises(ValueError, match=f"^{name} is "):
                attempt()


@pytest.mark.parametrize("k", [1.5, 0, 7, "two"])
def test_k_counts_candidates(k):
    with pytest.raises(ValueError, match="^k is .*pass 1 to 6"):
        metrics.recall_at_k(X, X, k)


def test_a_landscape_refuses_what_is_no_row_of_numbers():
    land = landscape.ShiftLandscape(X, Y)
    for bad in ([], [[0.1, 0.2]], [0.1, [0.2]]):
        with pytest.raises(ValueError, match="^taus is .*pass one number, or several in a row"):
            land.loss(0.0, bad)
        with pytest.raises(ValueError, match="^shifts is "):
            land.modality_gap(bad)
    for bad in ((1, 0), (0, 1, 2), 3.0, (0, 0)):
        with pytest.raises(ValueError, match="^bounds is .*lowest and the highest"):
            land.minimum(0.1, bounds=bad)
    with pytest.raises(ValueError, match="^shifts is .*finite number"):
        land.loss(1e200, 0.1)


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        ([[1.0, 2.0], [1.0]], ValueError, "rows of different lengths"),
        ([[1, 2], [3, 4]], TypeError, r"numpy.asarray\(x\).astype"),
        (None, TypeError, "is of type NoneType"),
        ([["a", "b"], ["c", "d"]], TypeError, "is of type list and holds <U1"),
        (scipy.sparse.eye(4), TypeError, r"sparse; pass x.toarray\(\)"),
        (np.ma.masked_less(np.eye(4), 0.5), ValueError, "masked entries"),
    ],
)
def test_what_is_no_array_of_floats_is_refused_with_a_cure_that_works(bad, kind, words):
    with pytest.raises(kind, match=words):
        metrics.mean_cosine(bad)


def test_a_centroid_without_direction_is_named():
    x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(ValueError, match="the centroid of images is zero"):
        metrics.centre_angle(x, np.eye(2))

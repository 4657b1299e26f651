"""One cloud or two: against slow references, known values, and what moves none of them."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import metrics
from mgaplib.pairs import Pairs

OF_UNIT_ROWS = [metrics.knn_mixing, metrics.frechet_distance, metrics.covariance_gap]


def clouds(n: int = 30, d: int = 6, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + apart * np.eye(d)[0], rng.normal(size=(n, d)) @ np.diag(
        np.arange(d) + 1.0
    )


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_mixing(x, y, k: int) -> float:
    """Return the mean share over rows, the ties for the last places drawn many times."""
    pool, kind = np.concatenate([unit(x), unit(y)]), np.repeat([0, 1], [len(x), len(y)])
    rng, shares = np.random.default_rng(0), []
    for i, row in enumerate(pool):
        scores = np.round(pool @ row, 10)
        others = np.delete(np.arange(len(pool)), i)
        for _ in range(200):
            drawn = rng.permutation(others)
            best = drawn[np.argsort(-scores[drawn], kind="stable")[:k]]
            shares.append((kind[best] != kind[i]).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("k", [1, 3, 20])
def test_mixing_against_a_loop(k):
    x, y = clouds(n=15, apart=0.3)
    assert metrics.knn_mixing(x, y, k=k) == pytest.approx(slow_mixing(x, y, k), abs=1e-9)


def test_neighbours_that_tie_share_the_last_places():
    x, y = clouds(n=8)
    x, y = np.repeat(x[:4], 2, axis=0), np.concatenate([x[:4], y[4:]])
    assert metrics.knn_mixing(x, y, k=2) == pytest.approx(slow_mixing(x, y, 2), abs=0.02)


def test_mixing_of_one_cloud_and_of_two():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, 8))
    assert metrics.knn_mixing(x, y) == pytest.approx(0.5, abs=0.02)
    assert metrics.knn_mixing(x + 10, y - 10) == 0
    n = 9
    assert metrics.knn_mixing(x[:n], y[:n], k=2 * n - 1) == pytest.approx(
        n / (2 * n - 1)
    )  # all are neighbours


def test_frechet_against_its_formula():
    x, y = map(unit, clouds())
    a, b = (np.cov(rows, rowvar=False, ddof=0) for rows in (x, y))
    gap = x.mean(axis=0) - y.mean(axis=0)
    fid = gap @ gap + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert metrics.frechet_distance(x, y) ** 2 == pytest.approx(fid, abs=1e-8)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-7)


def test_frechet_of_fewer_rows_than_columns():
    x, y = map(unit, clouds(n=5, d=12))
    a, b = (np.cov(rows, rowvar=False, ddof=0) for rows in (x, y))
    eigenvalues = np.linalg.eigvals(a @ b).real.clip(min=0)
    gap = x.mean(axis=0) - y.mean(axis=0)
    fid = gap @ gap + np.trace(a + b) - 2 * np.sqrt(eigenvalues).sum()
    assert metrics.frechet_distance(x, y) ** 2 == pytest.approx(fid, abs=1e-6)


@given(st.integers(3, 40), st.integers(2, 8), st.floats(0, 5), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_frechet_is_a_distance_no_shorter_than_the_gap(n, d, apart, seed):
    x, y = clouds(n, d, apart, seed)
    z, _ = clouds(n, d, 1.0, seed + 1)
    distance = metrics.frechet_distance(x, y)
    assert metrics.modality_gap(x, y) - 1e-7 <= distance <= 2
    assert distance == pytest.approx(metrics.frechet_distance(y, x), abs=1e-7)
    assert distance <= metrics.frechet_distance(x, z) + metrics.frechet_distance(z, y) + 1e-7


def test_covariance_gap_against_its_formula():
    x, y = map(unit, clouds())
    a, b = (np.cov(rows, rowvar=False) for rows in (x, y))
    expected = np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b))
    assert metrics.covariance_gap(x, y) == pytest.approx(expected)
    assert metrics.covariance_gap(x, -x) == 0  # the same covariance about another centroid
    point = np.tile(x[:1], (len(x), 1))
    assert metrics.covariance_gap(x, point) == pytest.approx(1)


@pytest.mark.parametrize("metric", OF_UNIT_ROWS)
def test_neither_axes_nor_order_nor_lengths_nor_sides_matter(metric):
    x, y = clouds()
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    order = rng.permutation(len(x))
    value = metric(x, y)
    for a, b in ((x @ turn, y @ turn), (x[order], y), (5 * x, y / 3), (y, x), (x.astype("float32"), y)):
        assert metric(a, b) == pytest.approx(value, abs=1e-5)
    assert metric(Pairs(x, y)) == value


@pytest.mark.parametrize("metric", OF_UNIT_ROWS)
def test_no_partners_are_needed_and_rows_that_stand_there_twice_count_once(metric):
    x, y = clouds()
    value = metric(x[:12], y)
    assert value == pytest.approx(metric(y, x[:12])) == pytest.approx(metric(Pairs.unpaired(x[:12], y)))
    captions = y[:30].reshape(15, 2, -1)
    twice = np.repeat(x[:15], 2, axis=0)
    whom = np.repeat(np.arange(15), 2)
    assert metric(twice, captions.reshape(30, -1), groups=whom) == pytest.approx(metric(x[:15], y[:30]))


def test_mixing_of_unequal_numbers_against_a_loop():
    x, y = clouds(n=20, apart=0.3)
    assert metrics.knn_mixing(x[:9], y, k=3) == pytest.approx(slow_mixing(x[:9], y, 3), abs=1e-9)


def test_norm_imbalance_is_of_the_raw_rows():
    x, y = clouds()
    expected = np.log(np.linalg.norm(x, axis=1).mean() / np.linalg.norm(y, axis=1).mean())
    assert metrics.norm_imbalance(x, y) == metrics.norm_imbalance(y, x) == pytest.approx(abs(expected))
    assert metrics.norm_imbalance(3 * x, 3 * y[:7]) > 0  # it needs no pairs
    assert metrics.norm_imbalance(unit(x), unit(y)) == pytest.approx(0)


@pytest.mark.parametrize("metric", OF_UNIT_ROWS)
def test_embeddings_that_make_no_sense_are_refused(metric):
    x, y = clouds()
    with pytest.raises(ValueError, match="images have 6 columns and texts 5"):
        metric(x, y[:, :5])
    with pytest.raises(TypeError, match="texts holds int64"):
        metric(x, np.ones_like(y, dtype=int))


@pytest.mark.parametrize("k", [0, 60, 1.5, "many"])
def test_a_number_of_neighbours_that_makes_no_sense(k):
    with pytest.raises(ValueError, match="k is .*; it counts neighbours among 59, so pass 1 to 59"):
        metrics.knn_mixing(*clouds(), k=k)


def test_two_points_have_no_covariance_to_compare():
    x, y = np.ones((4, 2)), -np.ones((4, 2))
    with pytest.raises(ValueError, match="covariances need a spread"):
        metrics.covariance_gap(x, y)


def test_raw_rows_that_make_no_sense():
    x, y = clouds()
    with pytest.raises(TypeError, match="images is a Pairs, whose rows have unit length; pass the encoders'"):
        metrics.norm_imbalance(Pairs(x, y), None)
    with pytest.raises(ValueError, match="all rows of texts are zero"):
        metrics.norm_imbalance(x, np.zeros((3, 6)))
    with pytest.raises(ValueError, match="images have 6 columns and texts 5"):
        metrics.norm_imbalance(x, y[:, :5])
    with pytest.raises(ValueError, match="images has a NaN"):
        metrics.norm_imbalance(np.full((3, 6), np.nan), y)

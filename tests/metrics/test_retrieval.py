"""Hubness is the skew of how often candidates are found; ranks are as in float64, however alike the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mgaplib import metrics
from mgaplib.metrics import retrieval
from mgaplib.pairs import Pairs


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_it_is_the_skew_of_the_counts_whatever_the_queries_order_and_scale(seed, k):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(30, 9)) + rng.normal(size=9)
    counts = [sum(c in np.argsort(-row)[:k] for row in scores) for c in range(9)]
    expected = stats.skew(counts) if np.ptp(counts) else 0
    assert metrics.hubness(scores, k) == pytest.approx(expected)
    moved = rng.permutation(3 * scores + rng.normal(size=(30, 1)))
    assert metrics.hubness(moved, k) == pytest.approx(expected)


def test_nothing_but_a_bias_of_the_candidates_makes_hubs():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 400))
    assert abs(metrics.hubness(scores)) < 0.6
    assert metrics.hubness(scores + rng.normal(size=400)) > 1


def test_bad_input():
    scores = np.eye(4)
    with pytest.raises(ValueError, match="pass 1 to 3"):
        metrics.hubness(scores, k=4)
    with pytest.raises(ValueError, match="2-D"):
        metrics.hubness(scores[0])
    with pytest.raises(ValueError, match="NaN"):
        metrics.hubness(np.where(scores, np.nan, 0))
    with pytest.raises(TypeError, match="floating"):
        metrics.hubness(np.eye(4, dtype=int))


def slowly_ahead(queries, candidates, own):
    scores = queries.astype(float) @ candidates.astype(float).T
    better = (scores > own[:, None] + 1e-12).sum(axis=1)
    return better, (scores >= own[:, None] - 1e-12).sum(axis=1) - better


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 0.0])  # down to what float32 cannot tell apart
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("most", [1, 5, 1000])
def test_ranks_from_one_product_are_those_of_float64(monkeypatch, kind, spread, copies, most):
    monkeypatch.setattr(retrieval, "_COUNTED", (50, 16))
    rng = np.random.default_rng(0)
    middle, meaning = rng.normal(size=12), rng.normal(size=(130, 12))
    x, y = (middle * (spread < 1) + spread * (meaning + rng.normal(size=(130, 12))) for _ in range(2))
    y[:129] = np.repeat(y[:129:copies], copies, axis=0)
    x, y = ((z / np.linalg.norm(z, axis=1, keepdims=True)).astype(kind) for z in (x, y))
    own = np.einsum("ij,ij->i", x.astype(float), y.astype(float))
    better, tied = retrieval.ahead(x, y, own, most)
    expected, level = slowly_ahead(x, y, own)
    settled = better >= most
    assert (expected[settled] >= most).all()
    np.testing.assert_array_equal(better[~settled], expected[~settled])
    np.testing.assert_array_equal(tied[~settled], level[~settled])
    chance = np.clip((most - better) / tied, 0, 1)
    np.testing.assert_allclose(chance, np.clip((most - expected) / level, 0, 1), atol=1e-12)


def test_recall_of_any_partner_is_that_of_float64_in_either_precision(monkeypatch):
    monkeypatch.setattr(retrieval, "_COUNTED", (50, 16))
    rng = np.random.default_rng(1)
    meaning = rng.normal(size=(40, 8))
    groups = np.repeat(np.arange(40), 3)
    texts = meaning[groups] + rng.normal(size=(120, 8))
    texts[1::6] = texts[::6]  # captions that stand there twice, and so tie
    for kind in ("float32", "float64"):
        x, y = (z.astype(kind) for z in (meaning, texts))
        pairs = Pairs(x, y, groups=(np.arange(40), groups))
        for sides in (pairs, pairs.swapped):
            found = retrieval.hits(sides, (1, 2, 7))
            scores = sides.images.astype(float) @ sides.texts.astype(float).T
            rows, best, partners = retrieval.best_partners(sides)
            for row, k in zip(found, (1, 2, 7), strict=True):
                slow = retrieval.hit_chance(scores[rows], best, k, 1e-12, partners)
                np.testing.assert_allclose(row, slow, atol=1e-12)

"""Hubness is the skew of how often candidates are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mgaplib import metrics


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

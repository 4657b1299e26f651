import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from mgaplib import metrics
from mgaplib.metrics.mixed import _ROWS


def pairs(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x, x + 0.7 * rng.standard_normal((n, d))


def slow_ranks_and_shares(x, y):
    """One query at a time, by sorting."""
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    index, n = np.concatenate([x, y]), len(x)
    ranks, same = [], []
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        order = sorted(others, key=lambda j: -(index[i] @ index[j]))
        ranks.append(order.index((i + n) % (2 * n)) + 1)
        same.append((order[0] < n) == (i < n))
    return np.array(ranks), np.mean(same[:n]), np.mean(same[n:])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 25), st.integers(2, 6), st.integers(0, 10**6))
def test_ranks_and_shares_agree_with_sorting(n, d, seed):
    x, y = pairs(n, d, seed)
    ranks, of_images, of_texts = slow_ranks_and_shares(x, y)
    np.testing.assert_array_equal(np.concatenate(metrics.mixed_partner_ranks(x, y)), ranks)
    assert metrics.same_modality_share(x, y) == (of_images, of_texts)


def test_more_queries_than_one_block():
    x, y = pairs(_ROWS // 2 + 20, 5, 0)
    ranks, of_images, of_texts = slow_ranks_and_shares(x, y)
    np.testing.assert_array_equal(np.concatenate(metrics.mixed_partner_ranks(x, y)), ranks)
    assert metrics.same_modality_share(x, y) == (of_images, of_texts)


def test_known_extremes():
    x = np.eye(4)
    close = metrics.mixed_partner_ranks(x, x + 0.01)
    np.testing.assert_array_equal(close, np.ones((2, 4)))
    assert metrics.same_modality_share(x, x + 0.01) == (0.0, 0.0)
    # Everything in one point: ranks 1 to 7 are equally likely, and so is either modality.
    np.testing.assert_array_equal(
        metrics.mixed_partner_ranks(np.ones((4, 3)), np.ones((4, 3))), np.full((2, 4), 4.0)
    )
    assert metrics.same_modality_share(np.ones((4, 3)), np.ones((4, 3))) == (0.5, 0.5)


def test_robustness_falls_with_noise_and_repeats_with_its_seed():
    x, y = pairs(100, 16, 0)
    shares = [
        metrics.ranking_robustness(x, y, s, np.random.default_rng(0)).mean() for s in (0.0, 0.05, 0.2, 1.0)
    ]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    again = [metrics.ranking_robustness(x, y, 0.1, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert metrics.ranking_robustness(x[:1], y, 0.1, np.random.default_rng(0), draws=3).shape == (3,)


def test_entropy_of_the_logits():
    x, y = pairs(12, 5, 0)
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    slow = np.mean([entropy(row) for s in (a @ b.T, b @ a.T) for row in np.exp(s / 0.3)])
    assert metrics.logit_entropy(x, y, 0.3) == pytest.approx(slow)
    assert metrics.logit_entropy(x, x, 1e-4) < 1e-6
    assert metrics.logit_entropy(x, y, 3) == pytest.approx(np.log(12), rel=0.05)
    many = pairs(_ROWS + 30, 3, 0)
    assert 0 < metrics.logit_entropy(*many, 0.1) < np.log(_ROWS + 30)


def test_bad_input():
    x, y = pairs(10, 4, 0)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="paired"):
        metrics.mixed_partner_ranks(x, y[:5])
    with pytest.raises(ValueError, match="zero row"):
        metrics.same_modality_share(x, np.zeros((10, 4)))
    with pytest.raises(ValueError, match="columns"):
        metrics.ranking_robustness(x, y[:, :3], 0.1, rng)
    with pytest.raises(ValueError, match="noise"):
        metrics.ranking_robustness(x, y, -1.0, rng)
    with pytest.raises(ValueError, match="temperature"):
        metrics.logit_entropy(x, y, 0.0)
    with pytest.raises(ValueError, match="draws"):
        metrics.ranking_robustness(x, y, 0.1, rng, draws=0)

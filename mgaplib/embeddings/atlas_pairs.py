"""What each pair of a published model says of it, and what other pairs would have said."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from mgaplib import landscape, metrics
from mgaplib.embeddings.atlas import Cosines, N
from mgaplib.metrics.retrieval import hit_chance

#: What `each_pair` measures, in its order.
COLUMNS = ["R@1 i→t", "R@1 t→i", "own first", "mixed rank", "closing costs"]


def _hits(scores: np.ndarray) -> np.ndarray:
    """Whether each query's own candidate comes first; ties in expectation."""
    return hit_chance(scores, np.diag(scores), 1, 1e-12)


def _own_first(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether the best hit of each pair's two sides, in one index of all, is of the side's own modality."""
    n = len(x)
    scores = np.block([[x @ x.T, x @ y.T], [y @ x.T, y @ y.T]]) - 9 * np.eye(2 * n)  # nobody finds themselves
    lead = np.repeat([1, -1], n) * (scores[:, :n].max(axis=1) - scores[:, n:].max(axis=1))
    return np.where(np.abs(lead) < 1e-12, 0.5, lead > 0).reshape(2, n).mean(axis=0)


def _losses(x: np.ndarray, y: np.ndarray, sharpness: float) -> np.ndarray:
    """CLIP's loss of each pair, both directions."""
    logits = sharpness * x @ y.T
    return np.mean([np.logaddexp.reduce(logits, axis=axis) for axis in (0, 1)], axis=0) - np.diag(logits)


def each_pair(images: np.ndarray, texts: np.ndarray, sharpness: float) -> np.ndarray:
    """Return `COLUMNS` pair by pair, of shape (5, n), so that pairs can be drawn anew.

    Args:
        images, texts: Unit rows of n pairs.
        sharpness: 1/tau of the loss that closing the gap costs, in nats.

    Example:
        >>> x, y = np.eye(6)[:3], 0.6 * np.eye(6)[:3] + 0.8 * np.eye(6)[3:]
        >>> each_pair(x, y, 1.0).mean(axis=1).round(3).tolist()[:4]
        [1.0, 1.0, 0.0, 1.0]

    Taught in chapter real_models.
    """
    costs = _losses(*landscape.shift(images, texts, 0.5), sharpness) - _losses(images, texts, sharpness)
    ranks = np.mean(metrics.mixed_partner_ranks(images, texts), axis=0)
    across = images @ texts.T
    return np.array([_hits(across), _hits(across.T), _own_first(images, texts), ranks, costs])


def drawn_gaps(gram: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the unbiased gap of pairs drawn `counts` times, a row a draw: means over two different pairs.

    Args:
        gram: Cosines of n images and then their n texts, of shape (2n, 2n).
        counts: How often each pair is drawn, of shape (draws, n); each row adds up to n.

    Example:
        >>> drawn_gaps(np.eye(4), np.ones((1, 2))).tolist()
        [0.0]

    Taught in chapter real_models.
    """
    n, twice = len(gram) // 2, (counts**2).sum(axis=1)
    blocks = gram[:n, :n], gram[n:, n:], gram[:n, n:]
    xx, yy, xy = (
        (((counts @ b) * counts).sum(axis=1) - counts**2 @ np.diag(b)) / (n * n - twice) for b in blocks
    )
    return np.sqrt(np.maximum(xx + yy - 2 * xy, 0))


class Measured(NamedTuple):
    """Each model's `COLUMNS` pair by pair, its gap and columns in each draw, and both over its own pairs."""

    parts: dict[str, np.ndarray]
    drawn: dict[str, dict[str, np.ndarray]]
    plain: pd.DataFrame


def measure(models: Mapping[str, Cosines], sharpness: Mapping[str, float], draws: int = 2000) -> Measured:
    """Measure models over their pairs, and over draws of the pairs with replacement, the same for all.

    A pair that is drawn twice must not meet itself. So recall, ranks and losses draw the queries and keep the
    pool, and the gap takes means over two different pairs.

    Example:
        >>> measure({}, {}).plain.empty
        True

    Taught in chapter real_models.
    """
    counts = np.random.default_rng(0).multinomial(N, np.ones(N) / N, size=draws)
    parts = {name: each_pair(m.images, m.texts, sharpness[name]) for name, m in models.items()}
    drawn = {
        name: {
            "gap": drawn_gaps(m.gram, counts),
            **dict(zip(COLUMNS, parts[name] @ counts.T / N, strict=True)),
        }
        for name, m in models.items()
    }
    plain = pd.DataFrame({name: part.mean(axis=1) for name, part in parts.items()}, index=COLUMNS).T
    plain.insert(
        0,
        "gap",
        pd.Series({n: metrics.modality_gap(m.images, m.texts) for n, m in models.items()}, dtype=float),
    )
    return Measured(parts, drawn, plain)

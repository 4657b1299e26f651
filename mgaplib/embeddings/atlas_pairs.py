"""What each pair of a published model says of it, and what other pairs would have said."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from mgaplib import landscape, metrics
from mgaplib.embeddings.atlas import Cosines, N
from mgaplib.metrics.mixed import own_modality_first
from mgaplib.metrics.retrieval import hits, losses
from mgaplib.pairs import Pairs

#: What `each_pair` measures, in its order.
COLUMNS = ["R@1 i→t", "R@1 t→i", "own first", "mixed rank", "closing costs"]


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
    pairs, closed = Pairs(images, texts), Pairs(*landscape.shift(images, texts, 0.5))
    costs = np.subtract(*(np.mean(losses(one, 1 / sharpness), axis=0) for one in (closed, pairs)))
    first = own_modality_first(pairs).reshape(2, -1).mean(axis=0)
    ranks = np.mean(metrics.mixed_partner_ranks(pairs), axis=0)
    return np.array([*(hits(side, (1,))[0] for side in (pairs, pairs.swapped)), first, ranks, costs])


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

    Recall, ranks and losses draw the queries and keep the pool; the gap takes means over two different pairs.

    Example:
        >>> measure({}, {}).plain.empty
        True

    Taught in chapter real_models.
    """
    counts = np.random.default_rng(0).multinomial(N, np.ones(N) / N, size=draws)
    parts = {name: each_pair(m.images, m.texts, sharpness[name]) for name, m in models.items()}
    drawn = {}
    for name, m in models.items():
        columns = dict(zip(COLUMNS, parts[name] @ counts.T / N, strict=True))
        drawn[name] = {"gap": drawn_gaps(m.gram, counts), **columns}
    plain = pd.DataFrame({name: part.mean(axis=1) for name, part in parts.items()}, index=COLUMNS).T
    gaps = {name: metrics.modality_gap(m.images, m.texts) for name, m in models.items()}
    plain.insert(0, "gap", pd.Series(gaps, dtype=float))
    return Measured(parts, drawn, plain)

"""How far the metrics of n pairs can be trusted: 95 % intervals, from pairs drawn again and from counts."""

import numpy as np

from mgaplib.pairs import Pairs

_CELLS = 4_000_000  # weights held at once
_Z = 1.959964  # the normal law's 97.5 % quantile


def resampled(pairs: Pairs, seed: int, draws: int = 1000) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals, by the names of `gap_report`, of what depends on cosines' means only.

    Percentiles over draws of n pairs with replacement, after Efron. Means over two different rows leave out a
    row with its own copy, which would count as a likeness that the pairs do not have: so each draw's gap is
    the unbiased one. Pairs that belong together, as five captions of one image do, make the truth wider.
    """
    rng, n = np.random.default_rng(seed), len(pairs)
    own = np.einsum("ij,ij->i", pairs.images, pairs.texts).astype(float)
    parts = []
    for start in range(0, draws, max(_CELLS // n, 1)):
        size = min(max(_CELLS // n, 1), draws - start)
        counts = np.array([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(size)])
        weights = counts.astype(pairs.images.dtype)
        x, y = (weights @ rows for rows in (pairs.images, pairs.texts))
        squares = (counts**2).astype(float)
        twice = squares.sum(axis=1)
        sums = [(a * b).sum(axis=1, dtype=float) for a, b in ((x, x), (y, y), (x, y))]
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one pair only has no two rows
            within_x, within_y = ((total - twice) / (n * n - twice) for total in sums[:2])
            across = (sums[2] - squares @ own) / (n * n - twice)
        parts.append([within_x, within_y, across, counts @ own / n])
    within_x, within_y, across, matched = np.concatenate(parts, axis=1)
    apart = 2 - 2 * matched
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = np.maximum(within_x + within_y - 2 * across, 0)
        found = {
            "modality_gap": np.sqrt(squared),
            "squared gap": squared,
            "relative_modality_gap": apart / (apart + 2 - within_x - within_y),
            "gap_share": np.minimum(squared / apart, 1),
            "alignment": apart,
            "matched cosine": matched,
            "mismatched cosine": across,
            "mean_cosine (images)": within_x,
            "mean_cosine (texts)": within_y,
        }
    return {name: tuple(np.nanpercentile(drawn, [2.5, 97.5]).tolist()) for name, drawn in found.items()}


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval (1927) of a share of n; it has a width even at 0 and at 1."""
    middle, weight = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    half = _Z * np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    low, high = float((middle - half) / weight), float((middle + half) / weight)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # at its ends, but for rounding, the share

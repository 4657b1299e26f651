"""How far the metrics can be trusted: 95 % intervals, from groups drawn again and from counts."""

import numpy as np

from mgaplib.pairs import Pairs, belonging, group_sums

_CELLS = 4_000_000  # weights held at once
_Z = 1.959964  # the normal law's 97.5 % quantile


def resampled(pairs: Pairs, seed: int, draws: int = 1000) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals, by the names of `gap_report`, of what depends on cosines' means only.

    Percentiles over draws with replacement, after Efron: of pairs, or of groups, each whole, since what
    belongs together is no independent witness. Means over two different rows leave out a group with its own
    copy, which would count as a likeness that the groups do not have: so each draw's gap is the unbiased one.
    What needs partners is left out where there are none.
    """
    rng, n = np.random.default_rng(seed), len(pairs)
    sides, codes = (pairs.images, pairs.texts), pairs.codes
    if pairs.groups is None:
        alike = np.ones(n), np.ones(n), np.einsum("ij,ij->i", *sides).astype(float)
        sizes = np.ones(n), np.ones(n)
    else:
        x, y = (group_sums(side, code, n) for side, code in zip(sides, codes, strict=True))
        alike = tuple(np.einsum("ij,ij->i", a, b) for a, b in ((x, x), (y, y), (x, y)))
        sizes = tuple(np.bincount(code, minlength=n).astype(float) for code in codes)
    of_two = sizes[0] ** 2, sizes[1] ** 2, sizes[0] * sizes[1]  # pairs of rows within each group
    parts = []
    for start in range(0, draws, max(_CELLS // n, 1)):
        size = min(max(_CELLS // n, 1), draws - start)
        counts = np.array([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(size)])
        weights = counts.astype(pairs.images.dtype)
        x, y = (weights[:, code] @ side for side, code in zip(sides, codes, strict=True))
        squares = (counts**2).astype(float)
        m, k = (counts @ size for size in sizes)  # how many rows of each side were drawn
        means = []
        for (a, b), rows, own, twice in zip(
            ((x, x), (y, y), (x, y)), (m * m, k * k, m * k), alike, of_two, strict=True
        ):
            with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one group only has no two rows
                means.append(((a * b).sum(axis=1, dtype=float) - squares @ own) / (rows - squares @ twice))
        with np.errstate(invalid="ignore"):
            parts.append([*means, counts @ alike[2] / (counts @ of_two[2])])
    within_x, within_y, across, matched = np.concatenate(parts, axis=1)
    apart = 2 - 2 * matched
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = np.maximum(within_x + within_y - 2 * across, 0)
        found = {
            "modality_gap": np.sqrt(squared),
            "squared gap": squared,
            "centre_angle": np.degrees(np.arccos(np.clip(across / np.sqrt(within_x * within_y), -1, 1))),
            "mismatched cosine": across,
            "mean_cosine (images)": within_x,
            "mean_cosine (texts)": within_y,
        }
        if of_two[2].any():
            found |= {
                "relative_modality_gap": apart / (apart + 2 - within_x - within_y),
                "gap_share": np.minimum(squared / apart, 1),
                "alignment": apart,
                "matched cosine": matched,
            }
    if not (np.minimum(within_x, within_y) > 0).all():  # a centroid may be zero, which points nowhere
        del found["centre_angle"]
    return {name: tuple(np.nanpercentile(drawn, [2.5, 97.5]).tolist()) for name, drawn in found.items()}


def gaps_by_chance(pairs: Pairs, seed: int, draws: int = 999) -> np.ndarray:
    """Return how long the gap is when the sides of whole groups change places at random.

    Were there no gap, they could: the signs of the groups' parts of it are flipped, after Fisher (1935). Rows
    are taken about the middle of both centroids, so that a group's size does not count; without partners each
    row is flipped alone, which makes no shorter gaps.
    """
    flips = np.random.default_rng(seed).choice([-1.0, 1.0], (draws, len(pairs)))
    x, y = (side.astype(float, copy=False) for side in (pairs.images, pairs.texts))
    if pairs.groups is None:
        parts = (x - y) / len(x)
    else:
        middle = (x.mean(axis=0) + y.mean(axis=0)) / 2
        a, b = (
            group_sums(side - middle, codes, len(pairs)) / len(side)
            for side, codes in zip((x, y), pairs.groups, strict=True)
        )
        parts = a - b
    return np.linalg.norm(flips @ parts, axis=1)


def of_uniformity(rows: np.ndarray, codes: np.ndarray | None, t: float = 2.0) -> tuple[float, float]:
    """Return the 95 % interval of `spread.uniformity_of`, by leaving out one group after the other.

    Drawn again, a row would meet its own copy, the nearest of all; the jackknife (Tukey 1958) makes none.
    """
    codes = np.arange(len(rows)) if codes is None else np.unique(codes, return_inverse=True)[1]
    n, sums = len(rows), []
    for start in range(0, n, 512):
        near = rows[start : start + 512] @ rows.T
        near -= 1
        near *= 2 * t
        np.exp(near, out=near)
        near[belonging(codes[start : start + 512], codes)] = 0
        sums.append(near.sum(axis=1, dtype=float))
    sizes = np.bincount(codes)
    of_group, met = np.bincount(codes, np.concatenate(sums)), sizes * (n - sizes)
    if len(sizes) < 3:
        return np.nan, np.nan
    middle = np.log(of_group.sum() / met.sum())
    without = np.log((of_group.sum() - 2 * of_group) / (met.sum() - 2 * met))
    half = _Z * float(np.sqrt((len(sizes) - 1) * np.var(without)))
    return float(middle - half), float(middle + half)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval (1927) of a share of n; it has a width even at 0 and at 1."""
    middle, weight = share + _Z**2 / (2 * n), 1 + _Z**2 / n
    half = _Z * np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    low, high = float((middle - half) / weight), float((middle + half) / weight)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # at its ends, but for rounding, the share


def of_mean(ways: list[np.ndarray], codes: list[np.ndarray]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of one or more means whose values hang together in groups.

    The residuals are summed by group before they are squared (Liang and Zeger 1986).
    """
    middle, off = np.mean([values.mean() for values in ways]), 0.0
    for values, code in zip(ways, codes, strict=True):
        weights = (values - values.mean()) / (len(values) * len(ways))
        off = off + np.bincount(code, weights, minlength=1 + max(c.max() for c in codes))
    half = _Z * float(np.sqrt(np.sum(off**2)))
    return float(middle - half), float(middle + half)


def of_share(chances: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a share of queries, as `wilson`, of as many as they are worth.

    Queries of one group, five captions of a picture, find it or miss it together: they are worth what the
    groups' own spread says, and never more than they are (Korn and Graubard 1998).
    """
    share, n, groups = float(chances.mean()), len(chances), len(np.unique(codes))
    if n == groups:
        return wilson(share, n)
    low, high = of_mean([chances], [codes])
    spread = ((high - low) / (2 * _Z)) ** 2
    return wilson(share, min(share * (1 - share) / spread, n) if spread > 0 else groups)

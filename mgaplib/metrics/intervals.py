"""How far the metrics can be trusted: 95 % intervals, from groups drawn again and from counts."""

import numpy as np

from mgaplib.metrics.gap import score_gap
from mgaplib.pairs import Pairs, belonging, group_sums

_CELLS = 4_000_000  # weights held at once
_LEAST = 20  # groups that a spread can be told from
_TESTED = 250  # groups that a test is made of
_Z = 1.959964  # the normal law's 97.5 % quantile


@np.errstate(invalid="ignore", divide="ignore")  # a draw of one group only has no two rows
def resampled(pairs: Pairs, seed: int, draws: int = 1000) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals, by the names of `gap_report`, of what depends on cosines' means only.

    Percentiles over draws with replacement, after Efron, of pairs or of whole groups. Means over two
    different rows leave out a group with its own copy, so each draw's gap is the unbiased one. What needs
    partners is left out where there are none.
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
        sums = ((a * b).sum(axis=1, dtype=float) for a, b in ((x, x), (y, y), (x, y)))
        each = zip(sums, (m * m, k * k, m * k), alike, of_two, strict=True)
        means = [(total - squares @ own) / (rows - squares @ twice) for total, rows, own, twice in each]
        parts.append([*means, counts @ alike[2] / (counts @ of_two[2])])
    within_x, within_y, across, matched = np.concatenate(parts, axis=1)
    apart, squared = 2 - 2 * matched, np.maximum(within_x + within_y - 2 * across, 0)
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

    After Fisher (1935): the signs of the groups' parts of the gap are flipped, rows about the middle of both
    centroids, so that a group's size does not count. Without partners each row is flipped alone.
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


def of_uniformity(rows: np.ndarray, codes: np.ndarray, t: float = 2.0) -> tuple[float, float]:
    """Return the 95 % interval of `spread.uniformity_of`, by leaving out one group after the other.

    Drawn again, a row would meet its own copy, the nearest of all; the jackknife (Tukey 1958) makes none.
    """
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
    return _jackknife(middle, without, np.zeros(len(sizes)))


def of_spectrum(rows: np.ndarray, codes: np.ndarray, kinds: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of `effective_rank` and `uniformity_w2` of rows, at as many rows.

    By leaving out one group after the other: a bootstrap repeats rows, so its effective rank is too low.
    `kinds` parts the groups into those of images, of texts and of both. NaN of fewer than 20 groups.

    A group left out changes `sum log(1 + share / s)`, of the scatter's eigenvalues over their sum, by a small
    determinant's logarithm; roots and entropies are integrals of that over s, on a grid of log s.
    """
    n, d = rows.shape
    centred = rows - rows.mean(axis=0, dtype=float)
    left, sigma, _ = np.linalg.svd(centred, full_matrices=False)
    total, sizes = np.sum(sigma**2), np.bincount(codes)
    if len(sizes) < _LEAST or total <= n * (8 * np.finfo(rows.dtype).eps) ** 2:
        return dict.fromkeys(("effective_rank", "uniformity_w2"), (np.nan, np.nan))
    shares, parts = sigma**2 / total, left * sigma / np.sqrt(total)
    s = np.exp(np.arange(-30.0, 25.0))
    inverse, order = 1 / (shares[:, None] + s), np.argsort(codes, kind="stable")
    first, lost, logs = np.cumsum(sizes) - sizes, np.empty(len(sizes)), np.empty((len(sizes), len(s)))
    for size in np.unique(sizes):
        alike, step = np.flatnonzero(sizes == size), max(_CELLS // (size**2 * len(shares)), 1)
        moved = np.eye(size) + 1 / (n - size)  # the mean moves, too
        for some in np.array_split(alike, -(-len(alike) // step)):
            own = parts[order[first[some, None] + np.arange(size)]]
            met = np.moveaxis((own[:, :, None] * own[:, None]) @ inverse, 3, 1)
            logs[some] = np.log(np.maximum(np.linalg.det(np.eye(size) - moved @ met), 1e-300))
            lost[some] = (own**2).sum(axis=(1, 2)) + (own.sum(axis=1) ** 2).sum(axis=1) / (n - size)
    roots = np.sqrt(shares).sum() + logs @ np.sqrt(s) / (2 * np.pi)
    entropy = (shares[shares > 0] * np.log(shares[shares > 0])).sum()
    entropies = entropy - lost - (np.outer(lost, 1 / (1 + s)) + logs) @ s
    ranks = np.exp(np.log(1 - lost) - entropies / (1 - lost))
    evens = [
        -np.sqrt(np.maximum(2 - 2 * root * np.sqrt(total / (d * rest)), 0))
        for root, rest in ((np.sqrt(shares).sum(), n), (roots, n - sizes))
    ]
    return {
        "effective_rank": _jackknife(np.exp(-entropy), ranks, kinds),
        "uniformity_w2": _jackknife(evens[0], evens[1], kinds),
    }


def of_score_gap(pairs: Pairs, middle: float, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval about `score_gap`, by leaving out one group after the other.

    Wasserstein's distance is the difference of two means of one function, Kantorovich's potential; that is
    held while a group is left out. No distance is negative, so none of them tells 0: the interval starts
    there unless `_laws_differ`. NaN of fewer than 20 groups.
    Held in 300 sets each of a true 0, .002, .07: .96, .96, .94 of them at n = 100; .95, .97, .96 at 500.
    """
    if len(pairs) < _LEAST:
        return np.nan, np.nan
    sides, codes, edges = (pairs.images, pairs.texts), pairs.codes, np.linspace(-1 - 1e-5, 1 + 1e-5, 2049)

    def blocks(a: int, b: int):
        for start in range(0, len(sides[a]), 512):
            rows = slice(start, start + 512)
            apart = np.ones((len(sides[a][rows]), len(sides[b])))
            apart[belonging(codes[a][rows], codes[b])] = 0
            yield codes[a][rows], sides[a][rows] @ sides[b].T, apart

    def means(a: int, b: int, potential: np.ndarray) -> np.ndarray:
        sums, numbers = np.zeros((2, 2, len(pairs)))
        for own, cosines, apart in blocks(a, b):
            values = np.interp(cosines, edges, potential) * apart
            for total, of in ((sums, values), (numbers, apart)):
                total[0] += np.bincount(own, of.sum(axis=1), len(pairs))
                total[1] += np.bincount(codes[b], of.sum(axis=0), len(pairs))
        left = (total[0].sum() - total.sum(axis=0) for total in (sums, numbers))
        return np.divide(*left)

    def below(a: int, b: int) -> np.ndarray:
        counts = sum(np.histogram(cosines, edges, weights=apart)[0] for _, cosines, apart in blocks(a, b))
        return np.cumsum(counts) / counts.sum()

    across, without = below(0, 1), np.zeros(len(pairs))
    for side in (0, 1):
        slopes = np.sign(below(side, side) - across)
        potential = np.append(0, np.cumsum(slopes)) * (edges[1] - edges[0])
        without += (means(0, 1, potential) - means(side, side, potential)) / 2
    low, high = _jackknife(middle, without, kinds_of(pairs))
    return (max(low, 0.0) if _laws_differ(pairs, seed) else 0.0), high


def _laws_differ(pairs: Pairs, seed: int) -> bool:
    """Return whether the score gap is longer than 19 of as many where sides change places (Fisher 1935)."""
    rng = np.random.default_rng(seed)
    if len(pairs) > _TESTED:
        kinds = kinds_of(pairs)
        each = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
        pairs = pairs.take(np.concatenate([rng.permutation(some)[: _TESTED // len(each)] for some in each]))
    rows, codes = np.concatenate([pairs.images, pairs.texts]), np.concatenate(pairs.codes)
    image, kinds = np.arange(len(rows)) < len(pairs.images), kinds_of(pairs)
    both, found = kinds == 2, score_gap(pairs)
    for _ in range(19):
        moved = rng.random(len(pairs)) < 0.5
        moved[~both] = rng.permutation(kinds[~both]) != kinds[~both]
        first = image ^ moved[codes]
        sides, groups = (rows[first], rows[~first]), (codes[first], codes[~first])
        if not score_gap(Pairs.trusted(*sides, groups)) < found:  # nor where there is none
            return False
    return True


def kinds_of(pairs: Pairs) -> np.ndarray:
    """Return of each group whether it has only images, 0, only texts, 1, or both, 2."""
    images, texts = (np.bincount(code, minlength=len(pairs)) > 0 for code in pairs.codes)
    return np.where(images & texts, 2, texts.astype(int))


def _jackknife(middle: float, without: np.ndarray, kinds: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval about a value, of its values without each group (Tukey 1958)."""
    parts = [without[kinds == kind] for kind in np.unique(kinds)]
    half = _Z * float(np.sqrt(sum((len(some) - 1) * np.var(some) for some in parts)))
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

    Queries of one group find it or miss it together: they are worth what the groups' own spread says, and
    never more than they are (Korn and Graubard 1998).
    """
    share, n, groups = float(chances.mean()), len(chances), len(np.unique(codes))
    if n == groups:
        return wilson(share, n)
    low, high = of_mean([chances], [codes])
    spread = ((high - low) / (2 * _Z)) ** 2
    return wilson(share, min(share * (1 - share) / spread, n) if spread > 0 else groups)

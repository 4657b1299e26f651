"""The gap itself: the vector between the centroids, its length, and how it compares with other distances."""

from typing import NamedTuple

import numpy as np

from mgaplib import checks
from mgaplib.metrics.spread import mean_cosine_of
from mgaplib.pairs import Pairs, belonging, centroid, group_sums

_CELLS = 4_000_000  # differences of pairs held at once


class Cosines(NamedTuple):
    """Mean cosines: of partners (NaN where there are none), and of two rows of different groups."""

    matched: float
    across: float
    images: float
    texts: float

    @property
    def squared_gap(self) -> float:
        """The squared length of the gap, without what chance makes of it; it may be negative."""
        return self.images + self.texts - 2 * self.across


def mean_cosines(pairs: Pairs) -> Cosines:
    """Return the four mean cosines of which gap, alignment and relative gap are made, in O(n d)."""
    x, y = pairs.images, pairs.texts
    if pairs.groups is None:
        matched, n = 1 - alignment(pairs) / 2, len(x)
        across = float((n * (centroid(x) @ centroid(y)) - matched) / (n - 1))
        return Cosines(matched, across, mean_cosine_of(x), mean_cosine_of(y))
    sums = [group_sums(z, codes, len(pairs)) for z, codes in zip((x, y), pairs.groups, strict=True)]
    sizes = [np.bincount(codes, minlength=len(pairs)) for codes in pairs.groups]
    found = []
    for a, b in ((0, 1), (0, 0), (1, 1)):
        alike, pairs_alike = float((sums[a] * sums[b]).sum()), int(sizes[a] @ sizes[b])
        others = len((x, y)[a]) * len((x, y)[b]) - pairs_alike
        if not others:
            raise ValueError("all rows are of one group, so there are no strangers; pass at least two groups")
        found.append((float(sums[a].sum(axis=0) @ sums[b].sum(axis=0)) - alike) / others)
        if (a, b) == (0, 1):
            matched = alike / pairs_alike if pairs_alike else np.nan
    return Cosines(matched, *found)


def gap_vector(images, texts=None, *, groups=None) -> np.ndarray:
    """Return the gap: the images' centroid minus the texts', d numbers.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> gap_vector([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])
        array([ 1., -1.])

    Source: Liang et al. 2022, section 4.2. Taught in chapter loss_landscape.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    return centroid(pairs.images) - centroid(pairs.texts)


def modality_gap(images, texts=None, *, unbiased: bool = False, groups=None) -> float:
    """Return the length of the gap: the distance of the two centroids, from 0 to 2.

    Two centroids of few rows lie apart by chance: where there is no gap, by about sqrt(alignment / n). The
    unbiased estimate takes that part out of the square, `(n |g|^2 - alignment) / (n - 1)`; with groups, or
    without partners, it is the mean cosine of two images of different groups plus that of two texts, minus
    twice that of an image and a text. Where it comes out negative, the answer is 0.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        unbiased: Whether to return the root of the unbiased square; right also where pairs are alike.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> modality_gap([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]])
        1.0
        >>> x, y = np.random.default_rng(0).normal(size=(2, 8, 64))  # no gap, few pairs
        >>> round(modality_gap(x, y), 2), modality_gap(x, y, unbiased=True)
        (0.48, 0.0)

    Source: Liang et al. 2022, section 4.2. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    length = float(np.linalg.norm(gap_vector(pairs)))
    if not unbiased:
        return length
    if pairs.groups is not None:
        return max(mean_cosines(pairs).squared_gap, 0.0) ** 0.5
    n = len(pairs)
    return max((n * length**2 - alignment(pairs)) / (n - 1), 0.0) ** 0.5


def relative_modality_gap(images, texts=None, *, groups=None) -> float:
    """Return the distance of pairs relative to distances within a modality, from 0 to 1.

    `a / (a + b)` with distance (1 - cos) / 2, a its mean over the pairs, b its mean over different rows of
    one modality, averaged over both: 0 when pairs coincide, 0.5 when a partner is as far as a stranger of the
    row's own modality. Other public versions halve or sum differently.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or all rows are the same.

    Example:
        >>> relative_modality_gap(np.eye(2), -np.eye(2))  # pairs at distance 1, strangers at 1/2
        0.6666666666666666

    Source: Schrodi et al. 2025, as in their code. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups)
    found = mean_cosines(pairs)
    across = (1 - found.matched) / 2
    within = (1 - (found.images + found.texts) / 2) / 2
    if across + within <= np.finfo(pairs.images.dtype).eps:
        raise ValueError("all rows of images and texts are the same; a ratio of distances needs a distance")
    return across / (across + within)


def centre_angle(images, texts=None, *, groups=None) -> float:
    """Return the angle between the two centroids, in degrees, from 0 to 180.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or a centroid is zero.

    Example:
        >>> round(centre_angle(np.eye(2), -np.eye(2)), 6)
        180.0

    Source: Yi et al. 2025. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    centres = []
    for name in ("images", "texts"):
        centre = centroid(getattr(pairs, name))
        length = np.linalg.norm(centre)
        if not length > 1e-12:
            raise ValueError(f"the centroid of {name} is zero, so there is no angle to it")
        centres.append(centre / length)
    a, b = centres
    # Half the angle from its tangent: the cosine alone loses small angles to rounding.
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def alignment(images, texts=None, alpha: float = 2.0, *, groups=None) -> float:
    """Return the mean distance of pairs to the power `alpha`; with 2, from 0 to 4.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        alpha: The power, Wang and Isola's is 2.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `alpha` is not positive.

    Example:
        >>> alignment(np.eye(3), -np.eye(3))
        4.0

    Source: Wang and Isola 2020. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups)
    cure = "pass a positive power up to 1000, Wang and Isola's is 2"
    alpha = checks.within(alpha, "alpha", 1e-12, 1000, cure)
    squared = squared_distances(pairs)
    return float(np.mean(squared ** (alpha / 2), dtype=float))


def squared_distances(pairs: Pairs) -> np.ndarray:
    """Return the squared distance of every pair, in the order of `Pairs.partners`."""
    if pairs.groups is None:
        apart = pairs.images - pairs.texts
        return np.einsum("ij,ij->i", apart, apart)
    images, texts = pairs.partners
    found, step = [], max(_CELLS // pairs.shape[1], 1)
    for start in range(0, len(images), step):
        some = slice(start, start + step)
        apart = pairs.images[images[some]] - pairs.texts[texts[some]]
        found.append(np.einsum("ij,ij->i", apart, apart))
    return np.concatenate(found)


def gap_share(images, texts=None, *, unbiased: bool = False, groups=None) -> float:
    """Return xi, the share of the pairs' squared distance that is one common vector, the gap: from 0 to 1.

    Where there is no gap it is about 1 / n by chance; unbiased, it is `(n xi - 1) / (n - 1)`, at least 0.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        unbiased: Whether to take the unbiased estimate of the squared gap.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or every pair coincides.

    Example:
        >>> gap_share([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])  # every pair differs alike
        1.0

    Source: Bangachev et al. 2025, as in their code. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups)
    total = alignment(pairs)
    if total <= np.finfo(pairs.images.dtype).eps ** 2:
        raise ValueError("every image coincides with its text; there is no distance of which to give a share")
    return min(modality_gap(pairs, unbiased=unbiased) ** 2 / total, 1.0)


def linear_separability(images, texts=None, seed: int = 0, *, groups=None) -> float:
    """Return the held-out accuracy of a linear classifier that tells images from texts.

    Half of the pairs or groups, drawn with the seed, train a logistic regression and the others test it; of
    unrelated sets, half of each. 0.5 (both weigh alike) means mixed, 1 that a plane parts them. Less comes
    from rows that were centred together, where what one half has too much of, the other lacks.

    Args:
        images, texts: Arrays of n rows and d columns, at least 4 rows, row i paired with row i; or `Pairs`.
        seed: Seed of the split.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> linear_separability(np.eye(8), -np.eye(8) - 1)
        1.0

    Source: Fahim et al. 2024. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False, min_rows=4)
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    shares = separations(pairs, seed)
    return float(np.mean([share for share, _ in shares]))


def separations(pairs: Pairs, seed: int) -> list[tuple[float, int]]:
    """Return of images and of texts the share of held-out rows that a plane puts right, and their number."""
    sides, rng = (pairs.images, pairs.texts), np.random.default_rng(seed)
    if pairs.groups is not None and not len(pairs.partners[0]):  # unrelated sets: each is halved for itself
        parts = [np.array_split(rng.permutation(len(side)), [len(side) // 2]) for side in sides]
        halves = [[side[part[half]] for side, part in zip(sides, parts, strict=True)] for half in (0, 1)]
    else:
        order = rng.permutation(len(pairs))
        halves = [
            (half.images, half.texts)
            for half in map(pairs.take, (order[: len(order) // 2], order[len(order) // 2 :]))
        ]
    train, test = halves
    if not all(len(rows) for half in halves for rows in half):
        raise ValueError(
            "one half of the groups holds no images or no texts; pass more groups that have both"
        )
    fit_on = np.concatenate(train).astype(float)
    centre = fit_on.mean(axis=0)
    # One scale for all columns: a narrow cone is regularised like a wide one, and a rotation changes nothing.
    spread = np.sqrt(np.mean((fit_on - centre) ** 2)) or 1.0
    label = np.repeat([-1.0, 1.0], [len(rows) for rows in train])
    plane, threshold = _logistic((fit_on - centre) / spread, label)
    return [
        (float(np.mean(((rows - centre) / spread @ plane > threshold) == side)), len(rows))
        for side, rows in enumerate(test)
    ]


# Own code: with scikit-learn's import `mgaplib report` on 500 pairs takes 4.0 s CPU, not 2.9; its bound is 3.
def _logistic(x: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the plane and threshold that tell labels -1 from 1 by ridge logistic regression."""
    x = np.column_stack([x, np.ones(len(x))])
    price = np.r_[np.ones(x.shape[1] - 1), 0.0]  # the threshold is free
    weight = len(label) / 2 / np.where(label > 0, (label > 0).sum(), (label < 0).sum())

    def loss(plane):
        return weight @ np.logaddexp(0, -label * (x @ plane)) + plane @ (price * plane) / 2

    plane = np.zeros(x.shape[1])
    for _ in range(100):
        wrong = 0.5 - 0.5 * np.tanh(label * (x @ plane) / 2)  # the chance of the other label
        slope, curve = price * plane - x.T @ (weight * label * wrong), weight * wrong * (1 - wrong)
        residual, step = -slope, np.zeros_like(plane)
        course, left = residual, residual @ residual
        if left <= (1e-7 * len(label)) ** 2:
            break
        enough = 1e-4 * left
        while left > enough:
            bent = x.T @ (curve * (x @ course)) + price * course
            length = left / (course @ bent)
            step, residual = step + length * course, residual - length * bent
            left, before = residual @ residual, left
            course = residual + left / before * course
        length, value, downhill = 1.0, loss(plane), slope @ step
        while loss(plane + length * step) > value + 1e-4 * length * downhill and length > 1e-9:
            length /= 2
        plane = plane + length * step
    return plane[:-1], -plane[-1]


@checks.memory("pass fewer rows, some drawn at random: all cosines are held at once")
def score_gap(images, texts=None, *, groups=None) -> float:
    """Return how far scores within a modality lie from scores across: why one threshold cannot serve both.

    The Wasserstein distance of the cosines of unpaired rows of one modality to those of unpaired rows of
    both; the mean over the modalities. 0: a score tells nothing about the candidate's modality.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> round(score_gap(np.eye(3), -np.ones((3, 3))), 4)  # within: 0 or 1; across: -1 / sqrt(3)
        1.0774

    Source: This book's own; Wasserstein's distance of two sorted samples. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    across = np.sort(strangers(pairs.images, pairs.texts, *pairs.codes))
    within = (
        np.sort(strangers(x, x, codes, codes))
        for x, codes in zip((pairs.images, pairs.texts), pairs.codes, strict=True)
    )
    return float(np.mean([_wasserstein(w, across) for w in within]))


def strangers(queries: np.ndarray, candidates: np.ndarray, of_queries, of_candidates) -> np.ndarray:
    """Return the cosines of all rows of different groups."""
    scores = queries @ candidates.T
    n = len(scores)
    if of_queries is of_candidates and len(np.unique(of_queries)) == n:
        # A row of n + 1 entries, its last cut off, starts at each diagonal entry.
        return scores.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:].ravel()
    apart = np.ones(scores.shape, bool)
    apart[belonging(of_queries, of_candidates)] = False
    if not apart.any():
        raise ValueError("all rows are of one group, so there are no strangers; pass at least two groups")
    return scores[apart]


def _wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two sorted samples: the area between their distribution functions."""
    if len(a) == len(b):
        return float(np.mean(np.abs(a - b), dtype=float))
    both = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(z, both[:-1], side="right") / len(z) for z in (a, b)]
    return float(np.sum(np.abs(below[0] - below[1]) * np.diff(both), dtype=float))

"""The gap itself: the vector between the centroids, its length, and how it compares with other distances."""

import numpy as np

from mgaplib import checks
from mgaplib.metrics.spread import mean_cosine_of
from mgaplib.pairs import Pairs, centroid


def gap_vector(images, texts=None) -> np.ndarray:
    """Return the gap: the images' centroid minus the texts', d numbers.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> gap_vector([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])
        array([ 1., -1.])

    Source: Liang et al. 2022, section 4.2. Taught in chapter loss_landscape.
    """
    pairs = Pairs.of(images, texts)
    return centroid(pairs.images) - centroid(pairs.texts)


def modality_gap(images, texts=None, *, unbiased: bool = False) -> float:
    """Return the length of the gap: the distance of the two centroids, from 0 to 2.

    Two centroids of few rows lie apart by chance: where there is no gap at all, the length is about
    sqrt(alignment / n), and falls with n like the error that it is. The unbiased estimate takes that
    part out of the square, `(n |g|^2 - alignment) / (n - 1)`, which is the mean product of two different
    pairs' differences. Where it comes out negative, the answer is 0.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        unbiased: Whether to return the root of the unbiased square; right also where pairs are alike.

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
    pairs = Pairs.of(images, texts)
    length = float(np.linalg.norm(gap_vector(pairs)))
    if not unbiased:
        return length
    n = len(pairs)
    return max((n * length**2 - alignment(pairs)) / (n - 1), 0.0) ** 0.5


def relative_modality_gap(images, texts=None) -> float:
    """Return the distance of pairs relative to distances within a modality, from 0 to 1.

    `a / (a + b)` with distance (1 - cos) / 2, a its mean over the pairs, b its mean over different rows of
    one modality, averaged over both: 0 when pairs coincide, 0.5 when a partner is as far as a stranger of the
    row's own modality. Exact in O(n d). Other public versions halve or sum differently and give other
    numbers.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or all rows are the same.

    Example:
        >>> relative_modality_gap(np.eye(2), -np.eye(2))  # pairs at distance 1, strangers at 1/2
        0.6666666666666666

    Source: Schrodi et al. 2025, as in their code. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts)
    across = alignment(pairs) / 4  # |x - y|^2 = 2 (1 - cos)
    within = (1 - (mean_cosine_of(pairs.images) + mean_cosine_of(pairs.texts)) / 2) / 2
    if across + within <= np.finfo(pairs.images.dtype).eps:
        raise ValueError("all rows of images and texts are the same; a ratio of distances needs a distance")
    return across / (across + within)


def centre_angle(images, texts=None) -> float:
    """Return the angle between the two centroids, in degrees, from 0 to 180.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or a centroid is zero.

    Example:
        >>> round(centre_angle(np.eye(2), -np.eye(2)), 6)
        180.0

    Source: Yi et al. 2025. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts)
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


def alignment(images, texts=None, alpha: float = 2.0) -> float:
    """Return the mean distance of pairs to the power `alpha`; with 2, from 0 to 4.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        alpha: The power, Wang and Isola's is 2.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `alpha` is not positive.

    Example:
        >>> alignment(np.eye(3), -np.eye(3))
        4.0

    Source: Wang and Isola 2020. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts)
    cure = "pass a positive power up to 1000, Wang and Isola's is 2"
    alpha = checks.within(alpha, "alpha", 1e-12, 1000, cure)
    apart = pairs.images - pairs.texts
    squared = np.einsum("ij,ij->i", apart, apart)
    return float(np.mean(squared ** (alpha / 2), dtype=float))


def gap_share(images, texts=None, *, unbiased: bool = False) -> float:
    """Return xi, the share of the pairs' squared distance that is one common vector, the gap: from 0 to 1.

    Where there is no gap the share is about 1 / n by chance. The unbiased estimate of the squared gap
    makes it `(n xi - 1) / (n - 1)`, or 0 where that is negative.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        unbiased: Whether to take the unbiased estimate of the squared gap.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or every pair coincides.

    Example:
        >>> gap_share([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])  # every pair differs alike
        1.0

    Source: Bangachev et al. 2025, as in their code. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts)
    total = alignment(pairs)
    if total <= np.finfo(pairs.images.dtype).eps ** 2:
        raise ValueError("every image coincides with its text; there is no distance of which to give a share")
    return min(modality_gap(pairs, unbiased=unbiased) ** 2 / total, 1.0)


def linear_separability(images, texts=None, seed: int = 0) -> float:
    """Return the held-out accuracy of a linear classifier that tells images from texts.

    Half of the pairs, drawn with the seed, train a logistic regression and the others test it, so that both
    halves are balanced: 0.5 means mixed, 1 means that a plane parts the modalities. Less than 0.5 comes from
    rows that were centred together, where what one half has too much of, the other lacks: about 0.36 for
    CLIP's 500 pairs, each modality centred.

    Args:
        images, texts: Arrays of n rows and d columns, at least 4 rows, row i paired with row i; or `Pairs`.
        seed: Seed of the split.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> linear_separability(np.eye(8), -np.eye(8) - 1)
        1.0

    Source: Fahim et al. 2024. Taught in chapter notation.
    """
    from sklearn.linear_model import LogisticRegression

    pairs = Pairs.of(images, texts, min_rows=4)
    images, texts = pairs.images, pairs.texts
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[: len(order) // 2], order[len(order) // 2 :]
    fit_on = np.concatenate([images[train], texts[train]]).astype(float)
    centre = fit_on.mean(axis=0)
    # One scale for all columns: a narrow cone is regularised like a wide one, and a rotation changes nothing.
    spread = np.sqrt(np.mean((fit_on - centre) ** 2)) or 1.0
    label = np.repeat([0, 1], [len(train), len(train)])
    classifier = LogisticRegression(max_iter=1000).fit((fit_on - centre) / spread, label)
    held_out = (np.concatenate([images[test], texts[test]]) - centre) / spread
    return float(classifier.score(held_out, np.repeat([0, 1], [len(test), len(test)])))


def score_gap(images, texts=None) -> float:
    """Return how far scores within a modality lie from scores across: why one threshold cannot serve both.

    The Wasserstein distance, in units of cosine, of the cosines of different rows of one modality to the
    cosines of unpaired rows of both; the mean over the modalities. 0 means that a score tells nothing about
    the candidate's modality. All n^2 cosines are sorted.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> round(score_gap(np.eye(3), -np.ones((3, 3))), 4)  # within: 0 or 1; across: -1 / sqrt(3)
        1.0774

    Source: This book's own; Wasserstein's distance of two sorted samples. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts)
    images, texts = pairs.images, pairs.texts
    across = _sorted_off_diagonal(images @ texts.T)
    within = (_sorted_off_diagonal(x @ x.T) for x in (images, texts))
    return float(np.mean([np.mean(np.abs(w - across), dtype=float) for w in within]))


def _sorted_off_diagonal(scores: np.ndarray) -> np.ndarray:
    n = len(scores)
    # A row of n + 1 entries, its last cut off, starts at each diagonal entry.
    return np.sort(scores.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:], axis=None)

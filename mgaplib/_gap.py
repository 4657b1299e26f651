"""The gap itself: the vector between the centroids, its length, and how it compares with other distances."""

import numpy as np

from mgaplib import _checks
from mgaplib._spread import mean_cosine


def gap_vector(images, texts) -> np.ndarray:
    """Return the gap: the images' centroid minus the texts', d numbers.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed or their shapes differ.

    Source: Liang et al. 2022, section 4.2.

    Example:
        >>> gap_vector([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])
        array([ 1., -1.])

    Taught in chapter loss_landscape.
    """
    images, texts = _checks.pairs(images, texts)
    return images.mean(axis=0, dtype=float) - texts.mean(axis=0, dtype=float)


def modality_gap(images, texts) -> float:
    """Return the length of the gap: the distance of the two centroids, from 0 to 2.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed or their shapes differ.

    Source: Liang et al. 2022, section 4.2.

    Example:
        >>> modality_gap([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]])
        1.0

    Taught in chapter notation.
    """
    return float(np.linalg.norm(gap_vector(images, texts)))


def relative_modality_gap(images, texts) -> float:
    """Return the distance of pairs relative to distances within a modality, from 0 to 1.

    `a / (a + b)` with distance (1 - cos) / 2, a its mean over the pairs, b its mean over different rows of
    one modality, averaged over both: 0 when pairs coincide, 0.5 when a partner is as far as a stranger.
    Exact in O(n d). Other public versions halve or sum differently and give other numbers.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, their shapes differ, or all rows are the same.

    Source: Schrodi et al. 2025, as in their code.

    Example:
        >>> relative_modality_gap(np.eye(2), -np.eye(2))  # pairs at distance 1, strangers at 1/2
        0.6666666666666666

    Taught in chapter notation.
    """
    images, texts = _checks.pairs(images, texts)
    across = alignment(images, texts) / 4  # |x - y|^2 = 2 (1 - cos)
    within = (1 - (mean_cosine(images) + mean_cosine(texts)) / 2) / 2
    if across + within <= np.finfo(images.dtype).eps:
        raise ValueError(
            "all rows of images and texts are the same; a ratio of distances needs some distance"
        )
    return across / (across + within)


def centre_angle(images, texts) -> float:
    """Return the angle between the two centroids, in degrees, from 0 to 180.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, their shapes differ, or a centroid is zero.

    Source: Yi et al. 2025.

    Example:
        >>> round(centre_angle(np.eye(2), -np.eye(2)), 6)
        180.0

    Taught in chapter notation.
    """
    centres = [x.mean(axis=0, dtype=float) for x in _checks.pairs(images, texts)]
    for name, centre in zip(("images", "texts"), centres, strict=True):
        if not np.linalg.norm(centre) > 1e-12:
            raise ValueError(f"the centroid of {name} is zero, so there is no angle to it")
    a, b = _checks.embeddings(np.stack(centres), "the matrix of the two centroids")
    # Half the angle from its tangent: the cosine alone loses small angles to rounding.
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def alignment(images, texts, alpha: float = 2.0) -> float:
    """Return the mean distance of pairs to the power `alpha`; with 2, from 0 to 4.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.
        alpha: The power, Wang and Isola's is 2.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, their shapes differ, or `alpha` is not positive.

    Source: Wang and Isola 2020.

    Example:
        >>> alignment(np.eye(3), -np.eye(3))
        4.0

    Taught in chapter notation.
    """
    images, texts = _checks.pairs(images, texts)
    cure = "pass a positive power up to 1000, Wang and Isola's is 2"
    alpha = _checks.within(alpha, "alpha", 1e-12, 1000, cure)
    apart = images - texts
    squared = np.einsum("ij,ij->i", apart, apart)
    return float(np.mean(squared ** (alpha / 2), dtype=float))


def gap_share(images, texts) -> float:
    """Return xi, the share of the pairs' squared distance that is one common vector, the gap: from 0 to 1.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, their shapes differ, or every pair coincides.

    Source: Bangachev et al. 2025, as in their code.

    Example:
        >>> gap_share([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])  # every pair differs alike
        1.0

    Taught in chapter notation.
    """
    images, texts = _checks.pairs(images, texts)
    total = alignment(images, texts)
    if total <= np.finfo(images.dtype).eps ** 2:
        raise ValueError("every image coincides with its text; there is no distance of which to give a share")
    return min(modality_gap(images, texts) ** 2 / total, 1.0)

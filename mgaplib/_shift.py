"""Move both modalities along the gap."""

import numpy as np

from mgaplib import _checks

CONVENTIONS = ("lambda", "delta")


def shift(
    images,
    texts,
    lam: float,
    *,
    convention: str = "lambda",
    images_only: bool = False,
    renormalize: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and texts, moved towards each other along the gap.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.
        lam: How far; negative widens the gap.
        convention: "lambda" to count in gaps, "delta" in absolute distance.
        images_only: Whether the texts stay.
        renormalize: Whether to scale the rows to unit length again, as the paper does.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, coincide on average, or the shift moves a row onto the origin.

    Source: Liang et al. 2022, section 4.2 (lambda) and their released code (delta).

    Example:
        >>> x, y = shift([[0.6, 0.8], [0.6, -0.8]], [[-0.6, 0.8], [-0.6, -0.8]], 0.5)
        >>> x
        array([[ 0.,  1.],
               [ 0., -1.]])

    Taught in chapter loss_landscape.
    """
    images, texts = _checks.pairs(images, texts)
    gap, length = gap_of(images, texts)
    by_image, by_text = distances(number(lam, "lam"), length, convention, images_only)
    step = gap / length
    moved = images - (by_image * step).astype(images.dtype), texts + (by_text * step).astype(texts.dtype)
    if not renormalize:
        return moved
    return _checks.embeddings(moved[0], "shifted images"), _checks.embeddings(moved[1], "shifted texts")


def gap_of(images: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the gap of unit rows and its length."""
    gap = images.mean(axis=0, dtype=float) - texts.mean(axis=0, dtype=float)
    length = float(np.linalg.norm(gap))
    if length < 10 * np.finfo(images.dtype).eps:
        raise ValueError("images and texts have the same centroid: there is no gap to move along")
    return gap, length


def distances(shift: float, length: float, convention: str, images_only: bool) -> tuple[float, float]:
    """Return how far the images and the texts move."""
    _checks.known(convention, CONVENTIONS, "convention")
    if convention == "lambda":
        return shift * length, 0.0 if images_only else shift * length
    return (shift, 0.0) if images_only else (shift / 2, shift / 2)


def number(value: float, name: str) -> float:
    """Return a shift as a float, if it is finite."""
    # Far beyond that squares overflow, and any row is the gap's direction long before.
    return _checks.within(value, name, -1e6, 1e6, "a shift is a finite number, a million gaps at most")

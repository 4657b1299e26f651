"""An image-only shift as what it is: a handicap for each prompt."""

import numpy as np

from mgaplib import _checks


def handicap(prompts, gap, delta: float) -> np.ndarray:
    """Return what an image-only shift adds to the score of each prompt, the same for every picture.

    The shift x' = unit(x - delta u), with u the gap's direction, turns the score x.t into (x.t - delta u.t)
    over a length that all prompts of the picture share. So it ranks them as -delta u.t added to x.t does.

    Args:
        prompts: Array with one row for each prompt.
        gap: The gap, one number a column; only its direction counts.
        delta: How far the images move towards the texts; negative widens the gap.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, the gap is no vector of as many numbers, or delta is not finite.

    Example:
        >>> handicap(np.eye(2), np.array([3.0, 0.0]), 0.5)
        array([-0.5, -0. ])

    Taught in chapter fairness.
    """
    rows = _checks.embeddings(prompts, "prompts", min_rows=1).astype(float, copy=False)
    vector = np.asarray(gap, dtype=float)
    if vector.shape != (rows.shape[1],) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(
            f"gap has shape {vector.shape}; pass one vector of {rows.shape[1]} finite numbers, not all zero, "
            "such as metrics.gap_vector of the model's images and texts"
        )
    if not np.isfinite(delta):
        raise ValueError(f"delta is {delta!r}; pass a finite distance")
    return -float(delta) * (rows @ (vector / np.linalg.norm(vector)))


def predict(images, prompts, gap=None, delta: float = 0.0) -> np.ndarray:
    """Return the prompt of highest cosine for each image, after moving the images by delta along the gap.

    Args:
        images: Array of n rows and d columns.
        prompts: Array of one row for each prompt and d columns.
        gap: The gap, d numbers, measured on other pairs than those that are judged; needed if delta is not 0.
        delta: How far the images move towards the texts; negative widens the gap.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed or do not match, or delta is not 0 and there is no gap.

    Source: Liang et al. 2022, section 5.2 (x' = unit(x - delta u), the texts untouched).

    Example:
        >>> images, prompts = np.array([[0.8, 0.6], [0.6, 0.8]]), np.eye(2)
        >>> predict(images, prompts), predict(images, prompts, gap=[1.0, -1.0], delta=0.5)
        (array([0, 1]), array([1, 1]))

    Taught in chapter fairness.
    """
    x = _checks.embeddings(images, "images", min_rows=1).astype(float, copy=False)
    t = _checks.embeddings(prompts, "prompts", min_rows=1).astype(float, copy=False)
    if x.shape[1] != t.shape[1]:
        raise ValueError(f"images have {x.shape[1]} columns and prompts {t.shape[1]}; pass one model's")
    if gap is None and delta != 0:
        raise ValueError(f"delta is {delta!r} but there is no gap to move along; pass gap")
    scores = x @ t.T
    return (scores if gap is None else scores + handicap(t, gap, delta)).argmax(axis=1)

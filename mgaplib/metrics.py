"""Measure the modality gap, what it is made of, and what it costs.

Every function takes arrays or CPU tensors with one embedding a row and scales the rows to unit length itself.
"""

import numpy as np

from mgaplib import _checks
from mgaplib._retrieval import contrastive_loss, recall_at_k
from mgaplib._spread import mean_cosine, uniformity, uniformity_w2

__all__ = [
    "contrastive_loss",
    "gap_vector",
    "mean_cosine",
    "modality_gap",
    "recall_at_k",
    "uniformity",
    "uniformity_w2",
]


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

    Taught in chapter notation.
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
        >>> modality_gap(np.eye(3), -np.eye(3)) ** 2 * 3
        4.0

    Taught in chapter notation.
    """
    return float(np.linalg.norm(gap_vector(images, texts)))

"""How far two modalities are one cloud: their neighbours, their shapes, their lengths before normalising."""

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs, centroid

_ROWS = 512  # rows of scores held at once, so that memory stays O(n)
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


def knn_mixing(images, texts=None, k: int = 20, *, groups=None) -> float:
    """Return the share of the `k` nearest neighbours that are of the other modality: its mean over all rows.

    All other rows are the pool. 0: nobody's neighbours are of the other modality; two samples of one cloud,
    n rows of each, read n / (2n - 1). Neighbours that tie for the last places share them.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        k: How many neighbours count, from 1 to all other rows.
        groups: Who belongs to whom; here it says only which rows stand there twice. See `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `k` does not.

    Example:
        >>> x = np.eye(4) + 1
        >>> knn_mixing(x, x, k=1), knn_mixing(x, -x, k=3)  # a copy is the nearest; all antipodes are far
        (1.0, 0.0)

    Source: Yu et al. 2026 (ReAlign), appendix D.3; Schilling 1986 for the statistic, one minus this.
    Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    pool = np.concatenate([pairs.images, pairs.texts]).astype(float, copy=False)
    first, others = len(pairs.images), len(pool) - 1
    k = checks.whole(k, "k", 1, others, f"it counts neighbours among {others}, so pass 1 to {others}")
    total = 0.0
    for start in range(0, len(pool), _ROWS):
        scores = pool[start : start + _ROWS] @ pool.T
        rows = np.arange(len(scores))
        scores[rows, start + rows] = -np.inf
        last = np.partition(scores, -k, axis=1)[:, -k, None]
        kinds = scores > last + _TIE, np.abs(scores - last) <= _TIE
        near, tied = (np.stack([m[:, :first].sum(axis=1), m[:, first:].sum(axis=1)]) for m in kinds)
        counted = near + tied * (k - near.sum(axis=0)) / tied.sum(axis=0)
        total += counted[np.where(start + rows < first, 1, 0), rows].sum()
    return float(total / k / len(pool))


def frechet_distance(images, texts=None, *, groups=None) -> float:
    """Return the distance of two Gaussians that are fitted to the modalities, from 0 to 2.

    `sqrt(|g|^2 + tr(Sx + Sy - 2 (Sx Sy)^(1/2)))`, with the gap g and the covariances: as long as the gap if
    a shift alone parts the clouds, else longer. FID is its square. Few rows read too far: compare at one n.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom; here it says only which rows stand there twice. See `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> ring = np.array([[0.6, 0.0], [-0.6, 0.0], [0.0, 0.6], [0.0, -0.6]])
        >>> up, down = (np.column_stack([ring, np.full(4, height)]) for height in (0.8, -0.8))
        >>> round(frechet_distance(up, down), 6)  # one ring, shifted
        1.6

    Source: Dowson and Landau 1982; Heusel et al. 2017 (FID) between two sets of features, here the two
    modalities, as in Role et al. 2025. Taught in chapter notation.
    """
    x, y = _centred(images, texts, groups)
    gap = x[0] - y[0]
    roots = [np.linalg.qr(rows / np.sqrt(len(rows)), mode="r") for _, rows in (x, y)]
    # The trace of (Sx Sy)^(1/2) is the sum of the singular values of the roots' product.
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    spread = sum(float(np.sum(root**2)) for root in roots)
    return float(np.sqrt(gap @ gap + max(spread - 2 * shared, 0.0)))


def covariance_gap(images, texts=None, *, groups=None) -> float:
    """Return how far the modalities' covariances differ, wherever their centroids lie: from 0 to 1.

    `|Sx - Sy| / (|Sx| + |Sy|)` in Frobenius' norm: 0 for clouds of one shape and direction, 1 where one has
    no spread, and 1 / sqrt(2) where they are alike but fill subspaces at right angles.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom; here it says only which rows stand there twice. See `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or have no spread.

    Example:
        >>> x = np.array([[1.0, 0, 0, 0], [-1, 0, 0, 0]])
        >>> round(covariance_gap(x, np.roll(x, 1, axis=1)), 4)
        0.7071

    Source: The eight-metric protocol of anuidy/modality_gap_reorganization_by_diff_learning_method (2026),
    section 3.2, on unit rows. Taught in chapter notation.
    """
    (_, x), (_, y) = _centred(images, texts, groups)
    within = [float(np.linalg.norm(rows.T @ rows) / len(rows)) for rows in (x, y)]
    if sum(within) <= np.finfo(np.float32).eps ** 2:
        raise ValueError("all rows of images are the same, and all of texts; covariances need a spread")
    return float(np.linalg.norm(x.T @ x / len(x) - y.T @ y / len(y)) / sum(within))


def norm_imbalance(images, texts) -> float:
    """Return how many times longer one modality's raw rows are than the other's, as a logarithm from 0.

    `|log(mean |x_i| / mean |y_i|)|`. It matters where scores are inner products of what the encoders gave.

    Args:
        images, texts: Arrays of n and of m raw rows, not scaled to unit length, and d columns.

    Raises:
        TypeError, ValueError: If the rows make no sense (`mgaplib.checks`), are all zero, or differ in their
            columns; or if they are `Pairs`, whose rows have length 1.

    Example:
        >>> round(norm_imbalance(18.57 * np.eye(3), 13.23 * np.eye(3)), 3)  # CLIP ViT-L/14's mean lengths
        0.339

    Source: The eight-metric protocol of anuidy/modality_gap_reorganization_by_diff_learning_method (2026),
    section 3.7. Taught in chapter notation.
    """
    if isinstance(images, Pairs):
        raise TypeError("images is a Pairs, whose rows have unit length; pass the encoders' raw output")
    x, y = (
        checks.embeddings(rows, name, min_rows=1, normalize=False).astype(float, copy=False)
        for rows, name in ((images, "images"), (texts, "texts"))
    )
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"images have {x.shape[1]} columns and texts {y.shape[1]}; pass one space's")
    lengths = [float(np.linalg.norm(rows, axis=1).mean()) for rows in (x, y)]
    for name, length in zip(("images", "texts"), lengths, strict=True):
        if length == 0:
            raise ValueError(f"all rows of {name} are zero; there is no length to compare")
    return float(abs(np.log(lengths[0] / lengths[1])))


def _centred(images, texts, groups) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each modality's centroid, and its rows in float64 without it."""
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    centres = [(centroid(rows), rows) for rows in (pairs.images, pairs.texts)]
    return [(centre, rows - centre) for centre, rows in centres]

"""How one cloud of embeddings fills its sphere: its cone, its uniformity, its dimensions."""

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs, belonging, centroid

_ROWS = 512  # rows of a pairwise matrix held at once, so that memory stays O(n)


def mean_cosine(x) -> float:
    """Return the mean cosine of two different rows: how narrow the cone is that holds them.

    Without the diagonal, in O(n d): `(n |mean|^2 - 1) / (n - 1)`.

    Args:
        x: Array of n rows and d columns, one modality.

    Raises:
        TypeError, ValueError: If `x` makes no sense; see `mgaplib.checks`.

    Example:
        >>> mean_cosine(np.eye(3)), round(mean_cosine(np.ones((3, 2))), 12)  # right angles; one direction
        (0.0, 1.0)

    Source: Liang et al. 2022, section 2 (the cone effect). Taught in chapter random_networks.
    """
    return mean_cosine_of(checks.embeddings(x, "x"))


def mean_cosine_of(rows: np.ndarray) -> float:
    """Return `mean_cosine` of unit rows, which are not checked again."""
    n, mean = len(rows), centroid(rows)
    return float((n * (mean @ mean) - 1) / (n - 1))


def uniformity(x, t: float = 2.0) -> float:
    """Return Wang and Isola's uniformity, `log mean exp(-t |x_i - x_j|^2)` over pairs i < j.

    From 0, a single point, down to -2 t n / (n - 1), near -4 for many rows at t = 2; lower is more uniform.

    Args:
        x: Array of n rows and d columns, one modality.
        t: How fast a pair's weight falls with its squared distance.

    Raises:
        TypeError, ValueError: If `x` makes no sense (`mgaplib.checks`), or `t` is not positive.

    Example:
        >>> round(uniformity(np.eye(3)), 12)  # every pair at squared distance 2
        -4.0

    Source: Wang and Isola 2020. Taught in chapter notation.
    """
    x = checks.embeddings(x, "x")
    t = checks.within(t, "t", 1e-12, 100, "pass a positive number up to 100, Wang and Isola's is 2")
    return uniformity_of(x, t)


def uniformity_of(x: np.ndarray, t: float = 2.0, codes: np.ndarray | None = None) -> float:
    """Return `uniformity` of unit rows, not checked again; `codes` leaves out pairs of one group."""
    total = 0.0
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS]
        weights = rows @ x[start:].T  # each unordered pair once; the diagonal block is halved below
        weights -= 1
        weights *= 2 * t
        np.exp(weights, out=weights)
        inner = weights[:, : len(rows)]
        total += float(weights[:, len(rows) :].sum(dtype=float))
        total += float(inner.sum(dtype=float) - np.trace(inner, dtype=float)) / 2
    pairs = len(x) * (len(x) - 1) / 2
    if codes is not None:
        first, second = belonging(codes, codes)
        first, second = first[first < second], second[first < second]
        cosines = np.einsum("ij,ij->i", x[first], x[second]).astype(float)
        total, pairs = total - np.exp(2 * t * (cosines - 1)).sum(), pairs - len(first)
    return float(np.log(total / pairs))


def uniformity_w2(images, texts=None, *, groups=None) -> float:
    """Return minus the Wasserstein distance from both modalities together to an even Gaussian.

    `-sqrt(2 - (2 / sqrt(d)) sum_k sigma_k / sqrt(n))`, where sigma are the singular values of all n rows,
    centred (population covariance): for unit rows the means and traces of the usual formula add up to 2. From
    -sqrt(2), one point, to 0, which few rows cannot reach: `gap_report` says what even rows would read.

    Args:
        images, texts: Arrays of n and of m rows and d columns, which need no partners; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> corners = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> uniformity_w2(corners, -corners)
        -0.0

    Source: Yaras et al. 2025, appendix E.2, after Fang et al. 2024. Taught in chapter what_it_costs.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False)
    z = np.concatenate([pairs.images, pairs.texts]).astype(float, copy=False)
    n, d = z.shape
    sigma = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    return -float(np.sqrt(max(2 - 2 * sigma.sum() / np.sqrt(d * n), 0)))


def even_uniformity_w2(n: int, d: int) -> float:
    """Return about what `uniformity_w2` reads of n rows in all, drawn evenly: their spectrum has a width.

    The mean root of an eigenvalue under Marchenko and Pastur's law (1967), which holds for large n and d.
    """
    angle = (np.arange(4096) + 0.5) * np.pi / 4096
    values = 1 + d / n + 2 * np.sqrt(d / n) * np.cos(angle)
    return -float(np.sqrt(max(2 - 4 * np.mean(np.sin(angle) ** 2 / np.sqrt(values)), 0)))


def effective_rank(x) -> float:
    """Return how many dimensions the rows fill: exp of the entropy of the centred covariance's eigenvalues.

    From 1, a line, to d or n - 1, a ball; 0 if all rows are the same. It grows with the number of rows: 12.8,
    53.0 and 104.6 for 16, 100 and all 500 of CLIP's published images. Compare it at one n only.

    Args:
        x: Array of n rows and d columns, one modality.

    Raises:
        TypeError, ValueError: If `x` makes no sense; see `mgaplib.checks`.

    Example:
        >>> round(effective_rank(np.concatenate([np.eye(3), -np.eye(3)])), 12)
        3.0

    Source: Roy and Vetterli 2007, on the covariance. Taught in chapter notation.
    """
    return effective_rank_of(checks.embeddings(x, "x"))


def effective_rank_of(x: np.ndarray) -> float:
    """Return `effective_rank` of unit rows, which are not checked again."""
    centred = x - x.mean(axis=0, dtype=float)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    if variances.sum() <= len(x) * (8 * np.finfo(x.dtype).eps) ** 2:
        return 0.0  # what is left is rounding
    share = variances[variances > 0] / variances.sum()
    return float(np.exp(-(share * np.log(share)).sum()))

"""Embeddings from the cosines that a paper published instead of them."""

import numpy as np

from mgaplib import checks

_NEGATIVE = 0.01  # a rounded Gram has small negative eigenvalues; more of the trace than this is no Gram


def embeddings_from_gram(gram, d: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return images and texts, up to one rotation of both, whose cosines are the given ones.

    Every metric depends on cosines only (`uniformity_w2` on `d` as well), so each runs on the result.

    Args:
        gram: Cosines of 2n rows, images first and texts after them in the same order: 2n rows and columns.
        d: Columns of the result; the Gram matrix's rank if None.

    Raises:
        TypeError, ValueError: If it is no floating Gram matrix of unit vectors, or its rank exceeds `d`.

    Example:
        >>> x, y = embeddings_from_gram([[1, 0, 0.6, 0], [0, 1, 0, 0.6], [0.6, 0, 1, 0], [0, 0.6, 0, 1.0]])
        >>> np.diag(x @ y.T).round(12)
        array([0.6, 0.6])

    Source: Classical scaling (Torgerson 1952). Taught in chapter notation.
    """
    gram = checks.embeddings(gram, "gram", min_rows=4, normalize=False).astype(float)
    rows = len(gram)
    if gram.shape != (rows, rows) or rows % 2:
        raise ValueError(f"gram has shape {gram.shape}; pass 2n rows and columns, images first, then texts")
    if not np.allclose(gram, gram.T, atol=1e-3) or not np.allclose(np.diag(gram), 1, atol=1e-2):
        raise ValueError("gram is not symmetric with unit diagonal; pass cosines, not logits or distances")
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    if -values[values < 0].sum() > _NEGATIVE * rows:
        raise ValueError("gram has large negative eigenvalues: no vectors have these cosines")
    keep = values > rows * np.finfo(float).eps * values[-1]
    rank = int(keep.sum())
    cure = f"gram has rank {rank}; pass d of at least that, or None"
    d = rank if d is None else checks.whole(d, "d", rank, None, cure)
    z = np.zeros((rows, d))
    z[:, :rank] = vectors[:, keep] * np.sqrt(values[keep])
    z = checks.embeddings(z, "gram")
    return z[: rows // 2], z[rows // 2 :]

"""The contrastive loss and the recall of one pool whose cosines are made block by block, in the cache.

With both modalities shifted along one direction, the cosine of image i and text j is
`(gram[i, j] + row_add[i] + col_add[j]) * row_scale[i] * col_scale[j]`. The whole matrix is never held:
a few of its rows are made in place, and every temperature is served before they leave the cache.
"""

from dataclasses import dataclass

import numpy as np

_CELLS = 64 * 5000  # of one block: with its exponentials it fits a core's cache
_DEEPEST = {np.dtype("f4"): 60.0, np.dtype("f8"): 600.0}  # how far below, and
_HIGHEST = {np.dtype("f4"): 75.0, np.dtype("f8"): 600.0}  # above its offset an exponent may lie
_TIE = {np.dtype("f4"): 5e-7, np.dtype("f8"): 1e-12}  # cosines closer than this are equal but for rounding


@dataclass(frozen=True)
class Pool:
    """Cosines in factored form; row i and column i are a pair."""

    gram: np.ndarray
    row_add: np.ndarray
    col_add: np.ndarray
    row_scale: np.ndarray
    col_scale: np.ndarray

    def batch(self, rows: slice) -> "Pool":
        """Return the pool of some of the pairs only."""
        ends = (v[rows] for v in (self.row_add, self.col_add, self.row_scale, self.col_scale))
        return Pool(self.gram[rows, rows], *ends)

    def own(self) -> np.ndarray:
        """Return the cosines of the pairs, in float64."""
        return (np.diag(self.gram) + self.row_add + self.col_add) * self.row_scale * self.col_scale

    def blocks(self):
        """Yield slices of rows with their cosines, in a buffer that the caller may overwrite."""
        n, kind = len(self.gram), self.gram.dtype
        col_add, col_scale = self.col_add.astype(kind), self.col_scale.astype(kind)
        row_add, row_scale = self.row_add.astype(kind)[:, None], self.row_scale.astype(kind)[:, None]
        size = max(1, min(n, _CELLS // n))
        buffer = np.empty((size, n), kind)
        for start in range(0, n, size):
            rows = slice(start, min(start + size, n))
            cosines = buffer[: rows.stop - start]
            np.add(self.gram[rows], col_add, out=cosines)
            cosines += row_add[rows]
            cosines *= col_scale
            cosines *= row_scale[rows]
            yield rows, cosines


def cross_entropies(pool: Pool, taus: np.ndarray, both_ways: tuple[bool, bool]) -> np.ndarray:
    """Return sums over pairs of the cross-entropies, a row per temperature: image to text and text to image.

    A direction that is not asked for stays 0. Exact down to any temperature: where one offset for a whole
    block would lose a row or a column to underflow, each gets its own.
    """
    own = pool.own()
    by_row, by_col = both_ways
    n, kind, lowest = len(own), pool.gram.dtype, own.min()
    totals = np.zeros((len(taus), 2))
    columns = np.full((len(taus), n), -np.inf if by_col else 0.0)
    summed = 2 / taus < _HIGHEST[np.dtype("f8")]  # else even float64 cannot hold all of exp(-2 / tau) to 1
    columns[summed] = 0
    ones, spare = np.ones(n, kind), None
    for rows, cosines in pool.blocks():
        spare = np.empty_like(cosines) if spare is None else spare
        weights = spare[: len(cosines)]
        top = float(cosines.max())
        # Rounded as it is subtracted: the difference would put all terms off alike.
        offset = float(kind.type((top + min(lowest, top)) / 2))
        cosines -= kind.type(offset)
        for t, tau in enumerate(taus):
            rate = kind.type(1 / tau)
            if (top - offset) / tau < _HIGHEST[kind] and (offset - lowest) / tau < _DEEPEST[kind]:
                np.multiply(cosines, rate, out=weights)
                np.exp(weights, out=weights)
                sums = weights @ ones if by_row else None
                row_offset, col_offset = 0.0, 0.0
                col_sums = ones[: len(weights)] @ weights if by_col else None
            else:
                sums, row_offset = _safe_sums(cosines, rate, weights, 1) if by_row else (None, 0.0)
                col_sums, col_offset = _safe_sums(cosines, rate, weights, 0) if by_col else (None, 0.0)
            if by_row:
                logs = np.log(sums.astype(float)) + (row_offset + offset - own[rows]) / tau
                totals[t, 0] += logs.sum()
            if by_col and summed[t]:
                # In float64 by name: before NumPy 2 a float32 array times a float64 number stays float32.
                columns[t] += col_sums.astype(float) * np.exp((col_offset + offset - 1) / tau)
            elif by_col:
                with np.errstate(divide="ignore"):  # a column far below its own pair's cosine may sum to 0
                    logs = np.log(col_sums) + (col_offset + offset) / tau
                np.logaddexp(columns[t], logs, out=columns[t])
    if by_col:
        columns[summed] = np.log(columns[summed]) + 1 / taus[summed, None]
        totals[:, 1] = (columns - own / taus[:, None]).sum(axis=1)
    return totals


def _safe_sums(cosines, rate, weights, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of exponentials along an axis, each below its own maximum, and those maxima."""
    top = cosines.max(axis=axis, keepdims=True)
    np.subtract(cosines, top, out=weights)
    weights *= rate
    np.exp(weights, out=weights)
    return weights.sum(axis=axis), top.ravel().astype(float)


def recalls(pool: Pool, k: int) -> tuple[float, float]:
    """Return recall at k image to text and text to image, ties in random order."""
    own, tie = pool.own(), _TIE[pool.gram.dtype]
    n, kind = len(own), pool.gram.dtype
    above, below = (own + tie).astype(kind), (own - tie).astype(kind)
    better, equal = np.zeros((2, n)), np.zeros((2, n))
    for rows, cosines in pool.blocks():
        better[0, rows] = np.count_nonzero(cosines > above[rows, None], axis=1)
        equal[0, rows] = np.count_nonzero(cosines >= below[rows, None], axis=1)
        better[1] += np.count_nonzero(cosines > above, axis=0)
        equal[1] += np.count_nonzero(cosines >= below, axis=0)
    chance = np.clip((k - better) / (equal - better), 0, 1).mean(axis=1)
    return float(chance[0]), float(chance[1])

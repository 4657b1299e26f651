"""Move both modalities along the gap, and see what that does to the loss, the gap and recall.

Liang et al. 2022 move the images by `-lam * gap` and the texts by `+lam * gap` and normalise again. Two
conventions count the same movement: the paper's *lambda*, in gaps, which closes the gap near 0.5; and the
released code's *delta*, in absolute distance, of which each modality goes half. So
`lam = 0.5 * delta / modality_gap`. If only the images move (`images_only`), they go `lam * gap`, or the whole
`delta`, as in the paper's fairness experiment: both then close the gap near 1 and near its length.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mgaplib import checks
from mgaplib.metrics.retrieval import DIRECTIONS, batches, chance_of_any
from mgaplib.pairs import Pairs

CONVENTIONS = ("lambda", "delta")


def shift(
    images,
    texts,
    lam: float,
    *,
    convention: str = "lambda",
    images_only: bool = False,
    renormalize: bool = True,
    groups=None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and texts, moved towards each other along the gap.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs` and None.
        lam: How far; negative widens the gap.
        convention: "lambda" to count in gaps, "delta" in absolute distance.
        images_only: Whether the texts stay.
        renormalize: Whether to scale the rows to unit length again, as the paper does.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If embeddings make no sense, coincide on average, or one lands on the origin.

    Example:
        >>> shift([[0.6, 0.8], [0.6, -0.8]], [[-0.6, 0.8], [-0.6, -0.8]], 0.5)[0]
        array([[ 0.,  1.],
               [ 0., -1.]])

    Source: Liang et al. 2022, section 4.2 (lambda), and their code (delta). Taught in chapter loss_landscape.
    """
    pairs = Pairs.of(images, texts, groups=groups)
    images, texts = pairs.images, pairs.texts
    gap, length = gap_of(images, texts)
    by_image, by_text = distances(shift_number(lam, "lam"), length, convention, images_only)
    step = gap / length
    moved = images - (by_image * step).astype(images.dtype), texts + (by_text * step).astype(texts.dtype)
    if not renormalize:
        return moved
    return checks.embeddings(moved[0], "shifted images"), checks.embeddings(moved[1], "shifted texts")


def gap_of(images: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the gap of unit rows and its length."""
    gap = images.mean(axis=0, dtype=float) - texts.mean(axis=0, dtype=float)
    length = float(np.linalg.norm(gap))
    if length < 10 * np.finfo(images.dtype).eps:
        raise ValueError("images and texts have the same centroid: there is no gap to move along")
    return gap, length


def distances(shift: float, length: float, convention: str, images_only: bool) -> tuple[float, float]:
    """Return how far the images and the texts move."""
    checks.known(convention, CONVENTIONS, "convention")
    if convention == "lambda":
        return shift * length, 0.0 if images_only else shift * length
    return (shift, 0.0) if images_only else (shift / 2, shift / 2)


def shift_number(value: float, name: str) -> float:
    """Return a shift as a float, if it is finite."""
    # Far beyond that squares overflow, and any row is the gap's direction long before.
    return checks.within(value, name, -1e6, 1e6, "a shift is a finite number, a million gaps at most")


_CELLS = 48 * 5000  # of one block: with its exponentials it fits a core's cache
_DEEPEST = {np.dtype("f4"): 60.0, np.dtype("f8"): 600.0}  # how far below, and
_HIGHEST = {np.dtype("f4"): 75.0, np.dtype("f8"): 600.0}  # above its offset an exponent may lie
_TIE = {np.dtype("f4"): 5e-7, np.dtype("f8"): 1e-12}  # cosines closer than this are equal but for rounding


@dataclass(frozen=True)
class Pool:
    """Cosines in factored form, and the rows and columns of every pair."""

    gram: np.ndarray
    row_add: np.ndarray
    col_add: np.ndarray
    row_scale: np.ndarray
    col_scale: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]

    def batch(self, rows, cols, pairs: tuple[np.ndarray, np.ndarray]) -> "Pool":
        """Return the pool of some rows and columns only, and the pairs among them."""
        ends = self.row_add[rows], self.col_add[cols], self.row_scale[rows], self.col_scale[cols]
        return Pool(self.gram[rows][:, cols], *ends, pairs)

    def own(self) -> np.ndarray:
        """Return the cosines of the pairs, in float64."""
        i, j = self.pairs
        return (self.gram[i, j] + self.row_add[i] + self.col_add[j]) * self.row_scale[i] * self.col_scale[j]

    def joined(self, values: np.ndarray, join: np.ufunc) -> list[np.ndarray]:
        """Return for each row, then each column, what its pairs' values join to; NaN where it has none."""
        found = []
        for side, size in zip(self.pairs, self.gram.shape, strict=True):
            order = np.argsort(side, kind="stable")
            which, first = np.unique(side[order], return_index=True)
            each = np.full(size, np.nan)
            each[which] = join.reduceat(values[order], first)
            found.append(each)
        return found

    def blocks(self):
        """Yield slices of rows with their cosines, in a buffer that the caller may overwrite."""
        (m, n), kind = self.gram.shape, self.gram.dtype
        col_add, col_scale = self.col_add.astype(kind), self.col_scale.astype(kind)
        row_add, row_scale = self.row_add.astype(kind)[:, None], self.row_scale.astype(kind)[:, None]
        size = max(1, min(m, _CELLS // n))
        buffer = np.empty((size, n), kind)
        for start in range(0, m, size):
            rows = slice(start, min(start + size, m))
            cosines = buffer[: rows.stop - start]
            np.add(self.gram[rows], col_add, out=cosines)
            cosines += row_add[rows]
            cosines *= col_scale
            cosines *= row_scale[rows]
            yield rows, cosines


def cross_entropies(pool: Pool, taus: np.ndarray, both_ways: tuple[bool, bool]) -> np.ndarray:
    """Return sums over queries of the cross-entropies, a row per temperature: image to text, text to image.

    As in `metrics.contrastive_loss`; a direction not asked for stays 0. Exact down to any temperature: where
    one offset for a whole block would lose a row or a column to underflow, each gets its own.
    """
    own = pool.own()
    by_row, by_col = both_ways
    sides = zip(pool.joined(own, np.add), pool.joined(np.ones_like(own), np.add), strict=True)
    row_own, col_own = (total / count / taus[:, None] for total, count in sides)
    (m, n), kind, lowest = pool.gram.shape, pool.gram.dtype, own.min()
    in_rows, in_columns = np.zeros((len(taus), m)), np.full((len(taus), n), -np.inf)
    summed = 2 / taus < _HIGHEST[np.dtype("f8")]  # else even float64 cannot hold all of exp(-2 / tau) to 1
    in_columns[summed] = 0
    ones, spare, steps = np.ones(max(m, n), kind), None, _steps(1 / taus)
    with np.errstate(divide="ignore"):  # what is far below its own pair's cosine, or has none, may sum to 0
        for rows, cosines in pool.blocks():
            if spare is None:
                spare = [np.empty_like(cosines) for _ in range(1 + max(place for _, place, _ in steps))]
            top = float(cosines.max())
            # Rounded as it is subtracted: the difference would put all terms off alike.
            offset = float(kind.type((top + min(lowest, top)) / 2))
            cosines -= kind.type(offset)
            for t, place, parts in steps:
                tau, weights = taus[t], spare[place][: len(cosines)]
                if (top - offset) / tau < _HIGHEST[kind] and (offset - lowest) / tau < _DEEPEST[kind]:
                    if parts:
                        first, *others = (spare[part][: len(cosines)] for part in parts)
                        for other in others:
                            first = np.multiply(first, other, out=weights)
                    else:
                        np.multiply(cosines, kind.type(1 / tau), out=weights)
                        np.exp(weights, out=weights)
                    sums, row_offset = weights @ ones[:n] if by_row else None, 0.0
                    col_sums, col_offset = ones[: len(weights)] @ weights if by_col else None, 0.0
                else:
                    rate = kind.type(1 / tau)
                    sums, row_offset = _safe_sums(cosines, rate, weights, 1) if by_row else (None, 0.0)
                    col_sums, col_offset = _safe_sums(cosines, rate, weights, 0) if by_col else (None, 0.0)
                # In float64 by name: before NumPy 2 a float32 array times a float64 number stays float32.
                if by_row:
                    in_rows[t, rows] = np.log(sums, dtype=float) + (row_offset + offset) / tau
                if by_col and summed[t]:
                    factor = np.exp((col_offset + offset - 1) / tau)
                    in_columns[t] += np.multiply(col_sums, factor, dtype=float)
                elif by_col:
                    logs = np.log(col_sums) + (col_offset + offset) / tau
                    np.logaddexp(in_columns[t], logs, out=in_columns[t])
        in_columns[summed] = np.log(in_columns[summed]) + 1 / taus[summed, None]
    totals = np.nansum(in_rows - row_own, axis=1), np.nansum(in_columns - col_own, axis=1)
    return np.stack([total if asked else 0 * taus for total, asked in zip(totals, both_ways, strict=True)], 1)


def _steps(rates: np.ndarray) -> list[tuple[int, int, list[int]]]:
    """Return the order to take the rates in, the lowest first, in what place, of what places' product."""
    # exp(50 c) is exp(20 c) exp(20 c) exp(10 c), and a product costs a fourth of an exp. Rounding adds up, so
    # there are two or three factors, and never more than 16 exps in a product of products.
    order = np.argsort(rates, kind="stable")
    rates, parts, exps = rates[order], [], []
    for i, rate in enumerate(rates):
        found, rest = [], rate
        for lower in reversed(range(i)):
            while len(found) < 3 and rates[lower] <= rest * (1 + 1e-12):
                found.append(lower)
                rest -= rates[lower]
        count = sum(exps[part] for part in found)
        possible = abs(rest) <= 1e-12 * rate and len(found) > 1 and count <= 16
        parts.append(found if possible else [])
        exps.append(count if possible else 1)
    last = {part: i for i, found in enumerate(parts) for part in found}
    held, steps = {}, []
    for i, t in enumerate(order):
        held[i] = min(set(range(len(held) + 1)) - set(held.values()))
        steps.append((t, held[i], [held[part] for part in parts[i]]))
        held = {part: place for part, place in held.items() if last.get(part, i) > i}
    return steps


def _safe_sums(cosines, rate, weights, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of exponentials along an axis, each below its own maximum, and those maxima."""
    top = cosines.max(axis=axis, keepdims=True)
    np.subtract(cosines, top, out=weights)
    weights *= rate
    np.exp(weights, out=weights)
    return weights.sum(axis=axis), top.ravel().astype(float)


def recalls(pool: Pool, k: int) -> tuple[float, float]:
    """Return recall at k image to text and text to image, any partner counting, ties in random order."""
    own, tie, kind = pool.own(), _TIE[pool.gram.dtype], pool.gram.dtype
    best = pool.joined(own, np.maximum)
    above, below = ([(side + by).astype(kind) for side in best] for by in (tie, -tie))
    better, equal = ([np.zeros(size) for size in pool.gram.shape] for _ in range(2))
    for rows, cosines in pool.blocks():
        better[0][rows] = np.count_nonzero(cosines > above[0][rows, None], axis=1)
        equal[0][rows] = np.count_nonzero(cosines >= below[0][rows, None], axis=1)
        better[1] += np.count_nonzero(cosines > above[1], axis=0)
        equal[1] += np.count_nonzero(cosines >= below[1], axis=0)
    found = []
    for side, (which, top) in enumerate(zip(pool.pairs, best, strict=True)):
        shared = np.bincount(which, own >= top[which] - tie, minlength=len(top))
        there = shared > 0
        places, among = (k - better[side])[there], (equal[side] - better[side])[there]
        found.append(float(chance_of_any(places, among, shared[there]).mean()))
    return found[0], found[1]


__all__ = ["Minimum", "ShiftLandscape", "shift"]


class Minimum(NamedTuple):
    """Where a loss is lowest: the shift, the signed distance of the centroids there, and the loss."""

    shift: float
    distance: float
    loss: float


class ShiftLandscape:
    """The loss, the gap and recall of a set of pairs, as functions of the shift along the gap.

    One matrix of cosines serves every shift: with u the gap's direction, s = x.y, p = x.u and q = y.u, moving
    the image by a and the text by b gives the cosine
    `(s + b p - a q - a b) / (sqrt(1 - 2 a p + a^2) sqrt(1 + 2 b q + b^2))`. Loss and recall: as in `metrics`.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.
        convention: How shifts are counted, "lambda" (in gaps) or "delta" (absolute).
        images_only: Whether the texts stay.
        dtype: Precision of the cosines, "float32" or "float64"; by default float64 up to 1024 pairs. float32
            stays within 1e-5 of float64 down to tau = 0.002.

    Attributes:
        gap: The gap, d numbers; `gap_length` is its length and `direction` the unit vector.
        gram: Cosines of images (rows) and texts (columns), unshifted.
        p, q: Component of each image, and of each text, along the direction.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, coincide on average, or an option is unknown.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 8))
        >>> land = ShiftLandscape(x + 1, x - 1)
        >>> land.loss([0, 0.5], taus=[0.1, 1]).shape
        (2, 2)

    Source: Liang et al. 2022, section 4.2 and figure 3. Taught in chapter loss_landscape.
    """

    @checks.memory('pass fewer pairs, some drawn at random, or dtype="float32": all cosines are held at once')
    def __init__(
        self,
        images,
        texts=None,
        *,
        groups=None,
        convention: str = "lambda",
        images_only: bool = False,
        dtype: str | None = None,
    ):
        self.pairs = pairs = Pairs.of(images, texts, groups=groups, notice=True)
        images, texts = _unit(pairs.images), _unit(pairs.texts)
        self.convention = checks.known(convention, CONVENTIONS, "convention")
        self.images_only = images_only
        self.gap, self.gap_length = gap_of(images, texts)
        self.direction = self.gap / self.gap_length
        if dtype is None:
            dtype = "float64" if max(len(images), len(texts)) <= 1024 else "float32"
        kind = np.dtype(checks.known(dtype, ("float32", "float64"), "dtype"))
        self.images, self.texts = images.astype(kind), texts.astype(kind)
        self.gram = self.images @ self.texts.T
        self.p = images @ self.direction
        self.q = texts @ self.direction

    def loss(self, shifts, taus, *, direction: str = "both", block_size: int | None = None) -> np.ndarray:
        """Return the contrastive loss in nats, a row per shift and a column per temperature.

        As `metrics.contrastive_loss`. The released figure has `direction="image_to_text", block_size=50`.

        Args:
            shifts, taus: Shifts in the landscape's convention, and temperatures.
            direction: "both" for the mean, or "image_to_text", or "text_to_image".
            block_size: Pairs or groups in each consecutive batch; None for one pool of all.

        Raises:
            ValueError: If a shift, a temperature, the direction or the block size makes no sense.
        """
        checks.known(direction, DIRECTIONS, "direction")
        both_ways = direction != "text_to_image", direction != "image_to_text"
        return self.both_losses(shifts, taus, block_size, both_ways).sum(axis=2) / sum(both_ways)

    def both_losses(self, shifts, taus, block_size=None, both_ways=(True, True)) -> np.ndarray:
        """Return `loss` with a last axis for image to text and text to image; 0 where it is not asked for."""
        taus = np.array([checks.temperature(t, "taus") for t in _row(taus, "taus")])
        parts = [
            part for some in batches(len(self.pairs), block_size) if len((part := self._part(some))[2][0])
        ]
        losses = [
            sum(cross_entropies(pool.batch(*part), taus, both_ways) for part in parts)
            for pool in map(self._pool, _numbers(shifts))
        ]
        queries = [len(np.unique(side)) for side in self.pairs.partners]
        return np.array(losses).reshape(-1, len(taus), 2) / queries

    def modality_gap(self, shifts) -> np.ndarray:
        """Return the length of the gap at each shift, of rows normalised again; `shifts` as in `loss`."""
        return np.linalg.norm(self._gaps(shifts), axis=0)

    def signed_distance(self, shifts) -> np.ndarray:
        """Return `modality_gap` at each shift, negative once the modalities have passed each other."""
        gaps = self._gaps(shifts)
        return np.linalg.norm(gaps, axis=0) * np.where(self.direction @ gaps < 0, -1, 1)

    def recall(self, shifts, k: int = 1) -> np.ndarray:
        """Return recall at k, a row per shift: image to text and text to image, in the pool of all n.

        `shifts` is as in `loss`; `k`, how many candidates count, from 1 to the smaller side's number of rows.
        Else a ValueError.
        """
        n = min(self.gram.shape)
        k = checks.whole(k, "k", 1, n, f"it counts candidates in a pool of {n}, so pass 1 to {n}")
        return np.array([recalls(self._pool(s), k) for s in _numbers(shifts)]).reshape(-1, 2)

    def minimum(
        self,
        tau: float,
        *,
        direction: str = "both",
        block_size: int | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> Minimum:
        """Return the `Minimum` of the loss: a grid finds the basin and a bounded search its bottom.

        Args:
            tau: Temperature.
            direction, block_size: As in `loss`.
            bounds: Lowest and highest shift; by default the centroids go two gaps in or out.

        Raises:
            ValueError: If an argument makes no sense.
        """
        from scipy.optimize import minimize_scalar

        tau = checks.temperature(tau)

        def loss(shifts):
            return self.loss(shifts, tau, direction=direction, block_size=block_size)[:, 0]

        if bounds is None:
            in_gaps = 2.0 if self.convention == "delta" or self.images_only else 1.0
            farthest = in_gaps * (self.gap_length if self.convention == "delta" else 1)
            bounds = -farthest, farthest
        ends = _numbers(bounds, "bounds")
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise ValueError(f"bounds is {bounds!r:.60}; pass the lowest and the highest shift")
        grid = np.linspace(*ends, 33)
        best = int(np.argmin(loss(grid)))
        around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        found = minimize_scalar(
            lambda s: loss(s)[0], bounds=around, method="bounded", options={"xatol": 1e-6}
        )
        return Minimum(float(found.x), float(self.signed_distance(found.x)[0]), float(found.fun))

    def _lengths(self, shift: float) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Return how far each modality moves and the lengths of its rows there."""
        a, b = distances(shift, self.gap_length, self.convention, self.images_only)
        squares = 1 - 2 * a * self.p + a * a, 1 + 2 * b * self.q + b * b
        if min(s.min() for s in squares) < 1e-8:
            raise ValueError(f"a shift of {shift:g} moves a row onto the origin, where it has no direction")
        return a, b, np.sqrt(squares[0]), np.sqrt(squares[1])

    def _pool(self, shift: float) -> Pool:
        a, b, image_lengths, text_lengths = self._lengths(shift)
        ends = b * self.p - a * b, -a * self.q, 1 / image_lengths, 1 / text_lengths
        return Pool(self.gram, *ends, self.pairs.partners)

    def _part(self, groups: slice) -> tuple:
        """Return which rows and columns are those of a batch of groups, and the pairs among them."""
        if self.pairs.groups is None:
            return groups, groups, (np.arange(len(self.pairs))[groups] - groups.start,) * 2
        rows = [
            np.flatnonzero((groups.start <= codes) & (codes < groups.stop)) for codes in self.pairs.groups
        ]
        return *rows, self.pairs.take(groups).partners

    def _gaps(self, shifts) -> np.ndarray:
        """Return the gap at each shift, a column each."""
        a, b, image_lengths, text_lengths = map(
            np.array, zip(*map(self._lengths, _numbers(shifts)), strict=True)
        )
        kind, (n, m) = self.gram.dtype, self.gram.shape
        x, y = 1 / image_lengths.T, 1 / text_lengths.T
        means = self.images.T @ x.astype(kind) / n - self.texts.T @ y.astype(kind) / m
        return means - np.outer(self.direction, a * x.mean(axis=0) + b * y.mean(axis=0))


def _unit(x: np.ndarray) -> np.ndarray:
    """Return rows of unit length in float64; at tau = 0.002 the rounding of a float32 length would show."""
    x = x.astype(float)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _numbers(shifts, name: str = "shifts") -> list[float]:
    return [shift_number(s, name) for s in _row(shifts, name)]


def _row(values, name: str) -> np.ndarray:
    """Return one number or several in a row, at least one of them."""
    try:
        found = np.atleast_1d(values)
    except ValueError:
        found = np.empty((0, 0))
    if found.ndim != 1 or not len(found):
        raise ValueError(f"{name} is {values!r:.60}; pass one number, or several in a row")
    return found

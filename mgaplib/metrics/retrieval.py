"""Who finds whom: recall and the contrastive loss, both from the cross-modal cosines."""

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs

DIRECTIONS = ("both", "image_to_text", "text_to_image")
_ROWS = 512  # rows of scores held at once, so that memory stays O(n)
_CELLS = 4_000_000  # numbers of gathered rows held at once
_COUNTED = 1024, 64  # rows multiplied at once, and rows counted while they are in the cache
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


def recall_at_k(queries, candidates=None, k: int = 1, *, groups=None) -> float:
    """Return the share of queries that find one of their partners among the `k` most similar candidates.

    All candidates are the pool, without whose size a recall says little; any partner will do, and a query
    without one is not counted. A stranger as similar as the best partner gets ahead of it with an even
    chance: the result is the expectation over the order of ties.

    Args:
        queries, candidates: Arrays of n and of m rows and d columns; or `Pairs` alone, whose images search.
        k: How many candidates count, from 1 to m.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `k` is outside 1 to m.

    Example:
        >>> recall_at_k(np.eye(4), np.eye(4)), recall_at_k(np.eye(4), np.ones((4, 4)))  # four ties: a guess
        (1.0, 0.25)
        >>> recall_at_k(np.eye(2), np.eye(2)[[0, 1, 1, 0]], groups=[0, 0, 1, 1])  # one caption each is wrong
        0.5

    Source: Common usage, any of several captions as in Karpathy and Fei-Fei 2015. Taught in chapter notation.
    """
    pairs = Pairs.of(queries, candidates, groups=groups, notice=True, names=("queries", "candidates"))
    n = len(pairs.texts)
    k = checks.whole(k, "k", 1, n, f"it counts candidates in a pool of {n}, so pass 1 to {n}")
    return float(hits(pairs, (k,))[0].mean())


def hits(pairs: Pairs, ks) -> np.ndarray:
    """Return a row for each k: the chance of each query of `best_partners` to find a partner."""
    rows, best, partners = best_partners(pairs)
    queries = pairs.images if pairs.groups is None else pairs.images[rows]
    better, tied = ahead(queries, pairs.texts, best, max(ks))
    return np.stack([chance_of_any(k - better, tied, partners) for k in ks])


def best_partners(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the queries that have a partner, the cosine of the best, and how many partners share it."""
    queries, candidates = pairs.partners
    own = partner_cosines(pairs)
    if pairs.groups is None:
        return queries, own, np.ones(len(own), int)
    rows, first = np.unique(queries, return_index=True)
    best = np.maximum.reduceat(own, first)
    shared = own >= np.repeat(best, np.diff([*first, len(own)])) - _TIE
    return rows, best, np.add.reduceat(shared, first, dtype=int)


def partner_cosines(pairs: Pairs) -> np.ndarray:
    """Return the cosine of every pair in float64, in the order of `Pairs.partners`."""
    queries, candidates = pairs.partners
    found, step = [], max(_CELLS // 40 // pairs.shape[1], 1)  # few enough to stay in the cache
    for start in range(0, len(queries), step):
        some = slice(start, start + step)
        x, y = (side[rows[some]] for side, rows in ((pairs.images, queries), (pairs.texts, candidates)))
        found.append(np.einsum("ij,ij->i", x.astype(float, copy=False), y.astype(float, copy=False)))
    return np.concatenate(found)


def ahead(
    queries: np.ndarray, candidates: np.ndarray, own: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many candidates score above each query's `own`, and how many tie with it, itself included.

    Both as in float64, from one product in the rows' own precision: a cosine that this cannot tell from `own`
    is computed anew. A query with `most` or more above it is settled: it is said to tie with all.
    """
    kind = np.result_type(queries, candidates)
    queries, candidates = queries.astype(kind, copy=False), candidates.astype(kind, copy=False)
    # No sum of d products of unit rows is farther off, in whatever order it is made; rounded outwards.
    margin = max(1.05 * queries.shape[1] * np.finfo(kind).eps / 2, _TIE)
    high, low = ((own + sign * margin).astype(kind)[:, None] for sign in (1, -1))
    if kind != own.dtype:
        high, low = np.nextafter(high, np.inf, dtype=kind), np.nextafter(low, -np.inf, dtype=kind)
    better, tied = np.empty(len(queries), int), np.full(len(queries), len(candidates))
    for start in range(0, len(queries), _COUNTED[0]):
        block = queries[start : start + _COUNTED[0]] @ candidates.T
        for first in range(0, len(block), _COUNTED[1]):
            scores = block[first : first + _COUNTED[1]]
            here = slice(start + first, start + first + len(scores))
            above, near = scores > high[here], scores >= low[here]
            better[here] = np.count_nonzero(above, axis=1)
            level = np.count_nonzero(near, axis=1) - better[here]
            unsettled = better[here] < most
            tied[here][unsettled] = level[unsettled]
            if kind == own.dtype:
                continue
            unsure = np.flatnonzero(unsettled & (level > 1))
            i, j = np.nonzero(near[unsure] & ~above[unsure])
            unsure += here.start
            if len(i) * queries.shape[1] > _CELLS:  # nearly all are alike
                exact = (queries[unsure].astype(float) @ candidates.T.astype(float))[i, j]
            else:
                exact = np.einsum("ij,ij->i", queries[unsure[i]].astype(float), candidates[j].astype(float))
            rows = unsure[i]
            over = exact > own[rows] + _TIE
            np.add.at(better, rows[over], 1)
            tied[unsure] = 0
            np.add.at(tied, rows[~over & (exact >= own[rows] - _TIE)], 1)
    return better, tied


def hit_chance(scores: np.ndarray, own: np.ndarray, k, tie: float, partners=1) -> np.ndarray:
    """Return each row's chance that a partner of the score `own` is among its `k` best, ties shuffled."""
    better = np.count_nonzero(scores > (own + tie)[:, None], axis=1)
    tied = np.count_nonzero(scores >= (own - tie)[:, None], axis=1) - better
    return chance_of_any(k - better, tied, partners)


def chance_of_any(places, among, partners=1) -> np.ndarray:
    """Return the chance that one of the partners comes in the first places, all of them `among` shuffled."""
    missed, places = 1.0, np.clip(places, 0, among)
    for taken in range(int(np.max(partners))):
        rest = np.clip((among - places - taken) / np.maximum(among - taken, 1), 0, 1)
        missed = missed * np.where(taken < partners, rest, 1.0)
    return 1 - missed


def hubness(scores, k: int = 10) -> float:
    """Return the skew of the k-occurrence: how unevenly candidates come up among the k best of the queries.

    The k-occurrence of a candidate is the number of queries that have it among their k best. Its third
    standardised moment is large if a few hubs answer most queries. It takes scores, which may be calibrated.

    Args:
        scores: Array of m rows, one a query, and n columns, one a candidate; at least 2 of each.
        k: How many best candidates count, from 1 to n - 1.

    Raises:
        TypeError, ValueError: If the scores are no finite matrix of floats, or `k` is outside 1 to n - 1.

    Example:
        >>> hub = np.eye(5)[:, [0] * 5].T + 1e-3 * np.eye(5)
        >>> hubness(np.eye(5), k=1), round(hubness(hub, k=1), 2)  # each is found once; one is found always
        (0.0, 1.5)

    Source: Radovanovic et al. 2010. Taught in chapter hubs.
    """
    scores = checks.embeddings(scores, "scores", normalize=False)
    n = scores.shape[1]
    k = checks.whole(k, "k", 1, n - 1, f"it counts the best of {n} candidates, so pass 1 to {n - 1}")
    found = np.bincount(np.argpartition(-scores, k - 1, axis=1)[:, :k].ravel(), minlength=n)
    apart = found - found.mean()
    spread = np.sqrt(np.mean(apart**2))
    return float(np.mean(apart**3) / spread**3) if spread > 0 else 0.0


def contrastive_loss(
    images, texts, tau: float, direction: str = "both", block_size: int | None = None, *, groups=None
) -> float:
    """Return CLIP's contrastive loss in nats: the mean cross-entropy of finding the own partner.

    The mean over queries of `-log softmax(cosines / tau)` at the right partner; ln n for a blind guess among
    n. Several partners count by their mean, each with all candidates in its denominator; so k leave at least
    ln k. With a block size each consecutive batch is its own pool; a smaller last one counts by its queries.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs` and None.
        tau: Temperature; CLIP's own is 0.01.
        direction: "both", for the mean; or "image_to_text", where images are the queries, or "text_to_image".
        block_size: Pairs or groups in a batch, from 2 (Liang et al. 2022 use 50); None for one pool of all.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or an option makes none.

    Example:
        >>> x, y = np.eye(4), np.ones((4, 4))
        >>> round(contrastive_loss(x, x, tau=0.1), 6), round(contrastive_loss(x, y, tau=0.1), 4)  # ln 4
        (0.000136, 1.3863)

    Source: Radford et al. 2021, CLIP's symmetric loss; Khosla et al. 2020, equation 2, and Yang et al. 2022
    (UniCL) for several partners. Taught in chapter loss_landscape.
    """
    pairs = Pairs.of(images, texts, groups=groups, notice=True)
    tau = checks.temperature(tau)
    checks.known(direction, DIRECTIONS, "direction")
    parts = [pairs] if block_size is None else map(pairs.take, batches(len(pairs), block_size))
    found = [losses(part, tau, direction) for part in parts if len(part.partners[0])]
    ways = [np.concatenate(one_way) for one_way in zip(*found, strict=True)]
    return float(np.mean([one_way.mean() for one_way in ways]))


def batches(n: int, block_size: int | None) -> list[slice]:
    """Return the slices of consecutive batches of `block_size` pairs, at least 2, or of one pool."""
    if block_size is None:
        return [slice(0, n)]
    size = checks.whole(
        block_size, "block_size", 2, None, "pass a whole number from 2 on, or None for one pool"
    )
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def losses(pairs: Pairs, tau: float, direction: str = "both") -> list[np.ndarray]:
    """Return, for each direction asked for, the cross-entropy of every query that has a partner."""
    sides = {"image_to_text": (pairs,), "text_to_image": (pairs.swapped,), "both": (pairs, pairs.swapped)}
    return [_cross_entropies(side, tau) for side in sides[direction]]


def _cross_entropies(pairs: Pairs, tau: float) -> np.ndarray:
    rows, first, count = np.unique(pairs.partners[0], return_index=True, return_counts=True)
    own = np.add.reduceat(partner_cosines(pairs), first) / count / tau
    candidates, found = pairs.texts.astype(float, copy=False), np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        some = slice(start, start + _ROWS)
        logits = pairs.images[rows[some]].astype(float, copy=False) @ candidates.T
        logits /= tau
        logits -= own[some, None]
        top = logits.max(axis=1)
        found[some] = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return found

"""Who finds whom: recall and the contrastive loss, both from the cross-modal cosines."""

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs

DIRECTIONS = ("both", "image_to_text", "text_to_image")
_ROWS = 512  # rows of scores held at once, so that memory stays O(n)
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


def recall_at_k(queries, candidates=None, k: int = 1) -> float:
    """Return the share of queries whose own candidate is among the `k` most similar ones.

    Row i of the queries belongs to row i of the candidates; all candidates are the pool, so a recall says
    little without its pool's size. A candidate as similar as the right one, a repeated caption for instance,
    gets ahead of it with an even chance: the result is the expectation over the order of ties.

    Args:
        queries: Array of n rows and d columns; or `Pairs`, whose images they are.
        candidates: Array of the same shape, the pool; left out with `Pairs`.
        k: How many candidates count, from 1 to n.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `k` is outside 1 to n.

    Example:
        >>> recall_at_k(np.eye(4), np.eye(4))
        1.0
        >>> recall_at_k(np.eye(4), np.ones((4, 4)))  # four ties: a blind guess
        0.25

    Source: Common usage; papers rarely say how they break ties, which here count in expectation.
    Taught in chapter notation.
    """
    pairs = Pairs.of(queries, candidates, names=("queries", "candidates"))
    n = len(pairs)
    k = checks.whole(k, "k", 1, n, f"it counts candidates in a pool of {n}, so pass 1 to {n}")
    return recalls(pairs, (k,))[0]


def recalls(pairs: Pairs, ks) -> list[float]:
    """Return recall of the first side's rows at several k, from one pass over the scores."""
    queries, candidates = (x.astype(float, copy=False) for x in (pairs.images, pairs.texts))
    hits = np.zeros(len(ks))
    for start in range(0, len(queries), _ROWS):
        scores = queries[start : start + _ROWS] @ candidates.T
        rows = np.arange(len(scores))
        hits += hit_chance(scores, scores[rows, start + rows], np.array(ks)[:, None], _TIE).sum(axis=1)
    return (hits / len(queries)).tolist()


def hit_chance(scores: np.ndarray, own: np.ndarray, k, tie: float) -> np.ndarray:
    """Return each row's chance that `own` is among its `k` best, with ties, itself included, shuffled."""
    better = np.count_nonzero(scores > (own + tie)[:, None], axis=1)
    tied = np.count_nonzero(scores >= (own - tie)[:, None], axis=1) - better
    return np.clip((k - better) / tied, 0, 1)


def hubness(scores, k: int = 10) -> float:
    """Return the skew of the k-occurrence: how unevenly candidates come up among the k best of the queries.

    The k-occurrence of a candidate is the number of queries that have it among their k best. Its third
    standardised moment is 0 if it is spread evenly to both sides, and large if a few hubs answer most
    queries. It takes scores, not embeddings, since scores may be calibrated.

    Args:
        scores: Array of m rows, one a query, and n columns, one a candidate; at least 2 of each.
        k: How many best candidates count, from 1 to n - 1.

    Raises:
        TypeError: If the scores are no floating-point numbers.
        ValueError: If they are no finite matrix, or `k` is outside 1 to n - 1.

    Example:
        >>> hubness(np.eye(5), k=1)  # each is found once
        0.0
        >>> round(hubness(np.eye(5)[:, [0] * 5].T + 1e-3 * np.eye(5), k=1), 2)  # one is found always
        1.5

    Source: Radovanovic et al. 2010. Taught in chapter post_hoc.
    """
    scores = checks.embeddings(scores, "scores", normalize=False)
    n = scores.shape[1]
    k = checks.whole(k, "k", 1, n - 1, f"it counts the best of {n} candidates, so pass 1 to {n - 1}")
    found = np.bincount(np.argpartition(-scores, k - 1, axis=1)[:, :k].ravel(), minlength=n)
    apart = found - found.mean()
    spread = np.sqrt(np.mean(apart**2))
    return float(np.mean(apart**3) / spread**3) if spread > 0 else 0.0


def contrastive_loss(
    images, texts, tau: float, direction: str = "both", block_size: int | None = None
) -> float:
    """Return CLIP's contrastive loss in nats: the mean cross-entropy of finding the own partner.

    The mean over pairs of `-log softmax(cosines / tau)` at the right partner; ln n for a blind guess.
    With a block size the pairs are split into consecutive batches, unshuffled, and each is its own pool
    (Liang et al. 2022 use 50); a smaller last batch counts by its pairs.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs` and None.
        tau: Temperature; CLIP's own is 0.01.
        direction: "both" for the mean of the two directions, else "image_to_text" (images are the queries)
            or "text_to_image".
        block_size: Pairs in a batch, at least 2; None for one pool of all pairs.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, or tau, the direction or the block size makes no sense.

    Example:
        >>> round(contrastive_loss(np.eye(4), np.eye(4), tau=0.1), 6)
        0.000136
        >>> round(contrastive_loss(np.eye(4), np.ones((4, 4)), tau=0.1), 4)  # ln 4
        1.3863

    Source: Radford et al. 2021, CLIP's symmetric loss. Taught in chapter loss_landscape.
    """
    pairs = Pairs.of(images, texts)
    images, texts = pairs.images, pairs.texts
    tau = checks.temperature(tau)
    checks.known(direction, DIRECTIONS, "direction")
    total = 0.0
    for batch in batches(len(images), block_size):
        x, y = images[batch].astype(float, copy=False), texts[batch].astype(float, copy=False)
        if direction != "text_to_image":
            total += _cross_entropy(x, y, tau) * (1 if direction != "both" else 0.5)
        if direction != "image_to_text":
            total += _cross_entropy(y, x, tau) * (1 if direction != "both" else 0.5)
    return total / len(images)


def batches(n: int, block_size: int | None) -> list[slice]:
    """Return the slices of consecutive batches of `block_size` pairs, at least 2, or of one pool."""
    if block_size is None:
        return [slice(0, n)]
    size = checks.whole(
        block_size, "block_size", 2, None, "pass a whole number from 2 on, or None for one pool"
    )
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def _cross_entropy(queries: np.ndarray, candidates: np.ndarray, tau: float) -> float:
    total = 0.0
    for start in range(0, len(queries), _ROWS):
        logits = queries[start : start + _ROWS] @ candidates.T
        logits /= tau
        rows = np.arange(len(logits))
        logits -= logits[rows, start + rows][:, None]
        top = logits.max(axis=1)
        total += float(np.sum(top + np.log(np.exp(logits - top[:, None]).sum(axis=1))))
    return total

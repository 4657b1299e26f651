"""What the gap costs a user: ranks where images and texts share one index, ranks under noise, indecision."""

import numpy as np

from mgaplib import checks
from mgaplib.metrics.retrieval import best_partners
from mgaplib.pairs import Pairs, belonging

_ROWS = 512  # queries scored at once, so that memory stays O(n)
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


def mixed_partner_ranks(images, texts=None, *, groups=None) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of each query's partner in one index of both modalities, the query itself left out.

    For the images as queries and for the texts: n ranks each, from 1 to 2n - 1, NaN without a partner. Ties
    count half; of several partners the first counts. Rows of the query's modality and group are passed over.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> images, texts = np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([[0.1, 0.9], [0.0, 1.0]])
        >>> mixed_partner_ranks(images, texts)[0]  # the other image, and for the first image the other text
        array([2., 3.])

    Source: Li et al. 2025 (GR-CLIP) for the task. Taught in chapter mixed_search.
    """
    pairs = Pairs.of(images, texts, groups=groups, notice=True)
    n = len(pairs.images)
    best, shared = np.full((2, n + len(pairs.texts)), np.nan)
    for side, first in ((pairs, 0), (pairs.swapped, n)):
        rows, own, tied = best_partners(side)
        best[first + rows], shared[first + rows] = own, tied
    ranks = []
    for rows, scores in _mixed_scores(pairs):
        own, partners = best[rows, None], shared[rows]
        better = np.count_nonzero(scores > own + _TIE, axis=1)
        tied = np.count_nonzero(scores >= own - _TIE, axis=1) - better - partners
        ranks.append(1 + better + tied / (partners + 1))
    ranks = np.concatenate(ranks)
    return ranks[:n], ranks[n:]


def same_modality_share(images, texts=None, *, groups=None) -> tuple[float, float]:
    """Return the share of queries whose best match in one index of both modalities is of their own modality.

    For the images as queries and for the texts; rows of the query's own modality and group are left out. A
    best score shared by both modalities counts half.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> same_modality_share(np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([[0.1, 0.9], [0.0, 1.0]]))
        (1.0, 1.0)

    Taught in chapter mixed_search.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False, notice=True)
    shares, n = own_modality_first(pairs), len(pairs.images)
    return float(shares[:n].mean()), float(shares[n:].mean())


def own_modality_first(pairs: Pairs) -> np.ndarray:
    """Return of each query, images and then texts, whether its own modality comes first; half if both do."""
    shares, n = [], len(pairs.images)
    for rows, scores in _mixed_scores(pairs):
        of_images, of_texts = scores[:, :n].max(axis=1), scores[:, n:].max(axis=1)
        lead = np.where(rows < n, of_images - of_texts, of_texts - of_images)
        shares.append(np.where(np.abs(lead) <= _TIE, 0.5, lead > 0))
    return np.concatenate(shares)


def _mixed_scores(pairs: Pairs):
    """Yield rows of the mixed index and their cosines to all of it, -inf to themselves and their like."""
    index = np.concatenate([pairs.images, pairs.texts]).astype(float, copy=False)
    codes = np.concatenate([pairs.codes[0], len(pairs) + pairs.codes[1]])  # of one group and modality
    for start in range(0, len(index), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(index)))
        scores = index[rows] @ index.T
        scores[belonging(codes[rows], codes)] = -np.inf
        yield rows, scores


def ranking_robustness(queries, candidates, noise: float, rng: np.random.Generator, draws: int = 10):
    """Return, for each draw of noise on the candidates, the share of queries that keep their best match.

    Normal noise is added to the unit rows of the candidates; they are compared by cosine before and after.

    Args:
        queries, candidates: Arrays of m and of n rows and d columns.
        noise: Standard deviation of the noise in each coordinate.
        rng, draws: Generator of the noise, and how many draws of it.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, or noise or draws make no sense.

    Example:
        >>> ranking_robustness(np.eye(3), np.eye(3), 0.0, np.random.default_rng(0), draws=2)
        array([1., 1.])

    Source: Chowers et al. 2026, equation 10. Taught in chapter notation.
    """
    queries = checks.embeddings(queries, "queries", min_rows=1).astype(float, copy=False)
    candidates = checks.embeddings(candidates, "candidates").astype(float, copy=False)
    if queries.shape[1] != candidates.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} columns and candidates {candidates.shape[1]}; pass one space's"
        )
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise is {noise!r}; pass a standard deviation, 0 or more")
    if draws < 1:
        raise ValueError(f"draws is {draws!r}; pass at least 1")
    clean = _best(queries, candidates)
    kept = []
    for _ in range(draws):
        noisy = candidates + noise * rng.standard_normal(candidates.shape)
        kept.append(np.mean(_best(queries, noisy / np.linalg.norm(noisy, axis=1, keepdims=True)) == clean))
    return np.array(kept)


def logit_entropy(images, texts, tau: float, *, groups=None) -> float:
    """Return how undecided a query is: the mean entropy of `softmax(cosines / tau)`, in nats.

    The mean over both directions. From 0, certain of one candidate, to ln n, a blind guess in the pool of n.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs` and None.
        tau: Temperature; CLIP's own is 0.01.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or tau is not positive.

    Example:
        >>> round(logit_entropy(np.eye(4), np.ones((4, 4)), tau=0.1), 4)  # ln 4
        1.3863

    Source: Schrodi et al. 2025. Taught in chapter notation.
    """
    pairs = Pairs.of(images, texts, groups=groups, paired=False, notice=True)
    x, y = pairs.images, pairs.texts
    tau = checks.temperature(tau)
    return float(np.mean([_mean_entropy(a.astype(float), b.astype(float), tau) for a, b in ((x, y), (y, x))]))


def _mean_entropy(queries: np.ndarray, candidates: np.ndarray, tau: float) -> float:
    total = 0.0
    for start in range(0, len(queries), _ROWS):
        logits = queries[start : start + _ROWS] @ candidates.T / tau
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits)
        sums = weights.sum(axis=1)
        # H = log Z - sum p l, and 0 log 0 does not arise
        total += np.sum(np.log(sums) - np.einsum("ij,ij->i", weights, logits) / sums)
    return total / len(queries)


def _best(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    blocks = range(0, len(queries), _ROWS)
    return np.concatenate([(queries[i : i + _ROWS] @ candidates.T).argmax(axis=1) for i in blocks])

"""Which score means a match? A threshold calibrated on strangers, and probabilities at one's own odds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from mgaplib import checks
from mgaplib.corrections.hubness import NNN
from mgaplib.pairs import Pairs

PER = ("pair", "query", "candidate", "both")
_COLUMNS = 512  # candidates scored at once


@dataclass(frozen=True, eq=False)
class Threshold:
    """A score above which a match is accepted; made by `calibrate`.

    Attributes:
        value: A score *above* this counts as a match.
        false_positive_rate: The share of strangers, or of queries without a match, that may pass.
        per: What that rate counts, and whether the candidate has a say; see `calibrate`.
        pool: How many candidates a query was compared with.
        background: The scores of strangers on which it was calibrated, sorted.
        hubs: What each candidate's scores lose before they are compared, or None: then they are cosines.

    Taught in chapter thresholds.
    """

    value: float
    false_positive_rate: float
    per: str
    pool: int
    background: np.ndarray = field(repr=False)
    hubs: NNN | None = field(default=None, repr=False)

    def scores(self, queries, candidates) -> np.ndarray:
        """Return the scores of m queries and n candidates, (m, n): cosines, less what a candidate loses."""
        queries = checks.embeddings(queries, "queries", min_rows=1)
        candidates = checks.embeddings(candidates, "candidates", min_rows=1)
        if self.hubs is None:
            return queries @ candidates.T
        return self.hubs.queries(queries) @ self.hubs.documents(candidates, "candidate", role="query").T

    def p_value(self, scores) -> np.ndarray:
        """Return for each score the share of strangers that score as high, never quite 0.

        They are as `scores` gives them, of any shape; a search's best if the threshold is per query. A NaN or
        infinite one is a ValueError.
        """
        scores = np.asarray(scores, dtype=float)
        if not np.isfinite(scores).all():
            raise ValueError(
                "scores hold a NaN or an infinite value, which has no p-value; drop those scores"
            )
        below = np.searchsorted(self.background, scores.ravel(), side="left").reshape(scores.shape)
        return (len(self.background) - below + 1) / (len(self.background) + 1)

    def measure(self, queries, candidates=None, *, groups=None) -> dict[str, float]:
        """Return what the threshold does on other pairs: its false-positive rate and its hit rate.

        Args:
            queries: Array of n rows and d columns, corrected as the calibration's were.
            candidates: Array of the same shape, row i the match of query i.
            groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

        Raises:
            TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.
        """
        names = "queries", "candidates"
        pairs = Pairs.of(queries, candidates, groups=groups, notice=True, names=names)
        hubs = self.hubs
        lost = _nothing if hubs is None else lambda candidates, scores: hubs.penalties(candidates, "query")
        own, strangers = _scores(pairs, self.per, lost)
        return {
            "false_positive_rate": float(np.mean(strangers > self.value)),
            "hit_rate": float(np.mean(own > self.value)),
        }


def calibrate(
    queries,
    candidates=None,
    false_positive_rate: float = 0.01,
    per: str = "pair",
    hubs: NNN | None = None,
    *,
    groups=None,
) -> Threshold:
    """Return the threshold that a new stranger passes with at most the given chance.

    A stranger is a candidate of another group than the query's; sets of unequal size without groups (or
    `Pairs.unpaired`) are strangers altogether. Per pair, each stranger counts. Per query, only the best of
    each query does: what a search returns when the pool holds no match, so use it on a search's best hit; it
    grows with the pool. Per candidate counts pairs, but first takes off each score what the candidate scores
    with its nearest calibration queries (`corrections.NNN`); "both" does so, and counts queries.

    Args:
        queries, candidates: Arrays of n rows and d columns, candidate i the match of query i.
        false_positive_rate, per: A share between 0 and 1; and "pair", "query", "candidate" or "both".
        hubs: What is taken off, per candidate or both; `NNN(k=10, weight=0.5)` by default.
            `NNN(k=n - 2, weight=1)` is the candidate's own mean over n calibration pairs.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If embeddings make no sense, are too few for the rate, or an option is unknown.

    Example:
        >>> threshold = calibrate(np.eye(20), np.eye(20), 0.1)
        >>> threshold.value, threshold.measure(np.eye(20), np.eye(20))["hit_rate"]
        (0.0, 1.0)

    Taught in chapter thresholds.
    """
    checks.known(per, PER, "unit of the false-positive rate")
    names = "queries", "candidates"
    pairs = Pairs.of(queries, candidates, groups=groups, paired=False, notice=True, names=names)
    lost = _nothing
    if per in ("candidate", "both"):
        hubs = NNN(weight=0.5) if hubs is None else hubs
        if not isinstance(hubs, NNN) or hubs.by_modality:
            raise ValueError("hubs must be an NNN without by_modality; a threshold is for one kind of pair")
        most = len(pairs.images) - 1 - max(np.bincount(pairs.partners[1]), default=0)
        k = checks.whole(hubs.k, "k of hubs", 1, most, f"of {len(pairs)} calibration pairs pass 1 to n - 2")
        lost = _lost_to_others(k, hubs.weight)
    elif hubs is not None:
        raise ValueError(f"hubs is for a threshold per candidate or both, not per {per}; leave it out")
    found = of_pairs(pairs, false_positive_rate, per, lost)
    return found if hubs is None else replace(found, hubs=replace(hubs).learn({"query": pairs.images}))


def _nothing(candidates: np.ndarray, scores: np.ndarray) -> float:
    return 0.0


def of_pairs(pairs: Pairs, false_positive_rate: float, per: str, lost: Callable = _nothing) -> Threshold:
    """Return the threshold of checked queries and candidates, whose inner products are the scores.

    Args:
        pairs: The queries, the candidates and who belongs to whom; the rows need not be of unit length.
        false_positive_rate, per: As in `calibrate`.
        lost: What scores lose: a function of candidates and their scores.

    Example:
        >>> of_pairs(Pairs(np.eye(20), np.eye(20)), 0.1, "query").pool
        19

    Taught in chapter thresholds.
    """
    _, strangers = _scores(pairs, per, lost)
    pool = len(pairs.texts)
    if per in ("query", "both"):
        pool -= round(len(pairs.partners[0]) / len(pairs.images))
    return of_strangers(strangers, false_positive_rate, per, pool)


def of_strangers(scores, false_positive_rate: float, per: str, pool: int) -> Threshold:
    """Return the threshold of strangers' scores, whatever kind they are of.

    A new score is as likely in any place among m old: `rate (m + 1) - 1` of these, rounded down, may pass.

    Args:
        scores: Array of m scores.
        false_positive_rate: Between 0 and 1.
        per, pool: What to note in the threshold.

    Raises:
        ValueError: If the rate is outside 0 to 1, or the scores are too few to show it.

    Example:
        >>> of_strangers(np.arange(99.0), 0.1, "pair", 100).value  # of 100 places, ten are above 89
        89.0

    Taught in chapter thresholds.
    """
    cure = "pass a share such as 0.01"
    if not 0 < checks.number(false_positive_rate, "false_positive_rate", cure) < 1:
        raise ValueError(f"false_positive_rate is {false_positive_rate!r}; {cure}")
    false_positive_rate = float(false_positive_rate)
    background = np.sort(scores)
    allowed = int(false_positive_rate * (len(background) + 1) + 1e-9) - 1
    if allowed < 0:
        raise ValueError(
            f"{len(background)} scores of strangers cannot show a rate of {false_positive_rate:g}; "
            f"pass more pairs or a rate above {1 / (len(background) + 1):.2g}"
        )
    return Threshold(float(background[-1 - allowed]), false_positive_rate, per, pool, background)


def at_odds(logits, trained: float, own: float) -> np.ndarray:
    """Return a sigmoid's probabilities of a match for other odds than those of its training.

    Where a match has `own` strangers, not `trained`, Bayes' rule adds `log(trained / own)` to the logit.

    Args:
        logits: What goes into the sigmoid: scale times cosine plus bias, of any shape.
        trained: Strangers for each match in training, one less than a batch has.
        own: Strangers for each match where the probabilities are used: 1 if every second pair is a match.

    Raises:
        ValueError: If a logit is NaN, or odds are not positive.

    Example:
        >>> at_odds([0.0], trained=9, own=1).round(3)  # an even chance among ten is nine in ten among two
        array([0.9])

    Source: Bayes' rule; Saerens et al. 2002. Taught in chapter thresholds.
    """
    from scipy.special import expit

    cure = "pass how many strangers come with each match, a positive number"
    trained = checks.within(trained, "trained", 1e-99, 1e99, cure)
    own = checks.within(own, "own", 1e-99, 1e99, cure)
    logits = np.asarray(logits, dtype=float)
    if np.isnan(logits).any():
        raise ValueError("logits hold a NaN, which has no probability; drop it")
    return expit(logits + np.log(trained / own))


def _lost_to_others(k: int, weight: float) -> Callable:
    """What a calibration score loses: the candidate's with the k nearest of the other strangers."""

    def lost(candidates: np.ndarray, scores: np.ndarray) -> np.ndarray:
        top = np.sort(np.partition(scores, -k - 1, axis=0)[-k - 1 :], axis=0)
        near = np.where(scores >= top[1], top.sum(axis=0) - scores, top[1:].sum(axis=0))
        return weight * near / k

    return lost


def _scores(pairs: Pairs, per: str, lost: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the pairs, and of strangers: all of them, or the best of each query."""
    q, c = pairs.images.astype(float, copy=False), pairs.texts.astype(float, copy=False)
    queries, candidates = pairs.partners
    order = np.argsort(candidates, kind="stable")
    queries, candidates = queries[order], candidates[order]
    own, strangers, best = [], [], np.full(len(q), -np.inf)
    for start in range(0, len(c), _COLUMNS):
        block = c[start : start + _COLUMNS]
        scores = q @ block.T
        here = slice(*np.searchsorted(candidates, (start, start + len(block))))
        rows, columns = queries[here], candidates[here] - start
        partners = scores[rows, columns]
        scores[rows, columns] = -np.inf
        less = lost(block, scores)
        own.append(partners - (less[columns] if np.ndim(less) == 1 else 0))
        scores -= less
        if per in ("query", "both"):
            np.maximum(best, scores.max(axis=1), out=best)
        else:
            strangers.append(scores[np.isfinite(scores)])
    strangers = best[np.isfinite(best)] if per in ("query", "both") else np.concatenate(strangers)
    return np.concatenate(own), strangers

"""Which score means a match? A threshold calibrated on the scores of strangers."""

from dataclasses import dataclass, field

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs

PER = ("pair", "query")
_ROWS = 512  # rows of scores held at once


@dataclass(frozen=True, eq=False)
class Threshold:
    """A score above which a match is accepted; made by `calibrate`.

    Attributes:
        value: A score *above* this counts as a match.
        false_positive_rate: The share of strangers, or of queries without a match, that may pass.
        per: "pair" if that rate counts pairs, "query" if it counts searches of a pool.
        pool: How many candidates a query was compared with.
        background: The scores of strangers on which it was calibrated, sorted.

    Taught in chapter your_embeddings.
    """

    value: float
    false_positive_rate: float
    per: str
    pool: int
    background: np.ndarray = field(repr=False)

    def p_value(self, scores) -> np.ndarray:
        """Return for each score the share of strangers that score as high, never quite 0.

        Args:
            scores: Cosines, of any shape; best scores of a search if the threshold is per query.

        Raises:
            ValueError: If a score is NaN or infinite.
        """
        scores = np.asarray(scores, dtype=float)
        if not np.isfinite(scores).all():
            raise ValueError(
                "scores hold a NaN or an infinite value, which has no p-value; drop those scores"
            )
        below = np.searchsorted(self.background, scores.ravel(), side="left").reshape(scores.shape)
        return (len(self.background) - below + 1) / (len(self.background) + 1)

    def measure(self, queries, candidates=None) -> dict[str, float]:
        """Return what the threshold does on other pairs: its false-positive rate and its hit rate.

        Args:
            queries: Array of n rows and d columns, corrected as the calibration's were.
            candidates: Array of the same shape, row i the match of query i.

        Raises:
            TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.
        """
        pairs = Pairs.of(queries, candidates, names=("queries", "candidates"))
        own, strangers = _scores(pairs, self.per)
        return {
            "false_positive_rate": float(np.mean(strangers > self.value)),
            "hit_rate": float(np.mean(own > self.value)),
        }


def calibrate(queries, candidates=None, false_positive_rate: float = 0.01, per: str = "pair") -> Threshold:
    """Return the threshold that a new stranger passes with at most the given chance.

    A stranger is a candidate other than the query's own. Per pair, each stranger counts. Per query, only the
    best stranger of each query does: that is what a search returns when the pool holds no match, so this
    threshold grows with the pool, and is the one to use on a search's best hit.

    Args:
        queries: Array of n rows and d columns.
        candidates: Array of the same shape, row i the match of query i.
        false_positive_rate: Between 0 and 1.
        per: "pair" or "query".

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, there are too few of them for the rate, or an option is unknown.

    Example:
        >>> threshold = calibrate(np.eye(20), np.eye(20), 0.1)
        >>> threshold.value, threshold.measure(np.eye(20), np.eye(20))["hit_rate"]
        (0.0, 1.0)

    Taught in chapter your_embeddings.
    """
    checks.known(per, PER, "unit of the false-positive rate")
    if not 0 < false_positive_rate < 1:
        raise ValueError(f"false_positive_rate is {false_positive_rate!r}; pass a share such as 0.01")
    pairs = Pairs.of(queries, candidates, names=("queries", "candidates"))
    _, strangers = _scores(pairs, per)
    # A new score is as likely to take any place among the old ones: of m, let rate (m + 1) - 1 pass.
    allowed = int(false_positive_rate * (len(strangers) + 1) + 1e-9) - 1
    if allowed < 0:
        raise ValueError(
            f"{len(strangers)} scores of strangers cannot show a rate of {false_positive_rate:g}; "
            f"pass more pairs or a rate above {1 / (len(strangers) + 1):.2g}"
        )
    background = np.sort(strangers)
    value = float(background[-1 - allowed])
    pool = len(pairs) - (per == "query")
    return Threshold(value, false_positive_rate, per, pool, background)


def _scores(pairs: Pairs, per: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of the pairs, and of strangers: all of them, or the best of each query."""
    q, c = pairs.images.astype(float, copy=False), pairs.texts.astype(float, copy=False)
    own = np.einsum("ij,ij->i", q, c)
    strangers = []
    for start in range(0, len(q), _ROWS):
        scores = q[start : start + _ROWS] @ c.T
        rows = np.arange(len(scores))
        if per == "query":
            scores[rows, start + rows] = -np.inf
            strangers.append(scores.max(axis=1))
        else:
            others = np.ones(scores.shape, bool)
            others[rows, start + rows] = False
            strangers.append(scores[others])
    return own, np.concatenate(strangers)

"""Try every correction on one half of the pairs, judge it on the other: which helps, and what it costs."""

import time
from functools import partial

import numpy as np

from mgaplib import checks, metrics, output
from mgaplib.corrections.hubness import NNN, Modality, ScoreCalibration
from mgaplib.corrections.means import Centring, Correction, ProjectedShift, ReAlign, Shift
from mgaplib.corrections.rescaling import DropDimensions, Procrustes, Standardisation, Whitening
from mgaplib.metrics.retrieval import hit_chance
from mgaplib.pairs import Pairs, belonging

NOTHING = "nothing"
BY_MODALITY = "NNN by modality"
RIDGE = "Procrustes, ridge"
_WAYS = {way.__name__: way for way in (Centring, DropDimensions, Procrustes)}
_WAYS[RIDGE] = partial(Procrustes, ridge=10.0)  # turns as far as a few hundred pairs can vouch for
_WAYS |= {way.__name__: way for way in (ProjectedShift, ReAlign, Shift, Standardisation, Whitening)}
#: What calibrates scores, made of the calibration pairs; and whether it needs to know who belongs to whom.
_SCORES = {
    "Modality": (lambda fit: Modality(), False),
    "NNN": (NNN.chosen, True),
    BY_MODALITY: (lambda fit: NNN.chosen(fit, by_modality=True), True),
}
_QUERIES = 512  # scored at once, so that memory stays O(n)
_TIE = 1e-12  # two float64 scores of the same pair differ by rounding alone


def try_corrections(images, texts=None, splits: int = 3, seed: int = 0, *, groups=None):
    """Return what each correction does to held-out pairs, as a DataFrame: a row a correction and split.

    First those of vectors, then those of scores, which leave the gap as it is. The columns: the gap left,
    recall at 1 both ways with the held-out half as the pool, the partner's rank in one index of both
    modalities, the share of queries whose best match there is of their own, whether pairs are needed to fit,
    and microseconds a vector. "nothing" is the baseline; what these pairs do not allow is left out.

    Args:
        images, texts: Arrays of n rows and d columns, at least 8 rows, row i paired with row i; or `Pairs`.
        splits, seed: How many random halves, and their seed; they part groups, never a group.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `splits` is below 1.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(40, 8))
        >>> trial = try_corrections(x + 2, x - 2, splits=2)
        >>> bool(trial.groupby("correction").gap.mean()["Centring"] < 0.5)
        True

    Taught in chapter post_hoc.
    """
    import pandas as pd

    pairs = Pairs.of(images, texts, groups=groups, notice=True, min_rows=8)
    if splits < 1:
        raise ValueError(f"splits is {splits!r}; pass at least 1")
    rng, rows = np.random.default_rng(seed), []
    halves = [np.array_split(rng.permutation(len(pairs)), 2) for _ in range(splits)]
    todo = [(name, split) for name in (NOTHING, *_WAYS, *_SCORES) for split in range(splits)]
    for name, split in output.bar(todo, "try corrections"):
        fit, test = map(pairs.take, halves[split])
        judged, scores, needs_pairs, seconds = test, ScoreCalibration().fit(fit), False, 0.0
        try:
            if name in _WAYS:
                way = made(name, fit).fit(fit)
                start = time.perf_counter()
                moved = way.transform(test)
                seconds = time.perf_counter() - start
                judged = Pairs.trusted(*moved, test.groups)  # all of `_WAYS` give unit rows
                needs_pairs = way.paired
            elif name in _SCORES:
                scores, needs_pairs = made(name, fit).fit(fit), _SCORES[name][1]
                start = time.perf_counter()
                for kind, documents in (("image", test.images), ("text", test.texts)):
                    scores.extend(documents, kind, "text")
                seconds = time.perf_counter() - start
        except ValueError:  # too few rows to whiten, say: what cannot be done is no remedy
            continue
        rows.append({"correction": name, "split": split, "gap": metrics.modality_gap(judged),
                     **_judge(judged, scores), "needs_pairs": needs_pairs,
                     "microseconds": 1e6 * seconds / (len(test.images) + len(test.texts))})  # fmt: skip
    return pd.DataFrame(rows)


def made(name: str, pairs: Pairs) -> Correction | ScoreCalibration:
    """Return, not fitted, what the trial calls by this name, its knobs turned on calibration pairs."""
    checks.known(name, (*_WAYS, *_SCORES), "correction")
    return _WAYS[name]() if name in _WAYS else _SCORES[name][0](pairs)


def _judge(pairs: Pairs, scores: ScoreCalibration) -> dict[str, float]:
    """Let each side search the other, and both in one index, with calibrated scores."""
    found, ranks, own_first = {}, [], []
    for role, other, side in (("image", "text", pairs), ("text", "image", pairs.swapped)):
        queries, documents = (z.astype(float, copy=False) for z in (side.images, side.texts))
        across, within = scores.extend(documents, other, role), scores.extend(queries, role, role)
        hits, (of_queries, of_documents) = [], side.codes
        for start in range(0, len(queries), _QUERIES):
            some = slice(start, start + _QUERIES)
            block = np.column_stack([queries[some], np.ones(len(queries[some]))])
            to_other, to_own = block @ across.T, block @ within.T
            to_own[belonging(of_queries[some], of_queries)] = -np.inf  # nobody finds themselves or their like
            rows, columns = belonging(of_queries[some], of_documents)
            partner = np.full(len(block), np.nan)
            np.fmax.at(partner, rows, to_other[rows, columns])
            best = to_other[rows, columns] >= partner[rows] - _TIE
            shared = np.bincount(rows, best, minlength=len(block)).astype(int)
            hits.append(hit_chance(to_other, partner, 1, _TIE, shared)[shared > 0])
            both = np.concatenate([to_other, to_own], axis=1)
            better = np.count_nonzero(both > partner[:, None] + _TIE, axis=1)
            tied = np.count_nonzero(both > partner[:, None] - _TIE, axis=1)
            ranks.append((1 + better + (tied - better - shared) / (shared + 1))[shared > 0])
            lead = to_own.max(axis=1) - to_other.max(axis=1)
            own_first.append(np.where(np.abs(lead) <= _TIE, 0.5, lead > 0))
        found[f"recall_{role}_to_{other}"] = float(np.concatenate(hits).mean())
    found["mixed_rank"] = float(np.concatenate(ranks).mean())
    found["own_modality_first"] = float(np.concatenate(own_first).mean())
    return found

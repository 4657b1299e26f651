"""Try every correction on one half of the pairs, judge it on the other: which helps, and what it costs."""

import time

import numpy as np

from mgaplib import metrics, output
from mgaplib.corrections.means import Centring, ProjectedShift, ReAlign, Shift
from mgaplib.corrections.rescaling import DropDimensions, Procrustes, Standardisation, Whitening
from mgaplib.pairs import Pairs

NOTHING = "nothing"
_WAYS = (Centring, DropDimensions, Procrustes, ProjectedShift, ReAlign, Shift, Standardisation, Whitening)


def try_corrections(images, texts=None, splits: int = 3, seed: int = 0):
    """Return what each correction does to held-out pairs, as a DataFrame: a row a correction and split.

    The columns: the gap that is left, recall at 1 in both directions with the held-out half as the pool, the
    rank of the partner in one index of both modalities, the share of queries whose best match there is of
    their own modality, whether pairs are needed to fit, and microseconds a vector. "nothing" is the baseline;
    a correction that these pairs do not allow is left out.

    Args:
        images, texts: Arrays of n rows and d columns, at least 8 rows, row i paired with row i; or `Pairs`.
        splits: How many random halves.
        seed: Seed of the halves.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or `splits` is below 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(40, 8))
        >>> trial = try_corrections(x + 2, x - 2, splits=2)
        >>> bool(trial.groupby("correction").gap.mean()["Centring"] < 0.5)
        True

    Taught in chapter your_embeddings.
    """
    import pandas as pd

    pairs = Pairs.of(images, texts, min_rows=8)
    if splits < 1:
        raise ValueError(f"splits is {splits!r}; pass at least 1")
    ways = {NOTHING: None, **{way.__name__: way for way in _WAYS}}
    rng, rows = np.random.default_rng(seed), []
    halves = [np.array_split(rng.permutation(len(pairs)), 2) for _ in range(splits)]
    todo = [(name, split) for name in ways for split in range(splits)]
    for name, split in output.bar(todo, "try corrections"):
        fit, test = map(pairs.take, halves[split])
        judged, needs_pairs, seconds = test, False, 0.0
        if name != NOTHING:
            try:
                way = ways[name]().fit(fit)
                start = time.perf_counter()
                moved = way.transform(test)
                seconds = time.perf_counter() - start
            except ValueError:  # too few rows to whiten, say: what cannot be done is no remedy
                continue
            judged, needs_pairs = Pairs.trusted(*moved), way.paired  # all of `_WAYS` give unit rows
        rows.append({"correction": name, "split": split, **_judge(judged), "needs_pairs": needs_pairs,
                     "microseconds": 1e6 * seconds / (2 * len(test))})  # fmt: skip
    return pd.DataFrame(rows)


def _judge(pairs: Pairs) -> dict[str, float]:
    ranks, same = metrics.mixed_partner_ranks(pairs), metrics.same_modality_share(pairs)
    return {
        "gap": metrics.modality_gap(pairs),
        "recall_image_to_text": metrics.recall_at_k(pairs),
        "recall_text_to_image": metrics.recall_at_k(pairs.swapped),
        "mixed_rank": float(np.mean(ranks)),
        "own_modality_first": float(np.mean(same)),
    }

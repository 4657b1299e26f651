"""A shift chosen on one half of the data and tested on the other."""

from typing import NamedTuple

import numpy as np

from mgaplib._harm import needs
from mgaplib._task import DELTAS, METRICS, predict, sweep, task_gap


class Choice(NamedTuple):
    """What a chosen shift does to pictures it was not chosen on; made by `choose_shift`.

    `delta` is the shift that was best on the validation pictures. `before` and `after` are the metric on the
    `n` test pictures, unshifted and at that shift, `p_value` McNemar's for the two (NaN for ROC-AUC). Of the
    test pictures, `lost` were right before and are wrong after, and `won` the other way round. `best_on_test`
    is the metric at the shift that is best on the test pictures, `best_delta`: the claim of one who chooses
    there, with `best_p_value`, as if that shift had been known before.

    Taught in chapter zero_shot.
    """

    delta: float
    before: float
    after: float
    p_value: float
    lost: int
    won: int
    best_on_test: float
    best_delta: float
    best_p_value: float
    n: int


def choose_shift(validation, test, classes, deltas=DELTAS, *, metric: str = "accuracy") -> Choice:
    """Choose the shift on validation pictures, and measure on test pictures what it brings.

    The gap is the validation pictures' as well. Of equally good shifts the smallest is chosen.

    Args:
        validation: Pair of embeddings (n rows, d columns) and labels.
        test: Another such pair, of other pictures.
        classes: Array of one row a class and d columns.
        deltas: The shifts to choose from.
        metric: "accuracy" or "roc_auc".

    Raises:
        ImportError: If statsmodels is missing.
        TypeError: If embeddings hold no floating-point numbers, or labels no integers.
        ValueError: If they are malformed or do not match, there is no shift, or the metric is unknown.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(200, 8)), rng.integers(0, 4, 200)
        >>> found = choose_shift((x[:100], y[:100]), (x[100:], y[100:]), rng.normal(size=(4, 8)))
        >>> found.best_on_test >= found.before
        True

    Taught in chapter zero_shot.
    """
    (x, x_labels), (z, z_labels) = validation, test
    gap = task_gap(x, classes)
    on_validation = sweep(x, x_labels, classes, deltas, gap=gap, metric=metric)
    on_test = sweep(z, z_labels, classes, deltas, gap=gap, metric=metric)
    judge = METRICS[metric]
    delta, best = (_best(table, metric) for table in (on_validation, on_test))
    before = judge(z, z_labels, classes)
    right = [predict(z, classes, d, gap) == np.asarray(z_labels) for d in (0.0, delta, best)]
    p_value, best_p_value = (
        (mcnemar(right[0], after) for after in right[1:]) if metric == "accuracy" else (np.nan, np.nan)
    )
    return Choice(
        delta=delta,
        before=before,
        after=judge(z, z_labels, classes, delta, gap),
        p_value=p_value,
        lost=int((right[0] & ~right[1]).sum()),
        won=int((~right[0] & right[1]).sum()),
        best_on_test=float(on_test[metric].max()),
        best_delta=best,
        best_p_value=best_p_value,
        n=len(z),
    )


def mcnemar(before, after) -> float:
    """Return the two-sided p-value of McNemar's exact test: is `after` right more often on the same pictures?

    Args:
        before: Whether each picture was right, n booleans.
        after: The same of another classifier, on the same pictures.

    Raises:
        ImportError: If statsmodels is missing.
        TypeError: If they are no booleans.
        ValueError: If their shapes differ.

    Example:
        >>> mcnemar([True] * 6 + [False] * 6, [True] * 6 + [True] * 6)
        0.03125

    Taught in chapter zero_shot.
    """
    tables = needs("statsmodels.stats.contingency_tables")
    before, after = np.asarray(before), np.asarray(after)
    if before.dtype != bool or after.dtype != bool:
        raise TypeError("before and after must be booleans: whether each picture was right")
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(
            f"before and after have shapes {before.shape} and {after.shape}; pass one entry a picture in each"
        )
    table = [
        [(before & after).sum(), (before & ~after).sum()],
        [(~before & after).sum(), (~before & ~after).sum()],
    ]
    return float(min(tables.mcnemar(table, exact=True).pvalue, 1.0))


def two_proportions(first: float, second: float, n: int) -> float:
    """Return the p-value of the test that takes two accuracies on the same n pictures for independent.

    It is the chi-square test of the paper's supplementary table 5, for comparison: the samples are paired, so
    McNemar's test is the one to use where the pictures are at hand. The products of accuracy and n are not
    rounded to whole pictures, for the paper's p-values then come out to the last digit.

    Args:
        first: An accuracy.
        second: Another.
        n: Number of pictures behind each.

    Raises:
        ImportError: If statsmodels is missing.
        ValueError: If an accuracy is not in [0, 1] or n is below 1.

    Source: Liang et al. 2022, supplementary table 5.

    Example:
        >>> round(two_proportions(0.6705, 0.6776, 60_000), 4)
        0.0087

    Taught in chapter zero_shot.
    """
    test = needs("statsmodels.stats.proportion").proportions_ztest
    if not (0 <= first <= 1 and 0 <= second <= 1 and n >= 1):
        raise ValueError(
            f"first, second and n are {first!r}, {second!r} and {n!r}; pass two shares and a count"
        )
    if first == second:
        return 1.0  # where both are 0 or 1, the test would divide by zero
    return float(test(np.array([first * n, second * n]), [n, n])[1])


def _best(table, metric: str) -> float:
    """Return the shift of the highest metric; of several the one nearest to none."""
    top = table[table[metric] >= table[metric].max() - 1e-12]
    return float(top.loc[top.delta.abs().idxmin(), "delta"])

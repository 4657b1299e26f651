"""The interval that a check compares, the bound that it compares it with, and what comes of it."""

import math

import numpy as np

from mgaplib import checks

OVER = ("seeds", "splits", "pairs", "images", "runs")
_FEWEST_SPLITS = 20  #: With fewer, the 2.5th and the 97.5th percentile are the two extremes.


def one_bound(bounds: dict) -> tuple[str, float | tuple[float, float]]:
    given = {rule: bound for rule, bound in bounds.items() if bound is not None}
    if len(given) != 1:
        raise ValueError(f"give one of the bounds {', '.join(bounds)}; {len(given)} are given")
    [(rule, bound)] = given.items()
    if rule != "within":
        return rule, checks.number(bound, rule, "pass a finite number")
    ends = np.asarray(bound)
    if ends.shape != (2,) or ends.dtype.kind not in "iuf" or not ends[0] < ends[1]:
        raise ValueError(f"within is {bound!r}; pass two numbers, the lower first")
    if np.isinf(ends).all():
        raise ValueError(f"within is {bound!r}, which excludes nothing; make one of the two finite")
    return rule, (float(ends[0]), float(ends[1]))


def in_words(rule: str, bound) -> str:
    if rule != "within":
        return f"{bound:.6g}" if rule == "equals" else f"{rule} {bound:.6g}"
    low, high = bound
    if math.isinf(high):
        return f"at least {low:.6g}"
    return f"at most {high:.6g}" if math.isinf(low) else f"within {low:.6g} to {high:.6g}"


def numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {array.dtype}; pass numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a NaN or infinite value; a check needs finite numbers")
    return array


def interval(values, estimate, low, high, n, over: str) -> tuple[float, float, float, int]:
    """Return estimate, low, high and n, from values or as they were handed over."""
    checks.known(over, OVER, "over")
    ready = {"estimate": estimate, "low": low, "high": high, "n": n}
    missing = [name for name, value in ready.items() if value is None]
    if values is None:
        if missing:
            raise ValueError(f"{missing[0]} is missing; give values, or estimate, low, high and n")
        ends = [
            checks.number(ready[name], name, "pass a finite number") for name in ("estimate", "low", "high")
        ]
        if ends[1] > ends[2]:
            raise ValueError(f"low is {low} and high is {high}; pass the lower end of the interval as low")
        return *ends, checks.whole(n, "n", 1, None, f"say how many {over} stand behind the interval")
    if len(missing) < 4:
        raise ValueError("values and a ready-made interval are given; give one of them")
    array = numbers(np.asarray(values), "values")
    if array.ndim != 1:
        raise ValueError(f"values has shape {array.shape}; pass one number for each of the {over}")
    fewest = _FEWEST_SPLITS if over == "splits" else 2
    if array.size < fewest:
        raise ValueError(f"values has {array.size} {over}; an interval takes {fewest} or more")
    return float(array.mean()), *_ends(array, over), array.size


def _ends(array: np.ndarray, over: str) -> tuple[float, float]:
    from scipy import special

    if over == "splits":
        low, high = np.percentile(array.astype(float), [2.5, 97.5])
    elif array.dtype == bool:
        yes, no = int(array.sum()), int((~array).sum())
        low = special.betaincinv(yes, no + 1, 0.025) if yes else 0.0
        high = special.betaincinv(yes + 1, no, 0.975) if no else 1.0
    else:
        array = array.astype(float)
        half = special.stdtrit(array.size - 1, 0.975) * array.std(ddof=1) / array.size**0.5
        low, high = array.mean() - half, array.mean() + half
    return float(low), float(high)


def decided(rule: str, bound, low: float, high: float) -> bool | None:
    """Return whether the interval lies on the right side (True), on the wrong side (False) or on both."""
    if rule == "above":
        right, wrong = low > bound, high <= bound
    elif rule == "below":
        right, wrong = high < bound, low >= bound
    else:
        first, last = bound if rule == "within" else (bound, bound)
        right, wrong = first <= low and high <= last, high < first or low > last
    return True if right else False if wrong else None

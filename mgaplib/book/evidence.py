"""The checks behind a claim: what must be so, what was found, and whether it is."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from mgaplib import checks

OVER = ("seeds", "splits", "pairs", "images", "runs")
_FEWEST_SPLITS = 20  #: With fewer, the 2.5th and the 97.5th percentile are the two extremes.
_ANSWERS = {True: "yes", False: "no", None: "undecided"}


@dataclasses.dataclass(frozen=True)
class Check:
    """What one check asks, what was found, and whether it is so; made by `trend`, `same` and `exact`.

    Args:
        words: What must be so, in words.
        rule: How `bound` is meant: above, below, within or equals; "true" for a plain fact.
        bound: The bound, a pair for within; None for a plain fact.
        estimate: What was found; None for a plain fact and for several exact values.
        low, high: Ends of the interval, or of several exact values; None where there are none.
        n, over: How many stand behind it, and of what: seeds, splits, pairs, images, runs; "cases" if exact.
        true: Whether it is so; None where the interval does not decide.
        world: Which of the book's worlds it is about, where a claim is tested in both; `claims.record` says.

    Example:
        >>> trend("the gap closes", [-0.31, -0.28, -0.35, -0.30], below=0).true
        True

    Taught in chapter scorecard.
    """

    words: str
    rule: str
    bound: float | tuple[float, float] | None
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    over: str
    true: bool | None
    world: str = ""

    def __post_init__(self):
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError(f"words is {self.words!r}; say in words what must be so")

    @property
    def answer(self) -> str:
        """Whether it is so, in a word (yes, no or undecided)."""
        return _ANSWERS[self.true]

    @property
    def found(self) -> str:
        """What was found, and what was asked, in words; empty for a plain fact."""
        if self.rule == "true":
            return ""
        must = f"must be {_in_words(self.rule, self.bound)}"
        if self.over == "cases":
            ends = [self.estimate] if self.n == 1 else [self.low, self.high]
            told = " to ".join(_shortest(end, self.bound) for end in ends)
            return f"{told}{f' in {self.n} cases' if self.n > 1 else ''}; {must}"
        return f"{self.estimate:.3g} ({self.low:.3g} to {self.high:.3g}), {self.n} {self.over}; {must}"

    def row(self) -> dict:
        """Return the check as JSON can keep it; an endless bound becomes None."""
        found = dataclasses.asdict(self) | {"answer": self.answer, "found": self.found}
        if self.rule == "within":
            found["bound"] = [b if math.isfinite(b) else None for b in self.bound]
        return found


def trend(
    words: str,
    values: Sequence[float] | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    estimate: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    over: str = "seeds",
) -> Check:
    """Check that a measured quantity lies above or below a bound, with its interval.

    It is undecided if the interval contains the bound. Give one ready-made, or `values`, whose interval is

    - for seeds, pairs, images and runs, which are independent: Student's 95 % interval of the mean; of True
      and False, the exact (Clopper-Pearson) interval of the share of True. Pairs and images are those of one
      trained model: their interval says nothing of other seeds.
    - for splits of one data set, which overlap: the 2.5th to the 97.5th percentile of the splits. It says
      where another split of the same data would come out, and nothing of other data.

    Args:
        words: What must be so, in words.
        values: 1-D, one number for each of `over`; paired differences where two arms share seeds.
        above, below: The bound that the interval must lie above, or below; give one of the two.
        estimate, low, high, n: A ready-made estimate, its 95 % interval, and how many stand behind it.
        over: What `values` or `n` counts: seeds, splits, pairs, images or runs.

    Raises:
        TypeError: If a bound or a value is no number.
        ValueError: If not exactly one bound is given, or the values make no interval; it names the cure.

    Example:
        >>> trend("the gap closes", [-0.31, -0.28, -0.35, -0.30], below=0).found
        '-0.31 (-0.357 to -0.263), 4 seeds; must be below 0'
        >>> trend("the gap closes", estimate=-0.2, low=-0.5, high=0.1, n=300, over="pairs", below=0).answer
        'undecided'

    Taught in chapter scorecard.
    """
    rule, bound = _one_bound({"above": above, "below": below})
    found = _interval(values, estimate, low, high, n, over)
    return Check(words, rule, bound, *found, over, _decided(rule, bound, *found[1:3]))


def same(
    words: str,
    values: Sequence[float] | None = None,
    *,
    within: tuple[float, float],
    estimate: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    over: str = "seeds",
) -> Check:
    """Check that a measured quantity is as good as unchanged: its interval lies within two bounds.

    So "no difference" needs a bound, set before the run, below which a difference does not matter. It is not
    so if the interval lies wholly outside, and undecided if it reaches over a bound.

    Args:
        words, values, estimate, low, high, n, over: As in `trend`.
        within: The lower and the upper bound, both of them still within; one may be infinite.

    Raises:
        TypeError: If a bound or a value is no number.
        ValueError: If the bounds are no pair, or the values make no interval; the message names the cure.

    Example:
        >>> same("uniformity does not matter", estimate=-0.47, low=-0.95, high=0.73, n=12, over="runs",
        ...      within=(-0.3, 0.3)).answer
        'undecided'

    Taught in chapter scorecard.
    """
    rule, bound = _one_bound({"within": within})
    found = _interval(values, estimate, low, high, n, over)
    return Check(words, rule, bound, *found, over, _decided(rule, bound, *found[1:3]))


def exact(
    words: str,
    value: bool | float | Sequence[float],
    *,
    above: float | None = None,
    below: float | None = None,
    within: tuple[float, float] | None = None,
    equals: float | None = None,
) -> Check:
    """Check what chance has no part in: theory, arithmetic, a proof's every case. It is so or not so.

    Args:
        words: What must be so, in words.
        value: A number; several numbers, each of which must be so; or True or False, with no bound.
        above, below, equals: What every value must exceed, stay below, or be exactly.
        within: The two bounds that every value must lie between, both still within; one may be infinite.

    Raises:
        TypeError: If a value or a bound is no number.
        ValueError: If a number comes without exactly one bound, or True or False with one; if there is no
            value, or one is not finite.

    Example:
        >>> exact("gamma stays above the bound", [1.7, 1.2, 3.1], above=1).found
        '1.2 to 3.1 in 3 cases; must be above 1'
        >>> exact("every minimum is at the default gap", True).answer
        'yes'

    Taught in chapter scorecard.
    """
    bounds = {"above": above, "below": below, "within": within, "equals": equals}
    array = np.asarray(value)
    if array.dtype == bool:
        if any(bound is not None for bound in bounds.values()):
            raise ValueError("value is True or False and a bound is given; pass the number that is compared")
    else:
        rule, bound = _one_bound(bounds)
        array = _numbers(array.reshape(-1), "value")
    if array.size == 0:
        raise ValueError("value is empty; nothing was checked")
    if array.dtype == bool:
        return Check(words, "true", None, None, None, None, array.size, "cases", bool(array.all()))
    true = all(_decided(rule, bound, v, v) for v in array.tolist())
    if array.size == 1:
        return Check(words, rule, bound, array.item(), None, None, 1, "cases", true)
    ends = float(array.min()), float(array.max())
    return Check(words, rule, bound, None, *ends, array.size, "cases", true)


def _one_bound(bounds: dict) -> tuple[str, float | tuple[float, float]]:
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


def _in_words(rule: str, bound) -> str:
    if rule != "within":
        return f"{bound:.6g}" if rule == "equals" else f"{rule} {bound:.6g}"
    low, high = bound
    if math.isinf(high):
        return f"at least {low:.6g}"
    return f"at most {high:.6g}" if math.isinf(low) else f"within {low:.6g} to {high:.6g}"


def _shortest(value: float, bound: float | tuple[float, float]) -> str:
    """Return a number with three digits, or with as many as show on which side of its bound it lies."""
    room = min((abs(value - end) for end in np.atleast_1d(bound) if math.isfinite(end)), default=math.inf)
    for digits in (3, 4, 5):
        told = f"{value:#.{digits}g}".rstrip(".")
        if 0 < abs(float(told) - value) <= room / 10 and "e+" not in told:
            return told
    return f"{value:.6g}"


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {array.dtype}; pass numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a NaN or infinite value; a check needs finite numbers")
    return array


def _interval(values, estimate, low, high, n, over: str) -> tuple[float, float, float, int]:
    """Return estimate, low, high and n, from values or as they were handed over."""
    checks.known(over, OVER, "over")
    ready = {"estimate": estimate, "low": low, "high": high}
    missing = [name for name, value in (ready | {"n": n}).items() if value is None]
    if values is None:
        if missing:
            raise ValueError(f"{missing[0]} is missing; give values, or estimate, low, high and n")
        ends = [checks.number(value, name, "pass a finite number") for name, value in ready.items()]
        if ends[1] > ends[2]:
            raise ValueError(f"low is {low} and high is {high}; pass the lower end of the interval as low")
        return *ends, checks.whole(n, "n", 1, None, f"say how many {over} stand behind the interval")
    if len(missing) < 4:
        raise ValueError("values and a ready-made interval are given; give one of them")
    array = _numbers(np.asarray(values), "values")
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


def _decided(rule: str, bound, low: float, high: float) -> bool | None:
    """Return whether the interval lies on the right side (True), on the wrong side (False) or on both."""
    if rule == "above":
        right, wrong = low > bound, high <= bound
    elif rule == "below":
        right, wrong = high < bound, low >= bound
    else:
        first, last = bound if rule == "within" else (bound, bound)
        right, wrong = first <= low and high <= last, high < first or low > last
    return True if right else False if wrong else None

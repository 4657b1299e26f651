"""The checks behind a claim: what must be so, what was found, and whether it is."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from mgaplib.book import interval

_ANSWERS = {True: "yes", False: "no", None: "undecided"}


@dataclasses.dataclass(frozen=True)
class Check:
    """What one check asks, what was found, and whether it is so; made by `trend`, `same` and `exact`.

    Args:
        words: What must be so, in words.
        rule: How `bound` is meant: above, below, within or equals; "true" for a plain fact.
        bound: The bound, a pair for within; None for a plain fact.
        estimate: What was found; None for a plain fact and for several exact values.
        low: Lower end of the interval, or the smallest of several exact values; None where there is none.
        high: Upper end of the interval, or the largest of several exact values; None where there is none.
        n: How many seeds, splits, ... stand behind it.
        over: What is counted: seeds, splits, pairs, images or runs; "cases" for exact values.
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
        must = f"must be {interval.in_words(self.rule, self.bound)}"
        if self.over == "cases":
            several = f"{self.low:.6g} to {self.high:.6g} in {self.n} cases" if self.n > 1 else ""
            return f"{several or format(self.estimate, '.6g')}; {must}"
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

    It is so if the whole interval lies on that side, not so if the whole interval lies on the other side, and
    undecided if the interval contains the bound.

    Give either `values`, one number a seed (split, pair, image, run), or a ready-made 95 % interval with its
    n. The interval of `values` is

    - for seeds, pairs, images and runs, which are independent: Student's 95 % interval of the mean. Where the
      values are True and False, the exact (Clopper-Pearson) interval of the share of True.
    - for splits of one data set, which overlap and so are not independent: the 2.5th to the 97.5th percentile
      of the splits. It says where another split of the same data would come out, and nothing of other data.

    Pairs and images are those of one trained model: their interval says nothing of other seeds.

    Args:
        words: What must be so, in words.
        values: 1-D, one number for each of `over`; paired differences where two arms share seeds.
        above: The bound that the interval must lie above.
        below: The bound that it must lie below; give one of the two.
        estimate, low, high, n: A ready-made estimate, its 95 % interval, and how many stand behind it.
        over: What `values` or `n` counts: seeds, splits, pairs, images or runs.

    Raises:
        TypeError: If a bound or a value is no number.
        ValueError: If not exactly one bound is given, or the values make no interval; the message names the
            cure.

    Example:
        >>> trend("the gap closes", [-0.31, -0.28, -0.35, -0.30], below=0).found
        '-0.31 (-0.357 to -0.263), 4 seeds; must be below 0'
        >>> trend("the gap closes", estimate=-0.2, low=-0.5, high=0.1, n=300, over="pairs", below=0).answer
        'undecided'

    Taught in chapter scorecard.
    """
    rule, bound = interval.one_bound({"above": above, "below": below})
    found = interval.interval(values, estimate, low, high, n, over)
    return Check(words, rule, bound, *found, over, interval.decided(rule, bound, *found[1:3]))


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

    So "no difference" needs a bound, set before the run, below which a difference does not matter. It is so
    if the whole interval lies within the bounds, not so if it lies wholly outside, and undecided otherwise:
    a wide interval around zero shows nothing.

    Args:
        words: What must be so, in words.
        values: 1-D, one number for each of `over`, as in `trend`.
        within: The lower and the upper bound, both of them still within; one may be infinite.
        estimate, low, high, n, over: As in `trend`.

    Raises:
        TypeError: If a bound or a value is no number.
        ValueError: If the bounds are no pair, or the values make no interval; the message names the cure.

    Example:
        >>> same("uniformity does not matter", estimate=-0.47, low=-0.95, high=0.73, n=12, over="runs",
        ...      within=(-0.3, 0.3)).answer
        'undecided'

    Taught in chapter scorecard.
    """
    rule, bound = interval.one_bound({"within": within})
    found = interval.interval(values, estimate, low, high, n, over)
    return Check(words, rule, bound, *found, over, interval.decided(rule, bound, *found[1:3]))


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
        above: The bound that every value must exceed.
        below: The bound that every value must stay below.
        within: The two bounds that every value must lie between, both of them still within; one may be
            infinite.
        equals: What every value must be, exactly.

    Raises:
        TypeError: If a value or a bound is no number.
        ValueError: If a number comes without exactly one bound, or True or False with one; if a value is not
            finite or there is none.

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
        if array.size == 0:
            raise ValueError("value is empty; nothing was checked")
        return Check(words, "true", None, None, None, None, array.size, "cases", bool(array.all()))
    rule, bound = interval.one_bound(bounds)
    array = interval.numbers(array.reshape(-1), "value")
    if array.size == 0:
        raise ValueError("value is empty; nothing was checked")
    true = all(interval.decided(rule, bound, v, v) for v in array.tolist())
    if array.size == 1:
        return Check(words, rule, bound, array.item(), None, None, 1, "cases", true)
    ends = float(array.min()), float(array.max())
    return Check(words, rule, bound, None, *ends, array.size, "cases", true)

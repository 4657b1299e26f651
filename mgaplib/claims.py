"""Record what a chapter found about a claim, for the scorecard, and its numbers, for the prose to quote."""

import dataclasses
import html
import math
import os
import re
from collections.abc import Sequence

import numpy as np

from mgaplib import _checks

_IDS = re.compile(
    r"(E([1-9]|1[0-3])[a-z]?|F([12]|[4-9]|1[0-2])|Thm[12]|Lemma3\.1|Thm3\.[23]|AppC)(\.[a-z0-9_]+)?|X\.[a-z0-9_]+"
)
_DATA = ("real", "miniclip", "simulation", "theory")
_SOURCES = {"liang2022": "Liang et al. 2022", "yaras2025": "Yaras et al. 2025", "field": "the field"}
_KINDS = ("claim", "question", "slip")
_OVER = ("seeds", "splits", "pairs", "images", "runs")
_ANSWERS = {True: "yes", False: "no", None: "undecided"}
_FEWEST_SPLITS = 20  #: With fewer, the 2.5th and the 97.5th percentile are the two extremes.


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

    def __post_init__(self):
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError(f"words is {self.words!r}; say in words what must be so")

    @property
    def answer(self) -> str:
        """The answer: yes, no or undecided."""
        return _ANSWERS[self.true]

    @property
    def found(self) -> str:
        """What was found, and what was asked, in words; empty for a plain fact."""
        if self.rule == "true":
            return ""
        must = f"must be {_bound_in_words(self.rule, self.bound)}"
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
        estimate: The ready-made estimate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: How many stand behind the ready-made interval.
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
    rule, bound = _one_bound({"above": above, "below": below})
    found = _interval(values, estimate, low, high, n, over)
    return _decide(words, rule, bound, *found, over)


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
        estimate: The ready-made estimate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: How many stand behind the ready-made interval.
        over: What `values` or `n` counts: seeds, splits, pairs, images or runs.

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
    return _decide(words, rule, bound, *found, over)


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
    rule, bound = _one_bound(bounds)
    array = _numbers(array.reshape(-1), "value")
    if array.size == 0:
        raise ValueError("value is empty; nothing was checked")
    true = all(_decided(rule, bound, v, v) for v in array.tolist())
    if array.size == 1:
        return Check(words, rule, bound, array.item(), None, None, 1, "cases", true)
    ends = float(array.min()), float(array.max())
    return Check(words, rule, bound, None, *ends, array.size, "cases", true)


def record(
    id: str,
    *,
    source: str,
    statement: str,
    paper: str | float | None,
    here: str | float,
    data: str,
    where: str = "",
    kind: str = "claim",
    checks: Sequence[Check] = (),
    analogue: bool = False,
    note: str = "",
    changed: str = "",
) -> str:
    """Show a claim's row under the cell, mark it for the scorecard, and return what became of it.

    A published claim gets a verdict, which follows from its checks: all so, it *holds*; some so, *partly*;
    none so and one not so, it *fails*; all undecided, *undecided*; no check, *not tested here*. So a chapter
    cannot print a verdict that its own numbers do not give. An analogue, data of another kind than the
    claim's own, can neither confirm nor refute it: the verdict then reads *holds on an analogue*, *partly on
    an analogue*, *not reproduced on an analogue* or *undecided on an analogue*.

    Nothing else gets a verdict. A question is our own: it is *answered*, *undecided* while one of its checks
    is, or *not tested here*. A *slip in print* must be shown: all of its checks are so.

    Args:
        id: Our id for it (E1-E13, F1-F12, Thm1, ...), with `.part` where a chapter tests a part of it;
            `X.name` for what neither paper claims.
        source: Key of the bibliography: liang2022, yaras2025 or field. A question names what it springs from.
        statement: The claim, in one sentence; for a question the question; for a slip what is wrong.
        paper: What the paper reports, or None where it prints no number; for a slip what is printed.
        here: What this run measured, with its spread; for a slip what is right.
        data: Where the numbers come from: real, miniclip, simulation or theory.
        where: The paper's own figure, table, theorem or section, such as "Figure 3" or "section 4.2"; for the
            field, the publication as well. A question may do without. One printed result has one claim.
        kind: "claim" for a published claim, "question" for our own, "slip" for a slip in print.
        checks: What must be so: `trend`, `same` and `exact`.
        analogue: Whether the data are of another kind than the claim's; the note then says of which.
        note: What limits the result, or why a check came out as it did.
        changed: Why the verdict is not that of the last release, where it is not.

    Raises:
        TypeError: If a check is not made by `trend`, `same` or `exact`.
        ValueError: If the id, source, data or kind is unknown, a claim or slip does not say where it is
            printed, an analogue has no note or is no claim, or a slip is not shown.

    Example:
        >>> record("E5", source="liang2022", where="Figure 3", statement="The gap is a minimum.", paper=0.82,
        ...        here=0.86, data="real", checks=[exact("minimum at the default gap", True)])
        E5 holds: The gap is a minimum.
          of: Liang et al. 2022, Figure 3
          paper: 0.82
          here: 0.86 (real)
          yes: minimum at the default gap
        'holds'

    Taught in chapter scorecard.
    """
    if not _IDS.fullmatch(id):
        raise ValueError(
            f"unknown claim id {id!r}; use E1-E13, F1-F12, Thm1, ... or X.name, see the scorecard"
        )
    _checks.known(source, _SOURCES, "source")
    _checks.known(data, _DATA, "data")
    _checks.known(kind, _KINDS, "kind")
    if isinstance(checks, dict) or not all(isinstance(check, Check) for check in checks):
        raise TypeError(
            f"{id}: checks is no list of checks; make each with claims.trend, claims.same or claims.exact, "
            "so that it shows its estimate, interval and bound"
        )
    if kind != "question" and not where.strip():
        raise ValueError(f"{id}: where is empty; name the figure, table, theorem or section that prints it")
    if analogue and kind != "claim":
        raise ValueError(f"{id}: analogue is for published claims; a {kind} has no verdict to limit")
    if analogue and not note.strip():
        raise ValueError(f"{id}: analogue needs a note that says what stands in for the claim's own data")
    if kind == "slip" and not (checks and all(check.true for check in checks)):
        raise ValueError(f"{id}: a slip must be shown: give checks, all of them so")
    verdict = _verdict([check.true for check in checks], analogue)
    if kind == "question":
        open_still = [check.true for check in checks if check.true is None]
        status = "not tested here" if not checks else "undecided" if open_still else "answered"
    else:
        status = verdict if kind == "claim" else "slip in print"
    row = {
        "id": id,
        "source": source,
        "where": where,
        "kind": kind,
        "statement": statement,
        "paper": paper,
        "here": here,
        "data": data,
        "analogue": bool(analogue),
        "checks": [check.row() for check in checks],
        "verdict": verdict if kind == "claim" else None,
        "status": status,
        "note": note,
        "changed": changed,
    }
    _show(row)
    return status


def _verdict(true: Sequence[bool | None], analogue: bool) -> str:
    if not true:
        return "not tested here"
    if all(true):
        verdict = "holds"
    elif any(true):
        verdict = "partly"
    elif False in true:
        verdict = "not reproduced" if analogue else "fails"
    else:
        verdict = "undecided"
    return verdict + " on an analogue" * analogue


def _one_bound(bounds: dict) -> tuple[str, float | tuple[float, float]]:
    given = {rule: bound for rule, bound in bounds.items() if bound is not None}
    if len(given) != 1:
        raise ValueError(f"give one of the bounds {', '.join(bounds)}; {len(given)} are given")
    [(rule, bound)] = given.items()
    if rule != "within":
        return rule, _checks.number(bound, rule, "pass a finite number")
    ends = np.asarray(bound)
    if ends.shape != (2,) or ends.dtype.kind not in "iuf" or not ends[0] < ends[1]:
        raise ValueError(f"within is {bound!r}; pass two numbers, the lower first")
    if np.isinf(ends).all():
        raise ValueError(f"within is {bound!r}, which excludes nothing; make one of the two finite")
    return rule, (float(ends[0]), float(ends[1]))


def _bound_in_words(rule: str, bound) -> str:
    if rule != "within":
        return f"{bound:.6g}" if rule == "equals" else f"{rule} {bound:.6g}"
    low, high = bound
    if math.isinf(high):
        return f"at least {low:.6g}"
    return f"at most {high:.6g}" if math.isinf(low) else f"within {low:.6g} to {high:.6g}"


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {array.dtype}; pass numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a NaN or infinite value; a check needs finite numbers")
    return array


def _interval(values, estimate, low, high, n, over: str) -> tuple[float, float, float, int]:
    """Return estimate, low, high and n, from values or as they were handed over."""
    _checks.known(over, _OVER, "over")
    ready = {"estimate": estimate, "low": low, "high": high, "n": n}
    missing = [name for name, value in ready.items() if value is None]
    if values is None:
        if missing:
            raise ValueError(f"{missing[0]} is missing; give values, or estimate, low, high and n")
        ends = [
            _checks.number(ready[name], name, "pass a finite number") for name in ("estimate", "low", "high")
        ]
        if ends[1] > ends[2]:
            raise ValueError(f"low is {low} and high is {high}; pass the lower end of the interval as low")
        return *ends, _checks.whole(n, "n", 1, None, f"say how many {over} stand behind the interval")
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


def _decide(words, rule, bound, estimate, low, high, n, over) -> Check:
    return Check(words, rule, bound, estimate, low, high, n, over, _decided(rule, bound, low, high))


def _show(row: dict) -> None:
    facts = _facts(row)
    head = f"{row['id']} {row['status']}"
    plain = [f"{head}: {row['statement']}", *(f"  {name}: {value}" for name, value in facts.items())]
    plain += [f"  {check['answer']}: {_line(check)}" for check in row["checks"]]
    if not _in_notebook():
        print("\n".join(plain))
        return
    from IPython.display import publish_display_data

    listed = "".join(f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in facts.items())
    found = "".join(
        f'<li data-answer="{check["answer"]}"><strong>{check["answer"]}:</strong> '
        f"{html.escape(_line(check))}</li>"
        for check in row["checks"]
    )
    card = (
        f'<div class="mgap-claim" data-status="{row["status"]}">'
        f"<p><strong>{head}.</strong> {html.escape(row['statement'])}</p><dl>{listed}</dl>"
        f"{f'<ul>{found}</ul>' if found else ''}</div>"
    )
    publish_display_data({"text/plain": "\n".join(plain), "text/html": card}, metadata={"mgaplib_claim": row})


def _facts(row: dict) -> dict[str, str | float]:
    """Return what a row says beside its statement and its checks, each under its name."""
    slip = row["kind"] == "slip"
    paper = "no number" if row["paper"] is None else row["paper"]
    facts = {
        "of": ", ".join(filter(None, [_SOURCES[row["source"]], row["where"]])),
        "printed" if slip else "paper": paper,
        "right" if slip else "here": f"{row['here']} ({row['data']})",
        "note": row["note"],
    }
    if row["kind"] == "question":  # nobody's claim: it may be about a printed result, or about none
        facts = {"about": facts.pop("of") if row["where"] else "", **facts}
        facts.pop("of", None)
        if row["paper"] is None:
            del facts["paper"]
    return {name: value for name, value in facts.items() if value != ""}


def _line(check: dict) -> str:
    return ": ".join(filter(None, [check["words"], check["found"]]))


def glue(name: str, value: float) -> None:
    """Keep a number under a name, so that the chapter's prose can quote it with `{glue:text}`.

    Does what `myst_nb.glue` does, without needing myst_nb where a chapter runs as a plain notebook: there it
    prints the number instead.

    Args:
        name: The number's name in the book; it starts with the chapter's slug.
        value: The number; NumPy scalars become floats, which the page can format.

    Raises:
        ValueError: If the value is not finite.

    Example:
        >>> glue("loss-landscape-gap", 0.8514)
        loss-landscape-gap = 0.8514

    Taught in chapter notation.
    """
    number = float(value)
    if number - number != 0:
        raise ValueError(f"{name} is {value!r}; only finite numbers can be quoted")
    if not _in_notebook() or os.environ.get("MGAPLIB_STATIC") != "1":
        print(f"{name} = {number:.4g}")
        return
    from IPython.display import publish_display_data

    prefix = "application/papermill.record/"
    publish_display_data(
        {prefix + "text/plain": repr(number)}, metadata={"scrapbook": {"name": name, "mime_prefix": prefix}}
    )


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None

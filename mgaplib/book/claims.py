"""Record what a chapter found about a claim, for the scorecard, and its numbers, for the prose to quote."""

import html
import os
import re

from mgaplib.checks import known

_IDS = re.compile(
    r"(E([1-9]|1[0-3])[a-z]?|F([12]|[4-9]|1[0-2])|Thm[12]|Lemma3\.1|Thm3\.[23]|AppC)(\.[a-z0-9_]+)?|X\.[a-z0-9_]+"
)
_DATA = ("real", "miniclip", "simulation", "theory")
_SOURCES = ("liang2022", "yaras2025", "field")


def record(
    id: str,
    *,
    source: str,
    statement: str,
    paper: str | float | None,
    here: str | float,
    data: str,
    seeds: int,
    checks: dict[str, bool],
    at_most: str = "holds",
    note: str = "",
) -> str:
    """Show a claim's row under the cell, mark it for the scorecard, and return its verdict.

    The verdict follows from the checks: all true *holds*, some true *partly*, none true *fails*, no check
    *not tested here*. So a chapter cannot print a verdict that its own numbers do not give.

    Args:
        id: The experiment's id (E1-E13, F1-F12, Thm1, ...), with `.part` where a chapter tests a part of it;
            `X.name` for what neither paper claims.
        source: Key of the bibliography: liang2022, yaras2025 or field.
        statement: The claim, in one sentence.
        paper: What the paper reports, or None where it prints no number.
        here: What this run measured, with its spread.
        data: Where the numbers come from: real, miniclip, simulation or theory.
        seeds: How many seeds stand behind `here`; 1 for a deterministic result.
        checks: What must be true, each in words, with whether it is.
        at_most: The best verdict that the data can give; "partly" for an analogue of the paper's data.
        note: Why a check fails, or what limits the result; needed where `at_most` lowers the verdict.

    Raises:
        ValueError: If the id, source, data or `at_most` is unknown, or if `at_most` lowers the verdict and no
            note says why.

    Example:
        >>> record("E5", source="liang2022", statement="The gap is a minimum.", paper=0.82, here=0.86,
        ...        data="real", seeds=1, checks={"minimum at the default gap": True})
        E5 holds: The gap is a minimum. Paper: 0.82. Here: 0.86 (real).
        'holds'

    Taught in chapter scorecard.
    """
    if not _IDS.fullmatch(id):
        raise ValueError(
            f"unknown claim id {id!r}; use E1-E13, F1-F12, Thm1, ... or X.name, see the scorecard"
        )
    known(source, _SOURCES, "source")
    known(data, _DATA, "data")
    known(at_most, ("holds", "partly", "fails"), "at_most")
    true = [bool(v) for v in checks.values()]
    if not true:
        verdict = "not tested here"
    else:
        verdict = "holds" if all(true) else "partly" if any(true) else "fails"
        if verdict == "holds" and at_most != "holds":
            if not note.strip():
                raise ValueError(
                    f"{id}: all checks are true and at_most is {at_most!r}; give a note that says why"
                )
            verdict = at_most
    failed = [words for words, v in checks.items() if not v]
    row = {
        "id": id,
        "source": source,
        "statement": statement,
        "paper": paper,
        "here": here,
        "data": data,
        "seeds": int(seeds),
        "verdict": verdict,
        "failed": failed,
        "note": note,
    }
    _show(row)
    return verdict


def _show(row: dict) -> None:
    paper = "no number" if row["paper"] is None else row["paper"]
    tail = "".join(
        [
            f" Not so: {'; '.join(row['failed'])}." if row["failed"] else "",
            f" {row['note']}" if row["note"] else "",
        ]
    )
    found = f"Paper: {paper}. Here: {row['here']} ({row['data']})."
    plain = f"{row['id']} {row['verdict']}: {row['statement']} {found}{tail}"
    if not _in_notebook():
        print(plain)
        return
    from IPython.display import publish_display_data

    facts = {"paper": paper, "here": row["here"], "data": row["data"], "seeds": row["seeds"]}
    if tail:
        facts["but"] = tail.strip()
    listed = "".join(f"<dt>{k}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    card = (
        f'<div class="mgap-claim" data-verdict="{row["verdict"]}">'
        f"<p><strong>{row['id']} {row['verdict']}.</strong> "
        f"{html.escape(row['statement'])}</p><dl>{listed}</dl></div>"
    )
    publish_display_data({"text/plain": plain, "text/html": card}, metadata={"mgaplib_claim": row})


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

"""Record what a chapter found about a claim, for the scorecard, and its numbers, for the prose to quote."""

import dataclasses
import html
import os
import re
from collections.abc import Sequence

from mgaplib.book.evidence import Check, exact, same, trend
from mgaplib.checks import known

__all__ = ["Check", "anchor", "exact", "glue", "record", "same", "trend"]

_IDS = re.compile(
    r"(E([1-9]|1[0-3])[a-z]?|F([12]|[4-9]|1[0-2])|Thm[12]|Lemma3\.1|Thm3\.[23]|AppC)(\.[a-z0-9_]+)?|X\.[a-z0-9_]+"
)
_DATA = ("real", "miniclip", "simulation", "theory")
_SOURCES = {"liang2022": "Liang et al. 2022", "yaras2025": "Yaras et al. 2025", "field": "the field"}
_KINDS = ("claim", "question", "slip")


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
    emoji: Sequence[Check] = (),
    analogue: bool = False,
    note: str = "",
    changed: str = "",
) -> str:
    """Show a claim's row under the cell, mark it for the scorecard, and return what became of it.

    A published claim's verdict follows from its checks: all so, it *holds*; some so, *partly*; none so and
    one not so, it *fails*; all undecided, *undecided*; no check, *not tested here*. An analogue, data of
    another kind than the claim's own, can neither confirm nor refute it: the verdict then ends in *on an
    analogue*, where *not reproduced* takes the place of *fails*. Of a claim tested in both worlds of the book
    the row says what each gives; the verdict is that of all checks: what holds on shapes only is *partly* so.

    A question is our own: it is *answered*, *undecided* while one of its checks is, or *not tested here*. A
    *slip in print* must be shown: all of its checks are so.

    Args:
        id: Ours (E1-E13, F1-F12, Thm1, ...), `.part` for part of one; `X.name` for what neither paper claims.
        source: Key of the bibliography: liang2022, yaras2025 or field. A question names what it springs from.
        statement: The claim, in one sentence; for a question the question; for a slip what is wrong.
        paper: What the paper reports, or None where it prints no number; for a slip what is printed.
        here: What this run measured, with its spread; for a slip what is right.
        data: Where the numbers come from: real, miniclip, simulation or theory.
        where: The paper's own figure, table, theorem or section; for the field, the publication as well. A
            question may do without. One printed result has one claim.
        kind: "claim" for a published claim, "question" for our own, "slip" for a slip in print.
        checks: What must be so: `trend`, `same` and `exact`.
        emoji: The same in the second world, where `checks` are those of ShapeWorld.
        analogue: Whether the data are of another kind than the claim's; the note then says of which.
        note: What limits the result, or why a check came out as it did.
        changed: Why the verdict is not that of the last release, where it is not.

    Raises:
        TypeError: If a check is not made by `trend`, `same` or `exact`.
        ValueError: If a key is unknown, a claim or slip does not say where it is printed, an analogue has no
            note or is no claim, or a slip is not shown.

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
        raise ValueError(f"unknown claim id {id!r}; use E1-E13, F1-F12, Thm1, ... or X.name (scorecard)")
    known(source, _SOURCES, "source")
    known(data, _DATA, "data")
    known(kind, _KINDS, "kind")
    if isinstance(checks, dict) or not all(isinstance(check, Check) for check in (*checks, *emoji)):
        cure = "make each with claims.trend, claims.same or claims.exact"
        why = "so that it shows its estimate, interval and bound"
        raise TypeError(f"{id}: checks is no list of checks; {cure}, {why}")
    if kind != "question" and not where.strip():
        raise ValueError(f"{id}: where is empty; name the figure, table, theorem or section that prints it")
    if analogue and kind != "claim":
        raise ValueError(f"{id}: analogue is for published claims; a {kind} has no verdict to limit")
    if analogue and not note.strip():
        raise ValueError(f"{id}: analogue needs a note that says what stands in for the claim's own data")
    if kind == "slip" and not (checks and all(check.true for check in checks)):
        raise ValueError(f"{id}: a slip must be shown: give checks, all of them so")
    worlds = {}
    if emoji:
        told = {"shapes": checks, "emoji": emoji}
        worlds = {world: _verdict([c.true for c in some], analogue=False) for world, some in told.items()}
        checks = [dataclasses.replace(c, world=world) for world, some in told.items() for c in some]
    true = [check.true for check in checks]
    verdict = _verdict(true, analogue)
    asked = "not tested here" if not true else "undecided" if None in true else "answered"
    status = {"claim": verdict, "question": asked, "slip": "slip in print"}[kind]
    row = dict(
        id=id, source=source, where=where, kind=kind, statement=statement, paper=paper, here=here, data=data,
        analogue=bool(analogue), worlds=worlds, checks=[check.row() for check in checks],
        verdict=verdict if kind == "claim" else None, status=status, note=note, changed=changed,
    )  # fmt: skip
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


def _show(row: dict) -> None:
    facts = _facts(row)
    head = f"{row['id']} {row['status']}" + by_world(row)
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
        f'<div class="mgap-claim" id="{anchor(row["id"])}" data-status="{row["status"]}">'
        f"<p><strong>{head}.</strong> {html.escape(row['statement'])}</p><dl>{listed}</dl>"
        f"{f'<ul>{found}</ul>' if found else ''}</div>"
    )
    publish_display_data({"text/plain": "\n".join(plain), "text/html": card}, metadata={"mgaplib_claim": row})


def by_world(row: dict) -> str:
    """Return what the checks of each world give, in brackets, where a row has two; for the page, too."""
    found = ", ".join(f"{verdict} on {world}" for world, verdict in row.get("worlds", {}).items())
    return f" ({found})" if found else ""


def anchor(id: str) -> str:
    """Return where a claim stands on its chapter's page and on the scorecard: what follows # in an address.

    Example:
        >>> anchor("E2.real")
        'claim-e2-real'

    Taught in chapter scorecard.
    """
    return "claim-" + re.sub(r"[^a-z0-9]+", "-", id.lower())


def _facts(row: dict) -> dict[str, str | float]:
    """Return what a row says beside its statement and its checks, each under its name."""
    slip, question = (row["kind"] == kind for kind in ("slip", "question"))
    nothing = "" if question else "no number"  # a question may be about a printed result, or about none
    facts = {
        "about" if question else "of": f"{_SOURCES[row['source']]}, {row['where']}" if row["where"] else "",
        "printed" if slip else "paper": nothing if row["paper"] is None else row["paper"],
        "right" if slip else "here": f"{row['here']} ({row['data']})",
        "note": row["note"],
    }
    return {name: value for name, value in facts.items() if value != ""}


def _line(check: dict) -> str:
    return ": ".join(filter(None, [check["world"], check["words"], check["found"]]))


def glue(name: str, value: float) -> None:
    """Keep a number under a name, so that the chapter's prose can quote it with `{glue:text}`.

    As `myst_nb.glue`, without needing it: a plain notebook prints the number. A name starts with the
    chapter's slug.

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

"""Called by scorecard.py and twins.py: what it makes of the rows that the executed chapters recorded."""

import re

import jupytext

SOURCES = {"liang2022": "Liang et al. 2022", "yaras2025": "Yaras et al. 2025", "field": "the field"}
#: What can become of a row, each with its letter; a small a says that the data are an analogue.
STATUSES = {
    "holds": "H",
    "partly": "P",
    "fails": "F",
    "undecided": "U",
    "not tested here": "–",
    "holds on an analogue": "Ha",
    "partly on an analogue": "Pa",
    "not reproduced on an analogue": "Na",
    "undecided on an analogue": "Ua",
    "answered": "A",
    "slip in print": "S",
}
#: The lists, each with its name among the filters and what it calls a row's paper, here and checks.
SECTIONS = {source: (f"claims of {name}", ("paper", "here", "checks")) for source, name in SOURCES.items()}
SECTIONS["questions"] = ("our questions", ("paper", "here", "checks"))
SECTIONS["slips"] = ("slips in print", ("printed", "right", "shown by"))
#: The parts of the book, in its order.
PARTS = {
    "start": "The front page",
    "cone": "The cone effect",
    "dynamics": "Contrastive dynamics",
    "mitigation": "Mitigation",
    "practice": "Practice",
}
MANY = 6  #: Checks that a row shows at once; more of them unfold under their count.
FAMILIES = ["E", "F", "Lemma", "Thm", "AppC", "X"]


def numbered(id: str) -> tuple:
    """Sort ids as the papers number them: E2 before E10."""
    family, number, rest = re.match(r"([A-Za-z]+)\.?(\d*)(.*)", id).groups()
    return FAMILIES.index(family), int(number or 0), rest


def order(row: dict) -> tuple:
    """Sort the papers before the field, and their experiments as they number them."""
    return list(SOURCES).index(row["source"]), *numbered(row["id"])


def part(row: dict) -> str:
    """Return the part of the book that a chapter stands in; the front page is the start."""
    folders = row["chapter"].split("/")[1:-1]
    return folders[0] if folders else "start"


def whose(row: dict) -> str:
    """Return whose claim it is and where it is printed; empty for a question about nothing printed."""
    where = row["where"].replace("supplementary", "suppl.").replace("Figure", "Fig.")
    return where if row["source"] == "field" or not where else f"{SOURCES[row['source']].split()[0]}, {where}"


def in_short(row: dict) -> str:
    """Return the same in few words, for a cell of the picture."""
    if row["kind"] == "question":
        return "our question"
    if row["source"] == "field":
        return row["where"].split(",")[0]
    return re.split(r" \(| and |, ", whose(row).replace(", ", " ", 1))[0]


def missing(required: list[str], rows: list[dict]) -> list[str]:
    """Return the ids without a row; a part, such as E2.real, does not stand for the whole."""
    return [id for id in required if id not in {row["id"] for row in rows}]


def section(row: dict) -> str:
    """Return the table that a row stands in: a published claim by its source, everything else by its kind."""
    return row["source"] if row["kind"] == "claim" else row["kind"] + "s"


def printed_twice(rows: list[dict]) -> list[str]:
    """Return what is wrong where two published claims name the same figure, table or theorem."""
    found = {}
    for row in rows:
        if row["kind"] == "claim":
            found.setdefault((row["source"], " ".join(row["where"].casefold().split())), []).append(row)
    return [
        f"claims {', '.join(row['id'] for row in same)} of {source} are all printed in {same[0]['where']}; "
        "one printed result has one verdict: merge them, or tell them apart by where"
        for (source, _), same in found.items()
        if len(same) > 1
    ]


def on_both_worlds(rows: list[dict]) -> str:
    """Return in a sentence how many claims were tested on both worlds, and how many hold there."""
    both = [row for row in rows if row.get("worlds") and row["kind"] == "claim"]
    if not both:
        return "No claim was tested on both worlds."
    kinds = {"on both": [], "on shapes only": [], "on emoji only": [], "on neither": []}
    for row in both:
        shapes, emoji = (row["worlds"][world] == "holds" for world in ("shapes", "emoji"))
        where = (
            "both" if shapes and emoji else "shapes only" if shapes else "emoji only" if emoji else "neither"
        )
        kinds[f"on {where}"].append(row["id"])
    told = "; ".join(f"{where}: {', '.join(ids)}" for where, ids in kinds.items() if ids)
    return f"Of {len(both)} claims tested on both worlds, {len(kinds['on both'])} hold on both. {told}."


def by_rule(row: dict) -> str:
    """Return the verdict that a row's checks give, whatever its kind and its data."""
    true = [check["true"] for check in row["checks"]]
    if not true:
        return "not tested here"
    return "holds" if all(true) else "partly" if any(true) else "fails" if False in true else "undecided"


def in_numbers(checks: list[dict]) -> str:
    """Return in a line how many checks there are and what they answer."""
    given = [check["answer"] for check in checks]
    told = [f"{given.count(answer)} {answer}" for answer in ("yes", "no", "undecided") if answer in given]
    return f"{len(given)} checks" + (f", all {given[0]}" if len(told) == 1 else ": " + ", ".join(told))


def changes(rows: list[dict], before: dict[str, dict]) -> tuple[dict, list[str]]:
    """Compare with the verdicts of the last release.

    Returns:
        What changed, for the page and the file: under "verdicts" rows of id, before, now and why; under
        "questions", "analogues" and "slips" the ids whose label alone changed; under "new" the ids that the
        release lacked. And what is wrong: verdicts that changed and ids that vanished without a reason.
    """
    now = {row["id"]: row for row in rows}
    found = {"verdicts": [], "questions": [], "analogues": [], "slips": []}
    wrong = []
    for id, was in sorted(before.items(), key=lambda item: numbered(item[0])):
        row, why = now.get(id), was.get("retired", "")
        if row is None and not why:
            wrong.append(f"claim {id} was recorded before and has vanished; say why, as retired in its line")
        elif row is not None and why:
            wrong.append(f"claim {id} is retired, and {row['chapter']} records it")
        elif row is None or row["changed"]:
            status, why = (None, why) if row is None else (row["status"], row["changed"])
            found["verdicts"].append({"id": id, "before": was["verdict"], "now": status, "why": why})
        elif row["kind"] == "slip":
            found["slips"].append(id)
        elif was.get("data", row.get("data")) != row.get("data"):
            continue  # a stand-in took the place of published data, which says nothing of the verdict on them
        elif by_rule(row) != was["verdict"]:
            wrong.append(
                f"claim {id} was {was['verdict']!r} and is now {row['status']!r} (its checks say "
                f"{by_rule(row)!r}); say why, with changed in {row['chapter']}"
            )
        elif row["kind"] == "question":
            found["questions"].append(id)
        elif row["analogue"]:
            found["analogues"].append(id)
    return found | {"new": [row["id"] for row in rows if row["id"] not in before]}, wrong


def read_claims(cache, path: str) -> list[dict]:
    """Return the claims among the outputs of one executed chapter, which myst-nb has put into its cache."""
    try:
        record = cache.match_cache_notebook(jupytext.read(path))
    except KeyError:  # its execution failed, of which myst-nb has warned
        return []
    cells = cache.get_cache_bundle(record.pk).nb.cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [row for output in outputs if (row := output.get("metadata", {}).get("mgaplib_claim"))]

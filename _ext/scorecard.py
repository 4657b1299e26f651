"""Gather the claims that the executed chapters recorded, for the scorecard page and for scorecard.json."""

import html
import importlib.metadata
import json
import platform
import re
import subprocess
from pathlib import Path

import jupytext
from docutils import nodes
from docutils.parsers.rst import Directive
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SOURCES = {"liang2022": "Liang et al. 2022", "yaras2025": "Yaras et al. 2025", "field": "the field"}
STATUSES = ["holds", "partly", "fails", "undecided", "not tested here"]
STATUSES += [f"{word} on an analogue" for word in ("holds", "partly", "not reproduced", "undecided")]
STATUSES += ["answered", "slip in print"]
COLUMNS = ["claim", "statement", "paper", "here", "checks", "data", "verdict"]
#: The tables, each with its name among the filters and its columns: claims by source, then the rest.
SECTIONS = {source: (f"claims of {name}", COLUMNS) for source, name in SOURCES.items()}
SECTIONS["questions"] = (
    "our questions",
    ["id", "question", "paper", "here", "checks", "data", "answer"],
)
SECTIONS["slips"] = (
    "slips in print",
    ["id", "what is wrong", "printed", "right", "shown by", "data", "what it is"],
)
#: Changes of the label alone, for which no reason need be given.
LABELS = {
    "questions": "Same findings, without a verdict, since nobody but this book had claimed it",
    "analogues": "Same findings, and the label now says that the data are an analogue",
    "slips": "Listed apart, as slips in print",
    "new": "New",
}
FAMILIES = ["E", "F", "Lemma", "Thm", "AppC", "X"]
SCRIPT = Path(__file__).with_suffix(".js")
PACKAGES = ["numpy", "scipy", "torch", "open_clip_torch", "umap-learn", "jupyter-book"]


class scorecard(nodes.General, nodes.Element):
    """Where a table of claims, the filters or the changes go once every chapter has been read."""


class ScorecardDirective(Directive):
    required_arguments = 1

    def run(self):
        shown = [*SECTIONS, "filters", "changed"]
        if self.arguments[0] not in shown:
            raise self.error(f"{self.arguments[0]} is none of {', '.join(shown)}")
        return [scorecard(show=self.arguments[0])]


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


def by_rule(row: dict) -> str:
    """Return the verdict that a row's checks give, whatever its kind and its data."""
    true = [check["true"] for check in row["checks"]]
    if not true:
        return "not tested here"
    return "holds" if all(true) else "partly" if any(true) else "fails" if False in true else "undecided"


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


def gather(app, env):
    """Read every chapter's claims, once all chapters have been executed or taken from the cache."""
    cache = get_cache(env.mystnb_config.execution_cache_path)
    rows, seen = [], {}
    for docname in sorted(name for name in env.found_docs if NbMetadataCollector.get_exec_data(env, name)):
        for row in read_claims(cache, env.doc2path(docname)):
            if row["id"] in seen:
                LOGGER.warning("claim %s is recorded in %s and in %s", row["id"], seen[row["id"]], docname)
            seen[row["id"]] = docname
            rows.append({**row, "chapter": docname})
    env.mgaplib_claims = sorted(rows, key=order)
    if lost := missing(app.config.scorecard_required, rows):
        LOGGER.warning("no chapter records a claim for %s", ", ".join(lost))
    before = {}
    if app.config.scorecard_before:
        before = json.loads((Path(app.srcdir) / app.config.scorecard_before).read_text(encoding="utf-8"))
    env.mgaplib_changes, wrong = changes(env.mgaplib_claims, before)
    for problem in printed_twice(rows) + wrong:
        LOGGER.warning("%s", problem)


def slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower())


def cell(content, classes=(), label="") -> nodes.entry:
    """Return a cell; its label, the column's name, shows where a phone makes a card of the row."""
    inside = content if isinstance(content, list) else [nodes.Text(str(content))]
    if label:
        inside = [nodes.inline("", label + ": ", classes=["scorecard-label"]), *inside]
    return nodes.entry("", nodes.paragraph("", "", *inside), classes=list(classes))


def checks_cell(row: dict, label: str) -> nodes.entry:
    """Return the cell that lists each check: the answer, what was asked, and what was found."""
    found = cell([], label=label)
    if row["checks"]:
        found += nodes.bullet_list("")
    for check in row["checks"]:
        asked = f" {check['words']}" + (f": {check['found']}" if check["found"] else "")
        line = nodes.paragraph("", "", nodes.strong("", check["answer"] + ":"), nodes.Text(asked))
        found[-1] += nodes.list_item("", line, classes=["answer-" + check["answer"]])
    return found


def link_to(app, fromdoc: str, row: dict) -> nodes.reference:
    address = app.builder.get_relative_uri(fromdoc, row["chapter"])
    return nodes.reference("", row["id"], internal=True, refuri=address)


def table_row(app, fromdoc: str, row: dict) -> nodes.row:
    _, heads = SECTIONS[section(row)]
    name = [link_to(app, fromdoc, row)]
    if row["where"]:
        name += [nodes.Text(" "), nodes.inline("", row["where"], classes=["scorecard-where"])]
    paper = ("no number" if row["kind"] == "claim" else "–") if row["paper"] is None else row["paper"]
    kind = "verdict-" + slug(row["status"])
    verdict = [nodes.strong("", row["status"] + "."), nodes.Text(" " + row["note"])]
    line = nodes.row("", cell(name), cell(row["statement"]), cell(paper, label=heads[2]))
    line += [cell(row["here"], label=heads[3]), checks_cell(row, heads[4]), cell(row["data"], label=heads[5])]
    line += cell(verdict, [kind], heads[6])
    line["ids"] = ["claim-" + slug(row["id"])]
    line["classes"] = ["part-" + part(row), "kind-" + section(row), kind]
    return line


def table(head: list, lines: list, *classes: str) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", nodes.row("", *map(cell, head)))
    group += nodes.tbody("", *lines)
    return nodes.table("", group, classes=list(classes))


def filters(rows: list[dict]) -> nodes.raw:
    """Return the controls that choose rows; hidden until their script runs."""
    found = {row["status"] for row in rows}
    choices = {
        "part": {name: name for name in sorted(set(map(part, rows)))},
        "kind": {name: title for name, (title, _) in SECTIONS.items()},
        "verdict": {slug(status): status for status in STATUSES if status in found},
    }
    selects = "".join(
        f'<label>{name} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{html.escape(k)}">{html.escape(v)}</option>' for k, v in values.items())
        + "</select></label>"
        for name, values in choices.items()
    )
    text = f"""<form class="scorecard-filters" aria-label="Which rows to show" hidden>
{selects}<button type="reset">show all</button><output aria-live="polite"></output></form>"""
    return nodes.raw("", text, format="html")


def changed(app, fromdoc: str) -> list[nodes.Node]:
    """Return the table of changed verdicts, and a sentence for each kind of change that is one of labels."""
    found = app.env.mgaplib_changes
    rows = {row["id"]: row for row in app.env.mgaplib_claims}
    lines = []
    for change in found["verdicts"]:
        row = rows.get(change["id"])
        name = [link_to(app, fromdoc, row)] if row else change["id"]
        told = [name, change["before"], change["now"] or "no row of its own", change["why"]]
        lines.append(nodes.row("", *map(cell, told)))
    shown = [table(["id", "before", "now", "why"], lines, "scorecard-changes")] if lines else []
    for name, words in LABELS.items():
        if found[name]:
            shown.append(nodes.paragraph("", "", nodes.Text(f"{words}: {', '.join(found[name])}.")))
    return shown or [nodes.paragraph("", "", nodes.Text("Nothing."))]


def draw(app, doctree, fromdoc):
    """Replace each placeholder by its table, the filters or the changes."""
    rows = app.env.mgaplib_claims
    for place in list(doctree.findall(scorecard)):
        show = place["show"]
        if show == "filters":
            place.replace_self(filters(rows))
        elif show == "changed":
            place.replace_self(changed(app, fromdoc))
        else:
            lines = [table_row(app, fromdoc, row) for row in rows if section(row) == show]
            none = nodes.paragraph("", "", nodes.Text("None."))
            place.replace_self(table(SECTIONS[show][1], lines, "scorecard") if lines else none)


def add_script(app, pagename, templatename, context, doctree):
    """Put the filters' script on the page that has them, and on no other."""
    if doctree and any("scorecard" in found["classes"] for found in doctree.findall(nodes.table)):
        app.add_js_file(None, body=SCRIPT.read_text(encoding="utf-8"), type="module")


def seconds_per_chapter(env) -> dict:
    """Return how long each executed chapter ran, as myst-nb knows it."""
    data = {name: NbMetadataCollector.get_exec_data(env, name) for name in sorted(env.found_docs)}
    return {
        name: round(found["runtime"], 1)
        for name, found in data.items()
        if found and found["runtime"] is not None
    }


def write(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    git = subprocess.run(
        ["git", "-C", app.srcdir, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    built = {
        "commit": git or None,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "seconds": seconds_per_chapter(app.env),
    }
    claims = [{**row, "link": app.builder.get_target_uri(row["chapter"])} for row in app.env.mgaplib_claims]
    card = {"claims": claims, "changes": app.env.mgaplib_changes, "built": built}
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (Path(app.outdir) / "scorecard.json").write_text(text + "\n", encoding="utf-8")


def setup(app):
    app.add_config_value("scorecard_required", [], "env", [list])
    app.add_config_value("scorecard_before", "", "env", [str])
    app.add_node(scorecard)
    app.add_directive("scorecard", ScorecardDirective)
    app.connect("env-updated", gather)
    app.connect("doctree-resolved", draw)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    # The claims come from all chapters at once, so they are read in one process.
    return {"parallel_read_safe": True, "parallel_write_safe": False}

"""Called by _config.yml: gather the executed chapters' claims, for the scorecard page and scorecard.json."""

import html
import importlib.metadata
import json
import platform
import re
import subprocess
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from scorecard_rows import (
    SECTIONS,
    STATUSES,
    changes,
    missing,
    on_both_worlds,
    order,
    part,
    printed_twice,
    read_claims,
    section,
)
from sphinx.util import logging

from mgaplib.book.claims import by_world

LOGGER = logging.getLogger(__name__)
#: Changes of the label alone, for which no reason need be given.
LABELS = {
    "questions": "Same findings, without a verdict, since nobody but this book had claimed it",
    "analogues": "Same findings, and the label now says that the data are an analogue",
    "slips": "Listed apart, as slips in print",
    "new": "New",
}
SCRIPT = Path(__file__).with_suffix(".js")
PACKAGES = ["numpy", "scipy", "torch", "open_clip_torch", "umap-learn", "jupyter-book"]


class scorecard(nodes.General, nodes.Element):
    """Where a table of claims, the filters or the changes go once every chapter has been read."""


class ScorecardDirective(Directive):
    required_arguments = 1

    def run(self):
        shown = [*SECTIONS, "filters", "worlds", "changed"]
        if self.arguments[0] not in shown:
            raise self.error(f"{self.arguments[0]} is none of {', '.join(shown)}")
        return [scorecard(show=self.arguments[0])]


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
        world = f"{check['world']}: " if check["world"] else ""
        asked = f" {world}{check['words']}" + (f": {check['found']}" if check["found"] else "")
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
    verdict = [nodes.strong("", row["status"] + by_world(row) + "."), nodes.Text(" " + row["note"])]
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
        elif show == "worlds":
            place.replace_self(nodes.paragraph("", "", nodes.Text(on_both_worlds(rows))))
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

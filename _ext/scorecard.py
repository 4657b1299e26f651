"""Called by _config.yml: gather the executed chapters' claims, for the scorecard page and scorecard.json."""

import html
import importlib.metadata
import json
import platform
import re
import subprocess
from collections import Counter
from pathlib import Path

import jupytext
from docutils import nodes
from docutils.parsers.rst import Directive
from jupyter_cache import get_cache
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
COLUMNS = ["claim", "statement", "paper", "here", "data", "seeds", "verdict"]
VERDICTS = ["holds", "partly", "fails", "not tested here"]
SOURCES = {"liang2022": "Liang et al. 2022", "yaras2025": "Yaras et al. 2025", "field": "beyond the two"}
FAMILIES = ["E", "F", "Lemma", "Thm", "AppC", "X"]
SCRIPT = Path(__file__).with_suffix(".js")
PACKAGES = ["numpy", "scipy", "torch", "open_clip_torch", "umap-learn", "jupyter-book"]


class scorecard(nodes.General, nodes.Element):
    """Where the table of claims goes once every chapter has been read."""


class ScorecardDirective(Directive):
    def run(self):
        return [scorecard()]


def order(row: dict) -> tuple:
    """Sort the papers before the field, and their experiments as they number them: E2 before E10."""
    family, number, rest = re.match(r"([A-Za-z]+)\.?(\d*)(.*)", row["id"]).groups()
    return list(SOURCES).index(row["source"]), FAMILIES.index(family), int(number or 0), rest


def part(row: dict) -> str:
    """Return the part of the book that a chapter stands in; the front page is the start."""
    folders = row["chapter"].split("/")[1:-1]
    return folders[0] if folders else "start"


def missing(required: list[str], rows: list[dict]) -> list[str]:
    """Return the ids without a row; a part, such as E2.real, does not stand for the whole."""
    return [id for id in required if id not in {row["id"] for row in rows}]


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


def anchor(row: dict) -> str:
    return "claim-" + re.sub(r"[^a-z0-9]+", "-", row["id"].lower())


def cell(content, classes=(), label="") -> nodes.entry:
    """Return a cell; its label, the column's name, shows where a phone makes a card of the row."""
    inside = content if isinstance(content, list) else [nodes.Text(str(content))]
    if label:
        inside = [nodes.inline("", label + ": ", classes=["scorecard-label"]), *inside]
    return nodes.entry("", nodes.paragraph("", "", *inside), classes=list(classes))


def table_row(app, fromdoc: str, row: dict) -> nodes.row:
    link = nodes.reference(
        "", row["id"], internal=True, refuri=app.builder.get_relative_uri(fromdoc, row["chapter"])
    )
    why = "; ".join(
        filter(None, ["not so: " + "; ".join(row["failed"]) if row["failed"] else "", row["note"]])
    )
    verdict = [nodes.strong("", row["verdict"])] + (
        [nodes.Text(". " + why[0].upper() + why[1:])] if why else []
    )
    paper = "no number" if row["paper"] is None else row["paper"]
    line = nodes.row("", cell([link]), cell(row["statement"]))
    line += [
        cell(content, label=label)
        for label, content in zip(COLUMNS[2:], [paper, row["here"], row["data"], row["seeds"]], strict=False)
    ]
    kind = "verdict-" + row["verdict"].split()[0]
    line += cell(verdict, [kind], COLUMNS[-1])
    line["ids"] = [anchor(row)]
    line["classes"] = ["part-" + part(row), "source-" + row["source"], kind]
    return line


def table(head: list, lines: list, *classes: str) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", nodes.row("", *map(cell, head)))
    group += nodes.tbody("", *lines)
    return nodes.table("", group, classes=list(classes))


def counts(rows: list[dict]) -> nodes.table:
    """Return the table that counts the verdicts, for each source and in all."""
    lines = []
    for source, name in [*SOURCES.items(), (None, "all")]:
        of = Counter(row["verdict"] for row in rows if source in (None, row["source"]))
        lines.append(nodes.row("", *map(cell, [name, *(of[verdict] for verdict in VERDICTS), of.total()])))
    return table(["claims of", *VERDICTS, "all"], lines, "scorecard-counts")


def filters(rows: list[dict]) -> nodes.raw:
    """Return the controls that choose rows; hidden until their script runs."""
    choices = {
        "part": {name: name for name in dict.fromkeys(sorted(map(part, rows)))},
        "source": SOURCES,
        "verdict": {verdict.split()[0]: verdict for verdict in VERDICTS},
    }
    selects = "".join(
        f'<label>{name} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{html.escape(k)}">{html.escape(v)}</option>' for k, v in values.items())
        + "</select></label>"
        for name, values in choices.items()
    )
    text = f"""<form class="scorecard-filters" aria-label="Which claims to show" hidden>
{selects}<button type="reset">show all</button><output aria-live="polite"></output></form>"""
    return nodes.raw("", text, format="html")


def draw(app, doctree, fromdoc):
    """Replace the placeholder by the counts, the filters and the table."""
    rows = app.env.mgaplib_claims
    for place in list(doctree.findall(scorecard)):
        lines = [table_row(app, fromdoc, row) for row in rows]
        place.replace_self([counts(rows), filters(rows), table(COLUMNS, lines, "scorecard")])


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
    text = json.dumps({"claims": claims, "built": built}, indent=1, ensure_ascii=False)
    (Path(app.outdir) / "scorecard.json").write_text(text + "\n", encoding="utf-8")


def setup(app):
    app.add_config_value("scorecard_required", [], "env", [list])
    app.add_node(scorecard)
    app.add_directive("scorecard", ScorecardDirective)
    app.connect("env-updated", gather)
    app.connect("doctree-resolved", draw)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    # The claims come from all chapters at once, so they are read in one process.
    return {"parallel_read_safe": True, "parallel_write_safe": False}

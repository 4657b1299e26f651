"""Gather the claims that the executed chapters recorded, for the scorecard page and for scorecard.json."""

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
COLUMNS = ["claim", "statement", "paper", "here", "data", "seeds", "verdict"]
PACKAGES = ["numpy", "scipy", "torch", "open_clip_torch", "umap-learn", "jupyter-book"]


class scorecard(nodes.General, nodes.Element):
    """Where the table of claims goes once every chapter has been read."""


class ScorecardDirective(Directive):
    def run(self):
        return [scorecard()]


def order(row: dict) -> tuple:
    """Sort the papers' experiments as the papers number them: E2 before E10."""
    family, number, rest = re.match(r"([A-Za-z]+)\.?(\d*)(.*)", row["id"]).groups()
    return row["source"], family, int(number or 0), rest


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


def anchor(row: dict) -> str:
    return "claim-" + re.sub(r"[^a-z0-9]+", "-", row["id"].lower())


def cell(content, classes=()) -> nodes.entry:
    paragraph = nodes.paragraph(
        "", "", *(content if isinstance(content, list) else [nodes.Text(str(content))])
    )
    return nodes.entry("", paragraph, classes=list(classes))


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
    line = nodes.row(
        "", *map(cell, [[link], row["statement"], paper, row["here"], row["data"], row["seeds"]])
    )
    line += cell(verdict, ["verdict-" + row["verdict"].split()[0]])
    line["ids"] = [anchor(row)]
    return line


def draw(app, doctree, fromdoc):
    """Replace the placeholder by the table."""
    for place in list(doctree.findall(scorecard)):
        group = nodes.tgroup(cols=len(COLUMNS))
        group += [nodes.colspec(colwidth=1) for _ in COLUMNS]
        group += nodes.thead("", nodes.row("", *map(cell, COLUMNS)))
        group += nodes.tbody("", *(table_row(app, fromdoc, row) for row in app.env.mgaplib_claims))
        place.replace_self(nodes.table("", group, classes=["scorecard"]))


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
    text = json.dumps({"claims": app.env.mgaplib_claims, "built": built}, indent=1, ensure_ascii=False)
    (Path(app.outdir) / "scorecard.json").write_text(text + "\n", encoding="utf-8")


def setup(app):
    app.add_node(scorecard)
    app.add_directive("scorecard", ScorecardDirective)
    app.connect("env-updated", gather)
    app.connect("doctree-resolved", draw)
    app.connect("build-finished", write)
    # The claims come from all chapters at once, so they are read in one process.
    return {"parallel_read_safe": True, "parallel_write_safe": False}

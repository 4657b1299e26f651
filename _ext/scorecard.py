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
    MANY,
    PARTS,
    SECTIONS,
    STATUSES,
    changes,
    in_numbers,
    in_short,
    missing,
    on_both_worlds,
    order,
    part,
    printed_twice,
    read_claims,
    section,
    whose,
)
from sphinx.util import logging

from mgaplib.book.claims import anchor, by_world

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
    """Where a list of claims, the picture, the filters or the changes go once every chapter has been read."""


class fold(nodes.General, nodes.Element):
    """What unfolds under its head, without a script."""


class fold_head(nodes.General, nodes.TextElement):
    """What is seen of a fold before it is opened."""


class ScorecardDirective(Directive):
    required_arguments = 1

    def run(self):
        shown = [*SECTIONS, "picture", "filters", "worlds", "changed"]
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


def pieces(id: str) -> list[str]:
    """Return an id in pieces between which a line may break: after a dot or underscore, not in a word."""
    return re.findall(r"[^._]+[._]*", id)


def id_nodes(id: str) -> list[nodes.Node]:
    found = []
    for piece in pieces(id):
        found += [nodes.raw("", "<wbr>", format="html"), nodes.Text(piece)]
    return found[1:]


def letter(status: str) -> str:
    """Return a verdict's coloured letter; the verdict itself stands beside it, for those who see none."""
    big, small = STATUSES[status][0], f"<small>{STATUSES[status][1:]}</small>" * (len(STATUSES[status]) > 1)
    return f'<b class="mgap-letter verdict-{slug(status)}" aria-hidden="true">{big}{small}</b>'


def picture(rows: list[dict]) -> nodes.raw:
    """Return every claim as one cell, part by part: our id, whose claim it is and where, and its verdict."""
    found = []
    for name, title in PARTS.items():
        cells = [
            f'<li><a href="#{anchor(row["id"])}" data-claim="{anchor(row["id"])}"'
            f' class="verdict-{slug(row["status"])}" title="{html.escape(row["statement"])}">'
            f"{letter(row['status'])}<span><strong>{'<wbr>'.join(pieces(row['id']))}</strong>"
            f' <span class="mgap-where">{html.escape(in_short(row))}</span>'
            f' <span class="visually-hidden">{row["status"]}</span></span></a></li>'
            for row in rows
            if part(row) == name
        ]
        if cells:
            found.append(f"<h3>{title}</h3><ul>{''.join(cells)}</ul>")
    seen = {row["status"] for row in rows}
    legend = "".join(f"<li>{letter(word)} {word}</li>" for word in STATUSES if word in seen)
    text = f'<div class="mgap-picture">{"".join(found)}<ul class="mgap-legend">{legend}</ul></div>'
    return nodes.raw("", text, format="html")


def fact(name: str, *told: nodes.Node) -> nodes.definition_list_item:
    inside = [nodes.paragraph("", "", *told)] if told and isinstance(told[0], nodes.Text) else told
    return nodes.definition_list_item("", nodes.term("", name), nodes.definition("", *inside))


def checks_list(row: dict) -> nodes.Element:
    """Return a line for each check: the answer, what was asked, and what was found; many unfold."""
    found = nodes.bullet_list("")
    for check in row["checks"]:
        world = f"{check['world']}: " if check["world"] else ""
        asked = f" {world}{check['words']}" + (f": {check['found']}" if check["found"] else "")
        line = nodes.paragraph("", "", nodes.strong("", check["answer"] + ":"), nodes.Text(asked))
        found += nodes.list_item("", line, classes=["answer-" + check["answer"]])
    if len(row["checks"]) <= MANY:
        return found
    return fold("", fold_head("", in_numbers(row["checks"])), found, classes=["mgap-more"])


def link_to(app, fromdoc: str, row: dict, words: str) -> nodes.reference:
    """Return a link to the claim's own place on its chapter's page."""
    address = f"{app.builder.get_relative_uri(fromdoc, row['chapter'])}#{anchor(row['id'])}"
    return nodes.reference("", words, internal=True, refuri=address)


def claim(app, fromdoc: str, row: dict) -> fold:
    """Return a claim as a line that unfolds."""
    kind, told = "verdict-" + slug(row["status"]), []
    name = nodes.inline("", "", nodes.strong("", "", *id_nodes(row["id"])), classes=["mgap-id"])
    if row["where"]:
        name += [nodes.Text(" "), nodes.inline("", whose(row), classes=["mgap-where"])]
    head = fold_head("", "", nodes.raw("", letter(row["status"]), format="html"), name)
    head += nodes.inline("", row["statement"], classes=["mgap-statement"])
    head += nodes.inline("", row["status"], classes=["mgap-verdict"])
    paper, here, shown_by = SECTIONS[section(row)][1]
    if row["paper"] is not None or row["kind"] == "claim":
        told.append(fact(paper, nodes.Text("no number" if row["paper"] is None else str(row["paper"]))))
    told.append(fact(here, nodes.Text(f"{row['here']} ({row['data']})")))
    if row["checks"]:
        told.append(fact(shown_by, checks_list(row)))
    if row["worlds"]:
        told.append(fact("by world", nodes.Text(by_world(row).strip(" ()"))))
    if row["note"]:
        told.append(fact("note", nodes.Text(row["note"])))
    chapter = app.env.titles[row["chapter"]].astext()
    told.append(fact("shown in", nodes.paragraph("", "", link_to(app, fromdoc, row, chapter))))
    # The anchor lies inside: a browser unfolds what holds the place that an address names.
    inside = nodes.container("", nodes.definition_list("", *told), ids=[anchor(row["id"])])
    found = fold("", head, inside, classes=["mgap-row", kind])
    found["part"], found["kind"], found["verdict"] = part(row), section(row), slug(row["status"])
    return found


def visit_fold(self, node):
    data = {f"data-{name}": node[name] for name in ("part", "kind", "verdict") if name in node}
    self.body.append(self.starttag(node, "details", **data))


def cell(content) -> nodes.entry:
    inside = content if isinstance(content, list) else [nodes.Text(str(content))]
    return nodes.entry("", nodes.paragraph("", "", *inside))


def table(head: list, lines: list, *classes: str) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", nodes.row("", *map(cell, head)))
    group += nodes.tbody("", *lines)
    return nodes.table("", group, classes=list(classes))


def filters(rows: list[dict]) -> nodes.raw:
    """Return the controls that choose claims; hidden until their script runs."""
    found = {row["status"] for row in rows}
    parts, kinds = set(map(part, rows)), set(map(section, rows))
    choices = {
        "part": {name: title for name, title in PARTS.items() if name in parts},
        "kind": {name: title for name, (title, _) in SECTIONS.items() if name in kinds},
        "verdict": {slug(status): status for status in STATUSES if status in found},
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


def changed(app, fromdoc: str) -> list[nodes.Node]:
    """Return the table of changed verdicts, and a sentence for each kind of change that is one of labels."""
    found = app.env.mgaplib_changes
    rows = {row["id"]: row for row in app.env.mgaplib_claims}
    lines = []
    for change in found["verdicts"]:
        row = rows.get(change["id"])
        name = [link_to(app, fromdoc, row, row["id"])] if row else change["id"]
        told = [name, change["before"], change["now"] or "no row of its own", change["why"]]
        lines.append(nodes.row("", *map(cell, told)))
    shown = [table(["id", "before", "now", "why"], lines, "scorecard-changes")] if lines else []
    for name, words in LABELS.items():
        if found[name]:
            shown.append(nodes.paragraph("", "", nodes.Text(f"{words}: {', '.join(found[name])}.")))
    return shown or [nodes.paragraph("", "", nodes.Text("Nothing."))]


def draw(app, doctree, fromdoc):
    """Replace each placeholder by its list, the picture, the filters or the changes."""
    rows = app.env.mgaplib_claims
    for place in list(doctree.findall(scorecard)):
        show = place["show"]
        if show in ("filters", "picture"):
            place.replace_self({"filters": filters, "picture": picture}[show](rows))
        elif show == "worlds":
            place.replace_self(nodes.paragraph("", "", nodes.Text(on_both_worlds(rows))))
        elif show == "changed":
            place.replace_self(changed(app, fromdoc))
        else:
            lines = [claim(app, fromdoc, row) for row in rows if section(row) == show]
            none = nodes.paragraph("", "", nodes.Text("None."))
            place.replace_self(lines or none)


def add_script(app, pagename, templatename, context, doctree):
    """Put the filters' script on the page that has them, and on no other."""
    if doctree and any(doctree.findall(fold)):
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
    claims = [
        {**row, "link": f"{app.builder.get_target_uri(row['chapter'])}#{anchor(row['id'])}"}
        for row in app.env.mgaplib_claims
    ]
    card = {"claims": claims, "changes": app.env.mgaplib_changes, "built": built}
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (Path(app.outdir) / "scorecard.json").write_text(text + "\n", encoding="utf-8")


def setup(app):
    app.add_config_value("scorecard_required", [], "env", [list])
    app.add_config_value("scorecard_before", "", "env", [str])
    app.add_node(scorecard)
    app.add_node(fold, html=(visit_fold, lambda self, node: self.body.append("</details>\n")))
    app.add_node(
        fold_head,
        html=(
            lambda self, node: self.body.append(self.starttag(node, "summary", "")),
            lambda self, node: self.body.append("</summary>\n"),
        ),
    )
    app.add_directive("scorecard", ScorecardDirective)
    app.connect("env-updated", gather)
    app.connect("doctree-resolved", draw)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write)
    # The claims come from all chapters at once, so they are read in one process.
    return {"parallel_read_safe": True, "parallel_write_safe": False}

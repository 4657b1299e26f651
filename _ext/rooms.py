"""Called by Sphinx for api.md and the pages below it, and by twins.py: the rooms, from the code itself.

The front page has the picture of who imports whom and each room's paragraph and names; a room's page has the
docstrings, of which all but the first paragraph is folded.
"""

import ast
import html
import re
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parent.parent
WIDTH, BOX, FLOOR = 720, (104, 30), 78


def floors(root: Path = ROOT) -> list[list[str]]:
    """Return the rooms of each floor, from the ground up, as the import contract has them."""
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    return [layer.split(" : ") for layer in reversed(contract["layers"])]


def arrows(root: Path = ROOT) -> set[tuple[str, str]]:
    """Return which room imports which."""
    package, found = root / "mgaplib", set()
    for path in sorted(package.rglob("*.py")):
        here = path.relative_to(package).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "mgaplib":
                inside = node.module.split(".")[1:]
                found |= {(here, name) for name in (inside[:1] or [alias.name for alias in node.names])}
    return {(a, b) for a, b in found if a != b and not a.startswith("__init__") and b != "__version__"}


def aside(level: int, row: list[str]) -> float:
    """Return how far a floor moves sideways, so that few arrows run behind its boxes."""
    return (0.25 if level % 2 else -0.25) / len(row)


def curve(x: float, y: float, to_x: float, to_y: float) -> str:
    """Return a line from under one box to above another."""
    high = BOX[1]
    start, end = y + high / 2, to_y - high / 2
    bend = f"{x:.0f} {y + high:.0f} {to_x:.0f} {to_y - high:.0f}"
    return f'<path d="M{x:.0f} {start:.0f}C{bend} {to_x:.0f} {end:.0f}"/>'


def drawing(root: Path = ROOT) -> str:
    """Return the picture as a figure in SVG: the same on every machine, at home on light and dark."""
    rows, (wide, high) = floors(root), BOX
    height = FLOOR * len(rows)
    place = {
        name: (WIDTH * (i + 1 + aside(level, row)) / (len(row) + 1), height - FLOOR * level - FLOOR / 2)
        for level, row in enumerate(rows)
        for i, name in enumerate(row)
    }
    lines = [curve(*place[a], *place[b]) for a, b in sorted(arrows(root)) if b not in rows[0]]
    corner = f'width="{wide}" height="{high}" rx="5"'
    boxes = []
    for name, (x, y) in place.items():
        box = f'<rect x="{x - wide / 2:.0f}" y="{y - high / 2:.0f}" {corner}/>'
        box += f'<text x="{x:.0f}" y="{y + 5:.0f}">{html.escape(name)}</text>'
        # The command line has no page.
        boxes.append(box if name == "__main__" else f'<a href="api/{name}.html">{box}</a>')
    words = (
        f"{len(place)} rooms on {len(rows)} floors. Each of {len(lines)} lines leads from a room to one "
        f"below that it imports; to {' and '.join(rows[0])}, which every room may use, none leads."
    )
    return (
        f'<figure><svg class="mgap-rooms" viewBox="0 0 {WIDTH} {height}" role="group" aria-label="{words}">'
        f'<g fill="none" stroke="currentColor" stroke-opacity=".3">{"".join(lines)}</g>'
        f'<g text-anchor="middle" font-size="14">{"".join(boxes)}</g></svg>'
        f"<figcaption>{words}</figcaption></figure>"
    )


class Rooms(Directive):
    def run(self):
        return [nodes.raw("", drawing(), format="html")]


class names_of_room(nodes.General, nodes.Element):
    """Stands for a room's paragraph and names until its page is read."""


class Room(Directive):
    required_arguments = 1

    def run(self):
        return [names_of_room("", room=self.arguments[0])]


def first_paragraph(parent: nodes.Element) -> nodes.paragraph:
    return next((child for child in parent.children if isinstance(child, nodes.paragraph)), nodes.paragraph())


def entries(page: nodes.document):
    """Yield what a room's page documents: module, name, the ids that lead there, purpose, signatures."""
    for section in page.findall(nodes.section):
        ids = section["ids"]
        module = next(i for i in ids if i.startswith("module-")).removeprefix("module-mgaplib.")
        yield module, module, list(ids), first_paragraph(section), []
        for desc in [child for child in section.children if isinstance(child, addnodes.desc)]:
            ids = [i for signature in desc.findall(addnodes.desc_signature) for i in signature["ids"]]
            signatures = [child for child in desc.children if isinstance(child, addnodes.desc_signature)]
            yield module, ids[0].removeprefix("mgaplib."), ids, first_paragraph(desc[-1]), signatures


def moved(paragraph: nodes.Element, docname: str) -> list[nodes.Node]:
    """Return a copy of a paragraph's content, at home on another page."""
    copy = paragraph.deepcopy()
    for reference in copy.findall(addnodes.pending_xref):
        reference["refdoc"] = docname
    return copy.children


def fold(content: list[nodes.Node], summary: str) -> list[nodes.Node]:
    opening = f'<details class="mgap-more"><summary>{summary}</summary>'
    return [nodes.raw("", opening, format="html"), *content, nodes.raw("", "</details>", format="html")]


class ListRooms(SphinxPostTransform):
    """Fill the front page from the rooms' pages, before references are resolved."""

    default_priority = 5

    def run(self):
        for place in list(self.document.findall(names_of_room)):
            page = f"{self.env.docname}/{place['room']}"
            (_, room, ids, about, _), *rest = entries(self.env.get_doctree(page))
            rows = nodes.bullet_list(classes=["mgap-names"])
            for _, name, also, purpose, _ in rest:
                text = nodes.literal("", name.removeprefix(f"{room}."))
                address = self.app.builder.get_relative_uri(self.env.docname, page)
                link = nodes.reference("", "", text, internal=True, refuri=f"{address}#{also[0]}")
                line = nodes.paragraph("", "", link, nodes.Text(" "), *moved(purpose, self.env.docname))
                rows += nodes.list_item("", line, ids=also)  # an address from when all stood on this page
            head = nodes.paragraph("", "", *moved(about, self.env.docname))
            lead = nodes.paragraph("", "", nodes.Text("In full: "))
            lead += nodes.reference(
                "",
                f"mgaplib.{room}",
                internal=True,
                refuri=self.app.builder.get_relative_uri(self.env.docname, page),
            )
            anchor = nodes.target(ids=[i for i in ids if i.startswith("module-")])
            count = sum(bool(found[-1]) for found in rest)
            named = fold([rows], f"{count} names") if rows.children else []
            place.replace_self([anchor, head, lead, *named])


class FoldDocstrings(SphinxPostTransform):
    """On a room's page a docstring's first paragraph is open, what follows unfolds; methods stay."""

    default_priority = 6

    def run(self):
        if "/api/" not in self.env.docname:
            return
        for content in list(self.document.findall(addnodes.desc_content)):
            first, found, run = first_paragraph(content), [], []
            for child in [*content.children, None]:
                if child is None or child is first or isinstance(child, addnodes.desc | addnodes.index):
                    found += fold(run, self.words(run)) if run else []
                    run = []
                    found += [child] if child is not None else []
                else:
                    run.append(child)
            content.children = []
            content.extend(found)

    def words(self, run: list[nodes.Node]) -> str:
        kinds = {nodes.field_list: "details", nodes.doctest_block: "example"}
        found = [word for kind, word in kinds.items() if any(list(node.findall(kind)) for node in run)]
        return " and ".join(found) or "more"


def listing(page: nodes.document) -> dict[str, str]:
    """Return what a program reads of each module on a room's page: signatures and purposes."""
    found = {}
    for module, name, _, purpose, signatures in entries(page):
        words = " ".join(purpose.astext().split())
        lines = found.setdefault(module, [])
        lines += (
            [f"- `{' '.join(one.astext().split())}`: {words}" for one in signatures]
            if name != module
            else [words, ""]
        )
    return {module: "\n".join(lines) for module, lines in found.items()}


def link_chapter(app, what, name, obj, options, lines):
    """Make a link of the chapter that a docstring names at its end."""
    pages = {page.rpartition("/")[2]: page for page in app.env.found_docs if "/api/" not in page}

    def linked(match):
        return f"Taught in chapter :doc:`/{pages[match[1]]}`." if match[1] in pages else match[0]

    text = re.sub(r"Taught in\s+chapter\s+(\w+)\.", linked, "\n".join(lines))
    lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", link_chapter)
    app.add_directive("rooms", Rooms)
    app.add_directive("room", Room)
    app.add_node(names_of_room)
    app.add_post_transform(ListRooms)
    app.add_post_transform(FoldDocstrings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

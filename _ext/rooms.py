"""Called by Sphinx for api.md: draw the library's rooms and who imports whom, from the code itself."""

import ast
import html
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

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
        # The command line has no section on the page.
        boxes.append(box if name == "__main__" else f'<a href="#module-mgaplib.{name}">{box}</a>')
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


def setup(app):
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The library's pages: what a room's page folds, what the front page lists, and where old addresses lead."""

import io
import re
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "_ext"))

PAIRS = "mgaplib.pairs.Pairs"


def build(book, builder, *extensions) -> str:
    """Let Sphinx build a folder as it builds the book, and return its warnings, which end that build."""
    warnings = io.StringIO()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    names = ("autodoc_typehints", "autodoc_member_order", "nitpick_ignore_regex")
    overrides = {name: config[name] for name in names} | {
        "extensions": ["sphinx.ext.autodoc", "sphinx.ext.napoleon", *extensions],
        "nitpicky": True,
    }
    with docutils_namespace():  # what one run registers would warn the next
        app = Sphinx(book, None, book / "out", book / "trees", builder, overrides, None, warnings)
        app.build()
    return warnings.getvalue()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The library's front page and two rooms' own pages, as Sphinx makes them."""
    book = tmp_path_factory.mktemp("library")
    (book / "chapters/api").mkdir(parents=True)
    (book / "index.rst").write_text(
        "Book\n====\n\n.. toctree::\n   :glob:\n\n   chapters/api\n   chapters/api/*\n"
    )
    (book / "chapters/api.rst").write_text("Library\n=======\n\n.. room:: pairs\n")
    for room in ("pairs", "landscape"):
        text = f"{room}\n=========\n\n.. automodule:: mgaplib.{room}\n   :members:\n"
        (book / f"chapters/api/{room}.rst").write_text(text)
    assert build(book, "html", "rooms") == ""
    made = (book / f"out/chapters/{name}.html" for name in ("api", "api/pairs", "api/landscape"))
    return [BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser") for page in made]


def content(page, name):
    return page.find("dt", id=name).find_next_sibling("dd").find_all(recursive=False)


def test_a_docstrings_first_paragraph_is_open_and_the_rest_unfolds_under_what_it_is(pages):
    first, rest, *members = content(pages[1], PAIRS)
    assert first.name == "p" and first.get_text().startswith("Images and texts that were checked")
    assert rest.name == "details" and not rest.has_attr("open")
    assert rest.summary.get_text() == "details" and rest.find(string="Parameters")
    # what belongs to a class stays in sight, each with a fold of its own
    assert [m["class"][1] for m in members if m.name == "dl"].count("method") > 1
    first, rest = content(pages[1], f"{PAIRS}.of")
    assert first.name == "p" and rest.summary.get_text() == "more"
    first, rest = content(pages[2], "mgaplib.landscape.shift")
    assert first.name == "p" and rest.summary.get_text() == "details and example"
    assert ">>>" in rest.get_text() and "Taught in chapter" in rest.get_text()


def test_one_paragraph_alone_is_not_folded(pages):
    [only] = content(pages[1], "mgaplib.pairs.EQUAL")
    assert only.name == "p"


def test_the_front_page_lists_what_a_room_hands_out_under_a_fold(pages):
    names = pages[0].select_one("details.mgap-more")
    lines = names.find_all("li")
    assert names.summary.get_text() == f"{len(lines)} names"
    line = next(line for line in lines if line.code.get_text() == "Pairs")
    assert "that were checked" in line.get_text() and "Parameters" not in line.get_text()
    assert line.a["href"] == f"api/pairs.html#{PAIRS}"


def test_every_address_from_when_all_stood_on_one_page_leads_to_its_line_and_on(pages):
    front, room, _ = pages
    there = {e["id"] for e in room.find_all(id=True)}
    old = {name for name in there if name.startswith(("mgaplib.", "module-mgaplib."))}
    assert {PAIRS, f"{PAIRS}.take", "module-mgaplib.pairs"} <= old
    assert old <= {e["id"] for e in front.find_all(id=True)}
    for name in old - {"module-mgaplib.pairs"}:
        line = front.find(id=name).find_parent("li") or front.find(id=name)
        address, anchor = line.a["href"].split("#")
        assert address == "api/pairs.html" and anchor in there and name.startswith(anchor)


def test_every_docstring_on_a_rooms_page_is_read_without_a_warning(tmp_path):
    lines = ["Library\n=======\n"]
    for page in sorted((ROOT / "chapters/api").glob("*.md")):
        lines += re.findall(r"^\.\. automodule::.*\n(?:   :.*\n)*", page.read_text(encoding="utf-8"), re.M)
    assert len(lines) > 20
    (tmp_path / "index.rst").write_text("\n".join(lines))
    assert build(tmp_path, "dummy") == ""

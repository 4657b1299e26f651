"""What holds for the whole house: directions of imports, light imports, docstrings that name a chapter."""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import mgaplib
from mgaplib import metrics

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "mgaplib").rglob("*.py"))


def test_imports_keep_their_directions():
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_open_clip_is_imported_in_one_place():
    """There torchvision is made importable first."""
    imports = re.compile(r"^\s*(import|from) open_clip\b", re.M)
    found = [p.relative_to(ROOT).as_posix() for p in MODULES if imports.search(p.read_text(encoding="utf-8"))]
    assert found == ["mgaplib/models/open_clip.py"]


ROOMS = sorted(p.parent.name for p in (ROOT / "mgaplib").glob("*/__init__.py"))
GROUND = sorted(p.stem for p in (ROOT / "mgaplib").glob("[a-z]*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_hands_out_its_names(room):
    module = importlib.import_module(f"mgaplib.{room}")
    purpose, _, paragraph = module.__doc__.partition("\n\n")
    assert purpose.endswith(".") and len(paragraph.split()) > 10
    assert all(hasattr(module, name) for name in getattr(module, "__all__", ()))


def test_no_fragment_stands_alone():
    lengths = {p.relative_to(ROOT): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert [p for p, length in lengths.items() if length < 40 and p.name != "__init__.py"] == []
    assert [p for p in lengths if re.match(r"_[a-z]", p.name)] == []


def test_a_module_without_a_place_is_refused(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "mgaplib", tmp_path / "mgaplib", ignore=shutil.ignore_patterns("*.json"))
    (tmp_path / "mgaplib/newcomer").mkdir()
    (tmp_path / "mgaplib/newcomer/__init__.py").write_text("from mgaplib import report\n")
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "newcomer" in result.stdout


@pytest.mark.parametrize(
    "room", ["book", "corrections", "dynamics", "landscape", "metrics", "search", "tasks", "report"]
)
def test_what_needs_no_torch_loads_none(room):
    code = f"import sys, mgaplib.{room}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_unknown_submodule_is_an_attribute_error():
    assert "metrics" in dir(mgaplib)
    with pytest.raises(AttributeError, match="metricks"):
        mgaplib.metricks  # noqa: B018


def handed_out():
    """Everything that a room or a module of the ground floor hands out, by the name a user imports it by."""
    taught = set(GROUND) - {"checks", "download", "output"}  # which serve the rooms, not the reader
    places = [importlib.import_module(f"mgaplib.{name}") for name in (*sorted(taught), *ROOMS)]
    for place in places:
        for name in getattr(place, "__all__", [n for n in vars(place) if not n.startswith("_")]):
            found = getattr(place, name)
            if inspect.ismodule(found) and found.__name__.startswith(f"{place.__name__}."):
                places.append(found)
            elif (inspect.isfunction(found) or inspect.isclass(found)) and found.__module__.startswith(
                "mgaplib"
            ):
                if hasattr(place, "__all__") or found.__module__ == place.__name__:
                    yield f"{place.__name__}.{name}", found


def written_chapters():
    """Return the text of each chapter by its slug; the rooms' pages are made from docstrings."""
    written = (p for p in (ROOT / "chapters").rglob("*.md") if p.parent.name != "api")
    return {p.stem: p.read_text(encoding="utf-8") for p in written}


def test_public_docstrings_teach():
    """Each says what it is for, shows an example that doctest runs, and names a chapter that exists."""
    chapters = written_chapters()
    names = dict(handed_out())
    assert len(names) > 120
    for name, found in names.items():
        text = inspect.getdoc(found) or ""
        assert text, f"{name} has no docstring"
        if inspect.isclass(found):
            continue  # what makes it says where it is taught
        taught = re.search(r"Taught in chapter (\w+)\.\s*$", text)
        assert taught, f"{name} does not end with the chapter that teaches it"
        assert taught[1] in chapters, f"{name} names the unknown chapter {taught[1]}"
        assert ">>>" in text, f"{name} has no example"


def test_every_metric_is_named_in_the_chapter_that_it_says_teaches_it():
    chapters = written_chapters()
    for name in metrics.__all__:
        text = inspect.getdoc(getattr(metrics, name))
        taught = re.search(r"Taught in chapter (\w+)\.\s*$", text)
        assert taught and re.search(rf"\b{name}\b", chapters[taught[1]]), name


def test_what_pages_use_is_named_on_the_page_that_is_said_to_teach_it():
    pages, astray = written_chapters(), []
    for name, found in handed_out():
        *_, place, short = name.split(".")
        taught = re.search(r"Taught in chapter (\w+)\.\s*$", inspect.getdoc(found) or "")
        if taught and not name.startswith("mgaplib.book."):  # whose parts serve all pages and have none
            use = re.compile(rf"\b{place}\.{short}\b|import [^\n]*\b{short}\b")
            users = sorted(page for page in pages.keys() - {"api"} if use.search(pages[page]))
            if users and not re.search(rf"\b{short}\b", pages[taught[1]]):
                astray.append(f"{name} says {taught[1]}; it is used in {', '.join(users)}")
    assert astray == []


def test_every_room_is_in_the_api_floor_by_floor_and_has_a_page():
    page = (ROOT / "chapters/api.md").read_text()
    sections = re.findall(r"^## (\w+)\n\n```\{room\} \1$", page, flags=re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [sorted(layer.split(" : ")) for layer in reversed(layers)]
    rooms = [name for floor in floors for name in floor if name != "__main__"]
    assert rooms == sections
    assert rooms == re.findall(r"file: chapters/api/(\w+)", (ROOT / "_toc.yml").read_text())
    for name in rooms:
        assert f"automodule:: mgaplib.{name}\n" in (ROOT / f"chapters/api/{name}.md").read_text()


def test_nothing_large_or_generated_is_tracked():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    tracked = [ROOT / name for name in files if name and (ROOT / name).is_file()]
    assert not [
        p.name
        for p in tracked
        if p.suffix in {".ipynb", ".npy", ".npz", ".pt", ".html"} and "templates" not in p.parts
    ]
    assert not [p.name for p in tracked if p.stat().st_size > 500_000]


def test_the_readme_shows_the_explorer_and_leads_to_every_chapter():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert [link for link in links if not (ROOT / link).is_file()] == []
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    chapters = re.findall(r"(?:file|root): (\S+)", toc)
    assert [name for name in chapters if f"{name}.md" not in links and "/api/" not in name] == []
    picture = ROOT / "docs/explorer.png"
    assert f"]({picture.relative_to(ROOT)})" in text and picture.stat().st_size < 300_000


def test_the_citation_names_this_version_and_both_papers():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "title", "message", "authors"} <= cited.keys()  # what the format requires
    assert (cited["version"], cited["license"]) == (mgaplib.__version__, project["license"])
    assert [paper["authors"][0]["family-names"] for paper in cited["references"]] == ["Liang", "Yaras"]
    assert all({"type", "title", "authors", "year"} <= paper.keys() for paper in cited["references"])

"""What holds for the whole house: directions of imports, light imports, docstrings that name a chapter."""

import ast
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
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_every_layer_below_the_models_is_kept_free_of_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers, free, _ = project["tool"]["importlinter"]["contracts"]
    names = [name for layer in layers["layers"] for name in layer.split(" : ")]
    below = names[names.index("_torchvision") + 1 :]
    assert layers["exhaustive"]
    assert sorted(free["source_modules"]) == sorted(f"mgaplib.{name}" for name in below)


def test_a_module_without_a_place_is_refused(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "mgaplib", tmp_path / "mgaplib", ignore=shutil.ignore_patterns("*.json"))
    (tmp_path / "mgaplib/newcomer.py").write_text("from mgaplib import report\n")
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "newcomer" in result.stdout


def test_a_module_holds_one_idea():
    folders = ("_ext", "benchmarks", "experiments", "mgaplib", "tools")
    modules = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    lengths = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in modules}
    assert len(modules) > 100
    assert {path: length for path, length in lengths.items() if length > 265} == {}  # about 250 lines


@pytest.mark.parametrize("module", ["mgaplib", "mgaplib.metrics", "mgaplib.landscape", "mgaplib.claims"])
def test_geometry_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_unknown_submodule_is_an_attribute_error():
    assert "metrics" in dir(mgaplib)
    with pytest.raises(AttributeError, match="metricks"):
        mgaplib.metricks  # noqa: B018


def public_functions(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", [p for p in MODULES if not p.name.startswith("_")], ids=lambda p: p.stem)
def test_public_docstrings_teach(path):
    """Each says what it is for, shows an example that doctest runs, and names a chapter that exists."""
    chapters = {p.stem for p in (ROOT / "chapters").rglob("*.md")}
    for node in public_functions(path):
        text = ast.get_docstring(node) or ""
        assert text, f"{path.stem}.{node.name} has no docstring"
        taught = re.search(r"Taught in chapter (\w+)\.\s*$", text)
        if isinstance(node, ast.ClassDef):
            continue  # what makes it says where it is taught
        assert taught, f"{path.stem}.{node.name} does not end with the chapter that teaches it"
        assert taught[1] in chapters, f"{path.stem}.{node.name} names the unknown chapter {taught[1]}"
        assert ">>>" in text, f"{path.stem}.{node.name} has no example"


def test_every_metric_is_named_in_the_chapter_that_it_says_teaches_it():
    chapters = {p.stem: p.read_text(encoding="utf-8") for p in (ROOT / "chapters").rglob("*.md")}
    for name in metrics.__all__:
        text = inspect.getdoc(getattr(metrics, name))
        taught = re.search(r"Taught in chapter (\w+)\.\s*$", text)
        assert taught and re.search(rf"\b{name}\b", chapters[taught[1]]), name


def test_every_public_module_is_in_the_api():
    page = (ROOT / "chapters/api.md").read_text()
    documented = set(re.findall(r"automodule:: mgaplib\.(\w+)", page))
    public = {p.stem for p in (ROOT / "mgaplib").glob("[a-z]*.py")}
    assert public == documented - {"widgets", "results"}


def test_nothing_large_or_generated_is_tracked():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    tracked = [ROOT / name for name in files if name and (ROOT / name).is_file()]
    assert not [p.name for p in tracked if p.suffix in {".ipynb", ".npy", ".npz", ".pt", ".html"}]
    assert not [p.name for p in tracked if p.stat().st_size > 500_000]


def test_the_readme_shows_the_explorer_and_leads_to_every_chapter():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert [link for link in links if not (ROOT / link).is_file()] == []
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    chapters = re.findall(r"(?:file|root): (\S+)", toc)
    assert [name for name in chapters if f"{name}.md" not in links] == []
    picture = ROOT / "docs/explorer.png"
    assert f"]({picture.relative_to(ROOT)})" in text and picture.stat().st_size < 300_000


def test_the_citation_names_this_version_and_both_papers():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "title", "message", "authors"} <= cited.keys()  # what the format requires
    assert (cited["version"], cited["license"]) == (mgaplib.__version__, project["license"])
    assert [paper["authors"][0]["family-names"] for paper in cited["references"]] == ["Liang", "Yaras"]
    assert all({"type", "title", "authors", "year"} <= paper.keys() for paper in cited["references"])

"""An exported notebook runs where nothing of this repository is: a fresh environment, an empty folder.

The environment holds the wheel of mgaplib and what Colab brings, with its old ipywidgets. Where the package
index cannot be reached, the wheel is laid over this interpreter's own packages instead.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "dynamics/loss_landscape"
COLAB = ["ipywidgets==7.7.1", "numpy", "pandas", "matplotlib", "seaborn", "scikit-learn", "scipy"]
COLAB += ["pooch", "anywidget", "ipykernel", "nbclient"]

RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
try:
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[2])
"""


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)


def succeed(*command, **options) -> str:
    done = run(*command, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the library, so that building its wheel leaves nothing in the repository."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for file in (ROOT / "mgaplib").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            target = source / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--quiet", "--wheel-dir", out]
    if run(*build).returncode:  # the index cannot be reached: build with the setuptools at hand
        succeed(*build, "--no-build-isolation")
    return next(out.glob("mgaplib-*.whl"))


@pytest.fixture(scope="module")
def fresh_python(wheel, tmp_path_factory):
    """The interpreter of a new environment that holds the wheel and Colab's packages."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    probe = run(*pip, "--dry-run", "--no-deps", "--retries", "1", "--timeout", "15", COLAB[0])
    if probe.returncode == 0:
        succeed(*pip, wheel, *COLAB)
    else:
        print("the package index cannot be reached: the wheel is tested over this interpreter's own packages")
        inside = Path(succeed(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        # A plain path: the .pth files in it are not followed, so an editable mgaplib stays out.
        (inside / "packages_of_the_tester.pth").write_text(sysconfig.get_path("purelib"))
        succeed(*pip, "--no-deps", "--no-index", wheel)
    return python


@pytest.fixture(scope="module")
def executed(fresh_python, tmp_path_factory):
    """The notebook after its run, with the folder that it ran in."""
    exported, out, empty = (tmp_path_factory.mktemp(name) for name in ("exported", "out", "empty"))
    succeed(sys.executable, ROOT / "tools" / "make_notebooks.py", "--repo-url", "", "--out", exported)
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MGAPLIB_STATIC", "VIRTUAL_ENV"}}
    env["MGAPLIB_DATA"] = (
        str(Path(os.environ["MGAPLIB_DATA"]).resolve()) if os.environ.get("MGAPLIB_DATA") else ""
    )
    notebook = exported / "chapters" / f"{CHAPTER}.ipynb"
    done = run(fresh_python, "-c", RUN, notebook, out / "done.ipynb", cwd=empty, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    return nbformat.read(out / "done.ipynb", as_version=4), empty


def test_the_environment_holds_the_wheel_and_nothing_of_the_repository(fresh_python, tmp_path):
    where = succeed(fresh_python, "-c", "import mgaplib; print(mgaplib.__file__)", cwd=tmp_path).strip()
    assert fresh_python.parent.parent in Path(where).parents
    assert ROOT not in Path(where).parents or ROOT in fresh_python.parents


def test_the_wheel_brings_the_widgets_scripts_and_the_recorded_results(fresh_python, source, tmp_path):
    ask = "import json, importlib.resources as r; files = [p for d in ('widgets', 'results') "
    ask += "for p in (r.files('mgaplib') / d).iterdir()]; "
    ask += "print(json.dumps(sorted(p.name for p in files if p.is_file())))"
    inside = json.loads(succeed(fresh_python, "-c", ask, cwd=tmp_path))
    here = [p for d in ("widgets", "results") for p in (source / "mgaplib" / d).iterdir()]
    assert inside == sorted(p.name for p in here if p.is_file())


def test_the_notebook_runs_without_an_error_or_a_warning(executed):
    notebook, _ = executed
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert [o.evalue for o in outputs if o.output_type == "error"] == []
    assert [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"] == []


def test_it_shows_its_pictures_its_explorer_and_its_claims(executed):
    notebook, _ = executed
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    shown = [kind for o in outputs for kind in o.get("data", {})]
    assert shown.count("image/svg+xml") >= 3
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert any("mgaplib_claim" in o.get("metadata", {}) for o in outputs)


def test_the_numbers_that_the_text_names_are_printed(executed):
    notebook, _ = executed
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = "".join(o.text for cell in code for o in cell.outputs if o.output_type == "stream")
    assert "loss-landscape-gap = " in printed


def test_it_leaves_its_folder_empty(executed):
    _, folder = executed
    assert list(folder.iterdir()) == []

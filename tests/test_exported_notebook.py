"""An exported notebook runs where nothing of this repository is: a fresh environment, an empty folder.

The environment holds the wheel of mgaplib and what Colab brings, in the oldest releases that mgaplib allows
and that have a wheel for this Python. Where the package index cannot be reached, the wheel is laid over this
interpreter's own packages instead.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "dynamics/loss_landscape"
COLAB = ["ipywidgets==7.7.1", "pooch", "anywidget", "ipykernel", "nbclient"]
# The floors of pyproject.toml, near what Colab has had; newer Pythons have no wheels of some of them.
OLD = {
    (3, 11): ["numpy==1.26.*", "pandas==2.0.*", "scipy==1.11.*", "scikit-learn==1.3.*"],
    (3, 12): ["numpy==1.26.*", "pandas==2.2.*", "scipy==1.12.*", "scikit-learn==1.4.*"],
    (3, 13): ["numpy==2.1.*", "pandas==2.2.*", "scipy==1.14.*", "scikit-learn==1.5.*"],
}
FLOORS = OLD.get(sys.version_info[:2], ["numpy", "pandas", "scipy", "scikit-learn"])
FLOORS += ["matplotlib==3.9.*" if sys.version_info >= (3, 13) else "matplotlib==3.8.*", "seaborn==0.13.*"]

RUN = """
import json
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell(sys.argv[3]))
try:
    patience = {"timeout": 600, "startup_timeout": 300, "iopub_timeout": 60}  # busy is not wrong
    NotebookClient(notebook, **patience, kernel_name="python3").execute()
    added = notebook.cells.pop()
    notebook.metadata["kernel_says"] = json.loads("".join(output.text for output in added.outputs))
finally:
    nbformat.write(notebook, sys.argv[2])
"""
# Rooms that need torch say so where it is missing; the names of the others are printed.
IMPORT = """
import importlib
import sys

for room in sys.argv[1:]:
    try:
        importlib.import_module(f"mgaplib.{room}")
        print(room)
    except ImportError as missing:
        assert missing.name in ("torch", "torchvision"), (room, missing)
"""
# What the kernel says of the chapter's explorer at some settings, and the embeddings that it shows.
SETTINGS = [(0.0, 0.01), (0.5, 0.01), (-0.75, 0.035), (1.5, 0.3), (1.0, 0.005)]
ADDED = f"""
import base64, json
import ipywidgets

explorer, numbers = GapExplorer(images, texts), []
for explorer.shift, explorer.tau in {SETTINGS}:
    numbers.append([explorer.shift, explorer.tau, explorer.metrics])
sides = {{
    name: [base64.b64encode(x.astype("<f4").tobytes()).decode(), list(x.shape)]
    for name, x in (("images", clip.images), ("texts", clip.texts))
}}
print(json.dumps({{"ipywidgets": ipywidgets.__version__, "numbers": numbers, **sides}}))
"""
# Where the executed notebook is kept: a test of the pages brings its widgets to life in a browser.
KEPT = ROOT / "build/executed" / f"{Path(CHAPTER).name}.ipynb"


#: What could lead to the repository, whoever runs the tests.
LEFT_OUT = {"PYTHONPATH", "PYTHONHOME", "MGAPLIB_STATIC", "VIRTUAL_ENV"}


def run(*command, **options) -> subprocess.CompletedProcess:
    options.setdefault("env", {name: value for name, value in os.environ.items() if name not in LEFT_OUT})
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)


def succeed(*command, **options) -> str:
    done = run(*command, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def copy_of_the_library(source: Path) -> Path:
    """Copy what a wheel is built from, so that building leaves nothing in the repository."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    shutil.copytree(ROOT / "mgaplib", source / "mgaplib", ignore=shutil.ignore_patterns("__pycache__"))
    return source


def wheel_of(source: Path, out: Path) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--quiet", "--wheel-dir", out]
    if run(*build).returncode:  # the index cannot be reached: build with the setuptools at hand
        succeed(*build, "--no-build-isolation")
    return next(out.glob("mgaplib-*.whl"))


def fresh_python(wheel: Path, folder: Path) -> tuple[Path, bool]:
    """Return a new environment's interpreter, and whether it holds Colab's packages beside the wheel."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    probe = run(*pip, "--dry-run", "--no-deps", "--retries", "1", "--timeout", "15", COLAB[0])
    if probe.returncode == 0:
        succeed(*pip, "--only-binary", ":all:", wheel, *COLAB, *FLOORS)
        versions = "import numpy, pandas; print(numpy.__version__, pandas.__version__)"
        found = [FLOORS[0], FLOORS[1]] if sys.version_info[:2] in OLD else []
        for version, floor in zip(succeed(python, "-c", versions).split(), found, strict=False):
            assert version.startswith(floor.partition("==")[2].rstrip("*")), (version, floor)
    else:
        print("the package index cannot be reached: the wheel is tested over this interpreter's own packages")
        inside = Path(succeed(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        # A plain path: the .pth files in it are not followed, so an editable mgaplib stays out.
        (inside / "packages_of_the_tester.pth").write_text(sysconfig.get_path("purelib"))
        succeed(*pip, "--no-deps", "--no-index", wheel)
    return python, probe.returncode == 0


def execute(python: Path, notebook: Path, done: Path, folder: Path):
    """Run the notebook in the folder, as somebody who knows nothing of the repository."""
    env = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    if env.get("MGAPLIB_DATA"):
        env["MGAPLIB_DATA"] = str(Path(env["MGAPLIB_DATA"]).resolve())
    ran = run(python, "-c", RUN, notebook, done, ADDED, cwd=folder, env=env)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return nbformat.read(done, as_version=4)


# One test, since each part rests on an environment that takes a minute to make.
def test_a_notebook_runs_from_the_wheel_alone_in_an_empty_folder(tmp_path):
    for name in ("source", "wheel", "empty"):
        (tmp_path / name).mkdir()
    source = copy_of_the_library(tmp_path / "source")
    python, like_colab = fresh_python(wheel_of(source, tmp_path / "wheel"), tmp_path / "venv")

    where = Path(
        succeed(python, "-c", "import mgaplib; print(mgaplib.__file__)", cwd=tmp_path / "empty").strip()
    )
    assert tmp_path / "venv" in where.parents, "the library of the repository was found, not the wheel"
    files = {p.relative_to(source) for p in (source / "mgaplib").rglob("*") if p.is_file()}
    missing = {str(f) for f in files if not (where.parent.parent / f).is_file()}
    assert missing == set(), "the wheel must bring the widgets' scripts and the recorded results"

    rooms = [p.parent.name for p in sorted((source / "mgaplib").glob("*/__init__.py"))]
    light = succeed(python, "-c", IMPORT, *rooms, cwd=tmp_path / "empty").split()
    assert {"metrics", "corrections", "report", "results"} <= set(light) and (like_colab or light == rooms)
    assert "report" in succeed(python, "-m", "mgaplib", "--help", cwd=tmp_path / "empty")

    succeed(sys.executable, ROOT / "tools" / "make_notebooks.py", "--repo-url", "", "--out", tmp_path / "out")
    notebook = tmp_path / "out" / "chapters" / f"{CHAPTER}.ipynb"
    notebook = execute(python, notebook, tmp_path / "done.ipynb", tmp_path / "empty")
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert [o.evalue for o in outputs if o.output_type == "error"] == []
    assert [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"] == []

    shown = [kind for o in outputs for kind in o.get("data", {})]
    # The explorer's picture and every figure of the chapter; an old matplotlib draws them as PNG.
    figures = (ROOT / "chapters" / f"{CHAPTER}.md").read_text(encoding="utf-8").count("    name: fig-")
    assert figures and shown.count("image/svg+xml") + shown.count("image/png") > figures
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert any("mgaplib_claim" in o.get("metadata", {}) for o in outputs)
    printed = "".join(o.text for o in outputs if o.output_type == "stream")
    assert "loss-landscape-gap = " in printed, "a number that the text names must be printed"
    assert list((tmp_path / "empty").iterdir()) == [], "a notebook leaves nothing behind"

    says = notebook.metadata["kernel_says"]
    assert (says["ipywidgets"] == "7.7.1") or not like_colab
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "done.ipynb", KEPT)

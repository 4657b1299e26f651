"""Notebooks run under Colab's ipywidgets, 7.7.1, show in a browser what they show under the pinned release.

Real Colab is not part of this: its kernel's ipywidgets is, and our own host shows what a notebook saved.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from built_book import BOOK, NOT_BUILT, ROOT, Visit, serve

VERSION = "7.7.1"
CHAPTER = "chapters/dynamics/loss_landscape"
KIND = "application/vnd.jupyter.widget-"
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""
CELLS = [
    """
import numpy as np
from mgaplib._config import History
from mgaplib.widgets import ConeExplorer, GapExplorer, SphereExplorer, TrainingPanel, TrainingScrubber

rng = np.random.default_rng(0)
meaning, offset = rng.normal(size=(40, 8)), 3 * np.eye(8)[0]
images, texts = (meaning + 0.5 * rng.normal(size=(40, 8)) + sign * offset for sign in (1, -1))
records = [{"step": step, "gap": 1 - step / 9, "tau": 0.07, "loss": 4.0 - step} for step in (0, 1, 2)]
snapshots = {step: (images - step * offset, texts) for step in (0, 1, 2)}
""",
    "GapExplorer(images, texts, captions=[f'pair {k}' for k in range(40)])",
    "ConeExplorer(['relu', 'tanh'], depth=6, width=32)",
    "SphereExplorer()",
    "TrainingScrubber({'a run': History(records, snapshots, pool=40)})",
    "TrainingPanel(live=True)",
]


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    """An interpreter with this one's packages, but for Colab's ipywidgets before them."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    # A plain path: the .pth files in it are not followed, so an editable mgaplib comes by PYTHONPATH alone.
    (Path(inside) / "packages_of_the_tester.pth").write_text(sysconfig.get_path("purelib"))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--retries", "1", "--timeout", "30", f"ipywidgets=={VERSION}", "ipython_genutils"]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        print(
            f"the package index cannot be reached: ipywidgets {VERSION} is not here, the pinned one stands in"
        )
    else:
        code = "import ipywidgets; print(ipywidgets.__version__)"
        assert (
            subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
            == f"{VERSION}\n"
        )
    return python


def execute(python, notebook: Path, done: Path):
    env = {name: value for name, value in os.environ.items() if name not in {"MGAPLIB_STATIC", "VIRTUAL_ENV"}}
    if env.get("MGAPLIB_DATA"):
        env["MGAPLIB_DATA"] = str(Path(env["MGAPLIB_DATA"]).resolve())
    env["PYTHONPATH"] = str(ROOT)
    command = [python, "-c", RUN, notebook, done]
    ran = subprocess.run(command, cwd=done.parent, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    return nbformat.read(done, as_version=4)


def outputs(notebook, kind: str) -> list:
    every = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.data[kind] for output in every if kind in output.get("data", {})]


def readouts(page) -> list[dict]:
    """Return what each widget of a page shows, but for what it says a moment later."""
    return page.locator(".static-widget").evaluate_all(
        """all => all.map(widget => ({
            numbers: [...widget.querySelectorAll("[data-metric]")]
                .map(e => [e.dataset.metric, Number(e.dataset.value)]),
            sliders: [...widget.querySelectorAll("[type=range]")].map(e => e.getAttribute("aria-valuetext")),
            pictures: [...widget.querySelectorAll("canvas")].map(e => e.getAttribute("aria-label")),
            alerts: widget.querySelectorAll("[role=alert]").length + widget.matches("[role=alert]"),
        }))"""
    )


@pytest.fixture
def show(tmp_path, browser):
    """Open a page with what a notebook saved of its anywidgets; nothing may fail, no other host be asked."""
    visits, servers = [], []

    def show_page(notebook, name):
        folder = tmp_path / name
        folder.mkdir()
        saved = notebook.metadata.widgets[f"{KIND}state+json"]
        views = [view for view in outputs(notebook, f"{KIND}view+json") if is_own(saved, view)]
        places = "".join(
            f'<div><script type="{KIND}view+json">{json.dumps(view)}</script></div>' for view in views
        )
        shutil.copy(ROOT / "mgaplib/widgets/widget_host.js", folder)
        (folder / "index.html").write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>widgets</title>'
            f'<script type="{KIND}state+json">{json.dumps(saved).replace("</", "<" + chr(92) + "/")}</script>'
            f'<script type="module" src="widget_host.js"></script><body>{places}</body></html>',
            encoding="utf-8",
        )
        servers.append(serve(folder))
        site = servers[-1].__enter__()
        visits.append(Visit(browser.new_context(viewport={"width": 1280, "height": 900}).new_page(), site))
        return visits[-1].go(site)

    yield show_page
    for visit in visits:
        assert (visit.outside, visit.errors) == ([], [])
        visit.page.context.close()
    for server in servers:
        server.__exit__(None, None, None)


def is_own(saved, view) -> bool:
    return saved["state"][view["model_id"]]["model_module"] == "anywidget"


def test_all_widgets_saved_by_the_old_release_show_the_same(show, old_python, tmp_path):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "all.ipynb"
    )
    seen = []
    for name, python in (("old", old_python), ("pinned", Path(sys.executable))):
        notebook = execute(python, tmp_path / "all.ipynb", tmp_path / f"{name}.ipynb")
        assert len(outputs(notebook, f"{KIND}view+json")) == 5  # the panel's box is one of them
        assert len(outputs(notebook, "image/png")) == 4  # where no widget can run, a picture stands
        page = show(notebook, name)
        seen.append([readouts(page)])
        for slider in page.get_by_role("slider").all():
            slider.press("ArrowRight")
        page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(null))))"
        )
        seen[-1].append(readouts(page))
    assert seen[0] == seen[1]
    still, moved = seen[0]
    assert len(still) == 4 and all(widget["alerts"] == 0 and widget["numbers"] for widget in still)
    assert all(before["sliders"] != after["sliders"] for before, after in zip(still, moved, strict=True))


def test_an_exported_chapter_shows_the_numbers_of_its_page(show, visitor, old_python, tmp_path):
    if not (BOOK / f"{CHAPTER}.html").exists():
        pytest.fail(NOT_BUILT)
    tool = [sys.executable, ROOT / "tools/make_notebooks.py", "--repo-url", "", "--out", tmp_path / "out"]
    subprocess.run(tool, check=True, capture_output=True)
    notebook = execute(old_python, tmp_path / "out" / f"{CHAPTER}.ipynb", tmp_path / "done.ipynb")
    here, built = show(notebook, "exported"), visitor(f"{CHAPTER}.html")
    [shown] = readouts(here)
    assert shown["numbers"] and not shown["alerts"]
    assert [shown] == readouts(built.page)
    assert (built.outside, built.errors) == ([], [])
    built.page.context.close()

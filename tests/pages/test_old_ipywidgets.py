"""Notebooks run under Colab's ipywidgets, 7.7.1, show in a browser what they show under the pinned release.

Real Colab was not run: it needs an account, and puts a page of its own around the notebook. Its release of
ipywidgets is here, and our own host shows what a notebook saved.
"""

import base64
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import numpy as np
import pytest
from built_book import ROOT, Visit, serve, widget_page
from ipywidgets import embed
from shown import opened, settle

from mgaplib.widgets import GapExplorer

VERSION = "7.7.1"
#: A chapter as an environment like Colab's executed it, and the test that does so.
KEPT = ROOT / "build/executed/loss_landscape.ipynb"
[MAKER] = (ROOT / "tests").rglob("test_exported_notebook.py")
KIND = "application/vnd.jupyter.widget-"
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
patience = {"timeout": 600, "startup_timeout": 300, "iopub_timeout": 60}  # busy is not wrong
NotebookClient(notebook, **patience, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""
CELLS = [
    """
import numpy as np
from mgaplib.training import History
from mgaplib.widgets import ConeExplorer, DynamicsExplorer, GapExplorer, SphereExplorer
from mgaplib.widgets import TrainingPanel, TrainingScrubber

rng = np.random.default_rng(0)
meaning, offset = rng.normal(size=(40, 8)), 3 * np.eye(8)[0]
images, texts = (meaning + 0.5 * rng.normal(size=(40, 8)) + sign * offset for sign in (1, -1))
records = [{"step": step, "gap": 1 - step / 9, "tau": 0.07, "loss": 4.0 - step} for step in (0, 1, 2)]
snapshots = {step: (images - step * offset, texts) for step in (0, 1, 2)}
""",
    "GapExplorer(images, texts, captions=[f'pair {k}' for k in range(40)])",
    "ConeExplorer(['relu', 'tanh'], depth=6, width=32)",
    "SphereExplorer()",
    "DynamicsExplorer(n=8)",
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
    """Open a page with some saved widgets; nothing may fail on it and no other host be asked."""
    visits, servers = [], []

    def show_page(models, places):
        folder = tmp_path / f"page {len(servers)}"
        folder.mkdir()
        widget_page(folder, models, places)
        servers.append(serve(folder))
        site = servers[-1].__enter__()
        visits.append(
            Visit(
                browser.new_context(
                    viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
                ).new_page(),
                site,
            )
        )
        return visits[-1].go(site)

    yield show_page
    for visit in visits:
        assert (visit.outside, visit.errors) == ([], [])
        visit.page.context.close()
    for server in servers:
        server.__exit__(None, None, None)


def saved_in(notebook) -> tuple[dict, list[str]]:
    """Return the models that a notebook saved, and which anywidgets of them its cells show."""
    models = dict(notebook.metadata.widgets[f"{KIND}state+json"]["state"])
    shown = [view["model_id"] for view in outputs(notebook, f"{KIND}view+json")]
    return models, [model for model in shown if models[model]["model_module"] == "anywidget"]


def test_all_widgets_saved_by_the_old_release_show_the_same(show, old_python, tmp_path):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "all.ipynb"
    )
    seen = []
    for name, python in (("old", old_python), ("pinned", Path(sys.executable))):
        notebook = execute(python, tmp_path / "all.ipynb", tmp_path / f"{name}.ipynb")
        assert len(outputs(notebook, f"{KIND}view+json")) == 6  # the panel's box is one of them
        assert len(outputs(notebook, "image/png")) == 5  # where no widget can run, a picture stands
        page = show(*saved_in(notebook))
        opened(page)
        seen.append([readouts(page)])
        for slider in page.get_by_role("slider").all():
            slider.press("ArrowRight")
        settle(page)
        seen[-1].append(readouts(page))
    assert seen[0] == seen[1]
    still, moved = seen[0]
    assert len(still) == 5 and all(widget["alerts"] == 0 and widget["numbers"] for widget in still)
    assert all(before["sliders"] != after["sliders"] for before, after in zip(still, moved, strict=True))


def kept():
    """Return the chapter with its explorer's model, or None where there is none with today's explorer."""
    if not KEPT.exists():
        return None
    chapter = nbformat.read(KEPT, as_version=4)
    models, [model] = saved_in(chapter)
    return (chapter, model) if models[model]["state"]["_esm"] == GapExplorer._esm else None


@pytest.fixture(scope="module")
def chapter():
    """The chapter as its kernel left it, with what that kernel said, and its explorer's model.

    `make unit` leaves it; where these tests run alone, it is made here, so that they need no earlier run.
    """
    if not kept():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", MAKER]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert kept(), made.stdout[-4000:] + made.stderr[-1000:]
    return kept()


@pytest.fixture(scope="module")
def pinned(chapter):
    """The chapter's explorer, made here with the pinned ipywidgets from the same embeddings."""
    sides = []
    for name in ("images", "texts"):
        text, shape = chapter[0].metadata["kernel_says"][name]
        x = np.frombuffer(base64.b64decode(text), "<f4").reshape(shape).astype(float)
        sides.append(x / np.linalg.norm(x, axis=1, keepdims=True))
    return GapExplorer(*sides)


def test_a_chapters_explorer_shows_the_numbers_of_the_old_kernel_and_of_this_one(show, chapter, pinned):
    chapter, old = chapter
    models, _ = saved_in(chapter)
    new = embed.dependency_state([pinned], drop_defaults=False)
    page = show({**models, **new}, [old, pinned.model_id])
    low, high = pinned.data["shift_range"]
    taus = np.array(pinned.data["taus"])
    for shift, tau, said in chapter.metadata["kernel_says"]["numbers"]:
        pinned.shift, pinned.tau = shift, tau
        for view in page.locator(".mgap").all():
            stop = round((shift - low) / (high - low) * (pinned.data["stops"] - 1))
            view.get_by_role("slider", name="Shift").fill(str(stop))
            view.get_by_role("slider", name="Temperature").fill(str(np.argmin(np.abs(taus - tau))))
        settle(page)
        of_old, of_new = (dict(widget["numbers"]) for widget in readouts(page))
        assert of_old == pytest.approx(said, abs=1e-4)
        assert of_new == pytest.approx(pinned.metrics, abs=1e-4)
        assert of_old == pytest.approx(of_new, abs=1e-6)

"""The widgets in a live kernel: JupyterLab on loopback, driven in a real browser as a reader would."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from playwright.sync_api import Page, expect

from mgaplib.dynamics.free_points import Setting

SLOW = 180_000  # a busy machine is slow, not wrong
PREPARE = """
import json
import numpy as np
from mgaplib import metrics
from mgaplib.training import History
from mgaplib.widgets import ConeExplorer, DynamicsExplorer, GapExplorer, SphereExplorer, TrainingScrubber

def pairs(seed, apart):
    rng = np.random.default_rng(seed)
    meaning, offset = rng.normal(size=(40, 8)), apart * np.eye(8)[0]
    return [meaning + 0.5 * rng.normal(size=(40, 8)) + sign * offset for sign in (1, -1)]

history = History(pool=40)
for step in (0, 5, 10, 15):
    images, texts = history.snapshots[step] = pairs(step, 2 + step / 10)
    gap = metrics.modality_gap(images, texts)
    history.records.append({"step": step, "gap": gap, "tau": 0.02, "loss": 4 / (step + 1)})
"""


class Case(NamedTuple):
    """A widget of the notebook: its slider, where a key takes it, and where Python does."""

    code: str
    slider: str
    trait: str
    key: str
    pressed: float | dict
    assigned: float | dict
    said: str


KNOBS = asdict(Setting())
WIDGETS = {
    "gap": Case("GapExplorer(*pairs(0, 3))", "Shift", "shift", "End", 1.5, 0.25, "0.25"),
    "cone": Case("ConeExplorer(['relu'], depth=6, width=32)", "Depth", "layer", "End", 6, 4, "4 of 6"),
    "globe": Case("SphereExplorer()", "Texts off", "elevation", "End", 90, -30, "−30°"),
    "points": Case(
        "DynamicsExplorer(tau=0.1)",
        "Temperature",
        "setting",
        "End",
        KNOBS | {"tau": 1},
        KNOBS | {"tau": 0.05},
        "0.05",
    ),
    "scrubber": Case("TrainingScrubber({'a run': history})", "Step", "step", "End", 15, 5, "5 of 15"),
}
PYTHONS = ", ".join(f"'{name}': [{name}.{case.trait}, {name}.metrics]" for name, case in WIDGETS.items())
READ = f"print(json.dumps({{{PYTHONS}}}))"
SET = "\n".join(f"{name}.{case.trait} = {case.assigned}" for name, case in WIDGETS.items())
CELLS = [PREPARE.strip(), *(f"{name} = {case.code}\n{name}" for name, case in WIDGETS.items()), READ, SET]

#: Nothing that JupyterLab shows of its own, and nothing that it would ask of other hosts.
QUIET = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/completer-extension:manager": {"autoCompletion": False},
}
OPTIONS = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--ServerApp.terminals_enabled=False",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
]


@pytest.fixture
def lab(tmp_path):
    """Start a JupyterLab that knows nothing of its user and serves one notebook; yield its address."""
    place = {
        name: tmp_path / name for name in ("config", "data", "runtime", "settings", "spaces", "home", "work")
    }
    for folder in (*place.values(), place["config"] / "labconfig"):
        folder.mkdir()
    overrides = place["config"] / "labconfig/default_setting_overrides.json"
    overrides.write_text(json.dumps(QUIET), encoding="utf-8")
    (place["config"] / "labconfig/page_config.json").write_text(
        '{"buildCheck": false, "buildAvailable": false}'
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, place["work"] / "widgets.ipynb")
    token = secrets.token_hex(16)
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "MGAPLIB_STATIC"))
    }
    env |= {
        "HOME": str(place["home"]),
        "IPYTHONDIR": str(place["home"]),
        "JUPYTER_CONFIG_DIR": str(place["config"]),
        "JUPYTER_DATA_DIR": str(place["data"]),
        "JUPYTER_RUNTIME_DIR": str(place["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(place["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(place["spaces"]),
    }
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={place['work']}"]
    said = tmp_path / "server.log"
    with said.open("w") as log:
        server = subprocess.Popen(command, cwd=place["work"], env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield address_of(server, place["runtime"], said), token
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def address_of(server: subprocess.Popen, runtime: Path, said: Path) -> str:
    """Return the address that a server wrote down once it listened."""
    deadline = time.monotonic() + SLOW / 1000
    while time.monotonic() < deadline and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # it is being written
                return json.loads(path.read_text(encoding="utf-8"))["url"]
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start\n{said.read_text()[-3000:]}")


class Notebook:
    """The notebook as a reader has it open, with what the page asked of other hosts and what went wrong."""

    def __init__(self, page: Page, address: str, token: str):
        self.page, self.outside, self.errors, self.asked = page, [], [], []
        page.set_default_timeout(SLOW)
        page.context.route("**/*", lambda route: self._let_through(route, address))
        page.on("websocket", lambda socket: self._note_socket(socket.url, address))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._note(message))
        page.add_locator_handler(page.locator(".jp-Dialog").last, self._answer, no_wait_after=True)
        page.goto(f"{address}lab/tree/widgets.ipynb?token={token}", wait_until="domcontentloaded")
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")
        expect(self.cells).to_have_count(len(CELLS), timeout=SLOW)
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()  # the kernel has started

    def _let_through(self, route, address):
        if route.request.url.startswith(address):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _note_socket(self, url, address):
        if not url.replace("ws:", "http:", 1).startswith(address):
            self.outside.append(url)

    def _answer(self, dialog):
        """Answer what JupyterLab asks of its own, as a reader would, and keep its words for a failure."""
        self.asked.append(dialog.inner_text())
        dialog.locator(".jp-Dialog-button").last.click()

    def _note(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def run(self, number: int):
        """Run a cell the way a reader does and wait until the kernel has done it; return the cell."""
        cell = self.cells.nth(number)
        prompt = cell.locator(".jp-InputArea .jp-InputPrompt")
        before = prompt.inner_text().strip()
        deadline = time.monotonic() + SLOW / 1000
        while prompt.inner_text().strip() == before:
            assert time.monotonic() < deadline, f"cell {number} did not start; {self.asked}"
            cell.locator(".jp-InputArea .cm-content").click()
            self.page.keyboard.press("Control+Enter")
            with contextlib.suppress(AssertionError):  # keys are lost while the page still arranges itself
                expect(prompt).not_to_have_text(before, timeout=20_000)
        expect(prompt).to_have_text(re.compile(r"^\s*\[\d+\]:\s*$"), timeout=SLOW)
        failed = cell.locator(
            "[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText[data-mime-type*=error]"
        )
        assert failed.count() == 0, failed.all_inner_texts()
        return cell

    def traits(self) -> dict:
        """Return what Python says of every widget: its trait and its numbers."""
        printed = self.run(CELLS.index(READ)).locator(".jp-OutputArea-output pre")
        return json.loads(printed.inner_text())


def numbers_of(root) -> dict:
    """Return the numbers that a widget shows, or for the scrubber each run's."""
    return root.evaluate(
        """root => {
          const number = e => [e.dataset.metric, Number(e.dataset.value)];
          const read = part => Object.fromEntries([...part.querySelectorAll("[data-metric]")].map(number));
          const runs = [...root.querySelectorAll("[data-run]")];
          return runs.length ? Object.fromEntries(runs.map(r => [r.dataset.run, read(r)])) : read(root);
        }"""
    )


def same(shown: dict, python: dict) -> bool:
    """Tell whether the page shows Python's numbers, to 1e-4."""
    if any(isinstance(value, dict) for value in python.values()):
        return shown.keys() == python.keys() and all(same(shown[name], python[name]) for name in python)
    return shown == pytest.approx(python, abs=1e-4)


def wait_until_both_say(notebook: Notebook, roots: dict, wanted: dict) -> None:
    """Ask again until Python has these values and each widget its numbers: messages take their time."""
    deadline = time.monotonic() + SLOW / 1000
    while True:
        python = notebook.traits()
        values = {name: value for name, (value, _) in python.items()}
        shown = {name: numbers_of(root) for name, root in roots.items()}
        apart = [name for name, (_, numbers) in python.items() if not same(shown[name], numbers)]
        if values == wanted and not apart:
            return
        assert time.monotonic() < deadline, f"Python has {values}, not {wanted}; other numbers in {apart}"


def titles_beside_values(root) -> list[str]:
    """Return the titles that do not stand above their values, as they would in JupyterLab's own style."""
    return root.evaluate(
        """root => [...root.querySelectorAll("dt")].filter(title => {
          const [above, below] = [title, title.nextElementSibling].map(e => e.getBoundingClientRect());
          return above.bottom > below.top + 1;
        }).map(title => title.textContent)"""
    )


# One test, since each part rests on a server, a kernel and a page that take half a minute to start.
def test_each_widget_lives_in_jupyterlab_and_its_traits_follow_both_ways(lab, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    notebook = Notebook(context.new_page(), *lab)
    roots, sliders = {}, {}
    notebook.run(0)
    for number, (name, case) in enumerate(WIDGETS.items(), start=1):
        output = notebook.run(number).locator(".jp-OutputArea-output")
        roots[name] = output.locator(".mgap")
        roots[name].locator("canvas").first.wait_for()
        sliders[name] = roots[name].get_by_role("slider", name=case.slider)
        assert output.get_by_role("alert").count() == 0, output.inner_text()
    start = {name: value for name, (value, _) in notebook.traits().items()}
    wait_until_both_say(notebook, roots, start)  # the points, once seen, run to their end
    for name, case in WIDGETS.items():
        assert start[name] not in (case.pressed, case.assigned), name
        assert titles_beside_values(roots[name]) == [], name

    for name, case in WIDGETS.items():
        sliders[name].press(case.key)
    wait_until_both_say(notebook, roots, {name: case.pressed for name, case in WIDGETS.items()})

    notebook.run(CELLS.index(SET))
    for name, case in WIDGETS.items():
        expect(sliders[name]).to_have_attribute("aria-valuetext", case.said, timeout=SLOW)
    wait_until_both_say(notebook, roots, {name: case.assigned for name, case in WIDGETS.items()})

    assert (notebook.outside, notebook.errors) == ([], [])
    context.close()

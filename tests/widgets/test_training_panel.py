"""The TrainingPanel: its real buttons pressed, its threads waited for, and its form without a kernel."""

import base64
import re
import threading
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from mgaplib import metrics, models
from mgaplib.book import plots
from mgaplib.training import History, TrainConfig, train
from mgaplib.training.swapping import SwappedLoss
from mgaplib.widgets import GapExplorer, TrainingPanel, TrainingScrubber, training_panel
from mgaplib.worlds import shapeworld

SMALL = {"width": 16, "image_size": 16, "layers": 1}
CONFIG = TrainConfig(steps=4, batch_size=32)


def small_model():
    return models.mini_clip(**SMALL)


@pytest.fixture(scope="module")
def world():
    return shapeworld.draw(64, size=16)


@pytest.fixture(scope="module")
def validation():
    return shapeworld.draw(24, size=16, split="val")


@pytest.fixture
def build(world, validation):
    panels = []

    def build_panel(**options):
        defaults = {"model": small_model, "config": CONFIG, "live": True}
        panels.append(TrainingPanel(world, validation, **(defaults | options)))
        return panels[-1]

    yield build_panel
    for panel in panels:
        panel.close()


def press_train(panel):
    panel.controls.start.click()
    panel.wait(300)
    assert not panel.running


def said(panel) -> str:
    return re.sub(r"<[^>]*>", "", panel.controls.status.value)


# --- training by its buttons


def test_a_click_trains_what_the_controls_say_and_shows_it_in_an_explorer(build, world, validation):
    panel = build()
    panel.controls.temperature.value, panel.controls.tau.value = "fixed", 0.05
    press_train(panel)
    assert panel.error is None
    [(name, history)] = panel.runs.items()
    assert name == "fixed 0.05"
    config = TrainConfig(steps=4, batch_size=32, temperature="fixed", tau=0.05, record_every=1)
    expected = train(small_model(), world, config, validation=validation)
    assert history["loss"] == pytest.approx(expected["loss"])
    assert history.final["tau"] == pytest.approx(0.05)
    assert isinstance(panel.shown, GapExplorer)
    assert panel.shown.metrics["gap"] == pytest.approx(history.final["gap"], abs=1e-5)
    assert panel.shown.tau == pytest.approx(0.05)
    assert panel.shown.data["captions"] == validation.captions
    assert panel.controls.box.children[-1].children == (panel.shown,)
    assert f"gap {history.final['gap']:.3f}" in said(panel)
    assert panel.controls.progress.value == panel.controls.progress.max == 4
    assert (panel.controls.start.disabled, panel.controls.stop.disabled) == (False, True)


def test_a_schedule_sets_the_temperature_and_needs_none(build):
    panel = build(temperatures=("learned", "S3"), result="scrubber")
    assert not panel.controls.tau.disabled
    panel.controls.temperature.value = "S3"
    assert panel.controls.tau.disabled
    press_train(panel)
    assert panel.runs["S3"]["tau"] == pytest.approx(
        [0.01, 0.01, 0.02, 0.03, 0.04]
    )  # a share of 0, 0, 1/4 ...


def test_swaps_reach_the_loss(build, world, validation):
    panel = build(swaps=("hard", "rows"))
    assert panel.controls.p.disabled
    panel.controls.swap.value, panel.controls.p.value = "hard", 1.0
    assert not panel.controls.p.disabled
    press_train(panel)
    loss = SwappedLoss(models.open_clip.ClipLoss(), 1.0, "hard", seed=0)
    expected = train(
        small_model(),
        world,
        TrainConfig(steps=4, batch_size=32, record_every=1),
        validation=validation,
        loss=loss,
    )
    assert panel.runs["learned from 0.07, hard swaps p = 1"]["loss"] == pytest.approx(expected["loss"])


def test_runs_come_side_by_side_in_a_scrubber_and_the_old_one_is_closed(build):
    panel = build(result="scrubber")
    press_train(panel)
    first = panel.shown
    panel.controls.temperature.value = "fixed"
    press_train(panel)
    assert isinstance(panel.shown, TrainingScrubber)
    assert list(panel.shown.metrics) == ["learned from 0.07", "fixed 0.07"]
    assert panel.shown.step == 4
    assert first.comm is None and panel.shown is not first
    press_train(panel)  # the same again takes its own place
    assert list(panel.runs) == ["learned from 0.07", "fixed 0.07"]


def test_a_run_of_other_length_stands_alone(build):
    panel = build(result="scrubber")
    press_train(panel)
    panel.controls.steps.value, panel.controls.temperature.value = 2, "fixed"
    press_train(panel)
    assert list(panel.shown.metrics) == ["fixed 0.07"]


class Gate:
    """Holds a training at its first step until it is opened, so that a test need not hurry."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def model(self):
        model = small_model()

        def hold(*_):
            if model.training:
                self.reached.set()
                assert self.opened.wait(300)

        model.visual.register_forward_pre_hook(hold)
        return model


def test_the_stop_button_ends_the_run_and_keeps_what_it_has(build):
    gate = Gate()
    panel = build(model=gate.model)
    panel.controls.steps.value = 10_000
    panel.controls.start.click()
    assert gate.reached.wait(300)
    assert (panel.controls.start.disabled, panel.controls.stop.disabled) == (True, False)
    assert panel.controls.tau.disabled and panel.running
    panel.controls.stop.click()
    gate.opened.set()
    panel.wait(300)
    [(name, history)] = panel.runs.items()
    assert name == "learned from 0.07, stopped at 1"
    assert history.final["step"] == 1 and "1 steps" in said(panel)
    assert panel.shown.metrics["gap"] == pytest.approx(history.final["gap"], abs=1e-5)
    assert not panel.controls.start.disabled


def test_a_second_click_while_a_run_is_under_way_does_nothing(build):
    gate = Gate()
    panel = build(model=gate.model)
    panel.controls.start.click()
    assert gate.reached.wait(300)
    thread = panel._thread
    panel.controls.start.click()
    assert panel._thread is thread
    gate.opened.set()
    panel.wait(300)
    assert len(panel.runs) == 1


def test_a_bad_value_is_said_in_place_and_the_panel_goes_on(build):
    panel = build()
    panel.controls.tau.value = 0.005
    press_train(panel)
    assert isinstance(panel.error, ValueError)
    assert 'role="alert"' in panel.controls.status.value
    assert "clamped at 1/100" in said(panel)
    assert panel.controls.progress.bar_style == "danger"
    assert panel.runs == {} and panel.shown is None
    panel.controls.tau.value = 0.07
    press_train(panel)
    assert panel.error is None and "gap" in said(panel) and panel.controls.progress.bar_style == ""


def test_a_run_that_diverges_says_so_in_place(build):
    def broken():
        model = small_model()
        torch.nn.init.constant_(model.text_projection, float("nan"))
        return model

    panel = build(model=broken)
    press_train(panel)
    assert isinstance(panel.error, FloatingPointError)
    assert "This run failed" in said(panel)
    assert not panel.controls.start.disabled


def test_the_progress_goes_to_the_panel_and_not_to_standard_output(build, capsys, monkeypatch):
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    press_train(build())
    assert capsys.readouterr() == ("", "")


def test_a_closed_panel_has_stopped_and_left_the_page(build):
    gate = Gate()
    panel = build(model=gate.model)
    panel.controls.steps.value = 10_000
    panel.controls.start.click()
    assert gate.reached.wait(300)
    gate.opened.set()
    panel.close()
    assert not panel.running
    assert panel.controls.box.comm is None and panel.controls.start.comm is None


def test_what_it_draws_by_default_is_trained_by_miniclip(monkeypatch):
    drawn = shapeworld.draw
    monkeypatch.setattr(shapeworld, "draw", lambda n, **options: drawn(min(n, 128), **options))
    panel = TrainingPanel(config=TrainConfig(steps=1), live=True)
    press_train(panel)
    assert panel.error is None
    assert panel.model.visual.image_size == (24, 24)
    assert panel.runs["learned from 0.07"].pool == 128
    panel.close()


# --- in a real kernel

CELLS = [
    """
from mgaplib import models, training
from mgaplib.worlds import shapeworld
from mgaplib.widgets import TrainingPanel

panel = TrainingPanel(
    shapeworld.draw(64, size=16),
    shapeworld.draw(24, size=16, split="val"),
    model=lambda: models.mini_clip(width=16, image_size=16, layers=1),
    config=training.TrainConfig(steps=4, batch_size=32),
)
panel
""",
    "panel.controls.start.click(); panel.wait(300); print(panel.error)",
]


def test_in_a_notebook_it_is_live_and_what_its_thread_says_reaches_the_front_end(monkeypatch):
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    patience = {"timeout": 600, "startup_timeout": 300, "iopub_timeout": 60}  # busy is not wrong
    NotebookClient(notebook, **patience, kernel_name="python3").execute()
    [shown], printed = notebook.cells[0].outputs, notebook.cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in shown.data
    assert [output.text for output in printed] == ["None\n"]  # no error, no bar beside the panel's
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    said = [
        state["state"].get("value", "") for state in states.values() if state["model_name"] == "HTMLModel"
    ]
    assert any("learned from 0.07: 4 steps" in str(value) for value in said)
    [explorer] = [state["state"] for state in states.values() if state["model_module"] == "anywidget"]
    box = states[shown.data["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]
    below = states[box["children"][-1].removeprefix("IPY_MODEL_")]["state"]
    assert len(below["children"]) == 1 and explorer["metrics"]["gap"] > 0


# --- where no kernel runs

NASTY = '<img src=x onerror="alert(1)"> $x_'


@pytest.fixture
def history():
    return History([{"step": step, "gap": 1.0 - step / 20, "image_to_text": step / 20} for step in (0, 10)])


def walk(widgets):
    for widget in widgets:
        yield widget
        yield from walk(getattr(widget, "children", ()))


def test_outside_a_notebook_and_on_a_static_page_no_control_is_made(monkeypatch, history):
    def refuse(*args, **kwargs):
        raise AssertionError("a widget was made")

    monkeypatch.setattr(ipywidgets.Widget, "__init__", refuse)
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    assert not TrainingPanel(runs={"mine": history}).live  # a test is no notebook
    kernel = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr("IPython.get_ipython", lambda: kernel)
    monkeypatch.setenv("MGAPLIB_STATIC", "1")
    panel = TrainingPanel(runs={"mine": history})
    assert not panel.live
    panel.start()  # nothing to press, and nothing happens
    assert not panel.running
    monkeypatch.delenv("MGAPLIB_STATIC")
    with pytest.raises(AssertionError, match="a widget was made"):
        TrainingPanel(runs={"mine": history})  # with a kernel it does make them


def test_the_static_form_shows_the_runs_and_the_way_to_a_live_panel(history, capsys):
    panel = TrainingPanel(runs={NASTY: history}, live=False)
    shown = panel.static()
    page = shown["text/html"]
    assert page.count("<img ") == page.count("<source ") == 1
    assert "ends with a gap of 0.50 and a recall of 0.50" in page
    assert "&lt;img src=x onerror=&quot;" in page
    assert '<span class="mgap-run">run this chapter in a notebook</span>' in page
    assert len(page) < 150_000
    assert shown["text/plain"] == repr(panel) == f"Training panel, runs: {NASTY} (10 steps)."
    panel._ipython_display_()  # without a front end, its text
    assert "Training panel" in capsys.readouterr().out


def test_its_picture_is_drawn_for_two_widths_and_follows_the_page(history):
    page = training_panel.figure({NASTY: history, "a -- b": history})
    found = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", page)
    drawn = [base64.b64decode(one).decode() for one in found]
    narrow, wide = (float(ElementTree.fromstring(svg).get("width").removesuffix("pt")) for svg in drawn)
    assert narrow < 300 < 400 < wide
    assert all(svg.count(plots.DARK) == 1 for svg in drawn)
    assert page == training_panel.figure({NASTY: history, "a -- b": history})  # the same runs, the same file


def test_the_book_turns_the_way_into_a_link_where_it_knows_its_repository(history, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "_ext"))
    import launch

    body = TrainingPanel(runs={"mine": history}, live=False).static()["text/html"]
    colab = "https://colab.research.google.com/github/someone/gap/blob"
    button = {"text": "Colab", "url": f"{colab}/main/chapters/page.md"}
    page = {"body": body, "header_buttons": [{"label": "launch-buttons", "buttons": [button]}]}
    launch.point_colab_at_notebooks(None, "chapters/page", "page.html", page, None)
    link = f'<a class="mgap-run" href="{colab}/notebooks/chapters/page.ipynb">run it in Colab</a>'
    assert link in page["body"] and "<span" not in page["body"]
    unknown = {"body": body, "header_buttons": []}
    launch.point_colab_at_notebooks(None, "chapters/page", "page.html", unknown, None)
    assert unknown["body"] == body


def test_without_runs_the_static_form_says_how_to_get_one():
    page = TrainingPanel(live=False).static()["text/html"]
    assert "<img" not in page and "notebook" in page


def test_a_live_panel_starts_with_the_same_figure_and_keeps_the_runs(build, history):
    panel = build(runs={"mine": history})
    assert (
        panel.controls.figure.value in TrainingPanel(runs={"mine": history}, live=False).static()["text/html"]
    )
    before = panel.controls.figure.value
    press_train(panel)
    assert list(panel.runs) == ["mine", "learned from 0.07"]
    assert panel.controls.figure.value != before


def test_every_control_is_described_and_of_the_core_package(build):
    panel = build(temperatures=("learned",), swaps=("soft",))
    controls = list(walk([panel.controls.box]))
    asked = [
        c for c in controls if isinstance(c, ipywidgets.ValueWidget) and not isinstance(c, ipywidgets.HTML)
    ]
    assert len(asked) == 6 and all(control.description for control in asked)
    assert {c._model_module_version[:2] for c in controls} == {controls[0]._model_module_version[:2]}
    # what version 7.7.1 has, by name
    assert {type(c).__name__ for c in controls} <= {
        *("VBox", "HBox", "Dropdown", "SelectionSlider", "BoundedIntText", "Button", "IntProgress", "HTML")
    }


def test_the_latest_model_is_the_readers(build, validation):
    panel = build()
    press_train(panel)
    wrapped = models.wrap(panel.model)
    pairs = wrapped.encode_images(validation.images), wrapped.encode_texts(validation.captions)
    assert metrics.modality_gap(*pairs) == pytest.approx(
        panel.runs["learned from 0.07"].final["gap"], abs=1e-5
    )


BAD_PANELS = {
    "no temperature": ({"temperatures": ()}, ValueError, "temperatures is empty"),
    "unknown temperature": ({"temperatures": ("S9",)}, ValueError, "unknown temperature"),
    "unknown swap": ({"swaps": ("all",)}, ValueError, "unknown kind of swap"),
    "unknown result": ({"result": "plot"}, ValueError, "unknown result"),
    "arrays": (
        {"world": np.ones((4, 4))},
        TypeError,
        "world is a ndarray; pass what mgaplib.worlds.shapeworld.draw",
    ),
    "list": ({"validation": []}, TypeError, "validation is a list; pass"),
}


@pytest.mark.parametrize("kind", BAD_PANELS)
def test_names_bad_input(kind):
    options, error, message = BAD_PANELS[kind]
    with pytest.raises(error, match=message):
        TrainingPanel(**options, live=False)


def test_the_figure_names_runs_as_plain_text_not_as_maths(history):
    assert "<img" in training_panel.figure({"$x_": history})  # as mathematics this would not parse

"""The TrainingPanel: train MiniCLIP with one's own temperature or swaps, and look at what came of it."""

import base64
import html
import io
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from mgaplib import checks, output
from mgaplib.book import plots

#: Temperatures that can be chosen, and shares of steps that swap.
TAUS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)
SHARES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Choice:
    """What the reader asked for."""

    temperature: str
    tau: float
    swap: str
    p: float
    steps: int

    @property
    def name(self) -> str:
        named = {"learned": f"learned from {self.tau:g}", "fixed": f"fixed {self.tau:g}"}
        name = named.get(self.temperature, self.temperature)
        return name if self.swap == "none" else f"{name}, {self.swap} swaps p = {self.p:g}"

    def settings(self, config):
        """Return the run's configuration, on top of another, and its loss, None for the usual one."""
        from mgaplib.models.open_clip import open_clip
        from mgaplib.training.swapping import SwappedLoss
        from mgaplib.training.temperature import SCHEDULES

        every = max(1, self.steps // 16)
        config = replace(
            config,
            steps=self.steps,
            tau=self.tau,
            temperature=SCHEDULES.get(self.temperature, self.temperature),
            record_every=every,
            snapshots=(*range(0, self.steps, every), self.steps),
        )
        if self.swap == "none":
            return config, None
        return config, SwappedLoss(open_clip.ClipLoss(), self.p, self.swap, seed=config.seed)


class Controls:
    """The panel's widgets, in one `box`: only such of ipywidgets as version 7.7.1 (Colab's) has."""

    def __init__(self, config, temperatures, swaps):
        import ipywidgets as w

        wide = {"style": {"description_width": "8em"}, "layout": w.Layout(width="100%", max_width="32em")}
        nearest = min(TAUS, key=lambda tau: abs(tau - config.tau))
        self.temperature = w.Dropdown(options=list(temperatures), description="Temperature", **wide)
        self.tau = w.SelectionSlider(
            options=[(f"{tau:g}", tau) for tau in TAUS], value=nearest, description="τ", **wide
        )
        self.swap = w.Dropdown(options=["none", *swaps], description="Swaps", **wide)
        self.p = w.SelectionSlider(
            options=[(f"{p:g}", p) for p in SHARES], value=0.1, description="Share of steps", **wide
        )
        self.steps = w.BoundedIntText(config.steps, min=1, max=10_000, description="Steps", **wide)
        self.start = w.Button(description="Train", button_style="primary")
        self.stop = w.Button(description="Stop", disabled=True)
        self.progress = w.IntProgress(0, min=0, max=config.steps, description="Progress", **wide)
        self.status, self.figure, self.result = w.HTML(), w.HTML(), w.VBox()
        self._asked = [self.temperature, self.tau, *([self.swap, self.p] if swaps else []), self.steps]
        buttons = w.HBox([self.start, self.stop], layout=w.Layout(flex_flow="row wrap"))
        self.box = w.VBox([*self._asked, buttons, self.progress, self.status, self.figure, self.result])
        for control in (self.temperature, self.swap):
            control.observe(self._settle, "value")
        self._settle()
        self.say("Choose, and press Train.")

    def _settle(self, change=None) -> None:
        """Leave only what has a meaning to be chosen."""
        self.tau.disabled = self.start.disabled or self.temperature.value not in ("learned", "fixed")
        self.p.disabled = self.start.disabled or self.swap.value == "none"

    def choice(self) -> Choice:
        """Return what is asked for now."""
        return Choice(**{field.name: getattr(self, field.name).value for field in fields(Choice)})

    def busy(self, busy: bool) -> None:
        """Offer to start or to stop, whichever makes sense."""
        self.start.disabled, self.stop.disabled = busy, not busy
        for control in self._asked:
            control.disabled = busy
        self._settle()
        if busy:
            self.progress.value, self.progress.bar_style = 0, ""

    def say(self, sentence: str, failed: bool = False) -> None:
        """Say it under the buttons, as text; a failure aloud at once."""
        role, style = ("alert", ' style="color:#c0392b;font-weight:600"') if failed else ("status", "")
        self.status.value = f'<span role="{role}"{style}>{html.escape(sentence)}</span>'
        if failed:
            self.progress.bar_style = "danger"

    def close(self) -> None:
        """Take all off the page."""
        for widget in (*self._asked, self.start, self.stop, self.progress, self.status, self.figure):
            widget.close()
        self.result.close()
        self.box.close()


def figure(runs) -> str:
    """Return the gap and the recall of all runs through training, as HTML; nothing without runs.

    The picture is drawn as the book's figures are: SVG that takes the page's ground where the page is dark.
    """
    if not runs:
        return ""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(5.6, 3.2), layout="constrained", facecolor="white")
    panels = drawn.subplots(1, 2)
    for color, (name, history) in zip(plots.colours(runs), runs.items(), strict=True):
        for axes, what in zip(panels, ("gap", "image_to_text"), strict=True):
            axes.plot(history["step"], history[what], color=color, lw=1.8, label=name)
    for axes, title in zip(panels, ("gap", "R@1, image to text"), strict=True):
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    lines = panels[0].get_legend_handles_labels()
    legend = drawn.legend(*lines, loc="outside lower center", ncols=2, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    ends = "; ".join(
        f"{name} ends with a gap of {h.final['gap']:.2f} and a recall of {h.final['image_to_text']:.2f}"
        for name, h in runs.items()
    )
    alt = html.escape(f"Gap and recall at 1 through training: {ends}.", quote=True)
    wide = _svg(drawn)
    with plots.narrow(drawn):
        small = _svg(drawn)
    return (
        f'<picture><source media="(max-width: 600px)" srcset="{small}">'
        f'<img src="{wide}" alt="{alt}" style="width:560px;max-width:100%"></picture>'
    )


def _svg(drawn) -> str:
    """Return a figure as the address of an SVG that brings what a dark page asks for."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "mgaplib"}):  # the same figure gives the same file
        drawn.savefig(file, format="svg", metadata={"Date": None})
    svg = plots.for_dark(file.getvalue()).encode()
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


_SIDE_BY_SIDE = 4  # runs in a scrubber


class TrainingPanel:
    """Controls, a progress bar and a stop button around `mgaplib.training.train`, and the result below.

    In a notebook with a kernel the reader chooses a temperature (learned, fixed or one of
    `temperature.SCHEDULES`) and swaps (`swapping.SwappedLoss`) and trains a new MiniCLIP, in a thread, so
    that the kernel goes on hearing the stop button. The trained pairs are then shown in a `GapExplorer`, or
    the runs side by side in a `TrainingScrubber`. On a static page, or outside a notebook, the same call
    shows the figure of the runs it was given, and how to get the live one.

    Args:
        world: A `ShapeWorld` to train on; 8000 pairs of 24 pixels if None, drawn at the first run.
        validation: A `ShapeWorld` to measure and show; 512 held-out pairs like `world`'s if None.
        runs: Earlier runs, `History` by name: the figure's first lines.
        model: Makes a fresh model for each run; `mini_clip` with the settings of MiniCLIP-24 if None.
        config: What the panel does not ask for, and where its controls begin.
        temperatures: What is offered: "learned", "fixed" and names of schedules.
        swaps: Kinds of swaps that are offered besides none; without any, nothing is asked.
        result: "explorer" for the pairs after training, "scrubber" for the runs step by step.
        live: Whether to make controls; by default if a notebook's kernel runs and `MGAPLIB_STATIC` is not 1.

    Attributes:
        runs: All runs, `History` by name; a stopped one is there, too.
        model: The model of the latest run.
        shown: The `GapExplorer` or `TrainingScrubber` below, None before the first run.
        error: What went wrong with the latest run, None if nothing did.

    Raises:
        TypeError: If the pairs are no `ShapeWorld`.
        ValueError: If nothing, or something unknown, is offered, or the result is unknown.

    Example:
        >>> from mgaplib import models, training
        >>> from mgaplib.worlds import shapeworld
        >>> panel = TrainingPanel(
        ...     shapeworld.draw(64, size=16),
        ...     model=lambda: models.mini_clip(width=16, image_size=16, layers=1),
        ...     config=training.TrainConfig(steps=2, batch_size=32),
        ...     live=True,
        ... )
        >>> panel.start()  # as the button does
        >>> panel.wait()
        >>> panel
        Training panel, runs: learned from 0.07 (2 steps).

    Taught in chapter training.
    """

    def __init__(
        self,
        world=None,
        validation=None,
        *,
        runs: Mapping | None = None,
        model: Callable | None = None,
        config=None,
        temperatures: Sequence[str] = ("learned", "fixed"),
        swaps: Sequence[str] = (),
        result: str = "explorer",
        live: bool | None = None,
    ):
        from mgaplib.training.config import TrainConfig
        from mgaplib.training.swapping import KINDS
        from mgaplib.training.temperature import SCHEDULES
        from mgaplib.worlds.shapeworld import ShapeWorld

        for name, pairs in (("world", world), ("validation", validation)):
            if pairs is not None and not isinstance(pairs, ShapeWorld):
                raise TypeError(
                    f"{name} is a {type(pairs).__name__}; pass what mgaplib.worlds.shapeworld.draw returns"
                )
        if not temperatures:
            raise ValueError("temperatures is empty; offer at least one, such as 'learned'")
        for name in temperatures:
            checks.known(name, ("learned", "fixed", *SCHEDULES), "temperature")
        for kind in swaps:
            checks.known(kind, KINDS, "kind of swap")
        self._result = checks.known(result, ("explorer", "scrubber"), "result")
        self._world, self._validation, self._make = world, validation, model
        self._config = config or TrainConfig()
        self.runs = {str(name): history for name, history in (runs or {}).items()}
        self.model = self.shown = self.error = None
        self._thread, self._stopping = None, threading.Event()
        self.live = _in_notebook() if live is None else live
        if self.live:
            self.controls = Controls(self._config, temperatures, swaps)
            self.controls.start.on_click(lambda _: self.start())
            self.controls.stop.on_click(lambda _: self.stop())
            self.controls.figure.value = figure(self.runs)

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Train with what the controls say; nothing happens while a run is under way."""
        if self.running or not self.live:
            return
        self._stopping.clear()
        self.error = None
        self.controls.busy(True)
        self._thread = threading.Thread(target=self._work, args=(self.controls.choice(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the run after the step it is in; what it has reached is kept and shown."""
        self._stopping.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, or for so many seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def close(self) -> None:
        """Stop, and take the controls and what is shown off the page."""
        self.stop()
        self.wait()
        if self.shown is not None:
            self.shown.close()
        if self.live:
            self.controls.close()

    def _work(self, choice: Choice) -> None:
        """Train and show the result; whatever goes wrong is said in the panel, for a thread has no cell."""
        try:
            with output.hidden():
                self._train(choice)
        except Exception as error:
            self.error = error
            self.controls.say(f"This run failed: {error}", failed=True)
        finally:
            self.controls.busy(False)

    def _train(self, choice: Choice) -> None:
        from mgaplib.training.loop import train

        self.controls.say("Preparing the pairs and a new model.")
        config, loss = choice.settings(self._config)
        world, validation, model = self._materials()
        self.controls.progress.max, said = choice.steps, 0.0

        def on_step(done: int, value: float) -> bool:
            nonlocal said
            if time.monotonic() - said > 0.15 or done == choice.steps:
                said = time.monotonic()
                self.controls.progress.value = done
                self.controls.say(f"{choice.name}: step {done} of {choice.steps}, loss {value:.3f}")
            return self._stopping.is_set()

        history = train(model, world, config, validation=validation, loss=loss, on_step=on_step)
        final, name = history.final, choice.name
        if final["step"] < choice.steps:
            name += f", stopped at {final['step']:.0f}"
        self.runs.pop(name, None)  # the latest run comes last
        self.runs[name], self.model = history, model
        self.controls.figure.value = figure(self.runs)
        self.controls.say(
            f"{name}: {final['step']:.0f} steps in {history.seconds:.1f} s, gap {final['gap']:.3f}, "
            f"R@1 {final['image_to_text']:.3f} in a pool of {history.pool}, temperature {final['tau']:.3g}"
        )
        self._show(validation, name)

    def _materials(self):
        """Return the pairs to train on, the pairs to measure, and a fresh model."""
        from mgaplib import models
        from mgaplib.worlds import shapeworld

        seed = self._config.seed
        if self._world is None:
            self._world = shapeworld.draw(8000, seed=seed, size=models.MINI["MiniCLIP-24"]["image_size"])
        if self._validation is None:
            size = self._world.images.shape[1]
            self._validation = shapeworld.draw(512, seed=seed, split="val", size=size)
        model = self._make() if self._make else models.mini_clip(**models.MINI["MiniCLIP-24"], seed=seed)
        return self._world, self._validation, model

    def _show(self, validation, name: str) -> None:
        """Put the latest run into an explorer, or next to the others in a scrubber."""
        from mgaplib import models
        from mgaplib.widgets import GapExplorer, TrainingScrubber

        old, history = self.shown, self.runs[name]
        if self._result == "explorer":
            wrapped, drawn = models.wrap(self.model), validation
            both = wrapped.encode_images(drawn.images), wrapped.encode_texts(drawn.captions)
            tau = min(max(history.final["tau"], 0.005), 1.0)
            self.shown = GapExplorer(*both, pictures=drawn.images, captions=drawn.captions, tau=tau)
        elif len(history.snapshots) < 2:
            return
        else:
            alike = {n: h for n, h in self.runs.items() if sorted(h.snapshots) == sorted(history.snapshots)}
            names = list(alike)[-_SIDE_BY_SIDE:]
            self.shown = TrainingScrubber({n: alike[n] for n in names}, step=max(history.snapshots))
        self.controls.result.children = (self.shown,)
        if old is not None:
            old.close()

    def __repr__(self) -> str:
        runs = ", ".join(f"{name} ({history.final['step']:.0f} steps)" for name, history in self.runs.items())
        return f"Training panel, runs: {runs or 'none'}."

    def static(self) -> dict[str, str]:
        """Return what a page without a kernel shows, by MIME type: the figure, and how to get a live panel.

        Where the book knows its repository's address, it links the words marked `mgap-run` to Colab.
        """
        way = '<span class="mgap-run">run this chapter in a notebook</span>'
        return {
            "text/plain": repr(self),
            "text/html": f'<div class="mgap-static-panel">{figure(self.runs)}'
            f"<p>This page cannot train: no kernel stands behind it. To train your own, {way}.</p></div>",
        }

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.live:
            display(self.controls.box)
        else:
            display(self.static(), raw=True)


def _in_notebook() -> bool:
    """Tell whether a kernel runs whose notebook may show live controls."""
    from IPython import get_ipython

    return os.environ.get("MGAPLIB_STATIC") != "1" and hasattr(get_ipython(), "kernel")

"""The TrainingPanel: train MiniCLIP with one's own temperature or swaps, and look at what came of it."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from mgaplib import _checks, _progress
from mgaplib.widgets import _panel_parts as parts

_SIDE_BY_SIDE = 4  # runs in a scrubber


class TrainingPanel:
    """Controls, a progress bar and a stop button around `mgaplib.train.train`, and the result below.

    In a notebook with a kernel the reader chooses a temperature (learned, fixed or one of
    `mgaplib.temperature.SCHEDULES`) and swaps (`mgaplib.swapping.SwappedLoss`) and trains a new MiniCLIP, in
    a thread, so that the kernel goes on hearing the stop button. The trained pairs are then shown in a
    `GapExplorer`, or the runs side by side in a `TrainingScrubber`. On a static page, or outside a notebook,
    the same call shows the figure of the runs it was given, and how to get the live one.

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
        >>> from mgaplib import clip, shapeworld, train
        >>> panel = TrainingPanel(
        ...     shapeworld.draw(64, size=16),
        ...     model=lambda: clip.mini_clip(width=16, image_size=16, layers=1),
        ...     config=train.TrainConfig(steps=2, batch_size=32),
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
        from mgaplib.shapeworld import ShapeWorld
        from mgaplib.swapping import KINDS
        from mgaplib.temperature import SCHEDULES
        from mgaplib.train import TrainConfig

        for name, pairs in (("world", world), ("validation", validation)):
            if pairs is not None and not isinstance(pairs, ShapeWorld):
                raise TypeError(
                    f"{name} is a {type(pairs).__name__}; pass what mgaplib.shapeworld.draw returns"
                )
        if not temperatures:
            raise ValueError("temperatures is empty; offer at least one, such as 'learned'")
        for name in temperatures:
            _checks.known(name, ("learned", "fixed", *SCHEDULES), "temperature")
        for kind in swaps:
            _checks.known(kind, KINDS, "kind of swap")
        self._result = _checks.known(result, ("explorer", "scrubber"), "result")
        self._world, self._validation, self._make = world, validation, model
        self._config = config or TrainConfig()
        self.runs = {str(name): history for name, history in (runs or {}).items()}
        self.model = self.shown = self.error = None
        self._thread, self._stopping = None, threading.Event()
        self.live = _in_notebook() if live is None else live
        if self.live:
            self.controls = parts.Controls(self._config, temperatures, swaps)
            self.controls.start.on_click(lambda _: self.start())
            self.controls.stop.on_click(lambda _: self.stop())
            self.controls.figure.value = parts.figure(self.runs)

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

    def _work(self, choice: parts.Choice) -> None:
        """Train and show the result; whatever goes wrong is said in the panel, for a thread has no cell."""
        try:
            with _progress.hidden():
                self._train(choice)
        except Exception as error:
            self.error = error
            self.controls.say(f"This run failed: {error}", failed=True)
        finally:
            self.controls.busy(False)

    def _train(self, choice: parts.Choice) -> None:
        from mgaplib.train import train

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
        self.controls.figure.value = parts.figure(self.runs)
        self.controls.say(
            f"{name}: {final['step']:.0f} steps in {history.seconds:.1f} s, gap {final['gap']:.3f}, "
            f"R@1 {final['image_to_text']:.3f} in a pool of {history.pool}, temperature {final['tau']:.3g}"
        )
        self._show(validation, name)

    def _materials(self):
        """Return the pairs to train on, the pairs to measure, and a fresh model."""
        from mgaplib import clip, shapeworld

        seed = self._config.seed
        if self._world is None:
            self._world = shapeworld.draw(8000, seed=seed, size=clip.MINI["MiniCLIP-24"]["image_size"])
        if self._validation is None:
            size = self._world.images.shape[1]
            self._validation = shapeworld.draw(512, seed=seed, split="val", size=size)
        model = self._make() if self._make else clip.mini_clip(**clip.MINI["MiniCLIP-24"], seed=seed)
        return self._world, self._validation, model

    def _show(self, validation, name: str) -> None:
        """Put the latest run into an explorer, or next to the others in a scrubber."""
        old, history = self.shown, self.runs[name]
        if self._result == "explorer":
            self.shown = parts.explorer(self.model, validation, history.final["tau"])
        elif len(history.snapshots) < 2:
            return
        else:
            alike = {n: h for n, h in self.runs.items() if sorted(h.snapshots) == sorted(history.snapshots)}
            names = list(alike)[-_SIDE_BY_SIDE:]
            self.shown = parts.scrubber({n: alike[n] for n in names}, max(history.snapshots))
        self.controls.place(self.shown)
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
            "text/html": f'<div class="mgap-static-panel">{parts.figure(self.runs)}'
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

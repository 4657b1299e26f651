"""What a TrainingPanel is made of: the controls, the figure of its runs, and what shows the latest."""

import base64
import html
from dataclasses import dataclass, fields, replace

from mgaplib import plots
from mgaplib.widgets._base import png

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
        from mgaplib.clip import open_clip
        from mgaplib.swapping import SwappedLoss
        from mgaplib.temperature import SCHEDULES

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
    """The panel's widgets of ipywidgets, only such as version 7.7.1 (Colab's) has.

    Attributes:
        box: All of them, to be displayed.
    """

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
        self.status, self.figure, self._result = w.HTML(), w.HTML(), w.VBox()
        self._asked = [self.temperature, self.tau, *([self.swap, self.p] if swaps else []), self.steps]
        buttons = w.HBox([self.start, self.stop], layout=w.Layout(flex_flow="row wrap"))
        self.box = w.VBox([*self._asked, buttons, self.progress, self.status, self.figure, self._result])
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

    def place(self, widget) -> None:
        """Put a widget below everything, in place of the one that stood there."""
        self._result.children = (widget,)

    def close(self) -> None:
        """Take all off the page."""
        for widget in (*self._asked, self.start, self.stop, self.progress, self.status, self.figure):
            widget.close()
        self._result.close()
        self.box.close()


def figure(runs) -> str:
    """Return the gap and the recall of all runs through training, as HTML; nothing without runs."""
    if not runs:
        return ""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(5.6, 3.2), dpi=160, layout="constrained", facecolor="white")
    panels = drawn.subplots(1, 2)
    for k, (name, history) in enumerate(runs.items()):
        color = plots.OTHERS[k % len(plots.OTHERS)]
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
    picture = base64.b64encode(png(drawn)).decode()
    return f'<img src="data:image/png;base64,{picture}" alt="{alt}" style="width:560px;max-width:100%">'


def explorer(model, validation, tau: float):
    """Return a GapExplorer of the model's embeddings of a ShapeWorld, with its pictures and captions."""
    from mgaplib import clip
    from mgaplib.widgets import GapExplorer

    wrapped = clip.wrap(model)
    return GapExplorer(
        wrapped.encode_images(validation.images),
        wrapped.encode_texts(validation.captions),
        thumbnails=validation.images,
        captions=validation.captions,
        tau=min(max(tau, 0.005), 1.0),
    )


def scrubber(runs, step: int):
    """Return a TrainingScrubber of the runs, at a step."""
    from mgaplib.widgets import TrainingScrubber

    return TrainingScrubber(runs, step=step)

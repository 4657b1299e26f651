"""The DynamicsExplorer: contrastive training of free points, live, two runs that differ in one knob."""

from dataclasses import asdict

import traitlets

from mgaplib import checks
from mgaplib.book import plots, records
from mgaplib.dynamics import free_points
from mgaplib.dynamics.free_points import COMPARISONS, Setting
from mgaplib.widgets.base import BookWidget, front_end, png, within

_NAMES = ("gap", "tau", "loss", "recall")
_STEPS = 2000  #: How far the picture trains where no widget can run.

#: The presets, by their comparison: the button's words, and what the two runs are to show.
PRESETS = {
    "frozen": (
        "Temperature freezes it",
        "At .01, where CLIP's temperature ends, every pair is found and the gap stays open. At .1 it closes.",
    ),
    "learned": (
        "Learn it and it closes",
        "Learned from .07, where CLIP begins, the temperature falls slowly enough for the gap to close. "
        "Learned from .01 it cannot fall, and the gap stays.",
    ),
    "wrong": (
        "Wrong captions hold it open",
        "A quarter of the captions are wrong, other ones at every step: the temperature climbs, and the gap "
        "goes slowly. With right captions it is soon closed.",
    ),
    "three": (
        "Three dimensions: nothing to hold",
        "On a globe the gap closes even at .01. In sixteen dimensions it stays.",
    ),
    "swapped": (
        "Swap and it is gone",
        "On every other step the entries of a pair change sides, each with an even chance: most of the gap "
        "goes, even at .01. Without, it stays.",
    ),
    "bound": (
        "No faster than the theorem",
        "Parallel modalities, matched, under gradient descent. With 1/τ = exp(ν) the gap stays above the "
        "dotted bound, which falls as 1/log(t)². With 1/τ = softplus(ν) it closes faster.",
    ),
}


def _presets(names) -> list[dict]:
    """The presets as the front end takes them, each with what ten recorded seeds gave."""
    runs, made = records.load("free_points").runs, []
    for id in names:
        name, sentence = PRESETS[checks.known(id, PRESETS, "preset")]
        at = 10 if id == "wrong" else 20
        ends = []
        for second in (False, True):
            gaps = [run["gap_at"][at] for run in runs if (run["comparison"], run["second"]) == (id, second)]
            low, high = min(gaps), max(gaps)
            ends.append("below 0.01" if high < 0.01 else f"{low:.2f} to {high:.2f}")
        claim = f"After {100 * at:,} steps, ten other seeds: gap {ends[0]}, and {ends[1]} in the second run."
        preset = {"name": name, "sentence": sentence, "claim": claim, "steps": 100 * at}
        made.append(preset | dict(zip(("setting", "beside"), COMPARISONS[id], strict=True)))
    return made


class DynamicsExplorer(BookWidget):
    """Pairs on a sphere trained in the browser, step by step, and beside them the same with one knob turned.

    What was run is in `records` whenever the reader pauses. `free_points.train` computes the same numbers.

    Args:
        beside: What the second run has instead, one knob and its value; empty for no second run.
        speed: Steps a frame, from 1 to 500.
        name: What it is called in its page's address; "dynamics" if empty.
        presets: Which of `PRESETS` are offered, in this order.
        knobs: The first run's knobs, by their names in `free_points.Setting`.

    Attributes:
        setting: The first run's knobs.
        beside: The second run's one other knob.
        speed: Steps a frame.
        theory: Whether the curves run along 1 / log(steps)^2, as Theorem 3.2's bound does, not along steps.
        records: Of each run, "first" and "second": step, gap, tau, loss and recall, as lists.
        metrics: Of each run, gap, tau, loss and recall as last shown.

    Raises:
        ValueError: If a knob or a preset is unknown, a knob makes no sense, or `beside` holds more than one.

    Example:
        >>> explorer = DynamicsExplorer(tau=0.01, beside={"tau": 0.1})
        >>> explorer.setting["tau"], round(explorer.metrics["first"]["gap"], 2)
        (0.01, 0.78)

    Taught in chapter what_holds_it.
    """

    _esm = front_end("dynamics_engine", "dynamics_explorer")

    setting = traitlets.Dict().tag(sync=True)
    beside = traitlets.Dict().tag(sync=True)
    speed = traitlets.Int(20).tag(sync=True)
    theory = traitlets.Bool(False).tag(sync=True)
    records = traitlets.Dict().tag(sync=True)

    def __init__(
        self, beside: dict | None = None, speed: int = 20, name: str = "", presets=tuple(PRESETS), **knobs
    ):
        if not knobs and beside is None:
            beside = COMPARISONS["frozen"][1]
        data = {
            "defaults": asdict(Setting()),
            "presets": _presets(presets),
            "colors": {"image": plots.IMAGE, "text": plots.TEXT},
        }
        setting = asdict(Setting().turned(**knobs))
        super().__init__(data=data, setting=setting, beside=beside or {}, speed=speed, name=name)
        self._measure()

    @traitlets.validate("setting")
    def _valid_setting(self, proposal) -> dict:
        setting = Setting().turned(**proposal.value)
        setting.turned(**self.beside)
        return asdict(setting)

    @traitlets.validate("beside")
    def _valid_beside(self, proposal) -> dict:
        if len(proposal.value) > 1:
            raise ValueError(f"beside holds {len(proposal.value)} knobs; pass one, so that its work is seen")
        Setting(**self.setting).turned(**proposal.value)
        return proposal.value

    @traitlets.validate("speed")
    def _valid_speed(self, proposal) -> int:
        return within(proposal, 1, 500, "steps a frame, from 1 to 500")

    def runs(self) -> dict[str, Setting]:
        """Return the knobs of each run: "first" and, if there is one, "second"."""
        first = Setting(**self.setting)
        return {"first": first, **({"second": first.turned(**self.beside)} if self.beside else {})}

    @traitlets.observe("setting", "beside")
    def _measure(self, change=None) -> None:
        self._trained = None
        points = {run: free_points.FreePoints(setting) for run, setting in self.runs().items()}
        self.metrics = {run: {name: getattr(at, name) for name in _NAMES} for run, at in points.items()}

    def _train(self) -> dict[str, free_points.Record]:
        """What a reader would see after so many steps; kept until a knob is turned."""
        if self._trained is None:
            self._trained = {name: free_points.train(_STEPS, s) for name, s in self.runs().items()}
        return self._trained

    def __repr__(self) -> str:
        first = Setting(**self.setting)
        turned = [
            f"{name}={value!r}" for name, value in self.setting.items() if value != getattr(Setting(), name)
        ]
        knobs = ", ".join(turned) or f"tau={first.tau}"
        ends = {name: f"{run.gap[-1]:.2f}" for name, run in self._train().items()}
        other = "".join(f"; with {name}={value!r} {ends['second']}" for name, value in self.beside.items())
        return (
            f"Dynamics explorer of {first.n} pairs in {first.d} dimensions ({knobs}): gap "
            f"{ends['first']} after {_STEPS} steps{other}."
        )

    def picture(self) -> bytes:
        """Return a PNG of gap and temperature through 2,000 steps, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.2), dpi=110, layout="constrained")
        for ax, name in zip(figure.subplots(1, 2), ("gap", "tau"), strict=True):
            for run, style, color in zip(self._train().values(), ("-", "--"), plots.OTHERS, strict=False):
                ax.plot(getattr(run, name), style, color=color, lw=2)
            ax.set(xlabel="step", ylabel={"gap": "gap", "tau": "temperature"}[name])
            ax.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set(ylim=(0, None))
        figure.axes[1].set(yscale="log")
        knobs = "".join(f"; dashed: {name} {value}" for name, value in self.beside.items())
        first = Setting(**self.setting)
        figure.suptitle(f"{first.n} pairs, temperature {first.temperature}, from {first.tau:g}{knobs}")
        return png(figure)

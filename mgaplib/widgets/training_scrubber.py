"""The TrainingScrubber: recorded training runs side by side, played or moved through step by step."""

import numpy as np
import traitlets

from mgaplib import checks
from mgaplib.book import plots
from mgaplib.widgets.base import BookWidget, front_end, png

_SHOWN = ("gap", "tau", "loss")
_WAYS = ("image_to_text", "text_to_image")  # the recalls of a record
_SCALE = 32767  # a coordinate of a unit vector, as a 16-bit integer


class TrainingScrubber(BookWidget):
    """A slider through training; each run's embeddings, gap, temperature and loss follow.

    Each run is seen in one plane, the same at every step: along its mean gap, and along the first principal
    component of all its snapshots orthogonal to it. Its gap, and its R@1 where every run recorded it, are
    drawn through training, each on one scale.

    Args:
        histories: What `training.train` returned, by the name of the run. All have snapshots at the same
            steps (`TrainConfig(snapshots=...)`), at least two, of the same validation pairs.
        max_pairs: With more pairs, this many are drawn at random and shown; the numbers are those of all.

    Attributes:
        step: Step of training that is looked at, one of those with a snapshot.
        metrics: For each run the gap and tau at that step, and the loss of that step's batch.

    Raises:
        ValueError: If there is no run, snapshots are too few, unlike or unrecorded, or `max_pairs` below 2.

    Example:
        >>> from mgaplib.training.config import History
        >>> x, y = np.eye(4), np.eye(4)[::-1]
        >>> records = [{"step": step, "gap": 0.5, "tau": 0.07, "loss": 2.0 - step} for step in (0, 1)]
        >>> scrubber = TrainingScrubber({"a": History(records, {0: (x, y), 1: (y, x)})}, step=1)
        >>> scrubber.metrics["a"]["loss"]
        1.0

    Taught in chapter training.
    """

    _esm = front_end("training_scrubber")
    settings = ("step",)

    step = traitlets.Int().tag(sync=True)

    def __init__(self, histories, *, max_pairs: int = 150, **traits):
        if max_pairs < 2:
            raise ValueError(f"max_pairs is {max_pairs}; a gap needs at least 2 pairs")
        self._records = {str(name): _records(str(name), history) for name, history in histories.items()}
        if not self._records:
            raise ValueError("histories is empty; pass at least one run by its name")
        frames = {str(name): _frames(str(name), history) for name, history in histories.items()}
        steps, n = _common(histories, frames)
        rows = np.arange(n)
        if n > max_pairs:
            rows = np.sort(np.random.default_rng(0).choice(n, max_pairs, replace=False))
        self._points = {name: _plane(snapshots)[:, :, rows] for name, snapshots in frames.items()}
        every = [record for records in self._records.values() for record in records.values()]
        drawn = ("gap", "recall") if all("recall" in record for record in every) else ("gap",)
        colors = plots.colours(self._records)
        data = {
            "n": len(rows),
            "pool": n,
            "steps": steps,
            "scale": _SCALE,
            "points": np.rint(np.stack(list(self._points.values())) * _SCALE).astype("<i2").tobytes(),
            "colors": {"image": plots.IMAGE, "text": plots.TEXT},
            "runs": [
                {
                    "name": name,
                    "color": color,
                    "recorded": list(records),
                    "curves": {what: [record[what] for record in records.values()] for what in drawn},
                    **{what: [records[step][what] for step in steps] for what in _SHOWN},
                }
                for color, (name, records) in zip(colors, self._records.items(), strict=True)
            ],
        }
        super().__init__(data=data, **{"step": steps[0], **traits})
        self._measure()

    @traitlets.validate("step")
    def _valid_step(self, proposal) -> int:
        steps = self.data.get("steps", [proposal.value])
        if proposal.value not in steps:
            raise traitlets.TraitError(f"step is {proposal.value}; pass one of {', '.join(map(str, steps))}")
        return proposal.value

    @traitlets.observe("step")
    def _measure(self, change=None) -> None:
        self.metrics = {
            name: {what: records[self.step][what] for what in _SHOWN}
            for name, records in self._records.items()
        }

    def __repr__(self) -> str:
        runs = "; ".join(
            f"{name}: gap {m['gap']:.3f}, temperature {m['tau']:.3g}, loss {m['loss']:.3f}"
            for name, m in self.metrics.items()
        )
        return f"Training scrubber of {len(self._records)} runs at step {self.step}. {runs}."

    def picture(self) -> bytes:
        """Return a PNG of all runs at the step, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.2), dpi=110, layout="constrained")
        at = self.data["steps"].index(self.step)
        panels = figure.subplots(1, len(self._points), squeeze=False, sharex=True, sharey=True)[0]
        for axes, (name, points) in zip(panels, self._points.items(), strict=True):
            plots.plot_pairs(*points[at], ax=axes)
            gap = self.metrics[name]["gap"]
            axes.set_title(f"{name}\nstep {self.step}, gap {gap:.2f}", fontsize=9, parse_math=False)
        return png(figure)


def _records(name: str, history) -> dict[int, dict[str, float]]:
    """Return a run's records by their step, plain numbers only."""
    records = {}
    for record in history.records:
        shown = {what: float(record[what]) for what in _SHOWN}
        if all(way in record for way in _WAYS):
            shown["recall"] = sum(float(record[way]) for way in _WAYS) / 2
        records[int(record["step"])] = shown
    missing = sorted(set(history.snapshots) - set(records))
    if missing:
        raise ValueError(f"run {name!r} has a snapshot but no record of step {missing[0]}")
    return records


def _frames(name: str, history) -> np.ndarray:
    """Return a run's snapshots, shape (steps, 2, n, d)."""
    if len(history.snapshots) < 2:
        raise ValueError(f"run {name!r} has {len(history.snapshots)} snapshots; ask for some with "
                         "TrainConfig(snapshots=...)")  # fmt: skip
    return np.stack([checks.pairs(*history.snapshots[step]) for step in sorted(history.snapshots)])


def _common(histories, frames: dict[str, np.ndarray]) -> tuple[list[int], int]:
    """Return the steps and the number of pairs, which all runs share."""
    steps = [sorted(map(int, history.snapshots)) for history in histories.values()]
    sizes = {name: snapshots.shape[2] for name, snapshots in frames.items()}
    if any(other != steps[0] for other in steps):
        raise ValueError("the runs have snapshots at different steps; train them with the same snapshots")
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the runs have unlike numbers of validation pairs: {sizes}")
    return steps[0], next(iter(sizes.values()))


def _plane(frames: np.ndarray) -> np.ndarray:
    """Return all snapshots' coordinates along the mean gap and across it, shape (steps, 2, n, 2)."""
    flat = frames.reshape(-1, frames.shape[-1]).astype(float)
    axes = []
    images, texts = frames.mean(axis=(0, 2), dtype=float)
    gap = images - texts
    if np.linalg.norm(gap) > 1e-9:
        axes.append(gap / np.linalg.norm(gap))
        flat = flat - np.outer(flat @ axes[0], axes[0])
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    for vector in vectors.T[::-1][: 2 - len(axes)]:  # eigenvalues come in rising order
        axes.append(vector * np.sign(vector[np.argmax(np.abs(vector))]))
    return frames @ np.array(axes).T

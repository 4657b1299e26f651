"""The report in a page of the book: a reader's files are read and measured in the browser, and stay there."""

import numpy as np
import traitlets

from mgaplib.book import plots
from mgaplib.embeddings.files import BEGINNINGS, SUFFIXES
from mgaplib.embeddings.tables import MODALITIES
from mgaplib.landscape import ShiftLandscape
from mgaplib.pairs import Pairs
from mgaplib.report import page, pairing, reading
from mgaplib.report.report import MIN_PAIRS, RELATIONS, cosines
from mgaplib.widgets.base import BookWidget, front_end, joined, png, within
from mgaplib.widgets.gap_explorer import CURVE_SHIFTS, SHIFTS, TAUS, GapExplorer, places

#: What a page measures: more rows are drawn, as many as these or as have so many numbers a side.
ROWS, CELLS = 5000, 5000 * 1024
#: How unequally many rows belong together, as the page found out by their cosines.
BLOCKS = {
    "together": "There are {each} {many} for each {one}, and they fit if they are read as {each} of one "
    "{one} after another. So they are taken, in groups.",
    "in turn": "There are {each} {many} for each {one}, and they fit if they are read as one of each {one} "
    "in turn. So they are taken, in groups.",
}
RATES = (0.1, 0.05, 0.01, 0.001)
_TRIALLED = 1000  # pairs on which centring is tried; the report takes all it measures
_DRAWN = 600  # pairs that the explorer shows, as in the report


class MeasureHere(BookWidget):
    """Choose two files of embeddings and see what the report says of them, measured in the browser.

    A worker reads `.npy`, `.npz` and `.csv` files and computes what `report.measure` does, but for the
    corrections, of which it tries centring only; then the GapExplorer shows these very pairs.

    Args:
        examples: Pairs to try, by the words on their buttons; sent as 8-bit codes, cosines about 0.001 off.
        name: See `BookWidget`.

    Attributes:
        shift, tau, zoom, pair: The explorer's settings; see `GapExplorer`.

    Raises:
        TypeError, ValueError: If the examples are no pairs, or there are none.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(40, 8))
        >>> MeasureHere({"drawn pairs": Pairs(x + 1, x - 1)})
        A page that measures files of embeddings in the browser; to try it on: drawn pairs.

    Taught in chapter measure_here.
    """

    _esm = front_end("measure_here")
    settings = GapExplorer.settings

    shift = traitlets.Float(0.0).tag(sync=True)
    tau = traitlets.Float(0.01).tag(sync=True)
    zoom = traitlets.Bool(False).tag(sync=True)
    pair = traitlets.Int(-1).tag(sync=True)

    def __init__(self, examples: dict[str, Pairs], **traits):
        if not examples:
            raise ValueError("examples is empty; pass pairs by the words on their buttons")
        self._first = Pairs.of(next(iter(examples.values())))
        data = {
            "worker": joined("measure_worker"),
            "rules": {
                "beginnings": [[first.decode("latin1"), what] for first, what in BEGINNINGS.items()],
                "suffixes": SUFFIXES,
                "modalities": list(MODALITIES.values()),
                "least": MIN_PAIRS,
                "rows": ROWS,
                "cells": CELLS,
                "drawn": _DRAWN,
            },
            "options": {"tau": 0.01, "rates": RATES, "trialled": _TRIALLED},
            "stops": {
                "shifts": SHIFTS.round(6).tolist(), "curve_shifts": CURVE_SHIFTS.round(6).tolist(),
                "taus": TAUS.tolist(), "colors": {"image": plots.IMAGE, "text": plots.TEXT},
            },
            "say": {
                "sentences": reading.SENTENCES, "pairing": pairing.WORDS, "relations": RELATIONS | BLOCKS,
            },
            "chapters": CHAPTERS,
            "page": {
                "shell": page.shell(*map(_slot, ("title", "body", "look", "style"))),
                "alive": page.alive(*map(_slot, ("view", "state", "picture"))),
                "made": f"{page.MADE_BY}, the page that measures your own files",
            },
            "examples": [{"label": label, **coded(pairs)} for label, pairs in examples.items()],
        }  # fmt: skip
        super().__init__(data=data, **traits)

    @traitlets.validate("tau")
    def _valid_tau(self, proposal) -> float:
        return within(proposal, TAUS[0], TAUS[-1], f"a temperature from {TAUS[0]:g} to {TAUS[-1]:g}")

    @traitlets.validate("shift")
    def _valid_shift(self, proposal) -> float:
        return within(proposal, SHIFTS[0], SHIFTS[-1], f"{SHIFTS[0]:g} to {SHIFTS[-1]:g} gaps")

    def __repr__(self) -> str:
        labels = ", ".join(example["label"] for example in self.data["examples"])
        return f"A page that measures files of embeddings in the browser; to try it on: {labels}."

    def picture(self) -> bytes:
        """Return a PNG of the first example: its points and its cosines, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.2), dpi=110, layout="constrained")
        left, right = figure.subplots(1, 2)
        plots.plot_pairs(*places(ShiftLandscape(self._first), 0.0), ax=left)
        left.set(xlabel="along the gap", ylabel="across it", title="images (blue) and texts (orange)")
        found = cosines(self._first)
        for name, color in (("random pairs", "#777777"), ("matched pairs", plots.OTHERS[0])):
            right.hist(found[name], 60, density=True, color=color, alpha=0.6, label=name)
        right.set(xlabel="cosine", yticks=[], title="which score is a match?")
        right.legend(frameon=False)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        return png(figure)


def _slot(name: str) -> str:
    """Return what marks a place that the page fills where it is saved."""
    return f"<!--mgap {name}-->"


#: Where the chapters lie that the report's sentences name, from the folder of Practice.
CHAPTERS = {
    "your_embeddings": "your_embeddings.html", "mixed_search": "mixed_search.html",
    "loss_landscape": "../dynamics/loss_landscape.html", "random_networks": "../cone/random_networks.html",
}  # fmt: skip


def coded(pairs: Pairs) -> dict:
    """Return aligned pairs as 8-bit codes, and what undoes them: codes * scale + offset, by column and side.

    A cosine moves by about 0.001.
    """
    pairs = Pairs.of(pairs)
    sides = np.stack([pairs.images, pairs.texts]).astype(float)
    offset = sides.mean(axis=1, keepdims=True)
    scale = np.maximum(np.abs(sides - offset).max(axis=1, keepdims=True) / 127, 1e-30)
    arrays = {"codes": np.rint((sides - offset) / scale).astype("i1"), "offset": offset.astype("<f4")}
    arrays["scale"] = scale.astype("<f4")
    n, d = pairs.shape
    return {"n": n, "d": d, **{name: array.tobytes() for name, array in arrays.items()}}

"""The GapExplorer: shift the two modalities along the gap and watch distance, loss and retrieval answer."""

import numpy as np
import traitlets

from mgaplib import checks
from mgaplib.book import plots
from mgaplib.landscape import ShiftLandscape
from mgaplib.metrics.retrieval import hit_chance
from mgaplib.metrics.several import distinct_names, named
from mgaplib.pairs import Pairs
from mgaplib.widgets.base import BookWidget, captions_of, front_end, pictures_of, png, sprite, within

#: Where the shift slider stops: fractions of the gap, 0 as trained, about 0.5 closed.
SHIFTS = np.linspace(-1.0, 1.5, 251)
#: Where the loss curve is tabulated; the browser interpolates between them.
CURVE_SHIFTS = SHIFTS[::5]
#: Where the temperature slider stops: numbers one can say, about evenly spaced in their logarithm.
_STEPS = (1, 1.2, 1.5, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8)
TAUS = np.array([5, 6, 7, 8, *(m * ten for ten in (10, 100) for m in _STEPS), 1000]) / 1000
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


class Matches:
    """How often rows, which move against the gap, match best a partner of theirs, which moves along it.

    `pairs` are every pair's row and column number, as `Pairs.partners`; rows without a partner ask for none.
    """

    def __init__(self, gram: np.ndarray, p: np.ndarray, q: np.ndarray, pairs, length: float):
        asked, row = np.unique(pairs[0], return_inverse=True)
        order = np.argsort(row, kind="stable")
        counts = np.bincount(row)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.own = np.full((len(asked), counts.max()), -1)
        self.own[row[order], place] = pairs[1][order]
        self.gram, self.p, self.q, self.length = gram[asked], p[asked], q, length

    def chances(self, shift, rows: np.ndarray) -> np.ndarray:
        """Return some rows' chances that their best match is the right one, at one shift or one for each."""
        t = np.reshape(np.multiply(shift, self.length), (-1, 1))
        p = self.p[rows, None]
        cosines = self.gram[rows] - t * self.q
        cosines += t * p - t * t
        cosines *= 1 / np.sqrt(1 + 2 * t * self.q + t * t)
        # By the moving row's length none is divided, which changes no order: ties are as wide as it is long.
        tie = _TIE * np.sqrt(1 - 2 * t * p + t * t)[:, 0]
        own = self.own[rows]
        found = np.where(own < 0, -np.inf, np.take_along_axis(cosines, own, axis=1))
        best = found.max(axis=1)
        partners = np.count_nonzero(found >= (best - tie)[:, None], axis=1)
        return hit_chance(cosines, best, 1, tie, partners)

    def share(self, shift: float) -> float:
        """Return the share of rows whose best match is the right one."""
        return float(self.chances(shift, slice(None)).mean())

    def steps(self) -> dict:
        """Return the share at every shift as steps, located by bisection between stops, where it is exact."""
        at_stops = np.stack([self.chances(shift, slice(None)) for shift in SHIFTS])
        stop, row = np.nonzero(np.diff(at_stops, axis=0))
        low, high = SHIFTS[stop], SHIFTS[stop + 1]
        for _ in range(24 if len(row) else 0):  # from the stops' distance of 0.01 down to 1e-9
            middle = (low + high) / 2
            same = self.chances(middle, row) == at_stops[stop, row]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        order = np.argsort(high)
        change = (at_stops[stop + 1, row] - at_stops[stop, row])[order]
        values = at_stops[0].mean() + np.append(0, np.cumsum(change)) / len(self.gram)
        at = np.append(SHIFTS[0], high[order])
        return {"count": len(at), "at": at.tobytes(), "value": values.tobytes()}


def recalls(land: ShiftLandscape) -> dict[str, Matches]:
    """Return how often each side finds the other first."""
    partners, length = land.pairs.partners, land.gap_length
    return {
        "recall_image_to_text": Matches(land.gram, land.p, land.q, partners, length),
        "recall_text_to_image": Matches(land.gram.T, -land.q, -land.p, partners[::-1], length),
    }


def across(land: ShiftLandscape) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities' coordinates along the first principal component orthogonal to the gap."""
    union = np.concatenate([land.images, land.texts]).astype(float)
    flat = union - np.outer(union @ land.direction, land.direction)
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    axis = vectors[:, -1]
    along = flat @ (axis * np.sign(axis[np.argmax(np.abs(axis))]))
    return along[: len(land.images)], along[len(land.images) :]


def places(land: ShiftLandscape, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities in the plane at a shift: along the gap, and across it."""
    t = shift * land.gap_length
    sides = across(land)
    images = np.stack([land.p - t, sides[0]], axis=1) / np.sqrt(1 - 2 * t * land.p + t * t)[:, None]
    texts = np.stack([land.q + t, sides[1]], axis=1) / np.sqrt(1 + 2 * t * land.q + t * t)[:, None]
    return images, texts


def pack(land: ShiftLandscape, matches: dict[str, Matches]) -> dict:
    """Return the landscape as plain numbers and little-endian binary arrays."""
    gram = land.gram.astype(float)
    centre = (gram.max() + gram.min()) / 2
    step = max((gram.max() - gram.min()) / 65534, 1e-12)
    across_images, across_texts = across(land)
    # In float32 twice as fast, and far finer than a pixel.
    drawn = ShiftLandscape(Pairs.trusted(land.images, land.texts, land.pairs.groups), dtype="float32")
    curves = drawn.both_losses(CURVE_SHIFTS, TAUS).transpose(1, 2, 0)
    arrays = {
        "gram": np.rint((gram - centre) / step).astype("<i2"),
        "own": gram[land.pairs.partners].astype("<f8"),
        "p": land.p.astype("<f8"),
        "q": land.q.astype("<f8"),
        "across_images": across_images.astype("<f8"),
        "across_texts": across_texts.astype("<f8"),
        "squared_gaps": (land.modality_gap(SHIFTS) ** 2).astype("<f8"),
        "curves": curves.astype("<f4"),
    }
    several = {}
    if land.pairs.groups is not None:
        first, second = (side.astype("<i4") for side in land.pairs.partners)
        several["partners"] = {"count": len(first), "images": first.tobytes(), "texts": second.tobytes()}
    return {
        "n": gram.shape[0],
        "m": gram.shape[1],
        **several,
        "gap_length": land.gap_length,
        "gram_centre": float(centre),
        "gram_step": float(step),
        "shift_range": [float(SHIFTS[0]), float(SHIFTS[-1])],
        "stops": len(SHIFTS),
        "curve_stops": len(CURVE_SHIFTS),
        "taus": TAUS.tolist(),
        "colors": {"image": plots.IMAGE, "text": plots.TEXT},
        "steps": {name: match.steps() for name, match in matches.items()},
        **{name: array.tobytes() for name, array in arrays.items()},
    }


class GapExplorer(BookWidget):
    """Sliders for the shift and the temperature; points, loss landscape, gap, loss and recall follow.

    A shift of `lam` moves the images by `-lam * gap` and the texts by `+lam * gap` and normalises again, as
    `landscape.shift`: 0 is as trained, about 0.5 closes the gap.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, as in `pairs.Pairs`; each distinct row is a dot, and any partner counts.
        labels: Class of each image, integers from 0, for zero-shot accuracy.
        class_embeddings: Text embedding of each class, d columns; given with `labels`.
        captions: A text for each of the texts, shown where a reader points at its pair.
        pictures: One an image, shown beside it: n uint8 squares of 3 colours, sent once at 64 pixels or less.
        max_pairs: With more pairs, this many are drawn at random, and all numbers are theirs; of groups as
            many as have about the same number of cosines.
        names: What the two modalities are called, such as ("audio", "text").

    Attributes:
        shift: Where the modalities are, in gaps, from -1 to 1.5.
        tau: Temperature of the loss, from 0.005 to 1.
        zoom: Whether the loss axis shows what the curve fills, rather than the same at every temperature.
        pair: The pair that is looked at, from 0; -1 is none.
        metrics: Numbers by name: gap, loss, loss_image_to_text, loss_text_to_image, recall_image_to_text,
            recall_text_to_image, and zero_shot_accuracy if there are labels.

    Raises:
        TypeError, ValueError: If the embeddings or labels make no sense, they have no gap, or something that
            belongs to each pair does not have n entries.

    Example:
        >>> images, axis = np.random.default_rng(0).normal(size=(40, 8)), np.eye(8)[0]
        >>> explorer = GapExplorer(images + 3 * axis, images - 3 * axis)
        >>> explorer.shift = 0.5
        >>> explorer.metrics["gap"] < 0.1
        True

    Taught in chapter index.
    """

    _esm = front_end("gap_explorer")
    settings = ("shift", "tau", "zoom", "pair")

    shift = traitlets.Float(0.0).tag(sync=True)
    tau = traitlets.Float(0.01).tag(sync=True)
    zoom = traitlets.Bool(False).tag(sync=True)
    pair = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        images,
        texts=None,
        *,
        groups=None,
        labels=None,
        class_embeddings=None,
        captions=None,
        pictures=None,
        max_pairs: int = 600,
        names: tuple[str, str] = ("image", "text"),
        **traits,
    ):
        pairs = Pairs.of(images, texts, groups=groups, notice=True)
        self._names, note = tuple(distinct_names(names)), ""
        came = [len(side) for side in (images, texts)] if texts is not None else [len(pairs)] * 2
        if texts is None and pairs.groups is None:
            pairs = Pairs.trusted(pairs.images, pairs.texts)  # what comes beside it is numbered as its rows
        elif texts is None:  # behind the last row that was kept there were repeats only
            came = [1 + int(rows.max()) for rows in pairs.rows]
            labels, pictures = (None if one is None else one[: came[0]] for one in (labels, pictures))
            captions = None if captions is None else captions[: came[1]]
        total, d = pairs.shape
        if (labels is None) != (class_embeddings is None):
            raise ValueError("labels and class_embeddings belong together: pass both or neither")
        if max_pairs < 2:
            raise ValueError(f"max_pairs is {max_pairs}; a gap needs at least 2 pairs")
        if labels is not None:
            class_embeddings = checks.embeddings(class_embeddings, "class_embeddings")
            if class_embeddings.shape[1] != d:
                raise ValueError(
                    f"class_embeddings has {class_embeddings.shape[1]} columns and images {d}; "
                    "embed both with the same model"
                )
            labels = _labels(labels, came[0], len(class_embeddings))
        what = "pairs" if pairs.groups is None else "groups"
        most = int(max_pairs * total / np.sqrt(len(pairs.images) * len(pairs.texts)))
        if total > most:
            rows = np.sort(np.random.default_rng(0).choice(total, max(most, 2), replace=False))
            pairs = pairs.take(rows)
            note = f"{len(rows)} of {total} {what}, drawn at random; every number here is theirs."
        of_images, of_texts = pairs.rows  # of those that came in
        self._land = land = ShiftLandscape(pairs, dtype="float64")
        self._matches = recalls(land)
        if labels is not None:
            classes, own = class_embeddings.astype(float), (np.arange(len(of_images)), labels[of_images])
            self._matches["zero_shot_accuracy"] = Matches(
                land.images @ classes.T, land.p, classes @ land.direction, own, land.gap_length
            )
        data = pack(land, self._matches)
        data["note"] = named(note, self._names)
        data["names"] = self._names
        data["plurals"] = [named(one, self._names) for one in ("images", "texts")]
        if captions is not None:
            captions = captions_of(captions, came[1])
            data["captions"] = [captions[row] for row in of_texts]
        if pictures is not None:
            data["pictures"] = sprite(pictures_of(pictures, came[0])[of_images])
        super().__init__(data=data, **traits)
        self._measure()

    @traitlets.validate("shift")
    def _valid_shift(self, proposal) -> float:
        low, high = SHIFTS[[0, -1]]
        return within(proposal, low, high, f"{low:g} to {high:g} gaps")

    @traitlets.validate("tau")
    def _valid_tau(self, proposal) -> float:
        if proposal.value > 3:
            checks.temperature(proposal.value)
        low, high = TAUS[[0, -1]]
        return within(proposal, low, high, f"a temperature from {low:g} to {high:g}")

    @traitlets.validate("pair")
    def _valid_pair(self, proposal) -> int:
        last = len(self._land.pairs.partners[0]) - 1
        return within(proposal, -1, last, f"0 to {last}, or -1 for none")

    @traitlets.observe("shift", "tau")
    def _measure(self, change=None) -> None:
        losses = {
            f"loss_{way}": float(self._land.loss(self.shift, self.tau, direction=way)[0, 0])
            for way in ("image_to_text", "text_to_image")
        }
        self.metrics = {
            "gap": float(self._land.modality_gap(self.shift)[0]),
            "loss": sum(losses.values()) / 2,
            **losses,
            **{name: match.share(self.shift) for name, match in self._matches.items()},
        }

    def __repr__(self) -> str:
        m, pairs = self.metrics, self._land.pairs
        what = f"{len(pairs)} pairs"
        if pairs.groups is not None:
            what = f"{len(pairs.images)} images and {len(pairs.texts)} texts in {len(pairs)} groups"
        words = (
            f"Gap explorer of {what} at shift {self.shift:g} and temperature {self.tau:g}: "
            f"gap {m['gap']:.3f}, loss {m['loss']:.3f}, R@1 {m['recall_image_to_text']:.3f} image to text "
            f"and {m['recall_text_to_image']:.3f} text to image."
        )
        return named(words, self._names)

    def picture(self) -> bytes:
        """Return a PNG of the points and the loss landscape as they stand, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.4), dpi=110, layout="none")
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.09, right=0.98, bottom=0.15, top=0.91, wspace=0.24)
        partners = self._land.pairs.partners
        plots.plot_pairs(
            *(side[of] for side, of in zip(places(self._land, self.shift), partners, strict=True)), ax=left
        )
        left.set(
            xlabel="along the gap",
            ylabel="across it",
            title=named("images (blue) and texts (orange)", self._names),
        )
        shifts = CURVE_SHIFTS
        right.plot(shifts, self._land.loss(shifts, self.tau)[:, 0], color="#333333")
        right.plot(self.shift, self.metrics["loss"], "o", color=plots.OTHERS[0], ms=9)
        right.set(xlabel="shift, in gaps", ylabel="loss", title=f"loss at temperature {self.tau:g}")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        return png(figure)


def _labels(labels, n: int, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels hold {labels.dtype}; pass integers, the index of each image's class")
    if labels.shape != (n,):
        raise ValueError(f"labels has shape {labels.shape}; pass one for each of the {n} images")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}; class_embeddings has {classes} rows"
        )
    return labels

"""The GapExplorer: shift the two modalities along the gap and watch distance, loss and retrieval answer."""

import numpy as np
import traitlets

from mgaplib import _checks, plots
from mgaplib.landscape import ShiftLandscape
from mgaplib.widgets import _explorer_data
from mgaplib.widgets._base import BookWidget, front_end, png


class GapExplorer(BookWidget):
    """Sliders for the shift and the temperature; points, loss landscape, gap, loss and recall follow.

    A shift of `lam` moves the images by `-lam * gap` and the texts by `+lam * gap` and normalises again, as
    `landscape.shift`: 0 is as trained, about 0.5 closes the gap. The data travel once; every number shown is
    then computed in the browser, so that the widget lives without a kernel, too. In a kernel, `shift` and
    `tau` can be read and set, and `metrics` holds the numbers at that setting.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.
        labels: Class of each image, integers from 0, for zero-shot accuracy.
        class_embeddings: Text embedding of each class, d columns; given with `labels`.
        thumbnails: A small picture of each pair: uint8 array of n squares with 3 colours.
        captions: A text for each pair.
        max_pairs: With more pairs, this many are drawn at random, and all numbers are theirs.

    Attributes:
        shift: Where the modalities are, in gaps, from -1 to 1.5.
        tau: Temperature of the loss, from 0.005 to 1.
        metrics: Numbers by name: gap, loss, loss_image_to_text, loss_text_to_image, recall_image_to_text,
            recall_text_to_image, and zero_shot_accuracy if there are labels.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers, or the labels no integers.
        ValueError: If the embeddings are malformed or have no gap, or something that belongs to each pair
            does not have n entries.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> images, axis = rng.normal(size=(40, 8)), np.eye(8)[0]
        >>> explorer = GapExplorer(images + 3 * axis, images - 3 * axis)
        >>> explorer.shift = 0.5
        >>> explorer.metrics["gap"] < 0.1
        True

    Taught in chapter index.
    """

    _esm = front_end("_explorer_engine", "_explorer_pictures", "gap_explorer")

    shift = traitlets.Float(0.0).tag(sync=True)
    tau = traitlets.Float(0.01).tag(sync=True)
    metrics = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        images,
        texts,
        *,
        labels=None,
        class_embeddings=None,
        thumbnails=None,
        captions=None,
        max_pairs: int = 600,
        **traits,
    ):
        images, texts = _checks.pairs(images, texts)
        total = len(images)
        if (labels is None) != (class_embeddings is None):
            raise ValueError("labels and class_embeddings belong together: pass both or neither")
        if max_pairs < 2:
            raise ValueError(f"max_pairs is {max_pairs}; a gap needs at least 2 pairs")
        if labels is not None:
            class_embeddings = _checks.embeddings(class_embeddings, "class_embeddings")
            if class_embeddings.shape[1] != images.shape[1]:
                raise ValueError(
                    f"class_embeddings has {class_embeddings.shape[1]} columns and images {images.shape[1]}; "
                    "embed both with the same model"
                )
            labels = _labels(labels, total, len(class_embeddings))
        thumbnails = None if thumbnails is None else _pictures(thumbnails, total)
        captions = None if captions is None else _captions(captions, total)
        note = ""
        if total > max_pairs:
            rows = np.sort(np.random.default_rng(0).choice(total, max_pairs, replace=False))
            images, texts = images[rows], texts[rows]
            labels = None if labels is None else labels[rows]
            thumbnails = None if thumbnails is None else thumbnails[rows]
            captions = None if captions is None else [captions[row] for row in rows]
            note = f"{max_pairs} of {total} pairs, drawn at random; every number here is theirs."
        self._land = land = ShiftLandscape(images, texts, dtype="float64")
        own = np.arange(len(images))
        self._matches = {
            "recall_image_to_text": _explorer_data.Matches(land.gram, land.p, land.q, own, land.gap_length),
            "recall_text_to_image": _explorer_data.Matches(
                land.gram.T, -land.q, -land.p, own, land.gap_length
            ),
        }
        if labels is not None:
            self._matches["zero_shot_accuracy"] = _explorer_data.Matches(
                land.images @ class_embeddings.T.astype(float),
                land.p,
                class_embeddings.astype(float) @ land.direction,
                labels,
                land.gap_length,
            )
        data = _explorer_data.pack(land, self._matches)
        data["note"] = note
        if thumbnails is not None:
            data["thumbnails"] = _explorer_data.atlas(thumbnails)
        if captions is not None:
            data["captions"] = captions
        super().__init__(data=data, **traits)
        self._measure()

    @traitlets.validate("shift")
    def _valid_shift(self, proposal) -> float:
        low, high = _explorer_data.SHIFTS[[0, -1]]
        if not low <= proposal.value <= high:
            raise traitlets.TraitError(f"shift is {proposal.value}; pass {low:g} to {high:g} gaps")
        return proposal.value

    @traitlets.validate("tau")
    def _valid_tau(self, proposal) -> float:
        low, high = _explorer_data.TAUS[[0, -1]]
        if not low <= proposal.value <= high:
            raise traitlets.TraitError(
                f"tau is {proposal.value}; pass a temperature from {low:g} to {high:g}"
            )
        return proposal.value

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
        n, m = self.data["n"], self.metrics
        return (
            f"Gap explorer of {n} pairs at shift {self.shift:g} and temperature {self.tau:g}: "
            f"gap {m['gap']:.3f}, loss {m['loss']:.3f}, R@1 {m['recall_image_to_text']:.3f} image to text "
            f"and {m['recall_text_to_image']:.3f} text to image."
        )

    def picture(self) -> bytes:
        """Return a PNG of the points and the loss landscape as they stand, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
        left, right = figure.subplots(1, 2)
        plots.plot_pairs(*_explorer_data.places(self._land, self.shift), ax=left)
        left.set(xlabel="along the gap", ylabel="across it", title="images (blue) and texts (orange)")
        shifts = _explorer_data.CURVE_SHIFTS
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


def _pictures(thumbnails, n: int) -> np.ndarray:
    pictures = np.asarray(thumbnails)
    shape = pictures.shape
    if (
        pictures.dtype != np.uint8
        or len(shape) != 4
        or shape[0] != n
        or shape[1] != shape[2]
        or shape[3] != 3
    ):
        raise ValueError(
            f"thumbnails has shape {shape} and holds {pictures.dtype}; "
            f"pass uint8 squares, shape ({n}, size, size, 3)"
        )
    return pictures


def _captions(captions, n: int) -> list[str]:
    captions = [str(caption) for caption in captions]
    if len(captions) != n:
        raise ValueError(f"captions has {len(captions)} entries; pass one for each of the {n} pairs")
    return captions

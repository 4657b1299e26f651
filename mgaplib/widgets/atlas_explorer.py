"""The AtlasExplorer: two models side by side, their cosines as pictures, moved along the gap together."""

from collections.abc import Mapping

import numpy as np
import traitlets
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from mgaplib import checks, landscape, metrics
from mgaplib.book import plots
from mgaplib.metrics import embeddings_from_gram
from mgaplib.pairs import Pairs
from mgaplib.widgets.base import BookWidget, captions_of, front_end, pictures_of, png, sprite, within
from mgaplib.widgets.gap_explorer import SHIFTS, across, recalls

_MOST = 200  # pairs: a model weighs about 4 n^2 bytes, a third more in a page


class AtlasExplorer(BookWidget):
    """Two models of many, side by side: matrices of cosines, clouds, histograms and numbers at one shift.

    One slider moves both as `landscape.shift` does: 0 is as trained, about 0.5 closes a gap. Rows of the
    matrices are sorted so that like stands by like, the same way for all models of the same pairs. Cosines
    travel in 16 bits across the modalities and 8 within: a model of 100 pairs weighs 50 kB in a page.

    Args:
        models: For each model's name its `Pairs`, or its images and texts, or the cosines of 2n rows, images
            first and texts after them. At most 200 pairs a model.
        captions: A text for each pair, or a dict of them for some models; equal captions mean equal pairs.
        pictures: A picture for each pair, uint8 squares with 3 colours; or a dict of them. They are sent once
            for all models of the same pairs, at 64 pixels or less.

    Attributes:
        left, right: The models that are looked at.
        shift: Where the modalities are, in gaps, from -1 to 1.5.
        pair: The pair that is looked at, from 0; -1 is none.
        metrics: For left and right: gap, relative_modality_gap, recall_image_to_text, recall_text_to_image.

    Raises:
        TypeError, ValueError: If there are no two models, embeddings or cosines make no sense, have no gap or
            are too many, or captions or pictures are not one for each pair.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(20, 5))
        >>> atlas = AtlasExplorer({"apart": (x + 2, x - 2), "closer": (x + 0.2, x - 0.2)})
        >>> atlas.metrics["left"]["gap"] > atlas.metrics["right"]["gap"]
        True

    Taught in chapter real_models.
    """

    _esm = front_end("atlas_explorer")
    settings = ("left", "right", "shift", "pair")

    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    shift = traitlets.Float(0.0).tag(sync=True)
    pair = traitlets.Int(-1).tag(sync=True)

    def __init__(self, models: Mapping, *, captions=None, pictures=None, **traits):
        if not isinstance(models, Mapping) or len(models) < 2:
            raise ValueError("models holds fewer than two; pass a dict of two models or more by their names")
        self._pairs = {str(name): _pairs(str(name), model) for name, model in models.items()}
        names = list(self._pairs)
        self._n = {name: len(pairs) for name, pairs in self._pairs.items()}
        captions = _for_each(captions, self._n, "captions", captions_of)
        pictures = _for_each(pictures, self._n, "pictures", pictures_of)
        sets: dict[tuple, list[str]] = {}  # models of the same pairs
        for name in names:
            sets.setdefault((self._n[name], *captions.get(name, ())), []).append(name)
        data = {
            "shift_range": [float(SHIFTS[0]), float(SHIFTS[-1])],
            "stops": len(SHIFTS),
            "colors": {"image": plots.IMAGE, "text": plots.TEXT},
            "sets": [_set(members, self._pairs, captions, pictures) for members in sets.values()],
            "models": [
                {"name": name, "set": k, **_pack(name, self._pairs[name])}
                for k, members in enumerate(sets.values())
                for name in members
            ],
        }
        super().__init__(data=data, **{"left": names[0], "right": names[1], **traits})
        self._measure()

    @traitlets.validate("left", "right")
    def _valid_model(self, proposal) -> str:
        try:
            return checks.known(proposal.value, self._pairs, "model")
        except ValueError as error:
            raise traitlets.TraitError(f"{proposal.trait.name}: {error}") from error

    @traitlets.validate("shift")
    def _valid_shift(self, proposal) -> float:
        low, high = SHIFTS[[0, -1]]
        return within(proposal, low, high, f"{low:g} to {high:g} gaps")

    @traitlets.validate("pair")
    def _valid_pair(self, proposal) -> int:
        last = max(self._n.values()) - 1
        return within(proposal, -1, last, f"0 to {last}, or -1 for none")

    @traitlets.observe("left", "right", "shift")
    def _measure(self, change=None) -> None:
        if self.left and self.right:  # else the traits are being set
            left, right = (_numbers(self._pairs[name], self.shift) for name in (self.left, self.right))
            self.metrics = {"left": left, "right": right}

    def __repr__(self) -> str:
        sides = [
            f"{name}: gap {m['gap']:.3f}, RMG {m['relative_modality_gap']:.3f}, R@1 "
            f"{m['recall_image_to_text']:.3f} image to text and {m['recall_text_to_image']:.3f} text to image"
            for name, m in zip((self.left, self.right), self.metrics.values(), strict=True)
        ]
        return f"Atlas explorer of {len(self._pairs)} models at shift {self.shift:g}. {'; '.join(sides)}."

    def picture(self) -> bytes:
        """Return a PNG of both models' cosines as they stand, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4.1), dpi=110, layout="constrained")
        orders = {m["name"]: self.data["sets"][m["set"]]["order"] for m in self.data["models"]}
        sides = zip(figure.subplots(1, 2), (self.left, self.right), self.metrics.values(), strict=True)
        for axes, name, m in sides:
            n, order = self._n[name], np.array(orders[name])
            rows = np.concatenate(landscape.shift(self._pairs[name], None, self.shift))
            cosines = (rows @ rows.T)[np.ix_(*[np.append(order, order + n)] * 2)]
            drawn = axes.imshow(cosines, vmin=-0.2, vmax=1, cmap="viridis", interpolation="nearest")
            title = f"{name}\ngap {m['gap']:.2f}, R@1 {m['recall_image_to_text']:.2f}"
            axes.set_title(title, parse_math=False)
            axes.set(xticks=[n / 2, 1.5 * n], xticklabels=["images", "texts"], yticks=[])
        figure.colorbar(drawn, ax=figure.axes, label="cosine", shrink=0.8)
        return png(figure)


def _pairs(name: str, model) -> Pairs:
    """Return a model's pairs, however they were given."""
    try:
        if isinstance(model, Pairs):
            pairs = model
        elif isinstance(model, tuple | list) and len(model) == 2:
            pairs = Pairs.of(*model)
        else:
            pairs = Pairs.trusted(*embeddings_from_gram(model))
    except (TypeError, ValueError) as error:
        raise type(error)(f"model {name!r}: {error}") from error
    if pairs.groups is not None:
        raise ValueError(f"model {name!r} has groups, no rows beside rows; pass its pairs.one_each()")
    if len(pairs) > _MOST:
        raise ValueError(
            f"model {name!r} has {len(pairs)} pairs; pass at most {_MOST}, Pairs.take draws some"
        )
    return pairs


def _for_each(given, sizes: dict[str, int], what: str, check) -> dict:
    """Return what was given for all models, or for some in a dict, by the model's name, checked."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = dict.fromkeys(sizes, given)
    return {
        checks.known(name, sizes, f"model in {what}"): check(one, sizes[name]) for name, one in given.items()
    }


def _order(members: list[Pairs]) -> list[int]:
    """Return the order of the pairs in which like stands by like, in the mean of the models."""
    cosines = np.mean([side @ side.T for pairs in members for side in (pairs.images, pairs.texts)], axis=0)
    distances = squareform(np.clip(1 - cosines, 0, None), checks=False)
    tree = hierarchy.linkage(distances, "average", optimal_ordering=True)
    return hierarchy.leaves_list(tree).tolist()


def _set(members: list[str], pairs: dict, captions: dict, pictures: dict) -> dict:
    """Return what models of the same pairs share."""
    shared = {"order": _order([pairs[name] for name in members])}
    if members[0] in captions:
        shared["captions"] = captions[members[0]]
    shown = [pictures[name] for name in members if name in pictures]
    if shown:
        shared["pictures"] = sprite(shown[0])
    return shared


def _pack(name: str, pairs: Pairs) -> dict:
    """Return a model's cosines: 16 bits across, where ranks count, 8 within; and its places."""
    try:
        land = landscape.ShiftLandscape(pairs, dtype="float64")
    except ValueError as error:
        raise ValueError(f"model {name!r}: {error}") from error
    upper = np.triu_indices(len(pairs), 1)
    within = [(side @ side.T)[upper] for side in (land.images, land.texts)]
    return {
        "steps": {name: match.steps() for name, match in recalls(land).items()},
        "squared_gaps": (land.modality_gap(SHIFTS) ** 2).astype("<f8").tobytes(),
        "n": len(pairs),
        "gap_length": land.gap_length,
        "cross": _levels(land.gram, "<i2"),
        "within": _levels(np.concatenate(within), "u1"),
        "along": np.concatenate([land.p, land.q]).astype("<f4").tobytes(),
        "across": np.concatenate(across(land)).astype("<f4").tobytes(),
    }


def _levels(cosines: np.ndarray, kind: str) -> dict:
    """Return cosines as even levels of an integer type, and the cosine of level 0."""
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    step = max(float(np.ptp(cosines)) / (high - low), 1e-12)
    centre = float(cosines.min()) - low * step
    levels = np.clip(np.rint((cosines - centre) / step), low, high)
    return {"centre": centre, "step": step, "levels": levels.astype(kind).tobytes()}


def _numbers(pairs: Pairs, shift: float) -> dict[str, float]:
    moved = Pairs.of(*landscape.shift(pairs, None, shift))
    return {
        "gap": metrics.modality_gap(moved),
        "relative_modality_gap": metrics.relative_modality_gap(moved),
        "recall_image_to_text": metrics.recall_at_k(moved),
        "recall_text_to_image": metrics.recall_at_k(moved.swapped),
    }

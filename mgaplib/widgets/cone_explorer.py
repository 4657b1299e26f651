"""The ConeExplorer: how depth and activation squeeze the features of a random network into a cone."""

import numpy as np
import traitlets

from mgaplib import checks, cone, metrics
from mgaplib.book import plots
from mgaplib.cone import kernels
from mgaplib.widgets.base import BookWidget, front_end, png, within

_BINS = np.linspace(-1, 1, 101)


class ConeExplorer(BookWidget):
    """Sliders for depth and activation; the cosines of a random network's features and their cone follow.

    The networks are drawn and measured once, in Python; small tables travel to the browser. The half-angle's
    cosine is the length of the mean unit vector: a feature's mean cosine with that direction.

    Args:
        activations: Some of `kernels.ACTIVATIONS`; all of them if None.
        depth, width: How many layers, and units a layer.
        inputs: Floating array, one input a row; 256 rows of `width` standard normal numbers if None.
        seed: Seed of the weights, and of the inputs if there are none.

    Attributes:
        layer: Layer whose features are looked at; 0 is the inputs.
        activation: Activation of the network that is looked at.
        metrics: Numbers by name: mean_cosine (of distinct pairs), predicted_cosine (of an infinitely wide
            network), half_angle and predicted_half_angle in degrees.

    Raises:
        TypeError, ValueError: If inputs make no sense, an activation is unknown, or depth or width below 1.

    Example:
        >>> explorer = ConeExplorer(["relu"], depth=4, width=64, layer=4)
        >>> abs(explorer.metrics["mean_cosine"] - explorer.metrics["predicted_cosine"]) < 0.1
        True

    Taught in chapter depth_and_activation.
    """

    _esm = front_end("cone_explorer")
    settings = ("layer", "activation")

    layer = traitlets.Int(0).tag(sync=True)
    activation = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, activations=None, depth: int = 25, width: int = 512, inputs=None, seed: int = 0, **traits
    ):
        names = kernels.ACTIVATIONS if activations is None else tuple(activations)
        for name in names:
            checks.known(name, kernels.ACTIVATIONS, "activation")
        if not names:
            raise ValueError("activations is empty; pass some of " + ", ".join(kernels.ACTIVATIONS))
        for value, what in ((depth, "depth"), (width, "width")):
            if value < 1:
                raise ValueError(f"{what} is {value!r}; pass at least 1")
        if inputs is None:
            inputs = np.random.default_rng(seed).standard_normal((256, width), dtype=np.float32)
        inputs = checks.embeddings(inputs, "inputs", normalize=False)
        self._tables = {name: _tables(inputs, name, depth, width, seed) for name in names}
        data = {"depth": depth, "width": width, "rows": len(inputs), "activations": list(names)}
        data["bins"] = len(_BINS) - 1
        for what, kind in {"counts": "<u4", "measured": "<f8", "lengths": "<f8", "predicted": "<f8"}.items():
            data[what] = np.stack([table[what] for table in self._tables.values()]).astype(kind).tobytes()
        first = "relu" if "relu" in names else names[0]
        super().__init__(data=data, **{"layer": min(5, depth), "activation": first, **traits})
        self._measure()

    @traitlets.validate("layer")
    def _valid_layer(self, proposal) -> int:
        depth = self.data.get("depth", proposal.value)
        return within(proposal, 0, depth, f"0, the inputs, to {depth}")

    @traitlets.validate("activation")
    def _valid_activation(self, proposal) -> str:
        if proposal.value not in self._tables:
            known = ", ".join(self._tables)
            raise traitlets.TraitError(f"activation is {proposal.value!r}; pass one of {known}")
        return proposal.value

    @traitlets.observe("layer", "activation")
    def _measure(self, change=None) -> None:
        if not (self.data and self.activation):  # while the traits are being set
            return
        table = self._tables[self.activation]
        predicted, n = float(table["predicted"][self.layer]), self.data["rows"]
        self.metrics = {
            "mean_cosine": float(table["measured"][self.layer]),
            "predicted_cosine": predicted,
            "half_angle": _half_angle(table["lengths"][self.layer]),
            "predicted_half_angle": _half_angle(np.sqrt(1 / n + (1 - 1 / n) * predicted)),
        }

    def __repr__(self) -> str:
        m = self.metrics
        return (
            f"Cone explorer: {self.data['rows']} inputs after {self.layer} random {self.activation} layers, "
            f"{self.data['width']} wide: mean cosine {m['mean_cosine']:.3f}, predicted "
            f"{m['predicted_cosine']:.3f}; half-angle of the cone {m['half_angle']:.0f} degrees."
        )

    def picture(self) -> bytes:
        """Return a PNG of the histogram and of the mean by layer, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
        left, right = figure.subplots(1, 2)
        table = self._tables[self.activation]
        left.stairs(table["counts"][self.layer], _BINS, fill=True, color="#999999")
        left.axvline(self.metrics["mean_cosine"], color="black")
        left.set(xlabel="cosine", title=f"pairs after {self.layer} {self.activation} layers", yticks=[])
        right.plot(table["predicted"], color="#333333", lw=1)
        right.plot(table["measured"], "o", color=plots.OTHERS[1], ms=3)
        right.plot(self.layer, self.metrics["mean_cosine"], "o", color=plots.OTHERS[0], ms=9)
        right.set(xlabel="layer", ylabel="mean cosine", title="measured (dots), predicted (line)")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        return png(figure)


def _tables(inputs, activation: str, depth: int, width: int, seed: int) -> dict[str, np.ndarray]:
    """Return, layer by layer, the cosines' histogram and mean, the mean's length, the prediction."""
    rng = np.random.default_rng([seed, kernels.ACTIVATIONS.index(activation)])
    upper = np.triu_indices(len(inputs), 1)
    table = {"counts": [], "measured": [], "lengths": []}
    for features in cone.mlp_layers(inputs, depth, activation, rng, width=width):
        unit = checks.embeddings(features, "features")
        cosines = np.clip((unit @ unit.T)[upper], -1, 1)  # rounding may leave the interval
        table["counts"].append(np.histogram(cosines, _BINS)[0])
        table["measured"].append(metrics.mean_cosine(features))
        table["lengths"].append(np.sqrt(cone.full_mean_cosine(features)))
    squared_norm = float(np.square(inputs, dtype=float).sum(axis=1).mean())
    table["predicted"] = kernels.predicted_cosines(
        depth, activation, cosine=table["measured"][0], squared_norm=squared_norm, width=width
    )
    return {what: np.array(values) for what, values in table.items()}


def _half_angle(length: float) -> float:
    return float(np.degrees(np.arccos(np.clip(length, 0, 1))))

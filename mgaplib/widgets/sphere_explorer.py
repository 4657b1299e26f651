"""The SphereExplorer: six pairs on a globe, two captions swapped, and the loss of lifting the texts."""

import numpy as np
import traitlets

from mgaplib import checks, metrics
from mgaplib.book import plots
from mgaplib.dynamics import sphere
from mgaplib.widgets.base import BookWidget, front_end, png, within

#: Inverse temperatures at which the slider stops; the paper's 1, 5, 35, 50 and 100 are among them.
SHARPNESS = np.array(
    [1, 2, 3, 4, 5, 7, 10, 12, 15, 18, 20, 21, 22, 25, 30, 35, 40, 50, 60, 80, 100, 150, 200]
)


class SphereExplorer(BookWidget):
    """Six images on the equator, their texts lifted off it; the loss, its minimum and the gap follow.

    Args:
        spacing: Angle between neighbours in degrees: 20 in the authors' code, 15 in the paper's text.

    Attributes:
        elevation: How far the texts lie off the images' equator, in degrees; positive is up. (The
            authors' code counts downwards; loss and gap are the same on either side.)
        tau: Temperature of the loss, from 0.005 to 1.
        mismatched: Whether the first two texts are swapped.
        zoom: Whether the loss axis shows what the curve fills, rather than the same at every temperature.
        metrics: Numbers by name: gap, loss, best_elevation (in whole degrees, on either side), best_loss.

    Raises:
        ValueError: If the spacing is not a positive number of degrees up to 60.

    Example:
        >>> explorer = SphereExplorer(tau=1 / 35)
        >>> explorer.metrics["best_elevation"]
        53

    Taught in chapter mismatched_pairs.
    """

    _esm = front_end("sphere_explorer")
    settings = ("elevation", "tau", "mismatched", "zoom")

    elevation = traitlets.Float(0.0).tag(sync=True)
    tau = traitlets.Float(1 / 35).tag(sync=True)
    mismatched = traitlets.Bool(True).tag(sync=True)
    zoom = traitlets.Bool(False).tag(sync=True)

    def __init__(self, spacing: float = 20.0, **traits):
        if not 0 < spacing <= 60:
            raise ValueError(f"spacing is {spacing!r}; pass degrees between neighbours, above 0, at most 60")
        data = {
            "spacing": float(spacing),
            "taus": (1 / SHARPNESS[::-1]).tolist(),
            "colors": {"image": plots.IMAGE, "text": plots.TEXT},
        }
        super().__init__(data=data, **traits)
        self._measure()

    @traitlets.validate("elevation")
    def _valid_elevation(self, proposal) -> float:
        return within(proposal, -90, 90, "degrees from -90 to 90")

    @traitlets.validate("tau")
    def _valid_tau(self, proposal) -> float:
        if proposal.value > 3:
            checks.temperature(proposal.value)
        return within(proposal, 0.005, 1, "a temperature from 0.005 to 1")

    def _pairs(self, elevation: float) -> tuple[np.ndarray, np.ndarray]:
        return sphere.six_pairs(elevation, spacing=self.data["spacing"], mismatched=self.mismatched)

    def _curve(self, elevations) -> np.ndarray:
        return sphere.loss_curve(self._pairs, elevations, self.tau)

    @traitlets.observe("elevation", "tau", "mismatched")
    def _measure(self, change=None) -> None:
        if not self.data:  # while the traits are being set
            return
        losses = self._curve(range(91))  # the loss is the same above the equator
        best = int(losses.argmin())
        self.metrics = {
            "gap": metrics.modality_gap(*self._pairs(self.elevation)),
            "loss": float(self._curve([self.elevation])[0]),
            "best_elevation": best,
            "best_loss": float(losses[best]),
        }

    def __repr__(self) -> str:
        m = self.metrics
        captions = "two captions swapped" if self.mismatched else "all captions right"
        return (
            f"Sphere explorer of 6 pairs, {captions}, at temperature {self.tau:.3g}: texts "
            f"{self.elevation:g} degrees off the equator, gap {m['gap']:.3f}, loss {m['loss']:.3f}; "
            f"the loss is lowest, {m['best_loss']:.3f}, at {m['best_elevation']} degrees."
        )

    def picture(self) -> bytes:
        """Return a PNG of the six pairs and the loss curve as they stand, for where no widget can run."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
        left, right = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
        u, v = np.mgrid[0 : 2 * np.pi : 25j, 0 : np.pi : 13j]
        globe = np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)
        left.plot_wireframe(*globe, color="#999999", lw=0.3, alpha=0.6)
        images, texts = self._pairs(self.elevation)
        texts = texts * [1, 1, -1]  # up, as in the browser
        for pair in zip(images, texts, strict=True):
            left.plot(*np.transpose(pair), color="#555555", lw=1)
        for points, color, size in ((images, plots.IMAGE, 40), (texts, plots.TEXT, 20)):
            left.scatter(*points.T, color=color, s=size, depthshade=False)
        left.set_box_aspect((1, 1, 1), zoom=1.4)
        left.set_axis_off()
        left.view_init(elev=20, azim=1.5 * self.data["spacing"])
        elevations = np.arange(-90, 91, 2)
        right.plot(elevations, self._curve(elevations), color="#333333")
        right.plot(self.elevation, self.metrics["loss"], "o", color=plots.OTHERS[0], ms=9)
        right.set(xlabel="texts off the equator (degrees)", ylabel="loss")
        right.set(title=f"loss at temperature {self.tau:.3g}", xticks=[-90, -45, 0, 45, 90])
        right.spines[["top", "right"]].set_visible(False)
        return png(figure)

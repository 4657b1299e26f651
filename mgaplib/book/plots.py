"""The book's look: one colour for each modality, one style for every figure."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler

IMAGE = "#0072b2"  #: The colour of images on every page (Okabe and Ito's blue).
TEXT = "#d55e00"  #: The colour of texts on every page (Okabe and Ito's vermilion).
PAPER = "#777777"  #: The colour of a value printed in a paper.
#: Colours for anything that is not a modality, colour-blind safe, in this order.
OTHERS = ["#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5d3a9b", "#333333", "#8c6d1f"]


def use_book_style() -> None:
    """Give every later figure the book's fonts, colours and sharpness.

    Figures are SVG in a notebook; a dense scatter is drawn with `rasterized=True`. The face is white,
    since the page puts figures on a light card in dark mode.

    Example:
        >>> use_book_style()
        >>> mpl.rcParams["axes.spines.top"]
        False

    Taught in chapter notation.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6), "figure.dpi": 100, "savefig.dpi": 200, "figure.facecolor": "white",
            "figure.constrained_layout.use": True, "font.size": 11, "axes.titlesize": 11,
            "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=OTHERS), "legend.frameon": False,
            "svg.hashsalt": "mgaplib",  # the same figure gives the same file
        }
    )  # fmt: skip
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # no notebook
        return
    from IPython import get_ipython

    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})


def plot_pairs(image_points, text_points, *, ax=None, lines: bool = True, size: float = 6.0):
    """Draw both modalities in the plane, each pair joined by a faint line, and return the axes.

    Args:
        image_points: Array of n rows and 2 columns.
        text_points: Array of the same shape, row i paired with row i.
        ax: Axes to draw into; new ones if None.
        lines: Whether to join the pairs.
        size: Marker area in square points.

    Example:
        >>> ax = plot_pairs(np.zeros((3, 2)), np.ones((3, 2)))
        >>> len(ax.collections)
        3

    Taught in chapter index.
    """
    from matplotlib.collections import LineCollection

    if ax is None:
        ax = plt.subplots()[1]
    a, b = np.asarray(image_points), np.asarray(text_points)
    if lines:
        segments = LineCollection(np.stack([a, b], axis=1), colors="#000000", alpha=0.05, linewidths=0.6)
        ax.add_collection(segments).set_rasterized(True)
    ax.scatter(*a.T, s=size, c=IMAGE, linewidths=0, rasterized=True)
    ax.scatter(*b.T, s=size, c=TEXT, linewidths=0, rasterized=True)
    ax.autoscale_view()
    return ax

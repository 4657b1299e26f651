"""The book's look: one colour for each modality, one style for every figure."""

import contextlib
import itertools
import os
from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
from cycler import cycler

IMAGE = "#0072b2"  #: The colour of images on every page (Okabe and Ito's blue).
TEXT = "#d55e00"  #: The colour of texts on every page (Okabe and Ito's vermilion).
PAPER = "#777777"  #: The colour of a value printed in a paper.
#: Colours for anything that is not a modality, colour-blind safe, in this order.
#: Each has a contrast of 3 to 1 on white and on a dark page, where `DARK` turns black and greys, and
#: lightens letters.
OTHERS = ["#009e73", "#cc79a7", "#b97f00", "#3593c9", "#7e62c8", "#333333", "#8c6d1f"]
INK = "#ced6dd"  #: What is black or nearly so, on a dark page.
#: Turns a figure's ink and grounds where the page is dark; a picture or a colour in it stays.
DARK = (
    "@media screen and (prefers-color-scheme: dark){"
    f":root{{fill:{INK}}}"  # letters have no colour of their own
    '[id^="text"]{filter:brightness(1.3)}'  # letters are thinner than lines: 4.5 to 1
    '[style*="fill: #000000"],[style*="fill: #333333"]{fill:' + INK + "!important}"
    '[style*="stroke: #000000"],[style*="stroke: #333333"]{stroke:' + INK + "!important}"
    '[style*="stroke: #dddddd"],[style*="stroke: #cccccc"]{stroke:#444!important}'
    '[style*="stroke: #ffffff"]{stroke:#121212!important}'
    ':not([id^="text"])>path[style*="fill: #ffffff"],use[style*="fill: #ffffff"]{fill:#121212!important}'
    '[id^="figure_"]>#patch_1>path,[id^="axes_"]>[id^="patch_"]:first-child>path[style*="fill: #ffffff"]'
    "{fill:none!important}}"
)

#: The colour and the mark of each way to train, by family, of each start and of each world; what a widget
#: draws is seen on white and on black.
LOOKS = {
    "Baseline": ("#8c6d1f", "o"), "learned": ("#8c6d1f", "o"), "FLT": ("#7e62c8", "s"),
    "TS": ("#009e73", "^"), "Softplus": ("#cc79a7", "D"), "Scale": ("#cc79a7", "v"), "SLRT": ("#cc79a7", "p"),
    "HS": ("#b23a68", "P"), "SS": ("#3593c9", "X"),
    "Hard Swap Feature": ("#333333", "h"), "Remove": ("#333333", "*"),
    "fixed 0.01": ("#7e62c8", "s"), "fixed 0.1": ("#b23a68", "s"), "random start": ("#8c6d1f", "o"),
    "closed start": ("#3593c9", "d"), "shapes": ("#009e73", "o"), "emoji": ("#cc79a7", "D"),
}  # fmt: skip


def look(name: str) -> dict[str, str]:
    """Return the colour and the mark that something has in every figure of the book.

    Args:
        name: An arm such as "FLT 0.01", whose family decides, or a world.

    Raises:
        ValueError: If nothing in `LOOKS` begins like it.

    Example:
        >>> look("FLT 0.01") == look("FLT 0.4") == {"color": "#7e62c8", "marker": "s"}
        True

    Taught in chapter temperature.
    """
    for family, (colour, mark) in LOOKS.items():
        if name.startswith(family):
            return {"color": colour, "marker": mark}
    raise ValueError(f"name is {name!r}; it must begin like one of {', '.join(LOOKS)}")


def colours(names: Iterable[str]) -> list[str]:
    """Return a colour for each name: its own where it has one that none before it took, else one of `OTHERS`.

    Example:
        >>> colours(["FLT 0.01", "mine"]) == [look("FLT")["color"], OTHERS[0]]
        True

    Taught in chapter temperature.
    """
    found = []
    for name in names:
        own = next((colour for family, (colour, _) in LOOKS.items() if str(name).startswith(family)), None)
        found.append(None if own in found else own)
    rest = itertools.cycle([colour for colour in OTHERS if colour not in found] or OTHERS)
    return [own or next(rest) for own in found]


def use_book_style() -> None:
    """Give every later figure the book's fonts, colours and sharpness.

    Figures are SVG in a notebook; a dense scatter is drawn with `rasterized=True`. The face is white;
    in the book a figure turns its ink and lets the ground through where the page is dark (see `DARK`).

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
        if os.environ.get("MGAPLIB_STATIC") == "1":
            formatter = get_ipython().display_formatter.formatters["image/svg+xml"]
            wide = formatter.for_type(mpl.figure.Figure)
            formatter.for_type(mpl.figure.Figure, lambda figure: _drawn_twice(figure, wide))


def _drawn_twice(figure, draw):
    """Return a figure as SVG, and in its metadata once more for a phone, where the page finds it."""
    wide = for_dark(draw(figure))
    with narrow(figure) as changed:
        return (wide, {"mgaplib_narrow": for_dark(draw(figure))}) if changed else wide


def for_dark(svg: str) -> str:
    """Return a drawing, in SVG, that follows the page: an image has the colour scheme of its element.

    Raises:
        ValueError: If the drawing has no styles, as each of matplotlib's has.

    Example:
        >>> for_dark("<style></style>") == f"<style>{DARK}</style>"
        True

    Taught in chapter notation.
    """
    if "</style>" not in svg:
        raise ValueError("svg has no </style>; pass a figure that matplotlib saved as SVG")
    return svg.replace("</style>", DARK + "</style>", 1)


@contextlib.contextmanager
def narrow(figure, width: float = 3.9):
    """Lay a figure out for a phone while the block runs, and as it was after it.

    Its letters keep their size, and panels that stood side by side stand one below the other, two in a row if
    they are more than four; rows of pictures and panels that span several places stay where they are. Yields
    whether anything was changed: a figure that is narrow enough, in inches, stays as it is.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> figure, axes = plt.subplots(1, 2)
        >>> with narrow(figure):
        ...     [ax.get_subplotspec().get_gridspec().nrows for ax in axes]
        [2, 2]
        >>> axes[1].get_subplotspec().get_gridspec().nrows
        1

    Taught in chapter notation.
    """
    size, panels = figure.get_size_inches(), [ax for ax in figure.axes if ax.get_subplotspec() is not None]
    if size[0] <= 1.1 * width:
        yield False
        return
    before = {ax: ax.get_subplotspec() for ax in panels}
    grids = {spec.get_gridspec() for spec in before.values()}
    texts = [ax.title for ax in panels] + [ax._left_title for ax in panels]
    wrapped = [text.get_wrap() for text in texts]
    labels = {
        ax: [
            axis.get_tick_params().get(f"label{side}", True)
            for axis, side in ((ax.yaxis, "left"), (ax.xaxis, "bottom"))
        ]
        for ax in panels
    }
    bare = not any(ax.axison and len(ax.get_xticks()) for ax in panels)
    pictures = bare and any(ax.images for ax in panels)
    rows = 1
    if len(grids) == 1 and all(spec.num1 == spec.num2 for spec in before.values()):
        [grid] = grids
        places = sorted({spec.num1 for spec in before.values()})
        rows = grid.nrows
        if grid.ncols > 1 and not pictures:
            columns = 1 if len(places) <= 4 else 2
            rows = -(-len(places) // columns)
            stacked = mpl.gridspec.GridSpec(rows, columns, figure=figure)
            for ax, spec in before.items():
                place = places.index(spec.num1)
                ax.set_subplotspec(stacked[place])
                # each axis reads alone, but for what stands right of the one whose labels it shares
                ax.tick_params(labelleft=labels[ax][0] or place % columns == 0, labelbottom=True)
        high = size[1] / grid.nrows * (width / size[0] if pictures else 1)
    else:
        high = size[1]
    try:
        for text in texts:
            text.set_wrap(True)
        figure.set_size_inches(width, rows * min(high, 0.9 * width))
        yield True
    finally:
        for ax, spec in before.items():
            ax.set_subplotspec(spec)
            ax.tick_params(labelleft=labels[ax][0], labelbottom=labels[ax][1])
        for text, wrap in zip(texts, wrapped, strict=True):
            text.set_wrap(wrap)
        figure.set_size_inches(size)


def plot_pairs(image_points, text_points, *, ax=None, lines: bool = True, size: float = 6.0):
    """Draw both modalities in the plane, each pair joined by a faint line, and return the axes.

    Images are discs and texts triangles, so that colour is not needed to tell them apart.

    Args:
        image_points, text_points: Arrays of n rows and 2 columns, row i paired with row i.
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
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1]
    a, b = np.asarray(image_points), np.asarray(text_points)
    if lines:
        segments = LineCollection(np.stack([a, b], axis=1), colors=PAPER, alpha=0.12, linewidths=0.6)
        ax.add_collection(segments).set_rasterized(True)
    ax.scatter(*a.T, s=size, c=IMAGE, linewidths=0, rasterized=True)
    ax.scatter(*b.T, s=size, c=TEXT, marker="^", linewidths=0, rasterized=True)
    ax.autoscale_view()
    return ax

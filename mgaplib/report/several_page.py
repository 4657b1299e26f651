"""The report of three modalities or more as one page: the polygon of their centroids, and every matrix."""

import numpy as np

from mgaplib.report.page import MADE_BY, _figure, _text, _wide, shell
from mgaplib.report.several import TABLES

_GRID = """
figure img { min-width: 0; max-width: 34rem; }
.tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); }
"""


def page(report) -> str:
    """Return the page's HTML."""
    gaps, n = report.tables["modality_gap"], report.measured
    drawn = f" {n} of them, drawn at random, were measured." if n < report.rows else ""
    reading = "".join(f"<li>{_text(words)}</li>" for words in report.reading)
    unseen = report.polygon.unseen.iloc[0]
    caption = "The modalities' centroids in their plane. A line is a gap, with its length" + (
        f"; the plane leaves out {unseen:.0%} of the squared distances." if unseen > 0.005 else "."
    )
    tables = "".join(
        f"<section><h2>{heading}</h2><p>{_text(meaning[0].upper() + meaning[1:])}.</p>"
        f"{_table(report.tables[name], heading, digits)}</section>"
        for name, (heading, meaning, digits) in TABLES.items()
    )
    names = ", ".join(map(_text, report.names))
    body = f"""<main>
<h1>The modality gaps of {names} go from {gaps.min().min():.2f} to {gaps.max().max():.2f}</h1>
<p>{report.rows} rows of {report.dimensions} dimensions each.{drawn}</p>
<h2>What the numbers say</h2><ul id="reading">{reading}</ul>
<h2>Where the modalities lie</h2>{_figure(_draw_polygon(report), caption)}
<div class="tables">{tables}</div>
<p>Corrections, thresholds and the landscape of any two: <code>python -m mgaplib report FILE FILE</code>.</p>
<p><small>{MADE_BY}.</small></p>
</main>"""
    return shell(f"Modality gaps of {names}", body, style=_GRID)


def _table(table, label: str, digits: int) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
    lines = "".join(
        f'<tr><th scope="row">{_text(name)}</th>'
        + "".join("<td></td>" if np.isnan(value) else f"<td>{value:.{digits}f}</td>" for value in row)
        + "</tr>"
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    )
    return _wide(f"<table><tr><td></td>{head}</tr>{lines}</table>", label)


def _draw_polygon(report):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    ax = figure.subplots()
    points, gaps = report.polygon[["x", "y"]], report.tables["modality_gap"]
    length = {"ha": "center", "va": "center", "fontsize": 10, "bbox": {"color": "white", "pad": 1}}
    for i, first in enumerate(points.index):
        for second in points.index[i + 1 :]:
            ends = points.loc[[first, second]].to_numpy()
            ax.plot(*ends.T, color="#999999", lw=1, zorder=1)
            ax.annotate(f"{gaps.loc[first, second]:.2f}", ends.mean(axis=0), **length)
    ax.scatter(points.x, points.y, color="#333333", zorder=2)
    above = dict(xytext=(0, 8), textcoords="offset points", ha="center", fontsize=12, weight="bold")
    for name, place in points.iterrows():
        ax.annotate(name, tuple(place), **above)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.25)
    ax.set_axis_off()
    return figure

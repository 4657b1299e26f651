"""The report of three modalities or more: every two of them in numbers, and their centroids' polygon."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mgaplib import checks, metrics
from mgaplib.metrics.several import named_sets
from mgaplib.report.reading import _percent

_MIN_ROWS = 4
#: The matrices: heading, what a cell is, whether a direction matters, digits.
TABLES = {
    "modality_gap": ("Gaps", "length of the gap between the two centroids, 0 to 2", 3),
    "relative_modality_gap": (
        "Relative gaps", "0.5: a partner is as far as a stranger of its own modality", 3),
    "centre_angle": ("Angles", "between the centroids, in degrees", 1),
    "matched_cosine": ("Cosine of partners", "the mean of a row and its own partner", 3),
    "stranger_cosine": (
        "Cosine of strangers", "the mean of a row and another's partner; on the diagonal: the cone", 3),
    "recall_at_1": (
        "Recall at 1", "share of the row's modality that finds its partner first in the column's", 3),
    "first_hits": (
        "Best hit in one index", "share of the row's searches whose best hit is of the column's", 3),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SeveralReport:
    """What `measure_several` found.

    Attributes:
        rows, measured: How many rows each modality has, and how many of them were measured.
        dimensions: Of the shared space.
        tables: DataFrames by name, a row and a column for each modality.
        polygon: DataFrame of `metrics.centroid_polygon`.

    Taught in chapter your_embeddings.
    """

    rows: int
    measured: int
    dimensions: int
    tables: dict[str, object]
    polygon: object

    @property
    def names(self) -> list[str]:
        """The modalities, in the order that they came in."""
        return list(self.polygon.index)

    @property
    def reading(self) -> list[str]:
        """What the numbers mean, in plain words."""
        return _sentences(self)

    def __repr__(self) -> str:
        return f"Report of {', '.join(self.names)}: {self.rows} rows of {self.dimensions} dimensions each"

    def __str__(self) -> str:
        lines = [repr(self)]
        for name, (heading, meaning, digits) in TABLES.items():
            lines += ["", f"{heading} ({meaning})", self.tables[name].round(digits).to_string(na_rep="")]
        return "\n".join([*lines, "", *(f"- {words}" for words in self.reading)])

    def to_dict(self) -> dict:
        """Return the report as plain numbers and texts, ready for `json.dumps`."""
        return {
            "modalities": self.names,
            "rows": self.rows,
            "measured": self.measured,
            "dimensions": self.dimensions,
            **{name: _plain(table) for name, table in self.tables.items()},
            "polygon": _plain(self.polygon),
            "reading": self.reading,
        }

    def to_html(self) -> str:
        """Return the report as one page that asks no other host for anything."""
        from mgaplib.report import several_page

        return several_page.page(self)


@checks.memory("lower max_rows")
def measure_several(sets: Mapping, *, max_rows: int = 2000, seed: int = 0) -> SeveralReport:
    """Return the report of two modalities or more in one space.

    Args:
        sets: By modality's name, arrays of n rows, at least 4, and d columns; rows i of all belong together.
        max_rows: With more rows, this many are drawn at random, the same of each modality.
        seed: Seed of the drawing.

    Raises:
        TypeError, ValueError: As in `metrics.pairwise`, or an option makes no sense.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 8))
        >>> print(measure_several({"image": x + 1, "text": x - 1, "audio": x + 0.9}).reading[0])
        The widest gap is that of image and text, 1.41 long, the narrowest that of image and audio, 0.04.

    Taught in chapter your_embeddings.
    """
    max_rows = checks.whole(max_rows, "max_rows", _MIN_ROWS, None, f"at least {_MIN_ROWS} are needed")
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    total = 0
    if isinstance(sets, Mapping) and sets:
        sets = {name: checks.rows(values, name) for name, values in sets.items()}
        total = len(next(iter(sets.values())))
    if total > max_rows and len({len(values) for values in sets.values()}) == 1:
        drawn = np.sort(np.random.default_rng(seed).choice(total, max_rows, replace=False))
        sets = {name: values[drawn] for name, values in sets.items()}
    rows = named_sets(sets, min_rows=_MIN_ROWS)
    measured, dimensions = next(iter(rows.values())).shape
    tables = {
        "modality_gap": metrics.pairwise(rows),
        "relative_modality_gap": metrics.pairwise(rows, metrics.relative_modality_gap),
        "centre_angle": metrics.pairwise(rows, metrics.centre_angle),
        "matched_cosine": metrics.pairwise(rows, _matched),
        "stranger_cosine": metrics.pairwise(rows, _strangers),
        "recall_at_1": metrics.pairwise(rows, metrics.recall_at_k),
        "first_hits": metrics.first_hits(rows),
    }
    for name, x in rows.items():
        tables["stranger_cosine"].loc[name, name] = metrics.mean_cosine(x)
    return SeveralReport(total, measured, dimensions, tables, metrics.centroid_polygon(rows))


def _matched(pairs) -> float:
    return 1 - metrics.alignment(pairs) / 2


def _strangers(pairs) -> float:
    n, (x, y) = len(pairs), (side.mean(axis=0, dtype=float) for side in (pairs.images, pairs.texts))
    return float((n * (x @ y) - _matched(pairs)) / (n - 1))


def _sentences(report: SeveralReport) -> list[str]:
    gaps, names = report.tables["modality_gap"], report.names
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    wide, narrow = (pick(pairs, key=lambda pair: gaps.loc[pair]) for pick in (max, min))
    other = f", the narrowest that of {narrow[0]} and {narrow[1]}, {gaps.loc[narrow]:.2f}" * (wide != narrow)
    said = [f"The widest gap is that of {wide[0]} and {wide[1]}, {gaps.loc[wide]:.2f} long{other}."]
    n = report.measured
    recall = report.tables["recall_at_1"].stack().dropna()
    best, worst = recall.idxmax(), recall.idxmin()
    said.append(
        f"In a pool of {n}, {best[0]} finds its {best[1]} first most often, in {_percent(recall[best])} of "
        f"searches, {worst[0]} its {worst[1]} least often, in {_percent(recall[worst])}; a blind guess would "
        f"in {_percent(1 / n)}."
    )
    own = ", ".join(f"{name} {_percent(report.tables['first_hits'].loc[name, name])}" for name in names)
    said.append(
        "With all of them in one index, the best hit is of the query's own modality in so many searches: "
        f"{own}; no partner is."
    )
    matched, strangers = report.tables["matched_cosine"], report.tables["stranger_cosine"]
    scores = "; ".join(f"{a} and {b} {matched.loc[a, b]:.2f}, {strangers.loc[a, b]:.2f}" for a, b in pairs)
    said.append(f"Read a score by its two modalities; partners and strangers have mean cosines of: {scores}.")
    return said


def _plain(table) -> dict:
    """Return a table as nested dicts, without its empty cells."""
    return {row: {k: float(v) for k, v in cells.dropna().items()} for row, cells in table.iterrows()}

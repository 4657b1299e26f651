"""Everything there is to know about a set of paired embeddings, in numbers and in plain words.

The room of Practice's first chapter, and what `python -m mgaplib report` prints: `measure` gives a `Report`,
which is a table, a page or JSON; `measure_several` does so for three modalities or more; `MeasureHere`,
loaded when first used, is the page of the book where a reader's files are measured in the browser.
"""

from typing import TYPE_CHECKING

from mgaplib.report.pairing import Pairing
from mgaplib.report.report import MIN_PAIRS, Report, measure
from mgaplib.report.several import SeveralReport, measure_several

if TYPE_CHECKING:
    from mgaplib.report.measure_here import MeasureHere

__all__ = ["MIN_PAIRS", "MeasureHere", "Pairing", "Report", "SeveralReport", "measure", "measure_several"]


def __getattr__(name: str):
    if name == "MeasureHere":
        from mgaplib.report.measure_here import MeasureHere

        return MeasureHere
    raise AttributeError(f"module 'mgaplib.report' has no attribute {name!r}")

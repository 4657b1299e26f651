"""Everything there is to know about a set of paired embeddings, in numbers and in plain words.

The room of Practice's first chapter, and what `python -m mgaplib report` prints: `measure` gives a `Report`,
which is a table, a page or JSON; `measure_several` does so for three modalities or more.
"""

from mgaplib.report.pairing import Pairing
from mgaplib.report.report import MIN_PAIRS, Report, measure
from mgaplib.report.several import SeveralReport, measure_several

__all__ = ["MIN_PAIRS", "Pairing", "Report", "SeveralReport", "measure", "measure_several"]

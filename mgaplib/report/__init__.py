"""Everything there is to know about a set of paired embeddings, in numbers and in plain words.

The room of Practice's first chapter, and what `python -m mgaplib report` prints: `measure` gives a `Report`,
which is a table, a page or JSON.
"""

from mgaplib.report.report import MIN_PAIRS, Report, measure

__all__ = ["MIN_PAIRS", "Report", "measure"]

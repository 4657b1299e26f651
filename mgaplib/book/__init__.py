"""What the pages of the book are made with: claims and their verdicts, colours and styles, recorded runs.

Every chapter uses the room, and nobody else needs it: `claims` marks what a chapter found for the scorecard,
`plots` is the book's look, `records` reads `mgaplib/results`, `remedy_tables` holds what Yaras et al. print.
"""

from mgaplib.book import claims, plots, records, remedy_tables

__all__ = ["claims", "plots", "records", "remedy_tables"]

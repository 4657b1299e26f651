"""Recorded multi-seed runs, one JSON file each, written by the scripts in `experiments/`.

Data only: `mgaplib.book.records` reads them, and tells which are older than the code that made them.
"""

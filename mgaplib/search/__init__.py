"""Search with embeddings: which score means a match, and images and texts in one index.

The room of Practice's chapters on one's own embeddings and on mixed search: a threshold calibrated on
strangers, a corrector that makes two modalities comparable, and an index of both (faiss).
"""

from mgaplib.search import thresholds
from mgaplib.search.corrector import Corrector
from mgaplib.search.index import Hits, MixedIndex
from mgaplib.search.thresholds import Threshold, at_odds, calibrate

__all__ = ["Corrector", "Hits", "MixedIndex", "Threshold", "at_odds", "calibrate", "thresholds"]

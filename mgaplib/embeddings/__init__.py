"""Embeddings from wherever they are: published ones, an atlas of models, files, shards, a folder of pictures.

The room of Practice, and the source of every real embedding in the book. What it returns is as it was stored;
nothing is ever unpickled.
"""

from mgaplib.embeddings import atlas
from mgaplib.embeddings.files import SUFFIXES, read_embeddings, read_labels, read_pairs
from mgaplib.embeddings.folder import Folder, embed_folder, read_captions
from mgaplib.embeddings.published import NAMES, Embeddings, load_embeddings
from mgaplib.embeddings.shards import find_shards, measure_shard, measure_shards

__all__ = [
    "Embeddings", "Folder", "NAMES", "SUFFIXES", "atlas", "embed_folder", "find_shards", "load_embeddings",
    "measure_shard", "measure_shards", "read_captions", "read_embeddings", "read_labels", "read_pairs",
]  # fmt: skip

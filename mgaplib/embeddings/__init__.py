"""Embeddings from wherever they are: published ones, an atlas of models, files, shards, a folder of pictures.

The room of Practice, and the source of every real embedding in the book. What it returns is as it was stored;
nothing is ever unpickled. What downloads, or reads pictures, is loaded at first use: array files do without.
"""

import importlib

from mgaplib.embeddings.files import SUFFIXES, read_embeddings, read_labels, read_pairs
from mgaplib.embeddings.shards import find_shards, measure_shard, measure_shards

__all__ = [
    "Embeddings", "Folder", "NAMES", "SUFFIXES", "atlas", "embed_folder", "find_shards", "load_embeddings",
    "measure_shard", "measure_shards", "read_captions", "read_embeddings", "read_labels", "read_pairs",
]  # fmt: skip


_LATER = dict.fromkeys(["Folder", "embed_folder", "read_captions"], "folder") | dict.fromkeys(
    ["Embeddings", "NAMES", "load_embeddings"], "published"
)


def __getattr__(name: str):
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    if name in ("atlas", "folder"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'mgaplib.embeddings' has no attribute {name!r}")

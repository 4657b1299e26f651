"""The competent MiniCLIP that the chapters share: trained once, kept in the cache; make asks for it first."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pooch
from filelock import FileLock

from mgaplib.book.records import code_hash
from mgaplib.models.clip import Clip, load_clip
from mgaplib.models.miniclip import MINI, mini_clip
from mgaplib.training.config import TrainConfig
from mgaplib.training.loop import train
from mgaplib.worlds import shapeworld

#: Long enough, at CLIP's own temperature, to be good at its task and to keep a gap.
CONFIG = TrainConfig(steps=1500, lr=4e-3, warmup=50, tau=0.01, temperature="fixed", record_every=500)
ARCHITECTURE = "MiniCLIP-24"
PAIRS = 20_000
_MADE_BY = (
    "training/competent",
    "training/loop",
    "training/config",
    "models/clip",
    "models/miniclip",
    "worlds/shapeworld",
)


def competent_miniclip(seed: int = 0) -> Clip:
    """Return a trained MiniCLIP, from the cache where it is there, trained on the spot where it is not.

    The cache is the folder that MGAPLIB_CACHE names, else the user's own. Two processes that ask at once
    train it once: the second waits. A change of the code that makes it makes another.

    Args:
        seed: Seed of the pairs, the weights and the order of training.

    Example:
        >>> CONFIG.tau
        0.01

    Taught in chapter training.
    """
    path = cached(seed)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                _train(seed, path)
    return load_clip(os.fspath(path))


def cached(seed: int = 0) -> Path:
    """Return the file of the trained MiniCLIP of a seed, whether it is there or not."""
    folder = Path(os.environ.get("MGAPLIB_CACHE") or pooch.os_cache("mgaplib"))
    here = Path(__file__).parents[1]
    sources = "".join(code_hash(here / f"{name}.py") for name in _MADE_BY)
    key = hashlib.sha256(f"{sources}{seed}".encode()).hexdigest()[:16]
    return folder / f"miniclip-{key}.pt"


def _train(seed: int, path: Path) -> None:
    print(f"training the shared MiniCLIP ({CONFIG.steps} steps, a minute on one core)", flush=True)
    options = MINI[ARCHITECTURE]
    pairs = shapeworld.draw(PAIRS, seed=seed, size=options["image_size"])
    # The trainer writes the file under another name and renames it: nobody reads half a model.
    train(mini_clip(**options, seed=seed), pairs, replace(CONFIG, seed=seed), checkpoint=path)

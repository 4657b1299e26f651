"""The competent MiniCLIP that the chapters share: trained once, kept in the cache; make asks for it first."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from mgaplib import checks
from mgaplib.book.records import code_hash
from mgaplib.download import cache_folder
from mgaplib.models.clip import Clip, load_clip
from mgaplib.models.miniclip import MINI, mini_clip
from mgaplib.training.config import TrainConfig
from mgaplib.training.loop import train
from mgaplib.worlds import emoji, shapeworld


@dataclass(frozen=True)
class Recipe:
    """What a world's MiniCLIP is made of: long enough, at CLIP's own temperature, to be good at its task."""

    architecture: str
    config: TrainConfig
    pairs: Callable[[int, int], object]  # from the size of a picture and a seed
    words: Callable[[], list[str]]
    made_by: str  # the world's module
    needs: str  # what it takes, in words


_FIXED = {"warmup": 50, "tau": 0.01, "temperature": "fixed", "record_every": 500}
RECIPES = {
    "shapes": Recipe(
        "MiniCLIP-24",
        TrainConfig(steps=1500, lr=4e-3, **_FIXED),
        lambda size, seed: shapeworld.draw(20_000, seed=seed, size=size),
        shapeworld.vocabulary,
        "worlds/shapeworld",
        "a minute on one core",
    ),
    "emoji": Recipe(
        "MiniCLIP",
        TrainConfig(steps=2000, lr=2e-3, **_FIXED),
        lambda size, seed: emoji.load(size=size, shift=2, seed=seed, stand_in=True).train,
        lambda: emoji.vocabulary(stand_in=True),
        "worlds/emoji",
        "a minute and a half on one core",
    ),
}
ARCHITECTURE = RECIPES["shapes"].architecture
_MADE_BY = ("training/competent", "training/loop", "training/config", "models/clip", "models/miniclip")


def competent_miniclip(seed: int = 0, world: str = "shapes") -> Clip:
    """Return a trained MiniCLIP, from the cache where it is there, trained on the spot where it is not.

    The cache is the folder that MGAPLIB_CACHE names, else the user's own. Of two processes that ask at once
    the second waits. A change of the code that makes it makes another.

    Args:
        seed: Seed of the pairs, the weights and the order of training.
        world: "shapes", or "emoji" for the training pairs of `mgaplib.worlds.emoji`.

    Raises:
        ValueError: If the world is unknown.

    Example:
        >>> RECIPES["emoji"].config.tau
        0.01

    Taught in chapter zero_shot.
    """
    path = cached(seed, world)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                _train(seed, path, RECIPES[world])
    return load_clip(os.fspath(path))


def cached(seed: int = 0, world: str = "shapes") -> Path:
    """Return the file of the trained MiniCLIP of a seed and a world, whether it is there or not."""
    recipe, here = RECIPES[checks.known(world, RECIPES, "world")], Path(__file__).parents[1]
    sources = "".join(code_hash(here / f"{name}.py") for name in (*_MADE_BY, recipe.made_by))
    # Where shapes stand in for the emoji, another model is made.
    told = "" if world == "shapes" else emoji.load(size=24, stand_in=True).stand_in
    key = hashlib.sha256(f"{sources}{seed}{bool(told)}".encode()).hexdigest()[:16]
    return cache_folder() / f"miniclip-{world}-{key}.pt"


def _train(seed: int, path: Path, recipe: Recipe) -> None:
    print(f"training the shared MiniCLIP ({recipe.config.steps} steps, {recipe.needs})", flush=True)
    options = MINI[recipe.architecture]
    pairs = recipe.pairs(options["image_size"], seed)
    model = mini_clip(**options, words=recipe.words(), seed=seed)
    # The trainer writes the file under another name and renames it: nobody reads half a model.
    train(model, pairs, replace(recipe.config, seed=seed), checkpoint=path)

"""The one setting of every sweep: MiniCLIP-24 on ShapeWorld, 400 steps of 128 pairs."""

from functools import lru_cache

import numpy as np
from sklearn.linear_model import LogisticRegression

from mgaplib import models
from mgaplib.training import History, TrainConfig, train
from mgaplib.worlds import shapeworld

SIZE = models.MINI["MiniCLIP-24"]["image_size"]
PAIRS, POOL, PICTURES = 8000, 512, 1000
ABOUT = (
    f"MiniCLIP-24 (32 wide, {SIZE} px, d = 128) on {PAIRS} ShapeWorld pairs, 400 steps of 128, AdamW 2e-3, "
    f"measured on {POOL} held-out pairs (the pool of R@1)"
)


def fresh(seed: int, **options):
    """Return an untrained MiniCLIP-24."""
    return models.mini_clip(**{**models.MINI["MiniCLIP-24"], **options}, seed=seed)


@lru_cache(maxsize=1)
def world(seed: int, **options) -> shapeworld.ShapeWorld:
    """Return the training pairs of a seed."""
    return shapeworld.draw(PAIRS, seed=seed, size=SIZE, **options)


@lru_cache(maxsize=1)
def held_out(seed: int, **options) -> shapeworld.ShapeWorld:
    """Return the pairs that gap and recall are measured on; none of them is mismatched."""
    return shapeworld.draw(POOL, seed=seed, split="val", size=SIZE, **options)


def fit(model, seed: int, data=None, validation=None, **options) -> History:
    """Train in the common setting, but for the options given."""
    return train(
        model,
        world(seed) if data is None else data,
        TrainConfig(**{"record_every": 400, **options}, seed=seed),
        validation=held_out(seed) if validation is None else validation,
    )


def final(history: History) -> dict[str, float]:
    """Return the last record, the step and the loss's noise aside, and the gap that training started from."""
    kept = {k: v for k, v in history.final.items() if k != "step"}
    return {**kept, "gap_before": history.records[0]["gap"], "pool": history.pool}


def curve(history: History, *names: str) -> dict[str, list[float]]:
    """Return recorded quantities over the recorded steps."""
    return {f"{name}_at": [float(v) for v in history[name]] for name in ("step", *names)}


def competence(model, seed: int) -> dict[str, float]:
    """Return zero-shot and linear-probe accuracy, the mean over ShapeWorld's four attributes.

    Zero-shot asks with one caption a class that mentions nothing else ("a red shape"); the probe is a
    logistic regression on the embeddings of as many other pictures.
    """
    wrapped = models.wrap(model)
    test = shapeworld.draw(PICTURES, seed=seed, split="test", size=SIZE)
    other = shapeworld.draw(PICTURES, seed=seed + 1000, split="test", size=SIZE)
    images, others = wrapped.encode_images(test.images), wrapped.encode_images(other.images)
    out = {}
    for name, values in shapeworld.ATTRIBUTES.items():
        prompts = wrapped.encode_texts(shapeworld.describe({name: np.arange(len(values))}, [name]))
        out[f"zero_shot_{name}"] = float(((images @ prompts.T).argmax(1) == test.attributes[name]).mean())
        probe = LogisticRegression(C=10, max_iter=300).fit(others, other.attributes[name])
        out[f"probe_{name}"] = float(probe.score(images, test.attributes[name]))
    for kind in ("zero_shot", "probe"):
        out[kind] = float(np.mean([out[f"{kind}_{name}"] for name in shapeworld.ATTRIBUTES]))
    return out

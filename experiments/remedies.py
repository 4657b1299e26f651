"""Train MiniCLIP with every remedy of Yaras et al.'s Tables 2 to 5, and measure what each one buys.

About 15 minutes a seed on one core. The chapters temperature and swapping read the record.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial

import _record
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mgaplib import metrics, models
from mgaplib.models import open_clip
from mgaplib.training import History, TrainConfig, parameter_groups, swapping, temperature, train
from mgaplib.worlds import shapeworld

SIZE = models.MINI["MiniCLIP-24"]["image_size"]
PAIRS, POOL, GAP_PAIRS, MINIMAL = 20_000, 1000, 512, 250
CONFIG = TrainConfig(steps=1500, lr=4e-3, warmup=50, record_every=250)  # the competent MiniCLIP's


@dataclass(frozen=True)
class Arm:
    """One row of the tables: how it differs from learning the temperature from 0.07."""

    temperature: str | Callable[[float], float] = "learned"
    tau: float = 0.07
    prepare: Callable | None = None
    groups: Callable | None = None
    swaps: dict | None = None
    normalize: bool = True


def slow(model, config):
    return temperature.slow_groups(parameter_groups(model, config), model, 0.1)


def fixed(tau: float) -> Arm:
    return Arm(temperature="fixed", tau=tau)


def exp(scale: float) -> Arm:
    return Arm(prepare=partial(temperature.reparametrize, by="exp", scale=scale))


def swap(kind: str, p: float, normalize: bool = False) -> Arm:
    return Arm(swaps={"kind": kind, "p": p, "normalize": normalize})


ARMS = {
    "Baseline": Arm(),
    **{f"FLT {tau:g}": fixed(tau) for tau in (0.01, 0.02, 0.04, 0.07, 0.1, 0.2, 0.3, 0.4)},
    **{f"TS {name}": Arm(temperature=schedule) for name, schedule in temperature.SCHEDULES.items()},
    "Softplus": Arm(prepare=temperature.reparametrize),
    "Scale 2": exp(2),
    "Scale 10": exp(10),
    "SLRT": Arm(groups=slow),
    **{f"HS {p:g}": swap("hard", p) for p in (0.001, 0.01, 0.1, 1)},
    **{f"SS {p:g}": swap("soft", p) for p in (0.01, 0.05, 0.1)},
    "Hard Swap Feature": swap("rows", 0.001),
    "Hard Swap Feature 0.1": swap("rows", 0.1),
    "HS 0.1, re-normalised": swap("hard", 0.1, normalize=True),
    "SS 0.05, re-normalised": swap("soft", 0.05, normalize=True),
    "Remove Normalization": Arm(temperature="fixed", normalize=False),
}


@lru_cache(maxsize=1)
def world(seed: int) -> tuple[shapeworld.ShapeWorld, shapeworld.ShapeWorld]:
    """Return the pairs of a seed to train on, and to record on while training."""
    return (
        shapeworld.draw(PAIRS, seed=seed, size=SIZE),
        shapeworld.draw(GAP_PAIRS, seed=seed, split="val", size=SIZE),
    )


def fit(arm: Arm, config: TrainConfig, pairs, validation, **options) -> tuple[models.Clip, History]:
    """Train one arm; the options are the model's."""
    model = models.mini_clip(**models.MINI["MiniCLIP-24"], tau=arm.tau, seed=config.seed, **options)
    if arm.prepare:
        arm.prepare(model)
    loss = open_clip.ClipLoss()
    if arm.swaps:
        loss = swapping.SwappedLoss(loss, seed=config.seed, **arm.swaps)
    if not arm.normalize:  # open_clip's forward pass asks for unit rows: give it the plain ones
        for name in ("encode_image", "encode_text"):
            plain = getattr(model, name)
            setattr(model, name, lambda batch, normalize=False, plain=plain: plain(batch, normalize=False))
    config = replace(config, tau=arm.tau, temperature=arm.temperature)
    history = train(model, pairs, config, validation=validation, loss=loss, groups=arm.groups)
    if not arm.normalize:
        del model.encode_image, model.encode_text
    return models.wrap(model), history


def run(arm: str, seed: int) -> dict:
    """Train one arm from one seed and return its measurements."""
    model, history = fit(ARMS[arm], replace(CONFIG, seed=seed), *world(seed))
    curves = {f"{name}_at": history[name].tolist() for name in ("step", "tau", "gap")}
    return {"tau": history.final["tau"], "loss": history.final["loss"], **measure(model), **curves}


@lru_cache(maxsize=1)
def held_out() -> shapeworld.ShapeWorld:
    return shapeworld.draw(POOL, split="test", size=SIZE)


def measure(model: models.Clip) -> dict:
    """Return what the tables hold, on held-out data that is the same for every arm and seed."""
    test = held_out()
    images, texts = model.encode_images(test.images), model.encode_texts(test.captions)
    zero_shot = {
        f"zero_shot_{name}": accuracy_of_prompts(model, images, test.attributes[name], name)
        for name in shapeworld.ATTRIBUTES
    }
    minimal = {f"minimal_{name}": minimal_pairs(model, name) for name in shapeworld.ATTRIBUTES}
    return {
        "gap": metrics.modality_gap(images[:GAP_PAIRS], texts[:GAP_PAIRS]),
        "uniformity_w2": metrics.uniformity_w2(images[:GAP_PAIRS], texts[:GAP_PAIRS]),
        "image_retrieval": metrics.recall_at_k(texts, images),
        "text_retrieval": metrics.recall_at_k(images, texts),
        "zero_shot": float(np.mean(list(zero_shot.values()))),
        "linear_probe": linear_probe(model),
        "minimal_pairs": float(np.mean(list(minimal.values()))),
        **zero_shot,
        **minimal,
    }


def accuracy_of_prompts(model: models.Clip, images: np.ndarray, labels: np.ndarray, name: str) -> float:
    """Return the share of pictures whose value of one attribute is the one with the nearest prompt."""
    prompts = shapeworld.describe({name: np.arange(len(shapeworld.ATTRIBUTES[name]))}, mention=[name])
    return float(np.mean((images @ model.encode_texts(prompts).T).argmax(axis=1) == labels))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return real handwritten digits, 8 by 8, as pictures of the model's size: each pixel becomes 3 by 3."""
    pictures, labels = load_digits(return_X_y=True)
    grey = (255 - pictures.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    return grey.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2), labels


def linear_probe(model: models.Clip) -> float:
    """Return a logistic regression's accuracy on embeddings of handwritten digits, never trained on."""
    pictures, labels = digits()
    features = model.encode_images(pictures)
    half = len(labels) // 2
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.316, max_iter=1000))
    return float(probe.fit(features[:half], labels[:half]).score(features[half:], labels[half:]))


def minimal_pairs(model: models.Clip, name: str) -> float:
    """Return how often both captions of two pictures that differ in one attribute find their own picture.

    A blind guess is right in a quarter of the pairs. The idea is MMVP-VLM's.
    """
    one = shapeworld.draw(MINIMAL, seed=1, split="test", size=SIZE, omit=0)
    options = len(shapeworld.ATTRIBUTES[name])
    values = (one.attributes[name] + np.random.default_rng(0).integers(1, options, MINIMAL)) % options
    two = shapeworld.draw(MINIMAL, seed=1, split="test", size=SIZE, omit=0, attributes={name: values})
    (a, b), (s, t) = (
        [encode(part) for part in parts]
        for encode, parts in (
            (model.encode_images, (one.images, two.images)),
            (model.encode_texts, (one.captions, two.captions)),
        )
    )
    own = np.einsum("nd,nd->n", a, s), np.einsum("nd,nd->n", b, t)
    other = np.einsum("nd,nd->n", b, s), np.einsum("nd,nd->n", a, t)
    return float(np.mean((own[0] > other[0]) & (own[1] > other[1])))


if __name__ == "__main__":
    about = (
        f"MiniCLIP-24 on {PAIRS} ShapeWorld pairs, {CONFIG.steps} steps of {CONFIG.batch_size}, AdamW "
        f"{CONFIG.lr:g}, the temperature learned from 0.07 unless the arm says otherwise. Gap and uniformity "
        f"of {GAP_PAIRS} test pairs, recall at 1 in a pool of {POOL}, zero-shot over four attributes, linear "
        f"probe on handwritten digits, {MINIMAL} minimal pairs an attribute (a blind guess: 0.25)."
    )
    _record.main(__file__, about, [{"arm": name} for name in ARMS], run)

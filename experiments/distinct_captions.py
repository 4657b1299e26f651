"""F4's hypothesis: worlds whose captions are really distinct, beside those whose captions repeat."""

import itertools

import _record
import numpy as np
import torch
from _matched import BATCH, columns, matched
from _setting import POOL, SIZE, fresh

from mgaplib import models
from mgaplib.training import TrainConfig, train
from mgaplib.training.loop import as_pairs
from mgaplib.worlds import shapeworld

AT = sorted({int(t) for t in np.geomspace(1, 3000, 36).round()})
KINDS = np.array(list(itertools.product(*(range(len(v)) for v in shapeworld.ATTRIBUTES.values()))))
PICTURES = 16  # of each caption, in the world whose pictures change


class Changing(torch.utils.data.Dataset):
    """Every kind of picture once, each time it is asked for as one of several pictures of it."""

    def __init__(self, pixels: torch.Tensor, tokens: torch.Tensor, seed: int):
        self.pixels, self.tokens, self.rng = pixels, tokens, np.random.default_rng([seed, 1])

    def __len__(self) -> int:
        return len(KINDS)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture = i + len(KINDS) * int(self.rng.integers(PICTURES))
        return self.pixels[picture], self.tokens[i]


def complete(which: np.ndarray, seed: int, split: str = "train") -> shapeworld.ShapeWorld:
    """Return pictures of the given kinds with complete captions."""
    values = dict(zip(shapeworld.ATTRIBUTES, KINDS[which].T.copy(), strict=True))
    return shapeworld.draw(len(which), seed=seed, split=split, size=SIZE, omit=0.0, attributes=values)


def pairs_of(world: str, seed: int) -> tuple[shapeworld.ShapeWorld, shapeworld.ShapeWorld]:
    """Return a world's training pairs and its held-out pairs."""
    if world in ("complete", "forgetful"):
        omit = 0.0 if world == "complete" else 0.1
        held_out = shapeworld.draw(POOL, seed=seed, split="val", size=SIZE, omit=omit)
        return shapeworld.draw(2048, seed=seed, size=SIZE, omit=omit), held_out
    order = np.random.default_rng(seed).permutation(len(KINDS))  # so that consecutive batches are mixed
    copies = PICTURES if world == "distinct, changing pictures" else 1
    held_out = complete(order[:POOL], seed, split="val")  # the same captions, other pictures
    return complete(np.tile(order, copies), seed), held_out


def run(world: str, steps: int, seed: int) -> dict:
    model, rows, noted = fresh(seed), [], []
    drawn, kept = pairs_of(world, seed)
    data = drawn.to_torch(models.wrap(model))
    fixed = as_pairs(data, model, None)  # the first 512 of these are measured
    if world == "distinct, changing pictures":
        data = Changing(*data.tensors, seed)
    held_out = as_pairs(kept, model, None)

    def note(done: int, loss: float) -> None:
        if done in AT:
            noted.append(done)
            found = [matched(model, fixed, "training"), matched(model, held_out, "held_out")]
            tau = float(1 / model.logit_scale.detach().exp())
            rows.append({"tau": tau, "loss": loss, **found[0], **found[1]})

    options = {"steps": steps, "lr": 5e-4, "warmup": 0, "decay": False, "tau": 0.07, "record_every": steps}
    config = TrainConfig(**options, seed=seed)
    history = train(model, data, config, validation=kept, on_step=note)
    return {
        "pairs": len(data),
        "distinct_captions": len(set(drawn.captions)),
        "repeats_in_batch": repeats(drawn.captions, len(data), seed),
        "gap_before": history.records[0]["gap"],
        "step_at": noted,
        **columns(rows),
    }


def repeats(captions: list[str], n: int, seed: int, epochs: int = 4) -> float:
    """Return how many pairs of a training batch, on average, share their caption with another of it."""
    ids = np.unique(captions, return_inverse=True)[1]
    orders = [np.random.default_rng([seed, epoch]).permutation(n) for epoch in range(epochs)]
    batches = [ids[o[i : i + BATCH]] for o in orders for i in range(0, n - BATCH + 1, BATCH)]
    return float(np.mean([sum(c for c in np.unique(b, return_counts=True)[1] if c > 1) for b in batches]))


if __name__ == "__main__":
    worlds = ("complete", "forgetful", "distinct", "distinct, changing pictures")
    about = (
        "MiniCLIP-24, 3000 steps of 128, AdamW 5e-4 without schedule, tau learned from 0.07. complete and "
        "forgetful: 2048 ShapeWorld pairs whose captions omit nothing, or each attribute one time in ten; "
        f"distinct: each of the {len(KINDS)} kinds of picture once, so that no batch repeats a caption, with "
        f"one picture each or {PICTURES}. Measured on 512 training and 512 held-out pairs, in batches of 128."
    )
    _record.main(__file__, about, [{"world": w, "steps": 3000} for w in worlds], run, seeds=range(3))

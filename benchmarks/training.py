"""Time training against a plain open_clip loop on the same model, and drawing against one picture at a time.

`python benchmarks/training.py` prints a JSON line each. Times are processor seconds on one thread; the ways
that are compared take turns, and the shortest turn of each counts.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded
os.environ.setdefault("MGAPLIB_STATIC", "1")

import json
import time
from collections.abc import Callable

import numpy as np
import torch

from mgaplib import models
from mgaplib.models import open_clip
from mgaplib.training import GapMonitor, TrainConfig, measure, train
from mgaplib.worlds import shapeworld

STEPS, BATCH, PAIRS, PICTURES = 120, 128, 4096, 20_000


def in_turns(works: list[Callable[[], object]], turns: int = 3) -> list[float]:
    """Return the shortest processor time of each."""
    best = [np.inf] * len(works)
    for _ in range(turns):
        for i, work in enumerate(works):
            began = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - began)
    return best


def row(name: str, ours: float, naive: float, floor: float, **more) -> dict:
    """Return one line of the report."""
    line = {"name": name, "ours_s": ours, "naive_s": naive, "ratio": naive / ours}
    return {**line, "floor_s": floor, "of_floor": ours / floor, **more}


def training(name: str) -> dict:
    """Time `train`, open_clip's loop with a DataLoader, and the bare forward and backward pass."""
    options = models.MINI[name]
    world = shapeworld.draw(PAIRS, size=options["image_size"])
    pairs = world.to_torch(models.load_clip(name))
    config = TrainConfig(steps=STEPS, batch_size=BATCH, record_every=10**9)
    # Records are no part of the loop that is compared: two pairs make them cost nothing.
    few = shapeworld.draw(2, size=options["image_size"])

    def ours():
        train(models.mini_clip(**options), pairs, config, validation=few)

    def plain():
        model, loss = models.mini_clip(**options), open_clip.ClipLoss()
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), eps=1e-6)
        schedule = open_clip_schedule(optimizer, config)
        loader = torch.utils.data.DataLoader(pairs, BATCH, shuffle=True, drop_last=True)
        step = 0
        while step < STEPS:
            for images, texts in loader:
                if step == STEPS:
                    break
                schedule(step)
                optimizer.zero_grad()
                value = loss(*model(images, texts))
                value.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
                optimizer.step()
                with torch.no_grad():
                    model.logit_scale.clamp_(0, np.log(100))
                value.item()
                step += 1

    def passes():
        model, loss = models.mini_clip(**options), open_clip.ClipLoss()
        images, texts = pairs[torch.arange(BATCH)]
        for _ in range(STEPS):
            model.zero_grad()
            loss(*model(images, texts)).backward()

    times = in_turns([ours, plain, passes])
    speeds = {"pairs_per_second": round(STEPS * BATCH / times[0]), "plain": round(STEPS * BATCH / times[1])}
    return row(f"train {name}, {STEPS} steps of {BATCH}", *times, **speeds)


def open_clip_schedule(optimizer, config: TrainConfig) -> Callable[[int], None]:
    """Return the warm-up and cosine that open_clip's trainer uses."""

    def at(step: int) -> None:
        if step < config.warmup:
            rate = config.lr * (step + 1) / config.warmup
        else:
            done = (step - config.warmup) / (config.steps - config.warmup)
            rate = 0.5 * config.lr * (1 + np.cos(np.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate

    return at


def monitoring(name: str) -> dict:
    """Time a step that is monitored, one measured by `training.measure`, and the step alone."""
    options = models.MINI[name]
    model, loss, monitor = models.mini_clip(**options), open_clip.ClipLoss(), GapMonitor()
    batch = shapeworld.draw(BATCH, size=options["image_size"]).to_torch(models.wrap(model))[:]

    def steps(also: Callable) -> Callable:
        def work():
            for _ in range(STEPS // 4):
                out = model(*batch)
                loss(*out).backward()
                also(*(part.detach() for part in out[:2]))

        return work

    times = in_turns([steps(monitor.update), steps(measure), steps(lambda *_: None)])
    return row(f"a step of {name} under GapMonitor", *(t / (STEPS // 4) for t in times))


def drawing() -> dict:
    """Time a whole world, its pictures one by one, and one distance for every pixel."""
    share = 500  # the slow way is timed on a share and scaled up

    def floor():
        axis = np.linspace(-1, 1, 32, dtype=np.float32)
        for _ in range(PICTURES // 250):
            np.hypot(axis[None, None, :] - np.zeros((250, 1, 1), np.float32), axis[None, :, None])

    ours, one_by_one, least = in_turns(
        [
            lambda: shapeworld.draw(PICTURES),
            lambda: [shapeworld.draw(1, seed=seed) for seed in range(share)],
            floor,
        ]
    )
    return row(f"draw {PICTURES} ShapeWorld pairs of 32 px", ours, one_by_one * PICTURES / share, least)


if __name__ == "__main__":
    for line in (training("MiniCLIP-24"), training("MiniCLIP"), monitoring("MiniCLIP-24"), drawing()):
        print(json.dumps(line), flush=True)

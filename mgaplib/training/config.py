"""How to train, and what a training run leaves behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mgaplib import checks

MAX_SCALE = 100.0  # CLIP's bound on 1 / tau


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        steps: Optimiser steps.
        batch_size: Pairs a step, over all processes.
        lr: Peak learning rate of AdamW.
        warmup: Steps of linear warm-up.
        decay: Whether a cosine to zero follows; the rate stays at its peak otherwise.
        weight_decay: Of matrices; gains, biases and the temperature have none.
        clip_norm: Largest norm of the gradient.
        tau: The temperature to start from.
        temperature: "learned", "fixed", or a schedule: a function from progress in [0, 1] to tau.
        record_every: Steps between records; the start and the end are always recorded.
        record_at: Steps to record besides.
        snapshots: Steps at which to keep the validation embeddings.
        seed: Seed of the order of the pairs.
    """

    steps: int = 400
    batch_size: int = 128
    lr: float = 2e-3
    warmup: int = 20
    decay: bool = True
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    tau: float = 0.07
    temperature: str | Callable[[float], float] = "learned"
    record_every: int = 100
    record_at: Sequence[int] = ()
    snapshots: Sequence[int] = ()
    seed: int = 0

    def __post_init__(self):
        checks.temperature(self.tau)
        if not callable(self.temperature):
            checks.known(self.temperature, ("learned", "fixed"), "temperature")
        if self.temperature == "learned" and self.tau * MAX_SCALE < 1 - 1e-9:
            raise ValueError(f"tau is {self.tau}; a learned one is clamped at 1/{MAX_SCALE:g}, as in CLIP")
        for name in ("steps", "batch_size", "record_every", "lr", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.batch_size < 2:
            raise ValueError("batch_size is 1; a contrastive loss needs at least 2 pairs")


@dataclass
class History:
    """What a training run recorded.

    Attributes:
        records: A dict a recorded step: step, loss, tau; validation pairs' gap, uniformity, cosines, recalls.
        snapshots: For a step, the validation embeddings (images, texts).
        pool: Number of validation pairs, which is the pool of the recalls.
        seconds: Time spent training, without the records.
        pairs_per_second: Over all processes.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    snapshots: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    pool: int = 0
    seconds: float = 0.0
    pairs_per_second: float = 0.0

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one recorded quantity over the recorded steps."""
        return np.array([record[checks.known(name, record, "record")] for record in self.records])

    @property
    def final(self) -> dict[str, float]:
        return self.records[-1]

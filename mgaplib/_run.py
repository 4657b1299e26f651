"""One training run: its steps and its records."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import distributed
from torch.nn.utils.parametrize import is_parametrized

from mgaplib import _checks, metrics
from mgaplib._config import MAX_SCALE, History, TrainConfig
from mgaplib._pairs import Pairs, embed


@dataclass
class Run:
    """What a step and a record need. `network` is the model, or the model in its distributed wrapper."""

    model: torch.nn.Module
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable
    config: TrainConfig
    pairs: Pairs
    held_out: Pairs
    history: History
    rank: int
    world: int
    epoch: int = -1
    order: np.ndarray | None = None  # of this epoch's pairs

    def batch_loss(self, step: int) -> torch.Tensor:
        """Return the loss on the step's batch, which depends on the seed and the step only."""
        size = self.config.batch_size
        epoch, place = divmod(step, len(self.pairs) // size)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.pairs))
        share = self.order[place * size : (place + 1) * size][self.rank :: self.world]
        device = self.model.logit_scale.device
        images, texts = (part.to(device) for part in self.pairs.at(share))
        out = self.network(images, texts)
        if isinstance(out, dict):
            out = out["image_features"], out["text_features"], out["logit_scale"]
        return self.loss(*out[:3])

    def mean_over_processes(self, loss: torch.Tensor) -> float:
        """Return the loss of the whole batch: each process sees the rows of its own share."""
        if self.world > 1:
            loss = loss.clone()
            distributed.all_reduce(loss)
        return float(loss) / self.world

    def step(self, step: int) -> float:
        """Take one optimiser step and return the loss before it."""
        began = time.perf_counter()
        set_temperature(self.model, self.config, step)
        rate = learning_rate(self.config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * rate
        loss = self.batch_loss(step)
        value = self.mean_over_processes(loss.detach())
        self.require_finite(value, step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.config.temperature == "learned" and not is_parametrized(self.model, "logit_scale"):
            with torch.no_grad():
                self.model.logit_scale.clamp_(0, math.log(MAX_SCALE))
        self.history.seconds += time.perf_counter() - began
        return value

    def require_finite(self, value: float, step: int) -> None:
        """Stop a run that has diverged, with what may cure it."""
        if not math.isfinite(value):
            tau = temperature(self.model)
            raise FloatingPointError(
                f"loss or embeddings are {value} at step {step} (lr {self.config.lr:g}, tau {tau:.3g}); "
                "lower lr, lengthen warmup, or look for pictures that are not finite"
            )

    def record(self, step: int, loss: float) -> None:
        """Measure the validation pairs, and keep their embeddings where a snapshot is wanted."""
        images, texts = embed(self.model, self.held_out)
        self.require_finite(float(images.sum() + texts.sum() + loss), step)
        entry = {"step": step, "loss": loss, "tau": temperature(self.model), **measure(images, texts)}
        self.history.records.append(entry)
        if step in self.config.snapshots:
            self.history.snapshots[step] = images, texts


def measure(images: np.ndarray, texts: np.ndarray) -> dict[str, float]:
    """Return what a record holds of n embedded pairs.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape.

    Example:
        >>> measure(np.eye(4), np.eye(4))["gap"]
        0.0

    Taught in chapter training.
    """
    values = {
        "gap": metrics.modality_gap(images, texts),
        "uniformity_w2": metrics.uniformity_w2(images, texts),
        "image_cosine": metrics.mean_cosine(images),
        "text_cosine": metrics.mean_cosine(texts),
        "paired_cosine": np.einsum("nd,nd->n", images, texts).mean(),
        "image_to_text": metrics.recall_at_k(images, texts),
        "text_to_image": metrics.recall_at_k(texts, images),
    }
    return {name: float(value) for name, value in values.items()}


def temperature(model: torch.nn.Module) -> float:
    """Return the model's tau."""
    return float(1 / model.logit_scale.detach().exp())


def set_temperature(model: torch.nn.Module, config: TrainConfig, step: int) -> None:
    """Put the temperature where the configuration wants it before this step."""
    scheduled = callable(config.temperature)
    if (step > 0 and not scheduled) or is_parametrized(model, "logit_scale"):
        return  # a parametrisation of the temperature looks after itself
    tau = _checks.temperature(config.temperature(step / config.steps)) if scheduled else config.tau
    model.logit_scale.requires_grad_(config.temperature == "learned")
    with torch.no_grad():
        model.logit_scale.fill_(-math.log(tau))


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the share of the peak learning rate at a step."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if not config.decay:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (step - config.warmup) / max(config.steps - config.warmup, 1))

"""Contrastive training in seconds, with the gap recorded on the way."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.utils.parametrize import is_parametrized

from mgaplib import checks, metrics, output
from mgaplib.metrics.spread import mean_cosine_of
from mgaplib.models.checkpoints import read
from mgaplib.models.clip import wrap
from mgaplib.models.open_clip import open_clip
from mgaplib.pairs import Pairs
from mgaplib.training.config import MAX_SCALE, History, TrainConfig


def train(
    model: torch.nn.Module,
    data,
    config: TrainConfig | None = None,
    *,
    validation=None,
    tokenizer: Callable | None = None,
    loss: Callable | None = None,
    groups: Callable | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    on_step: Callable[[int, float], bool | None] | None = None,
) -> History:
    """Train a model in place and return what was recorded.

    The same arguments give the same run. In a process group of torch.distributed each process takes its share
    of every batch, and the features are gathered as open_clip gathers them.

    Args:
        model: An open_clip module, for instance of `mgaplib.models.mini_clip`.
        data: Pairs to train on: a `ShapeWorld`, or a map-style torch Dataset of (pixels, token ids).
        validation: Pairs to record on, of the same kinds; the first 512 of `data` if None.
        tokenizer: Of a model that is no MiniCLIP, where the data is a `ShapeWorld`.
        loss: A callable with the signature of open_clip's ClipLoss; ClipLoss itself if None.
        groups: From (model, config) to AdamW's parameter groups; `parameter_groups` if None.
        checkpoint, checkpoint_every: File to write the run to, in open_clip's format, at its end; and steps
            between earlier writings.
        resume: Whether to go on from `checkpoint` where it exists.
        on_step: Called after each step with the steps done and the loss; where it answers True, the run ends
            there, measured as at its end. All processes of a group must answer alike.

    Raises:
        FloatingPointError: If the loss is no longer finite.
        ValueError: If there are fewer pairs than a batch holds, or the processes cannot share a batch evenly.

    Example:
        >>> from mgaplib import models
        >>> from mgaplib.worlds import shapeworld
        >>> model = models.mini_clip(width=16, image_size=16, layers=1)
        >>> train(model, shapeworld.draw(64, size=16), TrainConfig(steps=2, batch_size=32))["step"]
        array([0, 2])

    Taught in chapter training.
    """
    config = config or TrainConfig()
    rank, world = _process()
    pairs = as_pairs(data, model, tokenizer)
    held_out = pairs.first(512) if validation is None else as_pairs(validation, model, tokenizer)
    if len(pairs) < config.batch_size:
        raise ValueError(f"data has {len(pairs)} pairs, fewer than one batch of {config.batch_size}")
    if config.batch_size % world:
        raise ValueError(f"batch_size {config.batch_size} does not divide among {world} processes")
    learnable = model.logit_scale.requires_grad
    set_temperature(model, config, 0)
    parameters = (groups or parameter_groups)(model, config)
    # Fused: one pass over a small model's fifty tensors, where the plain loop makes a dozen over each.
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), eps=1e-6, fused=True)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    if loss is None:
        many = world > 1
        loss = open_clip.ClipLoss(rank=rank, world_size=world, local_loss=many, gather_with_grad=many)
    history, start = History(pool=len(held_out)), 0
    if resume and checkpoint is not None and Path(checkpoint).is_file():
        start, history.records = _resume(model, optimizer, loss, checkpoint)
    network = torch.nn.parallel.DistributedDataParallel(model) if world > 1 else model
    run = Run(model, network, optimizer, loss, config, pairs, held_out, history, rank, world)
    if start == 0:
        with torch.no_grad():
            run.record(0, run.mean_over_processes(run.batch_loss(0)))
    model.train()
    noted = {config.steps, *config.record_at, *config.snapshots}
    for step in output.bar(range(start, config.steps), "train"):
        value, done = run.step(step), step + 1
        stop = on_step is not None and on_step(done, value) is True
        if stop or done in noted or done % config.record_every == 0:
            run.record(done, value)
        due = stop or done == config.steps or (checkpoint_every and done % checkpoint_every == 0)
        if checkpoint is not None and due and rank == 0:
            epoch = done * config.batch_size // len(pairs)
            save_checkpoint(
                checkpoint, model, done, epoch, optimizer=optimizer, loss=loss, records=history.records
            )
        if stop:
            break
    if model.logit_scale.is_leaf:
        model.logit_scale.requires_grad_(learnable)
    history.pairs_per_second = (
        (history.final["step"] - start) * config.batch_size / max(history.seconds, 1e-9)
    )
    return history


def parameter_groups(model: torch.nn.Module, config: TrainConfig) -> list[dict]:
    """Return AdamW's groups as open_clip makes them: weight decay on matrices only.

    Example:
        >>> from mgaplib import models
        >>> [group["weight_decay"] for group in parameter_groups(models.mini_clip(), TrainConfig())]
        [0.1, 0.0]

    Taught in chapter temperature.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim >= 2]
    others = [p for p in parameters if p.ndim < 2]
    return [
        {"params": matrices, "lr": config.lr, "weight_decay": config.weight_decay},
        {"params": others, "lr": config.lr, "weight_decay": 0.0},
    ]


def save_checkpoint(
    path: str | os.PathLike,
    model: torch.nn.Module,
    step: int,
    epoch: int = 0,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable | None = None,
    records=(),
) -> None:
    """Write a checkpoint in open_clip's format; the file appears whole or not at all.

    Args:
        path: The file; `mgaplib.models.load_clip` reads it, by itself where the model is a MiniCLIP.
        step, epoch: Optimiser steps, and passes over the data, done.
        optimizer: The optimiser, to go on from here.
        loss: The loss; its state is kept where it is a module, such as the calls that a `SwappedLoss` counts.
        records: The run's records so far.

    Example:
        >>> import tempfile
        >>> from mgaplib import models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(f"{folder}/mini.pt", models.mini_clip(tau=0.05), step=0)
        ...     round(models.load_clip(f"{folder}/mini.pt").tau, 3)
        0.05

    Taught in chapter training.
    """
    checkpoint = {
        "epoch": epoch,
        "step": step,
        "name": "mgaplib",
        "state_dict": model.state_dict(),
        "model_config": getattr(model, "config", None),
        "records": list(records),
    }
    if optimizer is not None:
        checkpoint["optimizer"] = optimizer.state_dict()
    if isinstance(loss, torch.nn.Module):
        checkpoint["loss"] = loss.state_dict()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save(checkpoint, part)
    part.replace(path)


def _resume(model, optimizer, loss, path: str | os.PathLike) -> tuple[int, list[dict]]:
    checkpoint = read(path)
    if "optimizer" not in checkpoint or "step" not in checkpoint:
        raise ValueError(f"{os.fspath(path)!r} holds no optimiser state; only weights can be read from it")
    model.load_state_dict(checkpoint["state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    if isinstance(loss, torch.nn.Module) and "loss" in checkpoint:
        loss.load_state_dict(checkpoint["loss"])
    return checkpoint["step"], checkpoint["records"]


def _process() -> tuple[int, int]:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class TrainingPairs:
    """Pairs of (pixels, token ids): whole tensors where the data allows it, else gathered item by item."""

    def __init__(self, source, indices: np.ndarray | None = None):
        self.source = source
        self.indices = np.arange(len(source)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.indices)

    def first(self, n: int) -> "TrainingPairs":
        """Return the first n pairs."""
        return TrainingPairs(self.source, self.indices[:n])

    def at(self, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pairs at these places as one batch."""
        places = self.indices[places]
        if isinstance(self.source, torch.utils.data.TensorDataset):
            return self.source[torch.from_numpy(places)]
        return tuple(torch.utils.data.default_collate([self.source[int(i)] for i in places]))


@dataclass
class Run:
    """What a step and a record need. `network` is the model, or the model in its distributed wrapper."""

    model: torch.nn.Module
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable
    config: TrainConfig
    pairs: TrainingPairs
    held_out: TrainingPairs
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
            names = ("image_features", "text_features", "logit_scale", "logit_bias")
            out = [out[name] for name in names if name in out]
        return self.loss(*out)  # with the bias of the logits where the model has one

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
            tau = current_tau(self.model)
            raise FloatingPointError(
                f"loss or embeddings are {value} at step {step} (lr {self.config.lr:g}, tau {tau:.3g}); "
                "lower lr, lengthen warmup, or look for pictures that are not finite"
            )

    def record(self, step: int, loss: float) -> None:
        """Measure the validation pairs, and keep their embeddings where a snapshot is wanted."""
        images, texts = embed(self.model, self.held_out)
        self.require_finite(float(images.sum() + texts.sum() + loss), step)
        entry = {"step": step, "loss": loss, "tau": current_tau(self.model), **measure(images, texts)}
        self.history.records.append(entry)
        if step in self.config.snapshots:
            self.history.snapshots[step] = images, texts


def measure(images, texts=None) -> dict[str, float]:
    """Return what a record holds of n embedded pairs.

    Args:
        images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.

    Example:
        >>> measure(np.eye(4), np.eye(4))["gap"]
        0.0

    Taught in chapter training.
    """
    pairs = Pairs.of(images, texts)
    values = {
        "gap": metrics.modality_gap(pairs),
        "uniformity_w2": metrics.uniformity_w2(pairs),
        "image_cosine": mean_cosine_of(pairs.images),
        "text_cosine": mean_cosine_of(pairs.texts),
        "paired_cosine": np.einsum("nd,nd->n", pairs.images, pairs.texts).mean(),
        "image_to_text": metrics.recall_at_k(pairs),
        "text_to_image": metrics.recall_at_k(pairs.swapped),
    }
    return {name: float(value) for name, value in values.items()}


def current_tau(model: torch.nn.Module) -> float:
    """Return the model's tau."""
    return float(1 / model.logit_scale.detach().exp())


def set_temperature(model: torch.nn.Module, config: TrainConfig, step: int) -> None:
    """Put the temperature where the configuration wants it before this step."""
    scheduled = callable(config.temperature)
    if (step > 0 and not scheduled) or is_parametrized(model, "logit_scale"):
        return  # a parametrisation of the temperature looks after itself
    tau = checks.temperature(config.temperature(step / config.steps)) if scheduled else config.tau
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


def as_pairs(data, model: torch.nn.Module, tokenizer: Callable | None) -> TrainingPairs:
    """Return a `ShapeWorld` or a torch Dataset as pairs for this model."""
    return TrainingPairs(data.to_torch(wrap(model, tokenizer)) if hasattr(data, "to_torch") else data)


def embed(
    model: torch.nn.Module, pairs: TrainingPairs, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit-length embeddings of all pairs, as the model is now."""
    was_training, device, rows = model.training, model.logit_scale.device, []
    model.eval()
    with torch.no_grad():
        for start in range(0, len(pairs), batch_size):
            images, texts = pairs.at(np.arange(start, min(start + batch_size, len(pairs))))
            x = model.encode_image(images.to(device), normalize=True)
            y = model.encode_text(texts.to(device), normalize=True)
            rows.append((x.float().cpu().numpy(), y.float().cpu().numpy()))
    model.train(was_training)
    images, texts = (np.concatenate(column) for column in zip(*rows, strict=True))
    return images, texts

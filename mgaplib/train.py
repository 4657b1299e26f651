"""Contrastive training in seconds, with the gap recorded on the way."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed

from mgaplib import _progress
from mgaplib._checkpoints import read
from mgaplib._config import History, TrainConfig
from mgaplib._open_clip import open_clip
from mgaplib._pairs import as_pairs
from mgaplib._run import Run, measure, set_temperature

__all__ = ["History", "TrainConfig", "measure", "parameter_groups", "save_checkpoint", "train"]


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

    The same model, data and configuration give the same run. In a process group of torch.distributed each
    process takes its share of every batch, and the features are gathered as open_clip gathers them.

    Args:
        model: An open_clip module, for instance of `mgaplib.clip.mini_clip`.
        data: Pairs to train on: a `ShapeWorld`, or a map-style torch Dataset of (pixels, token ids).
        config: How to train.
        validation: Pairs to record on, of the same kinds; the first 512 of `data` if None.
        tokenizer: Of a model that is no MiniCLIP, where the data is a `ShapeWorld`.
        loss: A callable with the signature of open_clip's ClipLoss; ClipLoss itself if None.
        groups: From (model, config) to AdamW's parameter groups; `parameter_groups` if None.
        checkpoint: File to write the run to, in open_clip's format, at its end.
        checkpoint_every: Steps between earlier writings.
        resume: Whether to go on from `checkpoint` where it exists.
        on_step: Called after each step with the steps done and the loss; where it answers True, the run ends
            there, measured as at its end. All processes of a group must answer alike.

    Raises:
        FloatingPointError: If the loss is no longer finite.
        ValueError: If there are fewer pairs than a batch holds, or the processes cannot share a batch evenly.

    Example:
        >>> from mgaplib import clip, shapeworld
        >>> model = clip.mini_clip(width=16, image_size=16, layers=1)
        >>> history = train(model, shapeworld.draw(64, size=16), TrainConfig(steps=2, batch_size=32))
        >>> history["step"]
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
    for step in _progress.bar(range(start, config.steps), "train"):
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

    Args:
        model: The model.
        config: Its learning rate and weight decay are used.

    Example:
        >>> from mgaplib import clip
        >>> [group["weight_decay"] for group in parameter_groups(clip.mini_clip(), TrainConfig())]
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
        path: The file; `mgaplib.clip.load_clip` reads it, by itself where the model is a MiniCLIP.
        model: The model.
        step: Optimiser steps done.
        epoch: Passes over the data done.
        optimizer: The optimiser, to go on from here.
        loss: The loss; its state is kept where it is a module, such as the calls that a `SwappedLoss` counts.
        records: The run's records so far.

    Example:
        >>> import tempfile
        >>> from mgaplib import clip
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(f"{folder}/mini.pt", clip.mini_clip(tau=0.05), step=0)
        ...     round(clip.load_clip(f"{folder}/mini.pt").tau, 3)
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

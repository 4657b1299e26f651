"""Contrastive training in seconds, with the gap recorded on the way."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import distributed
from torch.nn.utils.parametrize import is_parametrized

from mgaplib import _checks, _progress, metrics
from mgaplib._open_clip import open_clip
from mgaplib.clip import wrap

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
        _checks.temperature(self.tau)
        if not callable(self.temperature):
            _checks.known(self.temperature, ("learned", "fixed"), "temperature")
        if self.temperature == "learned" and self.tau * MAX_SCALE < 1 - 1e-9:
            raise ValueError(
                f"tau is {self.tau}; a learned temperature is clamped at 1/{MAX_SCALE:g}, as in CLIP"
            )
        for name in ("steps", "batch_size", "record_every", "lr", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.batch_size < 2:
            raise ValueError("batch_size is 1; a contrastive loss needs at least 2 pairs")


@dataclass
class History:
    """What a training run recorded.

    Attributes:
        records: One dict a recorded step: step, loss, tau, gap, uniformity, cosines and recalls on the validation
            pairs.
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
        return np.array([record[_checks.known(name, record, "record")] for record in self.records])

    @property
    def final(self) -> dict[str, float]:
        return self.records[-1]


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
) -> History:
    """Train a model in place and return what was recorded.

    The same model, data and configuration give the same run. In a process group of torch.distributed each process
    takes its share of every batch, and the features are gathered as open_clip gathers them.

    Args:
        model: An open_clip module, for instance of `mgaplib.clip.mini_clip`.
        data: Pairs to train on: a `ShapeWorld`, or a map-style torch Dataset of (pixels, token ids).
        config: How to train.
        validation: Pairs to record on, of the same kinds; the first 512 of `data` if None.
        tokenizer: Of a model that is no MiniCLIP and data that is a `ShapeWorld`.
        loss: A callable with the signature of open_clip's ClipLoss; ClipLoss itself if None.
        groups: From (model, config) to AdamW's parameter groups; `parameter_groups` if None.
        checkpoint: File to write the run to, in open_clip's format, at its end.
        checkpoint_every: Steps between earlier writings.
        resume: Whether to go on from `checkpoint` where it exists.

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
    pairs, held_out = _tensors(data, model, tokenizer), None
    held_out = _tensors(validation, model, tokenizer) if validation is not None else pairs.first(512)
    if len(pairs) < config.batch_size:
        raise ValueError(f"data has {len(pairs)} pairs, fewer than one batch of {config.batch_size}")
    if config.batch_size % world:
        raise ValueError(f"batch_size {config.batch_size} does not divide among {world} processes")
    learnable = model.logit_scale.requires_grad
    _set_temperature(model, config, 0)
    optimizer = torch.optim.AdamW((groups or parameter_groups)(model, config), betas=(0.9, 0.98), eps=1e-6)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    loss = loss or open_clip.ClipLoss(
        rank=rank, world_size=world, local_loss=world > 1, gather_with_grad=world > 1
    )
    history, start = History(pool=len(held_out)), 0
    if resume and checkpoint is not None and Path(checkpoint).is_file():
        start, history.records = _resume(model, optimizer, checkpoint)
    network = torch.nn.parallel.DistributedDataParallel(model) if world > 1 else model
    run = _Run(model, network, optimizer, loss, config, pairs, held_out, history, rank, world)
    if start == 0:
        run.record(0, run.loss_at(0))
    for step in _progress.bar(range(start, config.steps), "train"):
        value = run.step(step)
        done = step + 1
        if (
            done % config.record_every == 0
            or done == config.steps
            or done in {*config.record_at, *config.snapshots}
        ):
            run.record(done, value)
        last = done == config.steps
        if (
            checkpoint is not None
            and rank == 0
            and (last or (checkpoint_every and done % checkpoint_every == 0))
        ):
            save_checkpoint(checkpoint, model, done, optimizer=optimizer, records=history.records)
    if model.logit_scale.is_leaf:
        model.logit_scale.requires_grad_(learnable)
    history.pairs_per_second = (config.steps - start) * config.batch_size / max(history.seconds, 1e-9)
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
    return [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "lr": config.lr,
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "lr": config.lr, "weight_decay": 0.0},
    ]


def save_checkpoint(
    path: str | os.PathLike, model: torch.nn.Module, step: int, optimizer=None, records=()
) -> None:
    """Write a checkpoint in open_clip's format; the file appears whole or not at all.

    Args:
        path: The file; `mgaplib.clip.load_clip` reads it, by itself where the model is a MiniCLIP.
        model: The model.
        step: Optimiser steps done.
        optimizer: The optimiser, to go on from here.
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
        "epoch": 0,
        "step": step,
        "name": "mgaplib",
        "state_dict": model.state_dict(),
        "model_config": getattr(model, "config", None),
        "records": list(records),
    }
    if optimizer is not None:
        checkpoint["optimizer"] = optimizer.state_dict()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save(checkpoint, part)
    part.replace(path)


@dataclass
class _Run:
    """One training run: what a step and a record need."""

    model: torch.nn.Module
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable
    config: TrainConfig
    pairs: "_Pairs"
    held_out: "_Pairs"
    history: History
    rank: int
    world: int

    def forward(self, step: int) -> torch.Tensor:
        """Return the loss on the step's batch, which depends on the seed and the step only."""
        size = self.config.batch_size
        epoch, place = divmod(step, len(self.pairs) // size)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.pairs))
        share = order[place * size : (place + 1) * size][self.rank :: self.world]
        device = self.model.logit_scale.device
        images, texts = (part.to(device) for part in self.pairs.at(share))
        features = self.network(images, texts)
        if isinstance(features, dict):
            features = features["image_features"], features["text_features"], features["logit_scale"]
        return self.loss(*features[:3])

    def loss_at(self, step: int) -> float:
        with torch.no_grad():
            return float(self.forward(step))

    def step(self, step: int) -> float:
        began = time.perf_counter()
        self.model.train()
        _set_temperature(self.model, self.config, step)
        rate = _learning_rate(self.config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * rate
        loss = self.forward(step)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value} at step {step} (lr {self.config.lr:g}, tau {_tau(self.model):.3g}); "
                "lower lr, lengthen warmup, or look for pictures that are not finite"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.config.temperature == "learned" and not is_parametrized(self.model, "logit_scale"):
            with torch.no_grad():
                self.model.logit_scale.clamp_(0, np.log(MAX_SCALE))
        self.history.seconds += time.perf_counter() - began
        return value

    def record(self, step: int, loss: float) -> None:
        images, texts = _embed(self.model, self.held_out)
        entry = {"step": step, "loss": loss, "tau": _tau(self.model), **measure(images, texts)}
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
    return {
        "gap": metrics.modality_gap(images, texts),
        "uniformity_w2": metrics.uniformity_w2(images, texts),
        "image_cosine": metrics.mean_cosine(images),
        "text_cosine": metrics.mean_cosine(texts),
        "paired_cosine": float(np.einsum("nd,nd->n", images, texts).mean()),
        "image_to_text": metrics.recall_at_k(images, texts),
        "text_to_image": metrics.recall_at_k(texts, images),
    }


class _Pairs:
    """Pairs as whole tensors where the data allows it, else gathered item by item."""

    def __init__(self, source, indices=None):
        self.source = source
        self.indices = np.arange(len(source)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.indices)

    def first(self, n: int) -> "_Pairs":
        return _Pairs(self.source, self.indices[:n])

    def at(self, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        places = self.indices[places]
        if isinstance(self.source, torch.utils.data.TensorDataset):
            images, texts = self.source[torch.from_numpy(places)]
        else:
            images, texts = torch.utils.data.default_collate([self.source[int(i)] for i in places])
        return images, texts


def _tensors(data, model: torch.nn.Module, tokenizer: Callable | None) -> _Pairs:
    return _Pairs(data.to_torch(wrap(model, tokenizer)) if hasattr(data, "to_torch") else data)


def _embed(model: torch.nn.Module, pairs: _Pairs, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    was_training, device, rows = model.training, model.logit_scale.device, []
    model.eval()
    with torch.no_grad():
        for places in np.array_split(np.arange(len(pairs)), -(-len(pairs) // batch_size)):
            images, texts = pairs.at(places)
            both = (
                model.encode_image(images.to(device), normalize=True),
                model.encode_text(texts.to(device), normalize=True),
            )
            rows.append([features.float().cpu().numpy() for features in both])
    model.train(was_training)
    images, texts = (np.concatenate(column) for column in zip(*rows, strict=True))
    return images, texts


def _tau(model: torch.nn.Module) -> float:
    return float(1 / model.logit_scale.detach().exp())


def _set_temperature(model: torch.nn.Module, config: TrainConfig, step: int) -> None:
    """Put the temperature where the configuration wants it before this step."""
    scheduled = callable(config.temperature)
    if (step > 0 and not scheduled) or is_parametrized(model, "logit_scale"):
        return  # a parametrisation of the temperature looks after itself
    tau = _checks.temperature(config.temperature(step / config.steps)) if scheduled else config.tau
    model.logit_scale.requires_grad_(config.temperature == "learned")
    with torch.no_grad():
        model.logit_scale.fill_(-np.log(tau))


def _learning_rate(config: TrainConfig, step: int) -> float:
    """Return the share of the peak learning rate."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if not config.decay:
        return 1.0
    return 0.5 + 0.5 * np.cos(np.pi * (step - config.warmup) / max(config.steps - config.warmup, 1))


def _resume(model, optimizer, path: str | os.PathLike) -> tuple[int, list[dict]]:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    if "optimizer" not in checkpoint or "step" not in checkpoint:
        raise ValueError(f"{os.fspath(path)!r} holds no optimiser state; only weights can be read from it")
    model.load_state_dict(checkpoint["state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["step"], checkpoint["records"]


def _process() -> tuple[int, int]:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1

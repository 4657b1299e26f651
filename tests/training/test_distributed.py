"""Two processes over gloo give the single process's loss and gradients."""

import pytest
import torch
from torch import distributed

from mgaplib import models
from mgaplib.training import TrainConfig, losses, train
from mgaplib.worlds import shapeworld

TINY = {"width": 16, "image_size": 16, "layers": 1, "embed_dim": 16}


def run(rank: int, world: int, folder: str) -> None:
    """Train on this process's share and leave the results in a file."""
    torch.set_num_threads(1)
    if world > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world
        )
    for kind in ("clip", "cloob", "siglip"):
        model, loss = models.mini_clip(**TINY), None
        if kind == "cloob":
            loss = losses.CLOOBLoss(rank=rank, world_size=world)
        elif kind == "siglip":
            losses.add_logit_bias(model)
            loss = losses.SigLIPLoss(rank=rank, world_size=world)
        config = TrainConfig(steps=3, batch_size=32, warmup=1, clip_norm=1e9, record_every=1)
        checkpoint = f"{folder}/{kind}-{world}.pt"
        history = train(model, shapeworld.draw(96, size=16), config, checkpoint=checkpoint, loss=loss)
        results = {
            "losses": torch.tensor(history["loss"]),
            "gaps": torch.tensor(history["gap"]),
            "gradient": torch.cat([p.grad.flatten() for p in model.parameters()]),
            "weights": torch.cat([p.detach().flatten() for p in model.parameters()]),
        }
        torch.save(results, f"{folder}/{kind}-{world}-{rank}.pt")
    if world > 1:
        distributed.destroy_process_group()


def test_two_processes_are_one(tmp_path):
    run(0, 1, str(tmp_path))
    torch.multiprocessing.spawn(run, args=(2, str(tmp_path)), nprocs=2)
    for kind in ("clip", "cloob", "siglip"):
        one, first, second = (torch.load(tmp_path / f"{kind}-{name}.pt") for name in ("1-0", "2-0", "2-1"))
        for name in one:
            torch.testing.assert_close(first[name], second[name])
        # Adam divides by the gradient's size, so weights whose gradient is rounding noise may part.
        for name in ("losses", "gaps", "gradient"):
            torch.testing.assert_close(first[name], one[name], rtol=1e-4, atol=1e-5, msg=f"{kind} {name}")
        assert one["losses"].isfinite().all() and one["gradient"].abs().max() > 0.01
    assert models.load_clip(str(tmp_path / "clip-2.pt")).image_size == 16  # one of them wrote the checkpoint


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr("mgaplib.training.loop._process", lambda: (0, 3))
    with pytest.raises(ValueError, match="batch_size 32 does not divide among 3 processes"):
        train(models.mini_clip(**TINY), shapeworld.draw(96, size=16), TrainConfig(batch_size=32))

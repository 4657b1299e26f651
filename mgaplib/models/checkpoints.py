"""Read checkpoints without executing anything in them."""

import inspect
import os
from pathlib import Path

import torch

from mgaplib.models.miniclip import mini_clip
from mgaplib.models.open_clip import open_clip


def require(path: str | Path) -> str:
    """Return the path of a file that is there."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no checkpoint {os.fspath(path)!r}")
    return os.fspath(path)


def read(path: str | Path) -> dict:
    """Return what a checkpoint file holds; nothing in it is executed."""
    require(path)
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        raise
    except Exception as error:  # a file of another kind may fail anywhere in the readers
        raise ValueError(
            f"{os.fspath(path)!r} cannot be read: it is truncated, or holds more than plain weights, "
            "and nothing else is ever loaded"
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{os.fspath(path)!r} holds a {type(checkpoint).__name__}; a checkpoint is a dict")
    return checkpoint


def own_config(path: str | Path) -> dict:
    """Return the architecture that a MiniCLIP's checkpoint carries."""
    config = read(path).get("model_config")
    expected = set(inspect.signature(mini_clip).parameters) - {"seed"}
    if not isinstance(config, dict) or set(config) != expected:
        raise ValueError(f"{os.fspath(path)!r} names no architecture; use load_clip(name, pretrained=path)")
    return config


def load_weights(model: torch.nn.Module, path: str | Path, name: str) -> None:
    """Fill a model with a checkpoint of any format that open_clip knows."""
    checkpoint = read(path)  # open_clip then knows how to convert other projects' formats
    held = checkpoint["state_dict"] if isinstance(checkpoint.get("state_dict"), dict) else checkpoint
    if getattr(model, "logit_bias", 0) is None and {"logit_bias", "module.logit_bias"} & held.keys():
        model.logit_bias = torch.nn.Parameter(torch.zeros_like(model.logit_scale))  # trained by a sigmoid
    try:
        open_clip.load_checkpoint(model, os.fspath(path), weights_only=True)
    except (AssertionError, AttributeError, KeyError, RuntimeError) as error:
        lines = str(error).split("\n", 2)
        reason = " ".join(lines[1:2] or lines).strip()
        raise ValueError(f"{os.fspath(path)!r} holds another architecture than {name!r}: {reason}") from error

"""Read checkpoints without executing anything in them; what another project wrote is called what it is."""

import inspect
import os
import re
import zipfile
from pathlib import Path

import torch

from mgaplib.models.miniclip import mini_clip
from mgaplib.models.open_clip import open_clip


def require(path: str | Path) -> str:
    """Return the path of a file that is there."""
    path = os.fspath(path)
    if Path(path).is_dir():
        call = f"transformers.AutoModel.from_pretrained({path!r})"
        if Path(path, "open_clip_config.json").is_file():
            call = f"load_clip({'local-dir:' + path!r})"
        cure = f"such as Hugging Face's is read by {call}"
        raise IsADirectoryError(f"{path!r} is a folder, no checkpoint; {cure}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no checkpoint {path!r}")
    return path


def read(path: str | Path) -> dict:
    """Return what a checkpoint file holds; nothing in it is executed."""
    path = require(path)
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        raise
    except Exception as error:  # a file of another kind may fail anywhere in the readers
        raise ValueError(_unreadable(path, str(error))) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{path!r} holds a {type(checkpoint).__name__}; a checkpoint is a dict")
    return checkpoint


def _unreadable(path: str, error: str) -> str:
    """Say what a file is that holds no plain weights, and how to make some of it."""
    held = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if any(name.endswith("/constants.pkl") for name in held):
        return (
            f"{path!r} is a TorchScript archive, a program; if you trust it, save its weights alone:\n"
            f"weights = torch.jit.load({path!r}, map_location='cpu').state_dict()\n"
            "for key in ('input_resolution', 'context_length', 'vocab_size'): weights.pop(key, None)\n"
            "torch.save(weights, 'weights.pt')"
        )
    strange = re.search(r"GLOBAL ([\w.]+) was not an allowed", error)
    return (
        f"{path!r} cannot be read: it is truncated, or holds more than plain weights"
        f"{f' ({strange[1]})' if strange else ''}, and nothing else is ever loaded; where it was made, save "
        "those alone: torch.save(model.state_dict(), 'weights.pt')"
    )


def _foreign(checkpoint: dict, path: str, wanted: set[str]) -> str:
    """Say where another project's checkpoint keeps the weights, and how to save them alone; or nothing."""
    got = f"torch.load({path!r}, weights_only=True)"
    if path.endswith(".safetensors"):
        got = f"safetensors.torch.load_file({path!r})"
    weights = checkpoint
    if isinstance(checkpoint.get("state_dict"), dict):
        weights, got = checkpoint["state_dict"], f"{got}['state_dict']"
    nested = [key for key, value in weights.items() if isinstance(value, dict) and _has_weights(value)]
    if nested and not _has_weights(weights):
        return (
            f"{path!r} keeps its weights under {' and '.join(map(repr, nested))}; save them alone:\n"
            f"torch.save({got}[{nested[0]!r}], 'weights.pt')"
        )
    if any(key.startswith(("vision_model.", "text_model.")) for key in weights):
        return (
            f"{path!r} holds weights as Hugging Face's transformers name them; read its folder:\n"
            f"transformers.AutoModel.from_pretrained({str(Path(path).parent)!r})"
        )
    prefixes = {key.removesuffix("logit_scale") for key in weights if key.endswith("logit_scale")}
    for prefix in prefixes - {"", "module."}:
        if wanted & {key.removeprefix(prefix) for key in weights}:
            kind = "Lightning's" if "pytorch-lightning_version" in checkpoint else "another module's"
            return (
                f"{path!r} is {kind}: each weight's name begins with {prefix!r}; save them without it:\n"
                f"torch.save({{key.removeprefix({prefix!r}): value for key, value in {got}.items() "
                f"if key.startswith({prefix!r})}}, 'weights.pt')"
            )
    return ""


def _has_weights(weights: dict) -> bool:
    return any(isinstance(value, torch.Tensor) for value in weights.values())


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
    foreign = _foreign(checkpoint, os.fspath(path), set(model.state_dict()))
    if foreign:
        raise ValueError(foreign)
    held = checkpoint["state_dict"] if isinstance(checkpoint.get("state_dict"), dict) else checkpoint
    if getattr(model, "logit_bias", 0) is None and {"logit_bias", "module.logit_bias"} & held.keys():
        model.logit_bias = torch.nn.Parameter(torch.zeros_like(model.logit_scale))  # trained by a sigmoid
    try:
        open_clip.load_checkpoint(model, os.fspath(path), weights_only=True)
    except (AssertionError, AttributeError, KeyError, RuntimeError) as error:
        lines = str(error).split("\n", 2)
        reason = " ".join(lines[1:2] or lines).strip()
        raise ValueError(f"{os.fspath(path)!r} holds another architecture than {name!r}: {reason}") from error

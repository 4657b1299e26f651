"""Every open_clip model by one name: weights, preprocessing and tokenizer travel together."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from mgaplib import checks, output
from mgaplib.models.checkpoints import load_weights, own_config, require
from mgaplib.models.miniclip import MINI, build, mini_clip, own_tokenizer, seeded
from mgaplib.models.open_clip import PreprocessCfg, image_transform_v2, open_clip

_WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


@dataclass(frozen=True, repr=False)
class Clip:
    """A model, its preprocessing and its tokenizer; made by `load_clip` or `wrap`.

    Attributes:
        name: The architecture, and the weights where they are not random.
        model: The open_clip module.
        preprocess: From a PIL image to the model's input.
        tokenizer: From texts to token ids.
    """

    name: str
    model: torch.nn.Module
    preprocess: Callable
    tokenizer: Callable

    def __repr__(self) -> str:
        return f"Clip({self.name!r}, {self.image_size} px, context {self.context_length}, on {self.device})"

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def image_size(self) -> int:
        size = self.model.visual.image_size
        return int(size if isinstance(size, int) else size[0])

    @property
    def context_length(self) -> int:
        return int(self.model.context_length)

    @property
    def tau(self) -> float:
        """The temperature, 1 / exp(logit_scale)."""
        return float(1 / self.model.logit_scale.detach().exp())

    def pixels(self, images) -> torch.Tensor:
        """Return the model's input for pictures.

        Args:
            images: PIL images; an array of n pictures, (n, height, width, 3) or grey (n, height, width), as
                uint8 or as floats in [0, 1]; or a float tensor (n, 3, size, size), which is taken as
                preprocessed already.

        Raises:
            TypeError: If it is none of these.
            ValueError: If the shape is none of these, or floats lie outside [0, 1].
        """
        config = open_clip.get_model_preprocess_cfg(self.model)
        return to_pixels(images, self.preprocess, self.image_size, config["mean"], config["std"])

    def encode_images(self, images, batch_size: int = 64, normalize: bool = True) -> np.ndarray:
        """Return one embedding a picture, float32, of unit length unless `normalize` is False.

        Args:
            images: Pictures as `pixels` takes them.
            batch_size: Pictures encoded at a time.
        """
        return self._encode(images, batch_size, self.pixels, self.model.encode_image, normalize, "images")

    def encode_texts(self, texts, batch_size: int = 256, normalize: bool = True) -> np.ndarray:
        """Return one embedding a text, float32, of unit length unless `normalize` is False.

        Args:
            texts: A list of strings, one string, or a tensor of token ids (n, context).
            batch_size: Texts encoded at a time.
        """
        texts = [texts] if isinstance(texts, str) else texts

        def tokens(batch):
            return batch if isinstance(batch, torch.Tensor) else self.tokenizer(list(batch))

        return self._encode(texts, batch_size, tokens, self.model.encode_text, normalize, "texts")

    def _encode(self, inputs, batch_size: int, prepare, encode, unit: bool, what: str) -> np.ndarray:
        if len(inputs) == 0:
            raise ValueError(f"{what} is empty; there is nothing to encode")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        was_training, rows = self.model.training, []
        self.model.eval()
        with torch.inference_mode():
            for i in output.bar(range(0, len(inputs), batch_size), f"encode {what}"):
                out = encode(prepare(inputs[i : i + batch_size]).to(self.device)).float()
                rows.append((normalize(out, dim=-1) if unit else out).cpu().numpy())
        self.model.train(was_training)
        return np.concatenate(rows)


def load_clip(
    name: str,
    pretrained: str | Path | None = None,
    image_size: int | None = None,
    context_length: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> Clip:
    """Return a frozen model with the preprocessing and the tokenizer that belong to it.

    Args:
        name: An open_clip architecture such as "ViT-B-32", an `hf-hub:` or `local-dir:` address, "MiniCLIP"
            or "MiniCLIP-24", or the path of a checkpoint that `mgaplib.training` wrote.
        pretrained: An open_clip tag such as "openai", or a local checkpoint's path; random weights if None.
        image_size, context_length: The input's side in pixels, and tokens a text; the architecture's if None.
        seed: Seed of random weights; torch's own generator is left as it was.
        device: Where to run; CUDA, then Apple's MPS, then the CPU if None.

    Raises:
        FileNotFoundError: If `pretrained` is the path of no file.
        ValueError: If name or tag is unknown, or a checkpoint is of another architecture or not just weights.

    Example:
        >>> clip = load_clip("MiniCLIP-24", seed=1)
        >>> clip.encode_texts(["a red circle", "a blue square"]).shape
        (2, 128)

    Taught in chapter random_networks.
    """
    path = None
    if Path(name).suffix in _WEIGHT_SUFFIXES:
        config, path, name = own_config(name), name, f"{Path(name).stem}"
        model, tokenizer = build(config, image_size, seed)
    elif name in MINI:
        path = require(pretrained) if pretrained else None
        model = mini_clip(**MINI[name] | ({"image_size": image_size} if image_size else {}), seed=seed)
        tokenizer = own_tokenizer(model.config)
    else:
        model, tokenizer, path = _build_open_clip(name, pretrained, image_size, context_length, seed)
    if path is not None:
        load_weights(model, path, name)
    label = name if pretrained is None else f"{name}, {Path(pretrained).stem if path else pretrained}"
    model = model.to(device or _best_device()).eval().requires_grad_(False)
    return wrap(model, tokenizer, label)


def wrap(model: torch.nn.Module, tokenizer: Callable | None = None, name: str = "MiniCLIP") -> Clip:
    """Return a `Clip` around a model in memory, for instance one in training; its weights stay trainable.

    Args:
        model: An open_clip module.
        tokenizer: Its tokenizer; a MiniCLIP brings its own.
        name: What to call it.

    Raises:
        ValueError: If no tokenizer is given and the model is no MiniCLIP.

    Example:
        >>> wrap(mini_clip()).image_size
        32

    Taught in chapter training.
    """
    if tokenizer is None:
        if not hasattr(model, "config"):
            raise ValueError("pass the model's tokenizer; only a MiniCLIP brings its own")
        tokenizer = own_tokenizer(model.config)
    preprocess = image_transform_v2(
        PreprocessCfg(**open_clip.get_model_preprocess_cfg(model)), is_train=False
    )
    return Clip(name, model, preprocess, tokenizer)


def _build_open_clip(name, pretrained, image_size, context_length, seed):
    tag, path = None, None
    if ":" not in name:
        name = checks.known(name.replace("/", "-"), [*open_clip.list_models(), *MINI], "model")
        if pretrained is not None:
            tag, path = _tag_or_path(name, pretrained)
    options = {"force_image_size": image_size, "force_context_length": context_length, "weights_only": True}
    quick = tag is not None and bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu"))
    with seeded(seed), _without_the_random_weights_warning():
        # pretrained_text=False: a random model is random throughout, its Hugging Face text tower too.
        model = open_clip.create_model(
            name, pretrained=tag, force_quick_gelu=quick, pretrained_text=False, **options
        )
    return model, open_clip.get_tokenizer(name, context_length=context_length), path


def _tag_or_path(name: str, pretrained: str | Path) -> tuple[str | None, str | None]:
    tags = open_clip.list_pretrained_tags_by_model(name)
    text = os.fspath(pretrained)
    if text in tags:
        return text, None
    if Path(text).suffix in _WEIGHT_SUFFIXES or os.sep in text:
        return None, require(text)
    if not tags:
        raise ValueError(f"open_clip knows no pretrained weights for {name!r}; pass the path of a checkpoint")
    return checks.known(text, tags, f"pretrained tag of {name}"), None


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextlib.contextmanager
def _without_the_random_weights_warning() -> Iterator[None]:
    """Silence the one record by which open_clip says that weights are random: here they are so on purpose."""

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded for model")

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


def to_pixels(images, preprocess: Callable, size: int, mean, std) -> torch.Tensor:
    """Return pictures as (n, 3, size, size); what `mgaplib.models.Clip.pixels` does."""
    if isinstance(images, torch.Tensor):
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f"images is a tensor of {images.dtype} and shape {tuple(images.shape)}; a tensor is taken "
                "as preprocessed: floats of shape (n, 3, size, size). Pass pictures as a NumPy array"
            )
        return images
    if isinstance(images, np.ndarray):
        array = _as_uint8(images)
        if array.shape[1:3] == (size,) * 2:  # nothing to resize or crop
            mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
            return (torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255 - mean) / std
        images = [Image.fromarray(a) for a in array]
    try:
        return torch.stack([preprocess(image) for image in images])
    except (AttributeError, TypeError) as error:
        raise TypeError("images must be PIL images, an array of pictures or a tensor") from error


def _as_uint8(images: np.ndarray) -> np.ndarray:
    array = images[..., None].repeat(3, axis=-1) if images.ndim == 3 else images
    if array.ndim != 4 or array.shape[-1] != 3:
        raise ValueError(
            f"images has shape {images.shape}; pass (n, height, width, 3) or grey (n, height, width)"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise TypeError(f"images holds {array.dtype}; pass uint8, or floats in [0, 1]")
    if not (array.min() >= 0 and array.max() <= 1):
        raise ValueError("images holds floats outside [0, 1]; scale them, or pass preprocessed tensors")
    return (array * 255).round().astype(np.uint8)

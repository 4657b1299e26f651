"""Pictures of any kind as a model's input."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image


def to_pixels(images, preprocess: Callable, size: int, mean, std) -> torch.Tensor:
    """Return pictures as (n, 3, size, size); what `mgaplib.clip.Clip.pixels` does."""
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
        raise ValueError(
            "images holds floats outside [0, 1]; scale them, or pass preprocessed input as a tensor"
        )
    return (array * 255).round().astype(np.uint8)

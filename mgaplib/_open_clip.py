"""The one place that imports open_clip, after torchvision has been made importable."""

from mgaplib._torchvision import ensure_torchvision

ensure_torchvision()

import open_clip  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402

__all__ = ["PreprocessCfg", "image_transform_v2", "open_clip"]

"""The one place that imports open_clip, after torchvision has been made importable.

The registry's torchvision is linked to CUDA. Beside a CPU build of torch its import stops at "operator
torchvision::nms does not exist". Declaring its two operators, without an implementation, lets it pass: the
transforms and datasets that we use need none.
"""

import importlib
import sys

import torch

_declared: list[torch.library.Library] = []  # a declaration lives only as long as its library object


def ensure_torchvision() -> None:
    """Import torchvision, declaring its compiled operators first where, and only where, they are missing.

    Raises:
        ImportError: If torchvision is not installed.
        RuntimeError: If its import fails for another reason.
    """
    if "torchvision" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error) or torch.version.cuda:
            raise
        for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # the half-imported remains
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        importlib.import_module("torchvision")


ensure_torchvision()

import open_clip  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402

__all__ = ["PreprocessCfg", "ensure_torchvision", "image_transform_v2", "open_clip"]

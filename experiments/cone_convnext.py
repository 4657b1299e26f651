"""A random network without a cone: ConvNeXt as it comes, and with its blocks switched on (E2's control).

A minute on one core. Read by the chapter random_networks.
"""

import copy

import numpy as np
import torch
from _inputs import encoder, pictures
from _record import main

from mgaplib import metrics

N, SIZE, CONTEXT = 48, 64, 32


def run(inputs: str, layer_scale: float, gelu: str, seed: int) -> dict[str, float]:
    """Embed with the blocks times `layer_scale`, 1e-6 in a fresh model; GELU "on" or "off"."""
    visual = copy.deepcopy(encoder("convnext_base", SIZE, CONTEXT, seed).model.visual)
    for name, value in visual.named_parameters():
        if name.endswith("gamma"):
            value.fill_(layer_scale)
    for module in visual.modules():
        for name, child in module.named_children():
            if gelu == "off" and type(child).__name__ == "GELU":
                setattr(module, name, torch.nn.Identity())
    x = pictures(inputs, N, SIZE, seed)
    embedding = visual(x).numpy()
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    return {
        "input_cosine": metrics.mean_cosine(x.flatten(1).numpy()),
        "cosine": metrics.mean_cosine(embedding),
        "lowest": float((unit @ unit.T).min()),
    }


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(
        __file__,
        "Mean cosine of ConvNeXt-Base's embeddings with random weights, 48 inputs at 64 pixels, with CLIP's "
        "pixel centring: layer scale as it comes (1e-6) or 1, GELU as it is or the identity.",
        [
            {"inputs": inputs, "layer_scale": scale, "gelu": gelu}
            for inputs in ("photographs", "noise")
            for scale, gelu in ((1e-6, "on"), (1.0, "on"), (1.0, "off"))
        ],
        run,
    )

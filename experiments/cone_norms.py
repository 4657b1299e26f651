"""Cones and gap of random encoders, with and without norms, with and without centred pixels (E12, 2 x 2).

About 5 minutes on one core. Read by the chapter random_networks.
"""

from functools import lru_cache

import numpy as np
import torch
from _inputs import MEAN, STD, TEXT_OF, encoder, pictures, texts
from _record import main

from mgaplib import cone, metrics, models

CONTEXT, NUMBER = 32, {64: 48, 224: 24}  # inputs of a kind, by size


def run(network: str, norms: str, pixels: str, inputs: str, size: int, seed: int) -> dict[str, float]:
    """Measure one cell; norms are "on", "off" or "batch": BatchNorm with the statistics of the batch."""
    x = pictures(inputs, NUMBER[size], size, seed)
    x = x * STD + MEAN if pixels == "raw" else x
    out = {"input_cosine": metrics.mean_cosine(x.flatten(1).numpy())}
    if network == "ResNet-18":
        resnet = cone.random_resnet18(seed)
        resnet = cone.without_norms(resnet) if norms == "off" else resnet.train(norms == "batch")
        return {**out, "cosine": metrics.mean_cosine(resnet(x).numpy())}
    images = model(norms, size, seed).encode_images(x, batch_size=24)
    words = text_features(norms, TEXT_OF[inputs], NUMBER[size], seed)
    lowest = images @ images.T
    return {
        **out,
        "cosine": metrics.mean_cosine(images),
        "lowest": float(lowest.min()),
        "text_cosine": metrics.mean_cosine(words),
        "cross_cosine": float(images.mean(axis=0) @ words.mean(axis=0)),
        "gap": metrics.modality_gap(images, words),
    }


@lru_cache(maxsize=2)
def model(norms: str, size: int, seed: int) -> models.Clip:
    full = encoder("ViT-B-32", size, CONTEXT, seed)
    return full if norms == "on" else models.wrap(cone.without_norms(full.model), full.tokenizer, "no norms")


@lru_cache(maxsize=16)
def text_features(norms: str, kind: str, n: int, seed: int) -> np.ndarray:
    tower = model(norms, 64, seed)
    return tower.encode_texts(texts(kind, n, CONTEXT, seed, tower.tokenizer))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    kinds = {64: ("photographs", "noise", "shapes", "digits"), 224: ("photographs", "noise")}
    main(
        __file__,
        "Mean cosines of ViT-B/32, ResNet-18 and CLIP's text transformer with random weights, norms "
        "on or off times pixels centred or raw: 48 inputs at 64 pixels or 24 at 224, 32 tokens. Norms "
        "off: every normalisation layer is the identity; batch: BatchNorm with the statistics of the "
        "batch. Raw: CLIP's mean and spread put back.",
        [
            {"network": network, "norms": norms, "pixels": pixels, "inputs": inputs, "size": size}
            for size, inputs_of_size in kinds.items()
            for network, ways in (("ViT-B-32", ("on", "off")), ("ResNet-18", ("on", "off", "batch")))
            for inputs in inputs_of_size
            for norms in ways
            for pixels in ("centred", "raw")
            if network == "ViT-B-32" or size == 64
        ],
        run,
    )

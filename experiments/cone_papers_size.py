"""Mean cosine of random encoders at the paper's own input size, on real inputs and on noise (E2).

About 2 minutes on one core. Read by the chapter random_networks.
"""

import numpy as np
import torch
from _record import main

from mgaplib import cone, metrics, models
from mgaplib.worlds import samples

N, SIZE, CONTEXT, VOCABULARY = 48, 224, 77, 49408


def features(resnet: torch.nn.Module, pixels: torch.Tensor) -> np.ndarray:
    return np.concatenate([resnet(batch).numpy() for batch in pixels.split(16)])


def run(seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(N, 3, SIZE, SIZE, generator=generator)
    tokens = torch.randint(0, VOCABULARY, (N, CONTEXT), generator=generator)
    photos = samples.photographs(N, SIZE, np.random.default_rng(seed))
    model = models.load_clip("ViT-B-32", seed=seed, device="cpu")
    resnet = cone.random_resnet18(seed)
    embedded = {
        "resnet_real": features(resnet, model.pixels(photos)),
        "resnet_noise": features(resnet, pixels),
        "vit_real": model.encode_images(photos, batch_size=16),
        "vit_noise": model.encode_images(pixels, batch_size=16),
        "text_real": model.encode_texts(samples.sentences(N), batch_size=16),
        "text_noise": model.encode_texts(tokens, batch_size=16),
    }
    return {name: metrics.mean_cosine(x) for name, x in embedded.items()}


if __name__ == "__main__":
    main(
        __file__,
        "Mean cosine of ResNet-18, ViT-B/32 and CLIP's text transformer with random weights: 48 photographs "
        "or sentences, or noise, at 224 pixels and 77 tokens.",
        [{}],
        run,
    )

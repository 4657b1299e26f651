"""The cones of 25 random initialisations that see the same inputs, real or noise (E4).

About 2 minutes on one core. Read by the chapter many_initialisations.
"""

import numpy as np
import torch
from _record import main

from mgaplib import cone, models
from mgaplib.worlds import samples

N, SIZE, CONTEXT, VOCABULARY, INITIALISATIONS = 32, 64, 32, 49408, 25


def run(model: str, seed: int) -> dict[str, dict]:
    """Describe 25 cones for each kind of input; `seed` draws the inputs, weights have seeds of their own."""
    generator = torch.Generator().manual_seed(42 + seed)  # 42 is the paper's seed of the noise
    noise = torch.randn(N, 3, SIZE, SIZE, generator=generator)
    tokens = torch.randint(0, VOCABULARY, (N, CONTEXT), generator=generator)
    photos, sentences = samples.photographs(N, SIZE, np.random.default_rng(seed)), samples.sentences(N)
    features: dict[str, list] = {}
    for weights in range(INITIALISATIONS):
        if model == "ResNet-18":
            resnet = cone.random_resnet18(weights)
            embedded = {"real": resnet(_pixels(photos)).numpy(), "noise": resnet(noise).numpy()}
        else:
            both = models.load_clip(
                model, image_size=SIZE, context_length=CONTEXT, seed=weights, device="cpu"
            )
            embedded = {
                "image_real": both.encode_images(photos),
                "image_noise": both.encode_images(noise),
                "text_real": both.encode_texts(sentences),
                "text_noise": both.encode_texts(tokens),
            }
        for kind, rows in embedded.items():
            features.setdefault(kind, []).append(rows)
    return {kind: cone.describe_cones(np.stack(rows)) for kind, rows in features.items()}


def _pixels(images: np.ndarray) -> torch.Tensor:
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )  # ImageNet's
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std


if __name__ == "__main__":
    main(
        __file__,
        "25 random initialisations each of ResNet-18 and of CLIP ViT-B/32 on the same 32 photographs and "
        "sentences, and on the same noise, at 64 pixels and 32 tokens.",
        [{"model": "ResNet-18"}, {"model": "ViT-B-32"}],
        run,
        seeds=(0,),
    )

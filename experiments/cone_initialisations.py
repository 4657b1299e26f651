"""The cones of 25 random initialisations that see the same inputs, real or noise (E4).

About 3 minutes on one core. Read by the chapter many_initialisations.
"""

import numpy as np
import torch
from _record import main

from mgaplib import clip, cone, samples

N, SIZE, CONTEXT, VOCABULARY, INITIALISATIONS = 32, 64, 32, 49408, 25


def run(encoder: str, inputs: str, seed: int) -> dict:
    """Describe 25 cones; `seed` draws the inputs, the weights have seeds of their own."""
    generator = torch.Generator().manual_seed(42 + seed)  # 42 is the paper's seed of the noise
    noise = torch.randn(N, 3, SIZE, SIZE, generator=generator)
    tokens = torch.randint(0, VOCABULARY, (N, CONTEXT), generator=generator)
    photos = samples.photographs(N, SIZE, np.random.default_rng(seed))
    rows = []
    for weights in range(INITIALISATIONS):
        if encoder == "ResNet-18":
            resnet = cone.random_resnet18(weights)
            rows.append(resnet(_pixels(photos) if inputs == "real" else noise).numpy())
            continue
        model = clip.load_clip(
            "ViT-B-32", image_size=SIZE, context_length=CONTEXT, seed=weights, device="cpu"
        )
        if encoder == "ViT":
            rows.append(model.encode_images(photos if inputs == "real" else noise))
        else:
            rows.append(model.encode_texts(samples.sentences(N) if inputs == "real" else tokens))
    features = np.stack(rows)
    unit = features / np.linalg.norm(features, axis=2, keepdims=True)
    return {
        **cone.describe_cones(features),
        "share": float(cone.initialisation_share(unit).mean()),
        "cosine": float(np.mean([cone.full_mean_cosine(u) for u in unit])),
    }


def _pixels(images: np.ndarray) -> torch.Tensor:
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )  # ImageNet's
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std


if __name__ == "__main__":
    main(
        __file__,
        "25 random initialisations each of ResNet-18, ViT-B/32 and CLIP's text transformer on the same 32 "
        "photographs or sentences, or on the same noise, at 64 pixels and 32 tokens.",
        [{"encoder": e, "inputs": i} for e in ("ResNet-18", "ViT", "Text") for i in ("real", "noise")],
        run,
        seeds=(0,),
    )

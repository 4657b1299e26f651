"""The two cones and the gap of untrained models of several architectures (E2).

About 2 minutes on one core. Read by the chapter random_networks.
"""

from _record import main

from mgaplib import cone, metrics, models
from mgaplib.worlds import shapeworld

MODELS = ("ViT-B-32", "ViT-B-16", "RN50", "convnext_base", "coca_ViT-B-32")


def run(model: str, seed: int) -> dict[str, float]:
    world = shapeworld.draw(48, size=64, seed=seed)
    encoder = models.load_clip(model, image_size=64, context_length=32, seed=seed, device="cpu")
    images, texts = encoder.encode_images(world.images), encoder.encode_texts(world.captions)
    return {
        "image_cosine": metrics.mean_cosine(images),
        "text_cosine": metrics.mean_cosine(texts),
        "image_cone": cone.full_mean_cosine(images),
        "text_cone": cone.full_mean_cosine(texts),
        "cross_cosine": float(images.mean(axis=0) @ texts.mean(axis=0)),
        "gap": metrics.modality_gap(images, texts),
    }


if __name__ == "__main__":
    main(
        __file__,
        "Mean cosines and modality gap of open_clip models with random weights: 48 ShapeWorld pairs at "
        "64 pixels and 32 tokens.",
        [{"model": name} for name in MODELS],
        run,
    )

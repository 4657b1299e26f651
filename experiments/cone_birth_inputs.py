"""The two cones and the gap of untrained models, on photographs and sentences and on ShapeWorld (E2).

About 4 minutes on one core. Read by the chapter random_networks.
"""

from _inputs import TEXT_OF, encoder, pictures, texts
from _record import main

from mgaplib import cone, metrics, models

N, SIZE, CONTEXT = 48, 64, 32
MODELS = ("ViT-B-32", "ViT-B-16", "RN50", "convnext_base", "coca_ViT-B-32")


def run(model: str, inputs: str, seed: int) -> dict[str, float]:
    both: models.Clip = encoder(model, SIZE, CONTEXT, seed)
    x = pictures(inputs, N, SIZE, seed)
    images = both.encode_images(x)
    words = both.encode_texts(texts(TEXT_OF[inputs], N, CONTEXT, seed, both.tokenizer))
    return {
        "input_cosine": metrics.mean_cosine(x.flatten(1).numpy()),
        "image_cosine": metrics.mean_cosine(images),
        "text_cosine": metrics.mean_cosine(words),
        "image_cone": cone.full_mean_cosine(images),
        "text_cone": cone.full_mean_cosine(words),
        "cross_cosine": float(images.mean(axis=0) @ words.mean(axis=0)),
        "gap": metrics.modality_gap(images, words),
    }


if __name__ == "__main__":
    main(
        __file__,
        "Mean cosines and modality gap of open_clip models with random weights, 64 pixels and 32 "
        "tokens: 48 photographs and sentences, 48 ShapeWorld pairs, or noise; CLIP's pixel centring "
        "for all.",
        [
            {"model": name, "inputs": inputs}
            for name in MODELS
            for inputs in ("photographs", "shapes", "noise")
        ],
        run,
    )

"""E9: zero-shot accuracy of five MiniCLIPs on twenty tasks, after a shift that other pictures chose."""

import _record
import numpy as np

from mgaplib import training
from mgaplib.tasks import zeroshot
from mgaplib.worlds import shapeworld

PICTURES = 1000


def run(style: str, attribute: str, seed: int) -> dict:
    model, values = training.competent_miniclip(seed), shapeworld.ATTRIBUTES[attribute]
    classes = model.encode_texts(shapeworld.describe({attribute: np.arange(len(values))}, [attribute]))
    halves = []
    for split in ("val", "test"):
        world = shapeworld.draw(PICTURES, seed=seed, split=split, size=model.image_size, style=style)
        halves.append((model.encode_images(world.images), world.attributes[attribute]))
    return zeroshot.choose_shift(*halves, classes)._asdict()


if __name__ == "__main__":
    arms = [{"style": s, "attribute": a} for s in shapeworld.STYLES for a in shapeworld.ATTRIBUTES]
    about = (
        "The competent MiniCLIP-24 (1500 steps, tau fixed at 0.01) on four attributes in five rendering "
        f"styles, all but one never trained on: {PICTURES} pictures to choose one of forty shifts, "
        f"{PICTURES} others to test it."
    )
    _record.main(__file__, about, arms, run)

"""What moving the pictures brings: the competent emoji MiniCLIP, its training pictures still or moved."""

from dataclasses import replace

import _record

from mgaplib import metrics, models
from mgaplib.training import train
from mgaplib.training.competent import RECIPES
from mgaplib.worlds import emoji

RECIPE = RECIPES["emoji"]
OPTIONS = models.MINI[RECIPE.architecture]


def run(shift: int, seed: int) -> dict:
    splits = emoji.load(size=OPTIONS["image_size"], shift=shift, seed=seed)
    model = models.mini_clip(**OPTIONS, words=emoji.vocabulary(), seed=seed)
    history = train(model, splits.train, replace(RECIPE.config, seed=seed), validation=splits.style)
    names, clip = splits.names, models.wrap(model)
    images, texts = clip.encode_images(names.images), clip.encode_texts(names.captions)
    return {**history.final, "names_image_to_text": metrics.recall_at_k(images, texts)}


if __name__ == "__main__":
    about = (
        f"The emoji MiniCLIP ({RECIPE.config.steps} steps of 128, tau 0.01, {OPTIONS['width']} wide, "
        f"{OPTIONS['image_size']} px); training pictures still, or moved by up to 2 pixels each time."
    )
    _record.main(__file__, about, [{"shift": 0}, {"shift": 2}], run, seeds=range(3))

"""Train a MiniCLIP with other loss terms, a shared encoder, and captions that say less; five seeds an arm.

About 14 minutes on one core. The chapter explanations reads the record.
"""

import _record
import numpy as np

from mgaplib import metrics, models, training
from mgaplib.models import open_clip
from mgaplib.training import losses
from mgaplib.worlds import shapeworld

PAIRS, HELD_OUT, STEPS = 8000, 512, 400
ATTRIBUTES = tuple(shapeworld.ATTRIBUTES)
#: A text tower as deep as the image tower, so that the two can be shared; the same in all arms.
MODEL = {"width": 32, "image_size": 24, "layers": 2, "text_layers": 2}
FIXED = {"temperature": "fixed", "tau": 0.01}
LEARNED = {"temperature": "learned", "tau": 0.07}
BOTH = {"alignment": 1.0, "uniformity": 1.0}
#: What each arm changes.
ARMS = {
    "plain": FIXED,
    "alignment": FIXED | {"terms": {"alignment": 1.0}},
    "uniformity": FIXED | {"terms": {"uniformity": 1.0}},
    "alignment, uniformity": FIXED | {"terms": BOTH},
    "alignment, uniformity, across": FIXED | {"terms": BOTH | {"cross_uniformity": 1.0}},
    "shared encoder": FIXED | {"share": True},
    "learned": LEARNED,
    "learned, alignment, uniformity": LEARNED | {"terms": BOTH},
    **{f"{m} of 4": FIXED | {"mention": m} for m in (1, 2, 3, 4)},
    **{f"learned, {m} of 4": LEARNED | {"mention": m} for m in (1, 2, 3, 4)},
}


def mentioned(m: int, seed: int) -> tuple[str, ...]:
    """Return m attributes in the captions' order, drawn anew for each seed and nested in m.

    So "m of 4" is not the tale of one attribute.
    """
    chosen = np.random.default_rng(seed).permutation(len(ATTRIBUTES))[:m]
    return tuple(ATTRIBUTES[i] for i in sorted(chosen))


def caption_entropy(captions: list[str]) -> float:
    """Return the entropy in nats of the pictures that share a caption: what no model can decide."""
    _, which, count = np.unique(captions, return_inverse=True, return_counts=True)
    return float(np.log(count[which]).mean())


def run(arm: str, seed: int) -> dict:
    """Train one model and return what its embeddings of held-out pairs look like."""
    change = ARMS[arm]
    model = models.mini_clip(**MODEL, tau=change["tau"], seed=seed)
    if change.get("share"):
        losses.share_encoder(model)
    terms = change.get("terms")
    loss = losses.SpreadLoss(open_clip.ClipLoss(), **terms) if terms else None
    world = {"seed": seed, "size": MODEL["image_size"]}
    if "mention" in change:  # complete captions of m attributes, instead of the world's own
        world |= {"mention": mentioned(change["mention"], seed), "omit": 0.0}
    held_out = shapeworld.draw(HELD_OUT, split="val", **world)
    config = training.TrainConfig(
        steps=STEPS,
        temperature=change["temperature"],
        tau=change["tau"],
        seed=seed,
        record_every=STEPS,
        snapshots=(0, STEPS),
    )
    history = training.train(model, shapeworld.draw(PAIRS, **world), config, validation=held_out, loss=loss)
    images, texts = history.snapshots[STEPS]
    tau = history.final["tau"]
    return {
        "start_gap": metrics.modality_gap(*history.snapshots[0]),
        "gap": history.final["gap"],
        "relative_gap": metrics.relative_modality_gap(images, texts),
        "separability": metrics.linear_separability(images, texts),
        "tau": tau,
        "image_to_text": history.final["image_to_text"],
        "text_to_image": history.final["text_to_image"],
        "alignment": metrics.alignment(images, texts),
        "uniformity": (metrics.uniformity(images) + metrics.uniformity(texts)) / 2,
        "mixed_rank": float(np.mean(metrics.mixed_partner_ranks(images, texts))),
        "same_modality": float(np.mean(metrics.same_modality_share(images, texts))),
        "entropy": metrics.logit_entropy(images, texts, tau),
        "caption_entropy": caption_entropy(held_out.captions),
    }


if __name__ == "__main__":
    _record.main(
        __file__,
        "MiniCLIP (24 px, 32 wide, two layers in each tower) for 400 steps of 128 pairs of 8000: loss terms, "
        "a shared encoder, captions that mention m of 4 attributes; tau = 0.01 fixed, or learned from 0.07.",
        [{"arm": arm} for arm in ARMS],
        run,
    )

"""Do other losses order the gaps as the published models do? Six losses, each at three temperatures.

Published, 100 pairs of COCO (Humer et al. 2024): four ResNet-50s that differ in loss and retrieval only, here
those of CC after 31 epochs, and OpenAI's CLIP beside CyCLIP, which differ in their data too.

    InfoNCE .504   InfoLOOB .213   Hopfield + InfoNCE .431   CLOOB .227      CLIP .814   CyCLIP .873

So three orders are asked for: InfoLOOB below InfoNCE, CLOOB below Hopfield + InfoNCE, CyCLIP not below
InfoNCE.
Every loss is trained as its paper does ("own"), and all at two fixed temperatures, 1/30 (CLOOB's) and 1/100
(where CLIP's and CyCLIP's learning ends), so that only the loss differs.

| loss | tau in its paper | else |
|---|---|---|
| InfoNCE | learned from .07 | |
| InfoLOOB, Hopfield + InfoNCE, CLOOB | fixed, 1/30 | Hopfield beta 8 |
| CyCLIP | learned from .07 | both consistencies weighted .25 |
| SigLIP | learned from .1 | bias learned from -10 |
"""

import _record
from _setting import ABOUT, SIZE, final, fresh, held_out, world

from mgaplib import metrics
from mgaplib.models import open_clip
from mgaplib.training import TrainConfig, losses, train
from mgaplib.worlds import emoji

#: How long a world is trained in: as in its other records.
WORLDS = {"shapes": 400, "emoji": 600}
LOSSES = {
    "InfoNCE": open_clip.ClipLoss,
    "InfoLOOB": lambda: losses.CLOOBLoss(beta=None),
    "Hopfield + InfoNCE": lambda: losses.CLOOBLoss(leave_one_out=False),
    "CLOOB": losses.CLOOBLoss,
    "CyCLIP": lambda: losses.SpreadLoss(open_clip.ClipLoss(), in_modal=0.25, cross_modal=0.25),
    "SigLIP": losses.SigLIPLoss,
}
THIRTIETH, HUNDREDTH = (("fixed", tau) for tau in (1 / 30, 0.01))
OWN = {"InfoNCE": ("learned", 0.07), "CyCLIP": ("learned", 0.07), "SigLIP": ("learned", 0.1)}


def arms() -> list[dict]:
    """Return every loss as in its paper and at both fixed temperatures, in every world."""
    settings = [
        (loss, *setting)
        for loss in LOSSES
        for setting in dict.fromkeys((OWN.get(loss, THIRTIETH), THIRTIETH, HUNDREDTH))
    ]
    return [
        {"loss": loss, "temperature": kind, "start": round(tau, 4), "world": where}
        for where in WORLDS
        for loss, kind, tau in settings
    ]


def drawn(world_name: str, seed: int) -> tuple:
    """Return the pairs to train on, those to measure on, and the vocabulary where it is not ShapeWorld's."""
    if world_name == "shapes":
        return world(seed), held_out(seed), None
    splits = emoji.load(size=SIZE, seed=seed)
    return splits.train, splits.style, emoji.vocabulary()


def run(loss: str, temperature: str, start: float, world: str, seed: int) -> dict:
    """Train one model and return what its embeddings of held-out pairs look like."""
    pairs, unseen, words = drawn(world, seed)
    model, steps = fresh(seed, words=words), WORLDS[world]
    if loss == "SigLIP":
        losses.add_logit_bias(model)
    config = TrainConfig(
        steps=steps, temperature=temperature, tau=start, seed=seed, record_every=steps, snapshots=(steps,)
    )
    history = train(model, pairs, config, validation=unseen, loss=LOSSES[loss]())
    images, texts = history.snapshots[steps]
    bias = {} if model.logit_bias is None else {"bias": model.logit_bias.item()}
    measured = final(history)
    measured["loss_end"] = measured.pop("loss")  # the arm's own "loss" is its name
    return {
        **measured,
        "relative_gap": metrics.relative_modality_gap(images, texts),
        "same_modality": sum(metrics.same_modality_share(images, texts)) / 2,
        **bias,
    }


if __name__ == "__main__":
    about = (
        f"{ABOUT}, and on the emoji world, 600 steps, measured on the unseen style (a pool of 1,461); six "
        "losses, each at its paper's temperature and at two fixed ones."
    )
    _record.main(__file__, about, arms(), run)

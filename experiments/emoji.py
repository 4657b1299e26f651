"""The second world: the arms of the papers' training claims on emoji, in one setting that was fixed before.

About 13 minutes a seed on one core. The chapters of Parts II and III read the record beside ShapeWorld's.
"""

import copy
from functools import cache, lru_cache

import _record
import numpy as np
import remedies
from _matched import columns, matched
from _setting import curve, final, fit, fresh
from initialisation import close_gap

from mgaplib import metrics, models
from mgaplib.training import TrainConfig, train
from mgaplib.training.loop import as_pairs
from mgaplib.worlds import emoji

STEPS, SIZE = 600, 24
TAUS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.2, 0.3, 0.4, 1.0)
TUNED = (1.0, 1 / 10, 1 / 20, 1 / 30, 1 / 50, 1 / 100)
LONG, AT = 2000, sorted({int(t) for t in np.geomspace(1, 2000, 32).round()})
KINDS = {"fixed": {"temperature": "fixed", "tau": 0.01}, "learned": {"temperature": "learned", "tau": 0.07}}
CAPTIONS = {
    "0.3 of the words": {"drop": 0.3},
    "0.6 of the words": {"drop": 0.6},
    "all but the group": {"caption": "group"},
    **{f"wrong {share}": {"mismatched": share} for share in (0.1, 0.25, 0.5)},
    "wrong 0.25, drawn anew": {"mismatched": 0.25, "redrawn": True},
}
SHARED = {f"FLT {tau:g}" for tau in TAUS} | {"Baseline"}  # trained here as "tau ..." and "learned"


@cache
def words() -> list[str]:
    return emoji.vocabulary()


@lru_cache(maxsize=2)
def world(**captions) -> emoji.Splits:
    return emoji.load(size=SIZE, **captions)


def trained(seed: int, captions: dict | None = None, **options):
    """Return an untrained model's training: the model, and its history."""
    dimension = {k: options.pop(k) for k in ("embed_dim",) if k in options}
    model, splits = fresh(seed, words=words(), **dimension), world(**(captions or {}), seed=seed)
    history = fit(model, seed, splits.train, splits.style, **{"steps": STEPS, "record_every": 50, **options})
    return model, history


def measured(model, history) -> dict:
    """Return the last record with what else the chapters compare, all of it on the unseen style."""
    test, wrapped = world(seed=0).style, models.wrap(model)
    images, texts = wrapped.encode_images(test.images), wrapped.encode_texts(test.captions)
    groups = wrapped.encode_texts([g.lower().replace("&", "and") for g in emoji.GROUPS])
    return {
        **final(history),
        "relative_gap": metrics.relative_modality_gap(images, texts),
        "separability": metrics.linear_separability(images, texts),
        "same_modality": float(np.mean(metrics.same_modality_share(images, texts))),
        "zero_shot_groups": float(((images @ groups.T).argmax(axis=1) == test.groups).mean()),
        **curve(history, "gap", "tau"),
    }


def plain(seed: int, **options) -> dict:
    return measured(*trained(seed, **options))


def remedy(seed: int, name: str) -> dict:
    config = TrainConfig(steps=STEPS, record_every=50, seed=seed)
    splits = world(seed=seed)
    model, history = remedies.fit(remedies.ARMS[name], config, splits.train, splits.style, words=words())
    return measured(model.model, history)


def fine_tuned(seed: int) -> dict:
    model, before = trained(seed, **KINDS["fixed"])
    rows, splits = [], world(seed=seed)
    for tau in TUNED:
        tuned = copy.deepcopy(model)
        options = {"temperature": "fixed", "tau": tau, "steps": 200, "record_every": 200, "lr": 5e-4}
        rows.append(final(fit(tuned, seed, splits.train, splits.style, **options)))
    names = ("gap", "image_to_text", "text_to_image", "uniformity_w2")
    return {
        "taus": list(TUNED),
        **{name: [row[name] for row in rows] for name in names},
        **{f"{name}_before": final(before)[name] for name in names},
        "pool": before.pool,
    }


def start(seed: int, closed: bool) -> dict:
    splits, model = world(seed=seed), fresh(seed, words=words())
    mixed = splits.train.take(np.random.default_rng(seed).permutation(len(splits.train))[:500])
    left = close_gap(model, mixed) if closed else None
    options = {"temperature": "learned", "tau": 0.01, "steps": STEPS, "record_every": 25}
    history = fit(model, seed, splits.train, splits.style, **options)
    return {**final(history), "gap_closed_to": left, **curve(history, "gap", "tau", "loss")}


def first_steps(seed: int, starts: int = 20) -> dict:
    """Twenty initialisations a seed: ten steps each, without schedule."""
    splits, gaps = world(seed=0), []
    options = {"steps": 10, "lr": 5e-4, "warmup": 0, "decay": False, "tau": 0.07, "record_every": 1}
    some = splits.style.take(np.arange(512))
    for i in range(seed * starts, (seed + 1) * starts):
        gaps.append(fit(fresh(i, words=words()), i, splits.train, some, **options)["gap"].tolist())
    return {"gap_at": gaps, "change": [g[-1] - g[0] for g in gaps]}


def followed(seed: int, config: TrainConfig, at) -> dict:
    """Train and note gap, temperature and matched pairs of training and test at some steps."""
    splits, model, rows, steps = world(seed=seed), fresh(seed, words=words()), [], []
    data, test = (part.to_torch(models.wrap(model)) for part in (splits.train, splits.style))
    order = np.random.default_rng(seed).permutation(
        len(splits.train)
    )  # as files come, one style follows another
    some = splits.train.take(order[:512]).to_torch(models.wrap(model))
    seen = {"training": as_pairs(some, model, None), "held_out": as_pairs(test, model, None)}

    def note(done: int, _: float) -> None:
        if done in at:
            steps.append(done)
            found = {k: v for name, pairs in seen.items() for k, v in matched(model, pairs, name).items()}
            rows.append({"tau": float(1 / model.logit_scale.detach().exp()), **found})

    note(0, 0.0)
    history = train(model, data, config, validation=test, on_step=note)
    last = {k: v for k, v in measured(model, history).items() if not k.endswith("_at")}
    return {**last, "step_at": steps, **columns(rows)}


def annealed(seed: int, lowered: bool) -> dict:
    """Lower tau from .07 to .01 over the first half of twice the steps, or keep it at .01; one cosine."""

    def schedule(progress: float) -> float:
        return 0.01 + 0.06 * max(0.0, 1 - 2 * progress) if lowered else 0.01

    options = {"steps": 2 * STEPS, "tau": schedule(0), "temperature": schedule, "record_every": STEPS}
    return followed(seed, TrainConfig(**options, seed=seed), range(0, 2 * STEPS + 1, 100))


def long(seed: int) -> dict:
    options = {"steps": LONG, "lr": 5e-4, "warmup": 0, "decay": False, "tau": 0.07, "record_every": LONG}
    return followed(seed, TrainConfig(**options, seed=seed), {0, *AT})


ARMS = {
    "learned": (plain, KINDS["learned"]),
    **{f"tau {tau:g}": (plain, {"temperature": "fixed", "tau": tau}) for tau in TAUS},
    **{name: (remedy, {"name": name}) for name in remedies.ARMS if name not in SHARED},
    **{
        f"{kind}, {name}": (plain, {**how, "captions": captions})
        for name, captions in CAPTIONS.items()
        for kind, how in KINDS.items()
    },
    "start random": (start, {"closed": False}),
    "start closed": (start, {"closed": True}),
    "fine-tuned": (fine_tuned, {}),
    **{
        f"{kind}, d = {d}": (plain, {**how, "embed_dim": d})
        for d in (64, 256, 512)
        for kind, how in KINDS.items()
    },
    "lowered, held": (annealed, {"lowered": True}),
    "cold throughout": (annealed, {"lowered": False}),
    "first steps": (first_steps, {}),
    "long": (long, {}),
}


def run(arm: str, seed: int) -> dict:
    how, options = ARMS[arm]
    return how(seed, **options)


if __name__ == "__main__":
    about = (
        f"MiniCLIP-24 (32 wide, {SIZE} px, d = 128) on the 5,020 training pairs of the emoji world, {STEPS} "
        "steps of 128, AdamW 2e-3; measured on the unseen style, 1,461 pairs, which are the pool of R@1. The "
        f"other arms: 10 steps from 20 starts a seed; {2 * STEPS} steps with tau lowered in the first half; "
        f"{LONG} steps of AdamW 5e-4 without schedule; 200 more steps at six temperatures."
    )
    _record.main(__file__, about, [{"arm": name} for name in ARMS], run)

"""Annealing held at its end: lowered from 0.07 to 0.01, then 800 steps at 0.01; with its controls."""

import _record
from _matched import columns, matched
from _setting import ABOUT, fresh, held_out, world

from mgaplib import models
from mgaplib.training import TrainConfig, train
from mgaplib.training.loop import as_pairs

LOWER, HOLD = 400, 800
AT = (0, 50, 100, 150, 200, 300, 400, 425, 450, 475, 500, 600, 700, 800, 1000, 1200)


def run(path: str, rates: str, seed: int) -> dict:
    """Train 400 steps, then 800 more at the temperature where the first ended.

    Args:
        path: How tau goes in the first 400 steps: "lowered" from 0.07 to 0.01, "cold" at 0.01, or "warm", at
            0.07 from the first step to the last.
        rates: "restarted": each part has its own warm-up and cosine, so that the first ends like the recorded
            annealing; "one": one cosine over all 1200 steps.
        seed: Seed.
    """
    first, last = {"lowered": (0.07, 0.01), "cold": (0.01, 0.01), "warm": (0.07, 0.07)}[path]
    model, data, rows, steps = fresh(seed), world(seed), [], []
    data, kept = data.to_torch(models.wrap(model)), held_out(seed).to_torch(models.wrap(model))
    seen = {"training": as_pairs(data, model, None), "held_out": as_pairs(kept, model, None)}

    def note(step: int, tau: float) -> None:
        steps.append(step)
        found = {k: v for name, pairs in seen.items() for k, v in matched(model, pairs, name).items()}
        rows.append({"tau": tau, **found})

    def tau_at(step: int) -> float:
        return first + (last - first) * min(step / LOWER, 1)

    def part(length: int, begins: int, order: int) -> None:
        def watch(done: int, _: float) -> None:
            if begins + done in AT:
                note(begins + done, tau_at(begins + done - 1))

        def schedule(progress: float) -> float:
            return tau_at(begins + progress * length)

        options = {"steps": length, "tau": tau_at(begins), "temperature": schedule, "record_every": length}
        train(model, data, TrainConfig(**options, seed=order), validation=kept, on_step=watch)

    note(0, first)
    if rates == "restarted":
        part(LOWER, 0, seed)
        part(HOLD, LOWER, seed + 1000)  # another order of the pairs
    else:
        part(LOWER + HOLD, 0, seed)
    return {"step_at": steps, **columns(rows), **{k: v for k, v in rows[-1].items() if k != "tau"}}


if __name__ == "__main__":
    arms = [{"path": p, "rates": "restarted"} for p in ("lowered", "cold", "warm")]
    arms += [{"path": p, "rates": "one"} for p in ("lowered", "cold")]
    about = (
        f"{ABOUT}, then {HOLD} more steps. tau lowered linearly from 0.07 to 0.01 and held there, or 0.01 "
        "(cold) or 0.07 (warm) throughout; the learning rate restarted for the second part, or one cosine "
        "over both. Recall at 1 and matched pairs in batches of 128, on training and on held-out pairs."
    )
    _record.main(__file__, about, arms, run)

"""F5: how the gap changes in the first ten steps, over a hundred initialisations."""

import _record
from _setting import fit, fresh, held_out, world

from mgaplib import models


def run(lr: float, seed: int) -> dict:
    model = fresh(seed)
    data, validation = (pairs.to_torch(models.wrap(model)) for pairs in (world(0), held_out(0)))
    options = {"steps": 10, "lr": lr, "warmup": 0, "decay": False, "tau": 0.07, "record_every": 1}
    history = fit(model, seed, data=data, validation=validation, **options)
    return {
        "gap_at": [float(v) for v in history["gap"]],
        "change": history.final["gap"] - history.records[0]["gap"],
    }


if __name__ == "__main__":
    about = (
        "MiniCLIP-24 from 100 initialisations (weights and order of the pairs), 10 steps of 128, AdamW 5e-4 "
        "without schedule, tau learned from 0.07, gap on the same 512 held-out pairs."
    )
    _record.main(__file__, about, [{"lr": 5e-4}], run, seeds=range(100))

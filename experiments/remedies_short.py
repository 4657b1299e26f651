"""The remedies that the chapters train live, in the common setting of 400 steps; remedies.py has the rest.

About 8 minutes on one core. The chapters temperature and swapping read the record.
"""

import _record
from _setting import ABOUT, final, held_out, world
from remedies import ARMS, fit

from mgaplib.training import TrainConfig, swapping, temperature  # noqa: F401  the record depends on them

LIVE = (
    "Baseline",
    "FLT 0.01",
    "TS S3",
    "Softplus",
    "HS 0.1",
    "HS 0.1, re-normalised",
    "SS 0.1",
    "Hard Swap Feature 0.1",
)


def run(arm: str, seed: int) -> dict:
    config = TrainConfig(record_every=400, seed=seed)
    return final(fit(ARMS[arm], config, world(seed), held_out(seed))[1])


if __name__ == "__main__":
    about = f"{ABOUT}; the temperature learned from 0.07 unless the arm says otherwise."
    _record.main(__file__, about, [{"arm": name} for name in LIVE], run)

"""How the gap follows a temperature that swings: the paper's A0 and A1 in `remedies`' setting, seen often.

About a minute a seed on one core. The chapter temperature reads the record.
"""

from dataclasses import replace

import _record
from remedies import ARMS, CONFIG, PAIRS, fit, world


def run(arm: str, seed: int) -> dict:
    _, history = fit(ARMS[arm], replace(CONFIG, seed=seed, record_every=15), *world(seed))
    return {f"{name}_at": history[name].tolist() for name in ("step", "tau", "gap")}


if __name__ == "__main__":
    about = (
        f"MiniCLIP-24 on {PAIRS} ShapeWorld pairs, {CONFIG.steps} steps of {CONFIG.batch_size}, AdamW "
        f"{CONFIG.lr:g}; tau swings five times between 0.01 and 0.02 (A0) or 0.04 (A1); gap of 512 held-out "
        "pairs every 15 steps."
    )
    _record.main(__file__, about, [{"arm": "TS A0"}, {"arm": "TS A1"}], run, seeds=range(3))

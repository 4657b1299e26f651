"""The temperature lowered from 0.07 to 0.01 during training: does the gap open again?"""

import _record
from _setting import ABOUT, curve, final, fit, fresh


def run(start: float, end: float, seed: int) -> dict:
    def schedule(progress: float) -> float:
        return start + (end - start) * progress

    history = fit(fresh(seed), seed, temperature=schedule, tau=start, record_every=25)
    return {**final(history), **curve(history, "gap", "tau")}


if __name__ == "__main__":
    arms = [{"start": 0.07, "end": 0.01}]
    _record.main(__file__, f"{ABOUT}; tau lowered linearly from 0.07 to 0.01.", arms, run)

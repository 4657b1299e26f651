"""Where a learned temperature begins decides: learned and fixed from the same values, half wrong and none."""

import _record
from _setting import ABOUT, curve, final, fit, fresh, world

TAUS = (0.02, 0.07, 0.2, 1.0)
LONG = 1600


def run(temperature: str, tau: float, share: float, steps: int, seed: int) -> dict:
    data = world(seed, mismatched=share)
    options = {"temperature": temperature, "tau": tau, "steps": steps, "record_every": steps // 8}
    history = fit(fresh(seed), seed, data=data, **options)
    measured = final(history)
    measured["tau_end"] = measured.pop("tau")  # the arm's own tau is where it begins
    return {**measured, **curve(history, "gap", "tau")}


if __name__ == "__main__":
    kinds = ("learned", "fixed")
    arms = [
        {"temperature": kind, "tau": tau, "share": share, "steps": 400}
        for share in (0.0, 0.5)
        for tau in TAUS
        for kind in kinds
    ]
    arms += [
        {"temperature": kind, "tau": tau, "share": 0.5, "steps": LONG}
        for tau in (0.07, 0.2)
        for kind in kinds
    ]
    about = (
        f"{ABOUT}, some half-wrong arms for {LONG} steps; tau learned or fixed from the same four values; "
        "no wrong captions, or half of the training pairs with another picture's caption."
    )
    _record.main(__file__, about, arms, run)

"""E7 in a trained model: the gap against the share of wrong captions."""

import _record
from _setting import ABOUT, curve, final, fit, fresh, world

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75)


def run(share: float, temperature: str, seed: int) -> dict:
    tau = 0.01 if temperature == "fixed" else 0.07
    data = world(seed, mismatched=share)
    history = fit(fresh(seed), seed, data=data, temperature=temperature, tau=tau, record_every=100)
    return {**final(history), **curve(history, "gap", "tau")}


if __name__ == "__main__":
    arms = [{"share": s, "temperature": t} for s in SHARES for t in ("fixed", "learned")]
    about = (
        f"{ABOUT}; a share of the training pairs has another picture's caption; "
        "tau fixed at 0.01 or learned from 0.07."
    )
    _record.main(__file__, about, arms, run)

"""What captions leave out: the gap against the share of attributes that they omit."""

import _record
from _setting import ABOUT, POOL, SIZE, final, fit, fresh, world

from mgaplib.worlds import shapeworld


def run(omit: float, temperature: str, seed: int) -> dict:
    tau = 0.01 if temperature == "fixed" else 0.07
    validation = shapeworld.draw(POOL, seed=seed, split="val", size=SIZE, omit=omit)
    return final(fit(fresh(seed), seed, world(seed, omit=omit), validation, temperature=temperature, tau=tau))


if __name__ == "__main__":
    arms = [{"omit": o, "temperature": t} for o in (0.0, 0.3) for t in ("fixed", "learned")]
    about = (
        f"{ABOUT}; each caption leaves out each attribute with probability `omit`; "
        "tau fixed at 0.01 or learned from 0.07."
    )
    _record.main(__file__, about, arms, run)

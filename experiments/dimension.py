"""E13: the gap against the dimension of the shared space."""

import _record
from _setting import ABOUT, final, fit, fresh


def run(embed_dim: int, temperature: str, seed: int) -> dict:
    tau = 0.01 if temperature == "fixed" else 0.07
    return final(fit(fresh(seed, embed_dim=embed_dim), seed, temperature=temperature, tau=tau))


if __name__ == "__main__":
    arms = [{"embed_dim": d, "temperature": t} for d in (64, 128, 256, 512) for t in ("fixed", "learned")]
    about = f"{ABOUT}; d = 64 to 512, tau fixed at 0.01 or learned from 0.07."
    _record.main(__file__, about, arms, run)

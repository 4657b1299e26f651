"""F10, and the baseline of everything else: nine fixed temperatures, and one learned from 0.07."""

import _record
from _setting import ABOUT, competence, curve, final, fit, fresh

TAUS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.2, 0.3, 0.4, 1.0)


def run(temperature: str, tau: float, seed: int) -> dict:
    model = fresh(seed)
    history = fit(model, seed, temperature=temperature, tau=tau, record_every=50)
    return {**final(history), **competence(model, seed), **curve(history, "gap", "tau")}


if __name__ == "__main__":
    arms = [{"temperature": "learned", "tau": 0.07}]
    arms += [{"temperature": "fixed", "tau": tau} for tau in TAUS]
    _record.main(__file__, f"{ABOUT}; temperature fixed, or learned from 0.07.", arms, run)

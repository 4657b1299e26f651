"""E6: one trained model, fine-tuned at six temperatures."""

import copy

import _record
from _setting import ABOUT, final, fit, fresh

TAUS = (1.0, 1 / 10, 1 / 20, 1 / 30, 1 / 50, 1 / 100)


def run(steps: int, seed: int) -> dict:
    model = fresh(seed)
    before = final(fit(model, seed, temperature="fixed", tau=0.01))
    rows = []
    for tau in TAUS:
        tuned = copy.deepcopy(model)
        rows.append(final(fit(tuned, seed, temperature="fixed", tau=tau, steps=steps, lr=5e-4)))
    names = ("gap", "image_to_text", "text_to_image", "uniformity_w2")
    return {
        "taus": list(TAUS),
        **{name: [row[name] for row in rows] for name in names},
        **{f"{name}_before": before[name] for name in names},
        "pool": before["pool"],
    }


if __name__ == "__main__":
    about = (
        f"{ABOUT}, tau = 0.01; then 200 further steps on the same pairs at each of six fixed temperatures, "
        "AdamW 5e-4."
    )
    _record.main(__file__, about, [{"steps": 200}], run)

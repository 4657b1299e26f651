"""What one knob does to the gap of free points, over ten seeds: `dynamics.free_points.COMPARISONS`.

A minute for all on one core. The chapter gradient_flow and its explorer read the record.
"""

import _record

from mgaplib.dynamics import free_points

STEPS = 2000
ARMS = [
    {"comparison": name, "second": second} for name in free_points.COMPARISONS for second in (False, True)
]


def run(comparison: str, second: bool, seed: int) -> dict:
    first, instead = free_points.COMPARISONS[comparison]
    ran = free_points.train(STEPS, **{**first, **(instead if second else {}), "seed": seed})
    kept = {f"{name}_at": getattr(ran, name)[::100].tolist() for name in ("gap", "tau", "recall")}
    return {"gap": float(ran.gap[-1]), "least_margin": float(ran.margin.min()), **kept}


if __name__ == "__main__":
    about = (
        f"Free points on the sphere, {STEPS} steps; six comparisons of two runs that differ in one knob; "
        "gap, tau and recall every 100 steps."
    )
    _record.main(__file__, about, ARMS, run, seeds=range(1, 11))

"""How long `import mgaplib` and its geometry take, against numpy alone and against torch."""

import json
import statistics
import subprocess
import sys
import time


def seconds(code: str, runs: int = 5) -> float:
    """Return the median time of a fresh interpreter that runs the code, less that of an idle one."""

    def once(what: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", what], check=True)
        return time.perf_counter() - start

    once(code)  # fills the disk's cache
    return max(statistics.median(once(code) - once("pass") for _ in range(runs)), 1e-3)


def main() -> None:
    numpy, torch = seconds("import numpy"), seconds("import torch")
    for name in ("mgaplib", "mgaplib.metrics", "mgaplib.landscape"):
        ours = seconds(f"import {name}")
        figures = {
            "ours_s": ours,
            "naive_s": torch,
            "ratio": torch / ours,
            "floor_s": numpy,
            "of_floor": ours / numpy,
        }
        line = {"name": f"import {name} (naive: torch, floor: numpy)"}
        print(json.dumps(line | {k: float(f"{v:.4g}") for k, v in figures.items()}), flush=True)


if __name__ == "__main__":
    main()

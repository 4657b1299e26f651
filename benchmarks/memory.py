"""How much memory a report on 2,000 pairs takes at its peak, drawn from large files and from small ones."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROWS, COLUMNS, DRAWN = 300_000, 512, 2_000


def peak(code: str) -> float:
    """Return the most megabytes that a fresh interpreter held while it ran the code."""
    # Linux's own mark: getrusage counts what the parent held when it forked.
    last = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{last}"], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.splitlines()[-1]) / 1024


def write(path: Path, rows: int, sign: int) -> None:
    """Write embeddings of one modality, the same meaning with every sign, a block at a time."""
    out = np.lib.format.open_memmap(path, "w+", np.float16, (rows, COLUMNS))
    meaning, noise = np.random.default_rng(0), np.random.default_rng(2 + sign)
    for start in range(0, rows, DRAWN):
        block = meaning.standard_normal((DRAWN, COLUMNS), dtype=np.float32)
        block += 0.5 * noise.standard_normal((DRAWN, COLUMNS), dtype=np.float32) + sign
        out[start : start + DRAWN] = block


def report(folder: str, rows: int) -> float:
    files = [Path(folder, f"{name}_{rows}.npy") for name in ("images", "texts")]
    for path, sign in zip(files, (1, -1), strict=True):
        write(path, rows, sign)
    return peak(f"from mgaplib.__main__ import main; main(['report', {str(files[0])!r}, {str(files[1])!r}])")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "ours_mb": report(folder, ROWS),
            "small_files_mb": report(folder, DRAWN),
            "floor_mb": peak("import pandas"),
            "files_mb": 2 * ROWS * COLUMNS * 2 / 2**20,
        }
    line = {"name": f"report on {DRAWN} of {ROWS} x {COLUMNS} float16 rows (floor: the imports)"}
    print(json.dumps(line | {name: round(value) for name, value in figures.items()}), flush=True)


if __name__ == "__main__":
    main()

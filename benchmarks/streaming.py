"""Streaming metrics over shards on disk against the least that any such pass must do."""

import json
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mgaplib import embeddings


def write(folder: Path, pairs: int, d: int, rows: int) -> None:
    """Write float16 pairs in shards: two cones with a gap."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, d)).astype(np.float32) * 2
    for number, start in enumerate(range(0, pairs, rows)):
        n = min(rows, pairs - start)
        shared = rng.standard_normal((n, d), dtype=np.float32)
        for name, centre in zip(("img_emb", "text_emb"), centres, strict=True):
            side = shared + rng.standard_normal((n, d), dtype=np.float32) + centre
            np.save(folder / f"{name}_{number}.npy", side.astype(np.float16))


def floor(folder: Path) -> float:
    """Return the seconds of converting each shard to float32 and one X^T X a modality."""
    start = time.perf_counter()
    for shard in embeddings.find_shards(folder):
        for path in shard:
            x = np.load(path, mmap_mode="r").astype(np.float32)
            x.T @ x
    return time.perf_counter() - start


def naive(folder: Path) -> float:
    """Return the seconds of loading everything, as people do first; only if it fits into memory."""
    start = time.perf_counter()
    found = embeddings.find_shards(folder)
    for side in range(2):
        x = np.concatenate([np.load(shard[side]) for shard in found]).astype(np.float64)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        np.linalg.eigvalsh(x.T @ x)
    return time.perf_counter() - start


def ours(name: str) -> tuple[float, float]:
    """Return the seconds and the peak memory (MB) of measuring a folder's shards one after another."""
    start = time.perf_counter()
    total = None
    for shard in embeddings.find_shards(name):  # one thread, as the floor
        part = embeddings.measure_shard(shard)
        total = part if total is None else total.merge(part)
    total.metrics()
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(pairs: int = 2_000_000, d: int = 512, rows: int = 100_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, pairs, d, rows)
        floor(folder)  # warms the disk's cache for both
        floor_s = floor(folder)
        # A fresh process, so that its peak memory is its own.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            ours_s, peak = fresh.submit(ours, name).result()
        line = {"name": f"streaming {pairs:,} x {d} float16, one thread", "ours_s": round(ours_s, 2)}
        fits = pairs * d * 16 < 4e9  # else it would need tens of GB
        naive_s = naive(folder) if fits else 0.0
        if fits:
            line |= {"naive_s": round(naive_s, 2), "ratio": round(naive_s / ours_s, 2)}
        else:
            line |= {"naive_s": None, "ratio": None}
        line |= {"floor_s": round(floor_s, 2), "of_floor": round(ours_s / floor_s, 2), "peak_mb": round(peak)}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

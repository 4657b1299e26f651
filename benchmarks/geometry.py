"""Time the metrics and the shift landscape against the straightforward way and against what no way can beat.

`python benchmarks/geometry.py` prints a JSON line each: seconds of ours, of the straightforward method and of
the floor, and the two ratios. All three are timed in one run, on one thread, in float32, and count the
processor's time, which others on the machine hardly change.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded

import json
import time
from collections.abc import Callable, Iterator

import numpy as np

from mgaplib import metrics
from mgaplib.landscape import ShiftLandscape, shift
from mgaplib.pairs import Pairs

TAUS = [1 / scale for scale in (100, 50, 30, 20, 10, 1)]


def drawn_pairs(n: int = 5000, d: int = 512, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows of two modalities with shared content and a gap about as wide as CLIP's."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    sides = (shared + rng.normal(size=(n, d)) + rng.normal(0, 1, d) * 0.8 for _ in range(2))
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in sides)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of a few runs, which is the one least disturbed."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def row(name: str, ours: float, naive: float, floor: float) -> dict:
    """Return one line of the report."""
    return {
        "name": name,
        "ours_s": ours,
        "naive_s": naive,
        "ratio": naive / ours,
        "floor_s": floor,
        "of_floor": ours / floor,
    }


def exp_pass(cosines: np.ndarray) -> float:
    """Return the seconds of one exp over a matrix, in cache-sized blocks, the mean over the temperatures."""
    block = np.empty_like(cosines[:64])

    def work():
        for tau in TAUS:
            for start in range(0, len(cosines), len(block)):
                rows = cosines[start : start + len(block)]
                weights = block[: len(rows)]
                np.multiply(rows, np.float32(1 / tau), out=weights)
                np.exp(weights, out=weights)

    return seconds(work) / len(TAUS)


def straightforward_losses(images: np.ndarray, texts: np.ndarray, delta: float) -> list[float]:
    """Return the symmetric loss at each temperature the usual way: shift, normalise, multiply, softmax."""
    x, y = shift(images, texts, delta, convention="delta")
    scores = x @ y.T
    losses = []
    for tau in TAUS:
        logits = scores / np.float32(tau)
        total = 0.0
        for axis in (0, 1):
            top = logits.max(axis=axis, keepdims=True)
            lse = top.squeeze(axis) + np.log(np.exp(logits - top).sum(axis=axis))
            total += float(np.mean(lse - np.diag(logits)))
        losses.append(total / 2)
    return losses


def landscape(n: int = 5000, d: int = 512) -> Iterator[dict]:
    """Time 40 shifts x 6 temperatures, both directions; the straightforward way on 2 shifts, times 20.

    The floor is one exp over the n^2 cosines for each shift and temperature.
    """
    images, texts = drawn_pairs(n, d)
    deltas = np.arange(-5, 5, 0.25)
    few = deltas[[18, 22]]

    def ours():
        return ShiftLandscape(images, texts, convention="delta", dtype="float32").loss(deltas, TAUS)

    naive = seconds(lambda: [straightforward_losses(images, texts, delta) for delta in few], 1)
    floor = exp_pass(images @ texts.T - np.float32(0.5))
    yield row(
        f"shift landscape, n={n}, d={d}, {len(deltas)} shifts x {len(TAUS)} tau",
        seconds(ours, 1),
        naive * len(deltas) / len(few),
        floor * len(deltas) * len(TAUS),
    )


def means(n: int = 5000, d: int = 512) -> Iterator[dict]:
    """Time the O(n d) metrics against their forms over all n^2 cosines; the floor reads the input once.

    The gap is also timed against the plain difference of two means, which checks and scales nothing: of
    arrays, which are checked and scaled each time, and of `Pairs`, which were once.
    """
    images, texts = drawn_pairs(n, d)
    pairs = Pairs(images, texts)

    def cosine_by_pairs(x):
        return ((x @ x.T).sum(dtype=float) - n) / (n * (n - 1))

    def gap_by_pairs():
        within = sum((x @ x.T).mean(dtype=float) for x in (images, texts))
        return np.sqrt(within - 2 * (images @ texts.T).mean(dtype=float))

    def alignment_by_pairs():
        return 2 - 2 * np.mean(np.diag(images @ texts.T))

    def plain_gap():
        return np.linalg.norm(images.mean(axis=0) - texts.mean(axis=0))

    read_one = seconds(lambda: images.sum(axis=0), 5)
    read_both = seconds(lambda: (images.sum(axis=0), texts.sum(axis=0)), 5)
    for name, ours, naive, floor in (
        ("mean_cosine", lambda: metrics.mean_cosine(images), lambda: cosine_by_pairs(images), read_one),
        ("modality_gap", lambda: metrics.modality_gap(images, texts), gap_by_pairs, read_both),
        ("alignment", lambda: metrics.alignment(images, texts), alignment_by_pairs, read_both),
        (
            "plain gap and modality_gap of arrays",
            lambda: metrics.modality_gap(images, texts),
            plain_gap,
            read_both,
        ),
        ("plain gap and modality_gap of Pairs", lambda: metrics.modality_gap(pairs), plain_gap, read_both),
    ):
        yield row(
            f"{name}, n={n}, d={d}", seconds(ours, 15), seconds(naive, 15 if naive is plain_gap else 2), floor
        )


def recall(n: int = 5000, d: int = 512) -> Iterator[dict]:
    """Time recall of one direction, ties counted, against sorting every row's scores.

    The floor is one matrix product and an argmax of each row, which knows no ties.
    """
    images, texts = drawn_pairs(n, d)

    def by_sorting():
        order = np.argsort(-(images @ texts.T), axis=1)
        return np.mean(order[:, 0] == np.arange(n))

    floor = seconds(lambda: (images @ texts.T).argmax(axis=1), 5)
    ours = seconds(lambda: metrics.recall_at_k(images, texts), 5)
    yield row(f"recall_at_k, k=1, n={n}, d={d}", ours, seconds(by_sorting, 1), floor)


def benchmarks() -> Iterator[dict]:
    """Yield every line."""
    yield from means()
    yield from recall()
    yield from landscape()


if __name__ == "__main__":
    for line in benchmarks():
        print(json.dumps({k: v if isinstance(v, str) else float(f"{v:.4g}") for k, v in line.items()}))

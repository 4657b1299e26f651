"""The seed's share of a feature's variance, by three estimators, where it is known and in a random ViT-B/32.

About 2 minutes on one core. Read by the chapter many_initialisations.
"""

import numpy as np
import torch
from _inputs import encoder, pictures
from _record import main

WEIGHTS, N, SIZE, COORDINATES = 25, 32, 64, 4000


def parts(h: np.ndarray, inputs: str) -> np.ndarray:
    """Return the variance between seeds and the whole, a column a coordinate; h is (seed, input, coordinate).

    The mean over n inputs has noise of its own. Where each seed draws its inputs anew, it is an n-th of the
    variance within. Where all seeds see the same inputs, what these do alike in all seeds moves all means
    alike: only the interaction of seed and input is noise.
    """
    seeds, n, _ = h.shape
    of_seed, of_input = h.mean(axis=1), h.mean(axis=0)
    within = h.var(axis=1, ddof=1).mean(axis=0)
    rest = h - of_seed[:, None] - of_input + h.mean(axis=(0, 1))
    interaction = (rest**2).sum(axis=(0, 1)) / ((seeds - 1) * (n - 1))
    between = of_seed.var(axis=0, ddof=1) - (interaction if inputs == "shared" else within) / n
    return np.stack([between, between + within])


def shares(h: np.ndarray) -> dict[str, float]:
    """Return the mean of the coordinates' ratios, the ratio of their means, and that for shared inputs."""
    (between, whole), (shared, whole_shared) = parts(h, "fresh"), parts(h, "shared")
    return {
        "mean_of_ratios": float((between / whole).mean()),
        "ratio_of_means": float(between.mean() / whole.mean()),
        "shared_inputs": float(shared.mean() / whole_shared.mean()),
    }


def run(features: str, seed: int) -> dict:
    """Take features of known shares, or those of 25 towers on the same photographs."""
    if features == "tower":
        return _tower(seed)
    rng = np.random.default_rng(seed)
    of_seed, of_input, both = (
        rng.standard_normal(shape)
        for shape in ((WEIGHTS, 1, COORDINATES), (1, N, COORDINATES), (WEIGHTS, N, COORDINATES))
    )
    mixed = {
        "half, inputs of their own": (1, 0, 1),
        "half, inputs shared": (1, 1, 0),
        "a quarter, inputs shared": (1, 2, 1),
        "identical functions": (0, 1, 0),
    }[features]
    a, b, c = np.sqrt(mixed)
    return {**shares(a * of_seed + b * of_input + c * both), "true": mixed[0] / sum(mixed)}


def _tower(seed: int) -> dict:
    photographs, states = pictures("photographs", N, SIZE, seed), []
    for weights in range(WEIGHTS):
        visual, blocks = encoder("ViT-B-32", SIZE, 8, WEIGHTS * seed + weights).model.visual, []
        for block in visual.transformer.resblocks:
            block.register_forward_hook(
                lambda _block, _given, out, kept=blocks: kept.append(out[:, 0].numpy())
            )
        embedding = visual(photographs).numpy()
        states.append([*blocks, embedding])
    depths = [np.stack(at) for at in zip(*states, strict=True)]
    unit = [h / np.linalg.norm(h, axis=2, keepdims=True) for h in depths]
    rows = [shares(h.astype(float)) for h in unit]
    cosine = [np.mean([(np.sum(u.sum(axis=0) ** 2) - N) / (N * (N - 1)) for u in h]) for h in unit]
    return {**{k: [row[k] for row in rows] for k in rows[0]}, "cosine": [float(c) for c in cosine]}


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(
        __file__,
        f"The share of the variance that lies between initialisations, {WEIGHTS} initialisations and {N} "
        f"inputs: {COORDINATES} normal coordinates of known shares, and the class token after each block and "
        "the embedding of random ViT-B/32 at 64 pixels, of unit length, on the same photographs.",
        [
            {"features": name}
            for name in (
                "half, inputs of their own",
                "half, inputs shared",
                "a quarter, inputs shared",
                "identical functions",
                "tower",
            )
        ],
        run,
        seeds=range(3),
    )

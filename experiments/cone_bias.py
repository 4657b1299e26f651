"""Mean cosine through 25 random layers, with and without bias, by activation (E3's control).

A minute on one core. Read by the chapter depth_and_activation.
"""

import numpy as np
from _record import main
from scipy.special import erf, expit

from mgaplib import cone

DEPTH, N, WIDTH = 25, 1024, 512
ACTIVATIONS = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "sin": np.sin,
    "gelu": lambda z: (0.5 * z * (1 + erf(z / np.sqrt(2)))).astype(z.dtype),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.maximum(z, z.dtype.type(0.01) * z),
    "sigmoid": expit,
    "maxout": lambda z: np.maximum(z[:, :WIDTH], z[:, WIDTH:]),
}


def run(activation: str, bias: bool, after: str, seed: int) -> dict:
    """Follow normal inputs; `after` each layer is "nothing", or one of the two things that LayerNorm does."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((N, WIDTH), dtype=np.float32)
    columns = 2 * WIDTH if activation == "maxout" else WIDTH
    cosines, lengths = [cone.full_mean_cosine(h)], [squared_length(h)]
    for _ in range(DEPTH):
        z = h @ rng.standard_normal((WIDTH, columns), dtype=np.float32)
        z = (z + rng.standard_normal(columns, dtype=np.float32) * bias) / np.float32(np.sqrt(WIDTH))
        h = ACTIVATIONS[activation](z)
        if after == "mean off":
            h = h - h.mean(axis=1, keepdims=True)
        elif after == "length kept":
            h = h * np.float32(np.sqrt(WIDTH)) / np.linalg.norm(h, axis=1, keepdims=True)
        cosines.append(cone.full_mean_cosine(h))
        lengths.append(squared_length(h))
    return {
        "cosine": without_diagonal(cosines),
        "squared_length": lengths,
        "one_layer": one_layer(activation),
    }


def squared_length(h: np.ndarray) -> float:
    return float(np.square(h, dtype=np.float64).sum(axis=1).mean())


def without_diagonal(full: list[float]) -> list[float]:
    return [(N * value - 1) / (N - 1) for value in full]


def one_layer(activation: str) -> float:
    """Return E[phi]^2 / E[phi^2] for z of variance 1: the cosine after one wide layer without bias."""
    if (
        activation == "maxout"
    ):  # the larger of two independent normal numbers has mean 1/sqrt(pi), mean square 1
        return float(1 / np.pi)
    z = np.linspace(-12, 12, 240_001)
    phi, density = ACTIVATIONS[activation](z), np.exp(-(z**2) / 2)
    return float((density @ phi) ** 2 / (density @ phi**2) / density.sum())


if __name__ == "__main__":
    main(
        __file__,
        f"Mean cosine (pairs only) and mean squared length of {N} normal inputs through {DEPTH} layers "
        f"of {WIDTH} units, weights and biases of variance 1/width, or no biases. mean off: each "
        "feature vector's mean over its units taken off after the activation; length kept: each "
        "scaled back to the inputs' length. one_layer: E[phi]^2 / E[phi^2] for a normal number of "
        "variance 1.",
        [
            {"activation": name, "bias": bias, "after": after}
            for after, names in (
                ("nothing", tuple(ACTIVATIONS)),
                ("mean off", ("relu", "gelu")),
                ("length kept", ("tanh", "gelu", "relu")),
            )
            for name in names
            for bias in (True, False)
        ],
        run,
        seeds=range(6),
    )

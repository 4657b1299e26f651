"""The cone effect: random networks, how narrow their cones are, and what the seed decides of a feature."""

from collections.abc import Iterator

import numpy as np

from mgaplib import checks
from mgaplib.cone import kernels

_LAWS = ("normal", "rademacher", "uniform")
_ACTIVATE = {
    **kernels._SMOOTH,
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.maximum(z, z.dtype.type(0.01) * z),
}


def _layer(h: np.ndarray, activation: str, rng: np.random.Generator, width: int, bias: bool) -> np.ndarray:
    columns = 2 * width if activation == "maxout" else width  # maxout takes the larger of two pieces
    z = h @ rng.standard_normal((h.shape[1], columns), dtype=h.dtype)
    if bias:
        z += rng.standard_normal(columns, dtype=h.dtype)
    z /= h.dtype.type(np.sqrt(width))
    if activation == "maxout":
        return np.maximum(z[:, :width], z[:, width:])
    return _ACTIVATE[activation](z)


def _counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count!r}; pass 1 or more")


def mlp_layers(
    inputs,
    depth: int,
    activation: str,
    rng: np.random.Generator,
    *,
    width: int | None = None,
    bias: bool = True,
) -> Iterator[np.ndarray]:
    """Yield the features of a random fully connected network, layer by layer, the inputs first.

    Weights and biases are from N(0, 1/width); maxout is the larger of two, leaky ReLU has slope 0.01 below 0.

    Args:
        inputs: Floating array of n rows, one input a row.
        depth: How many layers follow the inputs.
        activation: One of `kernels.ACTIVATIONS`.
        rng: Where the weights come from.
        width: Units a layer; as many as the inputs have columns if None.
        bias: Whether the layers have biases.

    Raises:
        TypeError, ValueError: If the inputs make no sense (`mgaplib.checks`), or the activation or depth.

    Example:
        >>> layers = mlp_layers(np.eye(4), 3, "relu", np.random.default_rng(0), width=8)
        >>> [h.shape for h in layers]
        [(4, 4), (4, 8), (4, 8), (4, 8)]

    Source: Liang et al. (2022), section 2.2 and figure 2b. Taught in chapter depth_and_activation.
    """
    h = checks.embeddings(inputs, "inputs", normalize=False)
    checks.known(activation, kernels.ACTIVATIONS, "activation")
    if depth < 0:
        raise ValueError(f"depth is {depth!r}; pass the number of layers, 0 or more")

    def layers(h):
        yield h
        for _ in range(depth):
            h = _layer(h, activation, rng, width or h.shape[1], bias)
            yield h

    return layers(h)


def full_mean_cosine(features) -> float:
    """Return the mean of the whole cosine matrix, its diagonal of ones included.

    This is the convention of the paper's figure 2b; figure 2a, and `metrics.mean_cosine`, leave it out.

    Args:
        features: Floating array of n rows.

    Raises:
        TypeError, ValueError: If the features make no sense; see `mgaplib.checks`.

    Example:
        >>> full_mean_cosine(np.eye(4))
        0.25

    Source: Liang et al. (2022), figure 2b, released code. Taught in chapter depth_and_activation.
    """
    unit = checks.embeddings(features, "features")
    return float(np.sum(unit.mean(axis=0, dtype=np.float64) ** 2))


def raise_probability(
    cosine: float, ratio: float, norm: float, width: int, rng: np.random.Generator, *, trials: int = 2000
) -> float:
    """Return how often a random ReLU layer raises the cosine of two inputs.

    A unit's pre-activations are a normal pair whose covariance is known, so pairs are drawn, not weights.

    Args:
        cosine: Cosine of the inputs u and v, between -1 and 1.
        ratio, norm: Length of u over the length of v, and length of v.
        width: Units in the layer.
        rng, trials: Where the layers come from, and how many.

    Raises:
        ValueError: If the cosine is outside [-1, 1], or ratio, norm, width or trials is not positive.

    Example:
        >>> raise_probability(0.0, 1.0, 1.0, 512, np.random.default_rng(0), trials=100)
        1.0

    Source: Liang et al. (2022), Theorem 1. Taught in chapter when_a_layer_raises.
    """
    if not -1 <= cosine <= 1:
        raise ValueError(f"cosine is {cosine!r}; pass a number between -1 and 1")
    kernels._positive(ratio, "ratio"), kernels._positive(norm, "norm")
    _counts(width=width, trials=trials)
    u = ratio * norm * np.array([1.0, 0.0])
    v = norm * np.array([cosine, np.sqrt(1 - cosine**2)])
    raised = 0
    block = max(1, 2_000_000 // width)  # bounds the memory
    for start in range(0, trials, block):
        # In the plane of u and v a unit's weights are two normal numbers; its bias is a third.
        g = rng.standard_normal((3, min(block, trials - start), width))
        a = np.maximum(g[0] * u[0] + g[2], 0)
        b = np.maximum(g[0] * v[0] + g[1] * v[1] + g[2], 0)
        inner, aa, bb = ((x * y).sum(axis=1) for x, y in ((a, b), (a, a), (b, b)))
        # A layer that maps an input to zero leaves no cosine and counts as not raising it.
        raised += int((inner > cosine * np.sqrt(aa * bb)).sum())
    return raised / trials


def layer_products(u, v, width: int, rng: np.random.Generator, *, law: str = "normal", trials: int = 2000):
    """Return z(u).z(v) and 2 relu(z(u)).relu(z(v)) for random layers z, one row a trial.

    Lemma 3 says that the means obey 1 + u.v <= E[z(u).z(v)] <= 2 E[relu(z(u)).relu(z(v))].

    Args:
        u, v: Two inputs, vectors of one length.
        width: Units in the layer; weights and biases have variance 1/width.
        rng, trials: Where the layers come from, and how many.
        law: "normal", "rademacher" (plus or minus one standard deviation) or "uniform".

    Raises:
        ValueError: If the law is unknown, u and v are no such vectors, or width or trials is not positive.

    Example:
        >>> layer_products(np.ones(2), np.ones(2), 4, np.random.default_rng(0), law="uniform", trials=3).shape
        (3, 2)

    Source: Liang et al. (2022), Lemma 3. Taught in chapter when_a_layer_raises.
    """
    checks.known(law, _LAWS, "law")
    _counts(width=width, trials=trials)
    if np.shape(u) != np.shape(v) or np.ndim(u) != 1:
        raise ValueError(f"u has shape {np.shape(u)} and v {np.shape(v)}; pass two vectors of one length")
    pair = np.stack([np.append(u, 1.0), np.append(v, 1.0)], axis=1)  # the bias: a weight on an input of one
    size = (trials, width, len(pair))
    if law == "normal":
        weights = rng.standard_normal(size)
    elif law == "rademacher":
        weights = 2.0 * rng.integers(0, 2, size) - 1.0
    else:
        weights = rng.uniform(-np.sqrt(3), np.sqrt(3), size)
    z = weights @ pair / np.sqrt(width)
    relu = np.maximum(z, 0)
    return np.stack([z.prod(axis=-1).sum(axis=-1), 2 * relu.prod(axis=-1).sum(axis=-1)], axis=-1)


def random_resnet18(seed: int):
    """Return torchvision's ResNet-18 up to its 512 pooled features, with its default random weights.

    Args:
        seed: Seed of the weights; torch's own generator is left as it was.

    Example:
        >>> import torch
        >>> random_resnet18(0)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 512])

    Source: Liang et al. (2022), figure 2a. Taught in chapter random_networks.
    """
    import torch

    from mgaplib.models.open_clip import ensure_torchvision

    ensure_torchvision()
    from torchvision.models import resnet18

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        resnet = resnet18(weights=None)
    resnet.fc = torch.nn.Identity()
    return resnet.eval().requires_grad_(False)


def without_norms(model):
    """Return a copy of a torch model in which every normalisation layer passes its input through.

    Args:
        model: A torch module. Layer, batch, group and instance normalisation are replaced; scaling
            embeddings to unit length is no layer and stays.

    Raises:
        ValueError: If the model has no normalisation layer.

    Example:
        >>> import torch
        >>> without_norms(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4)))[1]
        Identity()

    Source: Liang et al. (2022), supplementary figure 15. Taught in chapter what_makes_the_cone.
    """
    import copy

    from torch import nn

    norms = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)  # the last: batch and instance
    names = [name for name, module in model.named_modules() if isinstance(module, norms)]
    if not names:
        raise ValueError(f"the {type(model).__name__} has no normalisation layer to replace")
    model = copy.deepcopy(model)
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, nn.Identity())
    return model

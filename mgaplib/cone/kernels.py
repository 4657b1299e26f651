"""What one layer of a random network does to an angle when the layer is infinitely wide.

With normal weights and biases, one unit's pre-activations for two inputs are a normal pair whose covariance
is the inputs' Gram matrix plus the bias. So the next layer's Gram matrix is one expectation over that pair: a
closed form where the activation is made of straight pieces, Gauss-Hermite quadrature elsewhere.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf, expit

from mgaplib import checks

# phi(z) = p z + q |z|. Maxout of two pieces, max(z, z') = ((z + z') + |z - z'|) / 2, acts on the mean and on
# covariances as p = q = 1/sqrt(2) would.
_PIECEWISE = {
    "linear": (1.0, 0.0),
    "relu": (0.5, 0.5),
    "leaky_relu": (0.505, 0.495),  # slope 0.01 below zero
    "maxout": (math.sqrt(0.5), math.sqrt(0.5)),
}
_SMOOTH = {"sigmoid": expit, "tanh": np.tanh, "gelu": lambda z: 0.5 * z * (1.0 + erf(z / math.sqrt(2.0)))}
ACTIVATIONS = (*_SMOOTH, *_PIECEWISE)  #: The activations that `cone` and `kernels` know.

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def expected_product(activation: str, var_u, cov, var_v) -> np.ndarray | float:
    """Return E[phi(z) phi(z')] for a normal pair z, z' of mean zero.

    For ReLU this is the arc-cosine kernel of order one.

    Args:
        activation: One of `ACTIVATIONS`.
        var_u, cov, var_v: Variance of z, covariance of z and z', variance of z'.

    Raises:
        ValueError: If the activation is unknown, a variance not positive, or `cov` more than both allow.

    Example:
        >>> round(float(expected_product("relu", 1.0, 0.0, 1.0)), 6)  # 1/(2 pi)
        0.159155

    Source: Cho and Saul (2009) for ReLU; Poole et al. (2016) for any. Taught in chapter depth_and_activation.
    """
    checks.known(activation, ACTIVATIONS, "activation")
    var_u, cov, var_v = np.broadcast_arrays(*np.atleast_1d(var_u, cov, var_v))
    if not ((var_u > 0).all() and (var_v > 0).all()):
        raise ValueError("a variance is not positive; pass the variances of two non-constant normal numbers")
    scale = np.sqrt(var_u * var_v)
    rho = cov / scale
    if not (np.abs(rho) <= 1 + 1e-9).all():
        raise ValueError("cov is larger than sqrt(var_u var_v), which no pair of numbers allows")
    rho = np.clip(rho, -1.0, 1.0)
    if activation in _PIECEWISE:
        p, q = _PIECEWISE[activation]
        absolute = 2 / np.pi * scale * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho))  # E|z z'|
        product = p**2 * cov + q**2 * absolute
    else:
        phi = _SMOOTH[activation]
        rho = rho[..., None, None]
        z = np.sqrt(var_u)[..., None, None] * _NODES[:, None]
        other = np.sqrt(var_v)[..., None, None] * (rho * _NODES[:, None] + np.sqrt(1 - rho**2) * _NODES)
        product = np.einsum("...ij,i,j->...", phi(z) * phi(other), _WEIGHTS, _WEIGHTS)
    return product if product.size > 1 else float(product[0])


def next_gram(activation: str, uu, uv, vv, *, width: int = 1, bias: bool = True):
    """Return the inner products u'u', u'v', v'v' after one infinitely wide layer with N(0, 1/width) entries.

    Args:
        activation: One of `ACTIVATIONS`.
        uu, uv, vv: Squared length of u before the layer, inner product of u and v, squared length of v.
        width: The layer's width; ReLU, leaky ReLU, maxout and linear, which commute with scaling, ignore it.
        bias: Whether the layer has a bias, drawn like the weights.

    Example:
        >>> uu, uv, vv = next_gram("relu", 1.0, 0.0, 1.0, bias=False)
        >>> round(uv / uu, 6)  # one layer without bias: 1/pi
        0.31831

    Source: Liang et al. (2022), proof of Theorem 1, for the scaling. Taught in chapter depth_and_activation.
    """
    a, c, b = ((np.asarray(x, dtype=float) + bool(bias)) / width for x in (uu, uv, vv))
    return tuple(width * expected_product(activation, *pair) for pair in ((a, a, a), (a, c, b), (b, b, b)))


def predicted_cosines(
    depth: int,
    activation: str,
    *,
    cosine: float = 0.0,
    squared_norm: float = 512.0,
    width: int = 512,
    bias: bool = True,
) -> np.ndarray:
    """Return the cosine of two inputs after each of `depth` infinitely wide random layers, the input first.

    Args:
        depth: How many layers.
        activation: One of `ACTIVATIONS`.
        cosine: Cosine of the two inputs.
        squared_norm: Squared length of both inputs; about d for d standard normal numbers.
        width: The layers' width, which sets the variance 1/width of weights and biases.
        bias: Whether the layers have biases.

    Raises:
        ValueError: If the depth is negative, the cosine outside [-1, 1] or the activation unknown.

    Example:
        >>> predicted_cosines(3, "relu", bias=False, cosine=0.0).round(3)
        array([0.   , 0.318, 0.494, 0.605])

    Source: Cho and Saul (2009); Poole et al. (2016). Taught in chapter depth_and_activation.
    """
    if depth < 0:
        raise ValueError(f"depth is {depth!r}; pass the number of layers, 0 or more")
    if not -1 <= cosine <= 1:
        raise ValueError(f"cosine is {cosine!r}; pass a number between -1 and 1")
    uu, uv = float(squared_norm), float(cosine) * squared_norm
    curve = [float(cosine)]
    for _ in range(depth):
        uu, uv, _same = next_gram(activation, uu, uv, uu, width=width, bias=bias)
        curve.append(uv / uu)
        if not bias and activation in _PIECEWISE:  # lengths only scale; left alone they would underflow
            uu, uv = float(squared_norm), curve[-1] * squared_norm
    return np.array(curve)


def sufficient_cosine(ratio: float) -> float:
    """Return 2r/(1+r^2), the cosine below which Theorem 1 says that a wide ReLU layer raises the cosine.

    Args:
        ratio: Length of one input over the other's.

    Raises:
        ValueError: If the ratio is not positive.

    Example:
        >>> sufficient_cosine(2.0)
        0.8

    Source: Liang et al. (2022), Theorem 1. Taught in chapter when_a_layer_raises.
    """
    ratio = _positive(ratio, "ratio")
    return 2 * ratio / (1 + ratio**2)


def crossing_cosine(ratio: float, norm: float, activation: str = "relu") -> float:
    """Return the cosine that an infinitely wide layer with bias leaves as it is; smaller ones are raised.

    It is 1 for inputs of equal length: such a layer raises every cosine.

    Args:
        ratio, norm: Length of u over the length of v, and length of v.
        activation: One of `ACTIVATIONS` that commutes with scaling, so that the width does not matter.

    Raises:
        ValueError: If ratio or norm is not positive.

    Example:
        >>> crossing_cosine(2.0, 1.0) > sufficient_cosine(2.0)
        True

    Source: the infinite-width limit of Liang et al. (2022), Theorem 1. Taught in chapter when_a_layer_raises.
    """
    checks.known(activation, _PIECEWISE, "activation that commutes with scaling")
    ratio, norm = _positive(ratio, "ratio"), _positive(norm, "norm")
    uu, vv = (ratio * norm) ** 2, norm**2

    def rise(cosine):
        after_u, after_uv, after_v = next_gram(activation, uu, cosine * math.sqrt(uu * vv), vv)
        return after_uv / math.sqrt(after_u * after_v) - cosine

    if rise(1.0) > -1e-12:
        return 1.0
    return float(brentq(rise, -1.0, 1.0))


def _positive(value: float, name: str) -> float:
    number = float(value)
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} is {value!r}; pass a positive number")
    return number

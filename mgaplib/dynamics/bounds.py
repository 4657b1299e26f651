"""Bounds on the gap under gradient flow: how slowly it closes, and how fast it opens at random embeddings."""

import numpy as np
from scipy.special import gammaln, ive, logsumexp

from mgaplib import checks
from mgaplib.dynamics import gradient_flow


def conserved(beta, gamma):
    """Return beta sqrt(gamma) exp(-gamma^2 / 4), which gradient flow keeps constant while beta is exp(nu).

    Args:
        beta, gamma: Inverse temperature, and half the modalities' distance; one number or one a time.

    Raises:
        ValueError: If beta is not positive, or gamma not from 0 to below 1.

    Example:
        >>> flow = gradient_flow.integrate(np.eye(3), np.eye(3), 1.0, [0.0, 1e4], gamma=0.3)
        >>> np.ptp(conserved(flow.beta, flow.gamma)) < 1e-6
        np.True_

    Source: Yaras et al. 2025, Lemma 3.1, integrated. Taught in chapter gradient_flow.
    """
    beta, gamma = np.asarray(beta, dtype=float), np.asarray(gamma, dtype=float)
    if not ((beta > 0).all() and ((gamma >= 0) & (gamma < 1)).all()):
        raise ValueError("beta must be positive, and gamma lie from 0 to below 1")
    return beta * np.sqrt(gamma) * np.exp(-(gamma**2) / 4)


def closing(times, n: int, margin: float, beta: float, gamma: float) -> np.ndarray:
    """Return a lower bound of gamma at the given times, for pairs that stay matched by a margin.

    The gap is at least twice gamma. The constants are those that the proof gives, c4^2 in front and c3 c4
    before t, rather than the printed c2 and c3.

    Args:
        times: Times of at least 0.
        n, margin: Number of pairs, and their least margin along the flow; see `gradient_flow.margin`.
        beta, gamma: Inverse temperature, and half the distance between the modalities, at time 0.

    Raises:
        ValueError: If the theorem says nothing: a margin or a constant c4 that is not positive, or beta below
            log(4 (n - 1)) / (margin (1 - gamma^2)).

    Example:
        >>> closing([0.0, 1e6], n=2, margin=2.0, beta=2.0, gamma=0.3).round(4)
        array([0.3   , 0.0093])

    Source: Yaras et al. 2025, Theorem 3.2. Taught in chapter rates.
    """
    c3, c4 = closing_constants(n, margin, beta, gamma)
    times = np.asarray(times)
    if not (times >= 0).all():
        raise ValueError("times must be numbers of at least 0")
    return (c4 / np.logaddexp(np.log(np.maximum(c3 * c4 * times, 1e-300)), c4 / np.sqrt(gamma))) ** 2


def closing_constants(n: int, margin: float, beta: float, gamma: float) -> tuple[float, float]:
    """Return c3 and c4 of `closing`, which takes the same arguments and raises the same errors.

    Example:
        >>> [round(float(c), 3) for c in closing_constants(n=2, margin=2.0, beta=2.0, gamma=0.3)]
        [120.499, 1.849]

    Source: Yaras et al. 2025, Theorem 3.2. Taught in chapter rates.
    """
    if n < 2:
        raise ValueError(f"n is {n}; a margin needs at least 2 pairs")
    if not margin > 0:
        raise ValueError(f"margin is {margin}; the bound is for pairs that stay matched, by a margin above 0")
    if margin > 2 + 1e-9:
        raise ValueError(f"margin is {margin}; cosines differ by 2 at most")
    if not 0 < gamma < 1:
        raise ValueError(f"gamma is {gamma!r}; the bound needs a gap at time 0, so between 0 and 1")
    least = np.log(4 * (n - 1)) / (margin * (1 - gamma**2))
    if not beta >= least:
        raise ValueError(
            f"beta is {beta}; the bound holds from {least:.4g} on, log(4 (n - 1)) / (margin (1 - gamma^2))"
        )
    held = margin * beta * np.sqrt(gamma)
    c3 = 55 * (n - 1) * held
    c4 = held * (1 - gamma**2) * np.exp(-(gamma**2) / 4) - 0.1
    if not c4 > 0:
        raise ValueError(
            f"c4 is {c4:.4g}; the bound says nothing unless it is positive: start at a larger gamma or beta"
        )
    return c3, c4


def log_mean_exp(sharpness: float, d: int) -> float:
    """Return log E exp(a <x, y>) for independent directions x and y, uniform on the unit sphere.

    This is log(Gamma(d/2) (2/a)^rho I_rho(a)) with rho = d/2 - 1.

    Args:
        sharpness, d: The a, positive, and the dimension of the space, at least 2.

    Raises:
        ValueError: If an argument makes no sense.

    Example:
        >>> round(log_mean_exp(2.0, 3), 6) == round(float(np.log(np.sinh(2.0) / 2.0)), 6)
        True

    Source: Yaras et al. 2025, Lemma B.3. Taught in chapter rates.
    """
    if not (np.isfinite(sharpness) and sharpness > 0):
        raise ValueError(f"sharpness is {sharpness!r}; pass beta (1 - gamma^2), a positive number")
    if d < 2:
        raise ValueError(f"d is {d}; directions vary in 2 dimensions or more")
    rho = d / 2 - 1
    scaled = ive(rho, sharpness)
    if scaled > 1e-250:  # else, in high dimension, it underflows: from the logarithms of its series
        return float(gammaln(d / 2) + rho * np.log(2 / sharpness) + np.log(scaled) + sharpness)
    k = np.arange(int(sharpness) + 60)  # the terms fall at least fourfold from k = sharpness on
    terms = 2 * k * np.log(sharpness / 2) - gammaln(k + 1) - gammaln(d / 2 + k) + gammaln(d / 2)
    return float(logsumexp(terms))


def mean_cosine_tilted(sharpness: float, d: int) -> float:
    """Return I_{rho+1}(a) / I_rho(a): the mean cosine of random directions, weighted by exp(a cosine).

    The arguments, and what is raised, are those of `log_mean_exp`.

    Example:
        >>> round(mean_cosine_tilted(2.0, 3), 6) == round(float(1 / np.tanh(2.0) - 1 / 2.0), 6)
        True

    Source: Yaras et al. 2025, Theorem 3.3 (the limit of many pairs). Taught in chapter rates.
    """
    return float(sharpness / d * np.exp(log_mean_exp(sharpness, d + 2) - log_mean_exp(sharpness, d)))


def opening(n: float, d: int, beta: float, gamma: float, delta: float = 0.05) -> float:
    """Return the lower bound of d gap / dt at the start, where images and texts are independent and uniform.

    Args:
        n, d: Number of pairs (`np.inf` gives the limit), and dimension of the embeddings without their gamma.
        beta, gamma: Inverse temperature, and half the distance between the modalities.
        delta: With what probability the bound may fail.

    Raises:
        ValueError: If an argument makes no sense.

    Example:
        >>> [round(opening(n, 3, beta=1 / 0.07, gamma=0.3), 1) for n in (2048, np.inf)]
        [-15.3, 15.8]

    Source: Yaras et al. 2025, Theorem 3.3, numerator and denominator over exp(a). Taught in chapter rates.
    """
    if not n >= 1:
        raise ValueError(f"n is {n}; pass the number of pairs")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; it is a probability between 0 and 1")
    beta = checks.within(beta, "beta", 1e-30, 1e30, "pass a sharpness, 1/tau, such as 100")
    if not 0 < gamma < 1:
        raise ValueError(f"gamma is {gamma!r}; half the gap at the start lies between 0 and 1")
    a = beta * (1 - gamma**2)
    error = np.sqrt(np.log((4 * n + 1) / delta) / (2 * n)) if np.isfinite(n) else 0.0
    level = np.exp(log_mean_exp(a, d) - a)
    tilted = level * mean_cosine_tilted(a, d)
    return float(4 * beta * gamma * ((tilted - 2 * error) / (level - np.expm1(-2 * a) * error) - 2 * error))


def opening_rates(images, texts, beta: float, gamma: float) -> tuple[float, float]:
    """Return what gradient flow does to the gap at once: 2 d gamma / dt, and d gap / dt itself.

    They differ, since the centroids of the rows move as well, which the theorem's proof leaves out.

    Args:
        images, texts: Arrays of n rows and d columns, without their gamma.
        beta, gamma: Inverse temperature, and half the distance between the modalities.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, or beta or gamma makes no sense.

    Example:
        >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 3))
        >>> opening_rates(x, y, beta=5.0, gamma=0.3)[0] > 0
        True

    Source: Yaras et al. 2025, proof of Theorem 3.3. Taught in chapter rates.
    """
    x, y = checks.pairs(images, texts)
    dx, dy, dlog_gamma = gradient_flow.velocities(x, y, beta, gamma)
    within, moved = (x - y).mean(axis=0), (dx - dy).mean(axis=0)
    dgamma = gamma * dlog_gamma
    gap = np.sqrt((1 - gamma**2) * (within @ within) + 4 * gamma**2)
    dgap = ((1 - gamma**2) * (within @ moved) + gamma * dgamma * (4 - within @ within)) / gap
    return float(2 * dgamma), float(dgap)

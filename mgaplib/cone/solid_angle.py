"""What share of the unit sphere a cap or a regular simplex covers, in any number of dimensions."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, log_ndtr


def log2_cap_share(half_angle: float, d: int) -> float:
    """Return the base-2 logarithm of the share of the sphere in d dimensions that a cap covers.

    Args:
        half_angle: Angle between the cap's axis and its rim, in radians, between 0 and pi/2.
        d: Dimensions of the space around the sphere, at least 2.

    Raises:
        ValueError: If the angle or the dimension makes no sense.

    Example:
        >>> round(2 ** log2_cap_share(np.pi / 3, 3), 6)  # (1 - cos 60 degrees) / 2
        0.25

    Taught in chapter random_networks.
    """
    if not 0 < half_angle <= np.pi / 2:
        raise ValueError(f"half_angle is {half_angle!r}; pass radians above 0 and up to pi/2")
    if d < 2:
        raise ValueError(f"d is {d!r}; a sphere needs at least 2 dimensions")
    return float(np.log2(betainc((d - 1) / 2, 0.5, np.sin(half_angle) ** 2) / 2))


def log2_simplex_share(cosine: float, d: int) -> float:
    """Return the base-2 logarithm of the share of the sphere covered by a regular spherical simplex.

    Its d corners are unit vectors with one pairwise cosine. The share is the chance that a normal vector has
    d positive coordinates in their basis; the integral for such an orthant oscillates on the real line, so it
    is taken on the line through its saddle point.

    Args:
        cosine: Cosine between any two corners, between 0 and 1 (both excluded).
        d: Dimensions of the space around the sphere, at least 2.

    Raises:
        ValueError: If the cosine or the dimension makes no sense.

    Example:
        >>> round(2 ** log2_simplex_share(0.5, 2), 6)  # 60 of 360 degrees
        0.166667

    Taught in chapter random_networks.
    """
    if not 0 < cosine < 1:
        raise ValueError(f"cosine is {cosine!r}; pass a number between 0 and 1")
    if d < 2:
        raise ValueError(f"d is {d!r}; a sphere needs at least 2 dimensions")
    # P = integral of phi(x) Phi(i s x)^d, with s^2 = c / (1 + (d - 1) c), along x = w + i t for any t.
    s = np.sqrt(cosine / (1 + (d - 1) * cosine))
    spread = np.sqrt((1 + (d - 1) * cosine) / (1 - cosine))  # how far the integrand reaches along w

    def hazard(y):
        return np.exp(-(y**2) / 2 - log_ndtr(-y)) / np.sqrt(2 * np.pi)

    # The saddle point solves t = d s hazard(s t); hazard(y) <= y + 1/y bounds it.
    t = brentq(lambda t: t - d * s * hazard(s * t), 0, 1.01 * np.sqrt(d) * spread)
    x = np.linspace(-12, 12, 20001) * spread + 1j * t
    log_values = d * log_ndtr(1j * s * x) - x**2 / 2
    peak = log_values.real.max()
    total = np.exp(log_values - peak).real.sum() * (x[1] - x[0]).real / np.sqrt(2 * np.pi)
    return float((peak + np.log(total)) / np.log(2))

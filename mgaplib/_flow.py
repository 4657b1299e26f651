"""What every gradient flow shares: how beta is parametrised, and one stiff-safe integrator in log time."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit


class Parametrisation(NamedTuple):
    """How the inverse temperature beta follows from the number nu that is learned."""

    value: Callable[[float], float]
    slope: Callable[[float], float]
    inverse: Callable[[float], float]


#: CLIP learns "exp"; Yaras et al. 2025 propose the others.
PARAMETRISATIONS = {
    "exp": Parametrisation(np.exp, np.exp, np.log),
    "linear": Parametrisation(lambda nu: nu, lambda nu: 1.0, lambda beta: beta),
    "softplus": Parametrisation(
        lambda nu: np.logaddexp(0.0, nu), expit, lambda beta: beta + np.log(-np.expm1(-beta))
    ),
    "fixed": Parametrisation(lambda nu: nu, lambda nu: 0.0, lambda beta: beta),
}


def solve(velocity, start: np.ndarray, times: np.ndarray, tolerance: float) -> np.ndarray:
    """The states at the given times; `velocity` is the derivative by log(1 + t)."""
    at = np.log1p(times)
    if at[-1] == 0:
        return np.repeat(start[None], len(at), axis=0)
    found = solve_ivp(
        velocity, (0.0, at[-1]), start, method="LSODA", t_eval=at, rtol=tolerance, atol=tolerance / 100
    )
    if not found.success:
        raise RuntimeError(f"the flow could not be followed to time {times[-1]:g}: {found.message}")
    return found.y.T


def check_times(times) -> np.ndarray:
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not len(times) or not (times[0] >= 0 and np.isfinite(times).all()):
        raise ValueError("times must be a list of finite numbers, the first of them at least 0")
    if (np.diff(times) <= 0).any():
        raise ValueError("times must increase")
    return times


def check_state(beta: float, gamma: float) -> None:
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta is {beta!r}; an inverse temperature is a positive number such as 1 / 0.07")
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is {gamma!r}; half the distance between unit vectors lies from 0 to below 1")

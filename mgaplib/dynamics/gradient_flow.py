"""Contrastive training in continuous time: what falls, what rises, and how fast the gap closes.

Two parallel modalities differ by one number, gamma: an image's row is `[sqrt(1 - gamma^2) h, gamma]` and a
text's `[sqrt(1 - gamma^2) h, -gamma]`. With gamma = 0 the model is that of free points on the sphere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit, softmax

from mgaplib import checks


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
    cure = "an inverse temperature is a positive number such as 1 / 0.07"
    checks.within(beta, "beta", 1e-30, 1e30, cure)
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is {gamma!r}; half the distance between unit vectors lies from 0 to below 1")


__all__ = ["PARAMETRISATIONS", "Flow", "integrate", "integrate_pair", "margin", "pull", "velocities"]


@dataclass(frozen=True)
class Flow:
    """The state of a gradient flow at every asked time.

    Attributes:
        times, images, texts: The T times, and arrays of T, n and d: unit-length rows h, without their gamma.
        beta, gamma: Inverse temperature, and half the distance that parallel modalities keep, at each time.

    Taught in chapter gradient_flow.
    """

    times: np.ndarray
    images: np.ndarray
    texts: np.ndarray
    beta: np.ndarray
    gamma: np.ndarray

    @property
    def tau(self) -> np.ndarray:
        """Temperature at each time."""
        return 1.0 / self.beta

    @property
    def gap(self) -> np.ndarray:
        """Length of the gap vector at each time, gamma's part included."""
        within = np.linalg.norm(self.images.mean(axis=1) - self.texts.mean(axis=1), axis=1)
        return np.hypot(np.sqrt(1 - self.gamma**2) * within, 2 * self.gamma)

    @property
    def margin(self) -> np.ndarray:
        """Margin of the cosines at each time; see `margin`."""
        return np.array([margin(x @ y.T) for x, y in zip(self.images, self.texts, strict=True)])


def margin(cosines) -> float:
    """Return how much nearer the worst placed pair is than its nearest rival; positive if all are matched.

    Args:
        cosines: Array of n rows (images) and n columns (texts), pairs on the diagonal.

    Raises:
        ValueError: If the array is not square or has fewer than two rows.

    Example:
        >>> margin(np.eye(3))
        1.0

    Source: Yaras et al. 2025, section 3 (the margin alpha). Taught in chapter gradient_flow.
    """
    z = np.asarray(cosines, dtype=float)
    if z.ndim != 2 or z.shape[0] != z.shape[1] or len(z) < 2:
        raise ValueError(f"cosines has shape {z.shape}; pass an n x n array with n of at least 2")
    if not np.isfinite(z).all():
        raise ValueError("cosines has a NaN or infinite value; drop its pair")
    own = np.diagonal(z)
    rivals = np.where(np.eye(len(z), dtype=bool), -np.inf, z)
    return float(min((own - rivals.max(axis=0)).min(), (own - rivals.max(axis=1)).min()))


def pull(cosines, sharpness: float) -> float:
    """Return how fast the loss falls when all cosines are scaled up together: the paper's g.

    Positive where sharper is better, so that beta rises and gamma falls; negative while pairs are mismatched.

    Args:
        cosines: Array of n rows (images) and n columns (texts), pairs on the diagonal.
        sharpness: What the cosines are multiplied by: beta (1 - gamma^2).

    Raises:
        ValueError: If the array is not square.

    Example:
        >>> pull(np.eye(2), 1.0) > 0 > pull(np.eye(2)[::-1], 1.0)
        True

    Source: Yaras et al. 2025, appendix B.1. Taught in chapter gradient_flow.
    """
    z = np.asarray(cosines, dtype=float)
    if z.ndim != 2 or z.shape[0] != z.shape[1]:
        raise ValueError(f"cosines has shape {z.shape}; pass an n x n array, pairs on the diagonal")
    if not np.isfinite(z).all():
        raise ValueError("cosines has a NaN or infinite value; drop its pair")
    sharpness = checks.within(sharpness, "sharpness", 0, np.inf, "pass beta (1 - gamma^2), at least 0")
    return float(-(z * _slope(sharpness * z)).sum())


def _slope(logits: np.ndarray) -> np.ndarray:
    """Gradient of the symmetric contrastive loss with respect to its logits."""
    slope = np.zeros_like(logits)
    for axis in (0, 1):
        wrong = softmax(logits, axis=axis)
        np.fill_diagonal(wrong, 0.0)
        # Late in the flow the right share is 1 to the last digit, so that share - 1 is taken from the rest.
        slope += wrong - np.diag(wrong.sum(axis=axis))
    return slope / (2 * len(logits))


def velocities(images, texts, beta: float, gamma: float = 0.0) -> tuple[np.ndarray, np.ndarray, float]:
    """Return how fast the images, the texts and log gamma move under gradient flow.

    Args:
        images, texts: Arrays of n unit-length rows and d columns, without their gamma.
        beta, gamma: Inverse temperature, and half the distance that parallel modalities keep.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, or beta or gamma makes no sense.

    Example:
        >>> velocities(np.eye(2), np.eye(2), beta=1.0, gamma=0.5)[2] < 0
        np.True_

    Source: Yaras et al. 2025, equation 4. Taught in chapter gradient_flow.
    """
    x, y = checks.pairs(images, texts)
    check_state(beta, gamma)
    return _velocities(x, y, beta, gamma)[:3]


def _velocities(x, y, beta, gamma):
    """`velocities`, and the pull on the logits that moves beta, unchecked."""
    z = x @ y.T
    sharpness = beta * (1 - gamma**2)
    slope = _slope(sharpness * z)
    force_x, force_y = -sharpness * slope @ y, -sharpness * slope.T @ x
    # Rows of unit length stay so: only the part of the force along the sphere moves them.
    force_x -= (force_x * x).sum(axis=1, keepdims=True) * x
    force_y -= (force_y * y).sum(axis=1, keepdims=True) * y
    g = -(z * slope).sum()
    return force_x, force_y, -2 * beta * g, (1 - gamma**2) * g


def integrate(
    images,
    texts,
    tau: float,
    times,
    *,
    gamma: float = 0.0,
    parametrisation: str = "exp",
    train_embeddings: bool = True,
    tolerance: float = 1e-10,
) -> Flow:
    """Follow the gradient flow of embeddings, temperature and gamma from time 0.

    It runs in log(1 + t), nu and log gamma with LSODA, which turns implicit where the flow becomes stiff.

    Args:
        images, texts: Arrays of n rows and d columns at time 0, without their gamma.
        tau, gamma: Temperature, and half the distance of the modalities (from 0 to below 1), at time 0.
        times: Increasing times of at least 0 to report.
        parametrisation: How beta follows from what is learned: a key of `PARAMETRISATIONS`.
        train_embeddings: Whether the embeddings move, or only temperature and gamma.
        tolerance: Relative tolerance of the integrator.

    Raises:
        TypeError, ValueError: If the embeddings (`mgaplib.checks`) or an argument make no sense.
        RuntimeError: If the integration fails, or gamma reaches 1, where the model ends.

    Example:
        >>> flow = integrate(np.eye(3), np.eye(3), tau=1.0, times=[0.0, 100.0], gamma=0.3)
        >>> bool(flow.gap[1] < flow.gap[0]), bool(flow.tau[1] < flow.tau[0])
        (True, True)

    Source: Yaras et al. 2025, equation 4. Taught in chapter gradient_flow.
    """
    x, y = checks.pairs(images, texts)
    beta = 1.0 / checks.temperature(tau)
    check_state(beta, gamma)
    times = check_times(times)
    to_beta = PARAMETRISATIONS[checks.known(parametrisation, PARAMETRISATIONS, "parametrisation")]
    tolerance = checks.within(tolerance, "tolerance", 1e-13, 0.1, "pass a relative tolerance such as 1e-8")
    n, d = x.shape

    def unpack(state):
        rows = state[:-2].reshape(2, n, d)
        rows = rows / np.linalg.norm(rows, axis=2, keepdims=True)
        return rows[0], rows[1], state[-2], gamma * np.exp(state[-1])

    def velocity(log_time, state):
        images, texts, nu, gamma_now = unpack(state)
        dx, dy, dlog_gamma, dbeta = _velocities(images, texts, to_beta.value(nu), gamma_now)
        moved = np.concatenate([dx.ravel(), dy.ravel()]) if train_embeddings else np.zeros(2 * n * d)
        dlog_gamma = dlog_gamma if gamma else 0.0
        return np.exp(log_time) * np.append(moved, [to_beta.slope(nu) * dbeta, dlog_gamma])

    start = np.concatenate([x.ravel(), y.ravel(), [to_beta.inverse(beta), 0.0]]).astype(float)
    states = [unpack(state) for state in solve(velocity, start, times, tolerance)]
    rows_x, rows_y, nu, gammas = (np.array(part) for part in zip(*states, strict=True))
    if (gammas >= 1).any():
        raise RuntimeError("gamma reached 1, where parallel modalities are opposite points; start it smaller")
    return Flow(times, rows_x, rows_y, np.array([to_beta.value(v) for v in nu]), gammas)


def integrate_pair(
    times,
    *,
    beta: float = 1.0,
    gamma: float = 0.3,
    parametrisation: str = "exp",
    end_beta: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return beta and log gamma of the simplified flow: one perfect pair, with loss exp(-beta (1 - gamma^2)).

    Args:
        times: Increasing times of at least 0; at late ones gamma itself underflows, its logarithm does not.
        beta, gamma: Inverse temperature, and half the distance of the modalities (0 < gamma < 1), at time 0.
        parametrisation: How beta follows from what is learned: a key of `PARAMETRISATIONS`.
        end_beta: With "fixed": beta is scheduled, linearly in time, to reach this at the last time.

    Raises:
        ValueError: If an argument makes no sense.
        RuntimeError: If the integration fails.

    Example:
        >>> beta, log_gamma = integrate_pair([0.0, 1e4])
        >>> beta.round(2), np.exp(log_gamma).round(5)
        (array([ 1.  , 14.37]), array([0.3    , 0.00139]))

    Source: Yaras et al. 2025, appendix C. Taught in chapter rates.
    """
    check_state(beta, gamma)
    if not gamma:
        raise ValueError("gamma is 0; the simplified flow follows its logarithm, so start above 0")
    times = check_times(times)
    to_beta = PARAMETRISATIONS[checks.known(parametrisation, PARAMETRISATIONS, "parametrisation")]
    if end_beta is not None and parametrisation != "fixed":
        raise ValueError(
            f"end_beta schedules a beta that is not learned; use it with 'fixed', not {parametrisation!r}"
        )
    if end_beta is not None and not (0 < end_beta < np.inf and times[-1] > 0):
        raise ValueError(f"end_beta is {end_beta!r}; schedule towards a positive beta, over a time above 0")
    rise = 0.0 if end_beta is None else (end_beta - beta) / times[-1]

    def beta_at(nu, time):
        return to_beta.value(nu) + rise * time

    def velocity(log_time, state):
        nu, log_gamma = state
        beta_now, apart = beta_at(nu, np.expm1(log_time)), np.exp(2 * log_gamma)
        g = np.exp(-beta_now * (1 - apart))
        return np.exp(log_time) * np.array([to_beta.slope(nu) * (1 - apart) * g, -2 * beta_now * g])

    nu, log_gamma = solve(velocity, np.array([to_beta.inverse(beta), np.log(gamma)]), times, 1e-10).T
    return np.array([beta_at(*pair) for pair in zip(nu, times, strict=True)]), log_gamma

"""The flow of one matched pair: two equations that show which temperature schedule lets the gap close."""

import numpy as np

from mgaplib import _checks, _flow


def integrate(
    times,
    *,
    beta: float = 1.0,
    gamma: float = 0.3,
    parametrisation: str = "exp",
    end_beta: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Follow the simplified flow, one perfectly matched pair with loss exp(-beta (1 - gamma^2)).

    Args:
        times: Increasing times of at least 0.
        beta: Inverse temperature at time 0.
        gamma: Half the distance between the modalities at time 0, above 0 and below 1.
        parametrisation: How beta follows from what is learned: a key of `PARAMETRISATIONS`.
        end_beta: With "fixed": beta is scheduled, linearly in time, to reach this at the last time.

    Returns:
        beta and the natural logarithm of gamma at each time (gamma itself underflows).

    Raises:
        ValueError: If an argument makes no sense.
        RuntimeError: If the integration fails.

    Source: Yaras et al. 2025, appendix C.

    Example:
        >>> beta, log_gamma = integrate([0.0, 1e4])
        >>> beta.round(2), np.exp(log_gamma).round(5)
        (array([ 1.  , 14.37]), array([0.3    , 0.00139]))

    Taught in chapter rates.
    """
    _flow.check_state(beta, gamma)
    if not gamma:
        raise ValueError("gamma is 0; the simplified flow follows its logarithm, so start above 0")
    times = _flow.check_times(times)
    to_beta = _flow.PARAMETRISATIONS[
        _checks.known(parametrisation, _flow.PARAMETRISATIONS, "parametrisation")
    ]
    if end_beta is not None and parametrisation != "fixed":
        raise ValueError(
            f"end_beta schedules a beta that is not learned; use it with 'fixed', not {parametrisation!r}"
        )
    if end_beta is not None and not (end_beta > 0 and times[-1] > 0):
        raise ValueError(f"end_beta is {end_beta!r}; schedule towards a positive beta, over a time above 0")
    rise = 0.0 if end_beta is None else (end_beta - beta) / times[-1]

    def beta_at(nu, time):
        return to_beta.value(nu) + rise * time

    def velocity(log_time, state):
        nu, log_gamma = state
        beta_now, apart = beta_at(nu, np.expm1(log_time)), np.exp(2 * log_gamma)
        g = np.exp(-beta_now * (1 - apart))
        return np.exp(log_time) * np.array([to_beta.slope(nu) * (1 - apart) * g, -2 * beta_now * g])

    nu, log_gamma = _flow.solve(velocity, np.array([to_beta.inverse(beta), np.log(gamma)]), times, 1e-10).T
    return np.array([beta_at(*pair) for pair in zip(nu, times, strict=True)]), log_gamma

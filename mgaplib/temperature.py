"""Control of the temperature: Yaras et al.'s remedies as drop-ins for any open_clip training.

Each of them leaves open_clip's forward pass, loss and training loop as they are. A model keeps its
temperature as `logit_scale`, of which its forward pass takes `exp()`: so 1/tau = exp(logit_scale). Call these
functions before the model is wrapped for distributed training and before its optimizer is made, but for
`slow_down`.
"""

import math
from collections.abc import Callable

import torch

from mgaplib import _checks
from mgaplib._parametrization import (
    MAX_SCALE,
    logit_scale_of,
    plain_state_dict,
    reparametrize,
    restore,
    trained_parameter,
)

__all__ = [
    "MAX_SCALE",
    "SCHEDULES",
    "Schedule",
    "alternating",
    "fix",
    "linear",
    "plain_state_dict",
    "reparametrize",
    "restore",
    "scheduled",
    "slow_down",
    "slow_groups",
]

Schedule = Callable[[float], float]  #: From the share of training done, 0 to 1, to the temperature.


def fix(model: torch.nn.Module, tau: float) -> None:
    """Set the temperature and stop learning it.

    open_clip's loop keeps 1/tau within 1 to 100, so that a tau below 0.01 lasts until its first step.

    Args:
        model: Any open_clip model.
        tau: The temperature.

    Raises:
        TypeError: If the model has no `logit_scale`.
        ValueError: If tau is not positive, or the model is re-parametrised.

    Example:
        >>> from mgaplib.clip import mini_clip
        >>> model = mini_clip()
        >>> fix(model, 0.04)
        >>> round(1 / model.logit_scale.exp().item(), 4), model.logit_scale.requires_grad
        (0.04, False)

    Source: Yaras et al. (2025), section 4.1, fixed large temperature (FLT).

    Taught in chapter temperature.
    """
    scale = logit_scale_of(model, plain=True)
    scale.requires_grad_(False)
    scale.fill_(-math.log(_checks.temperature(tau)))


def linear(start: float, end: float) -> Schedule:
    """Return the schedule that goes from `start` to `end` in a straight line.

    Args:
        start: The first step's temperature.
        end: The last step's.

    Raises:
        ValueError: If either is not positive.

    Example:
        >>> round(linear(0.01, 0.05)(0.5), 6)
        0.03

    Source: Yaras et al. (2025), appendix D, temperature scheduling (TS), there a step an epoch.

    Taught in chapter temperature.
    """
    start, end = _checks.temperature(start, "start"), _checks.temperature(end, "end")
    return lambda done: start + (end - start) * done


def alternating(low: float, high: float, cycles: float = 5) -> Schedule:
    """Return the schedule that swings from `low` to `high` and back as a cosine does.

    Args:
        low: The temperature at the start of every cycle.
        high: The temperature in its middle.
        cycles: How often it swings; the paper does not give its number.

    Raises:
        ValueError: If a temperature or the number of cycles is not positive.

    Example:
        >>> [round(alternating(0.01, 0.04, cycles=1)(t), 4) for t in (0, 0.25, 0.5, 1)]
        [0.01, 0.025, 0.04, 0.01]

    Source: Yaras et al. (2025), appendix F, A0 and A1.

    Taught in chapter temperature.
    """
    low, high = _checks.temperature(low, "low"), _checks.temperature(high, "high")
    if not cycles > 0:
        raise ValueError(f"cycles is {cycles!r}; it must be positive")
    return lambda done: low + (high - low) * (1 - math.cos(2 * math.pi * cycles * done)) / 2


#: The paper's schedules by the paper's names.
SCHEDULES: dict[str, Schedule] = {
    "S0": linear(0.01, 0.02),
    "S1": linear(0.01, 0.03),
    "S2": linear(0.01, 0.04),
    "S3": linear(0.01, 0.05),
    "A0": alternating(0.01, 0.02),
    "A1": alternating(0.01, 0.04),
}


def scheduled(
    model: torch.nn.Module,
    schedule: Schedule | str,
    steps: int,
    also: Callable[[int], object] | None = None,
) -> Callable[[int], float]:
    """Return a scheduler that sets the temperature of each step, and stop learning it.

    It is called with the step's number before the step, as open_clip calls its learning rate's scheduler:
    hand it to open_clip in that one's place and pass that one as `also`. It keeps no state, so resuming is no
    special case.

    Args:
        model: Any open_clip model.
        schedule: From the share of training done to tau, or a name in `SCHEDULES`.
        steps: Steps of the whole training.
        also: A scheduler to call with the step first, such as `open_clip_train.scheduler.cosine_lr`'s.

    Raises:
        TypeError: If the model has no `logit_scale`.
        ValueError: If the name is unknown, steps is below 1, or the model is re-parametrised.

    Example:
        >>> from mgaplib.clip import mini_clip
        >>> model = mini_clip()
        >>> scheduler = scheduled(model, "S3", steps=101)
        >>> round(scheduler(50), 4), round(1 / model.logit_scale.exp().item(), 4)
        (0.03, 0.03)

    Source: Yaras et al. (2025), section 4.1, temperature scheduling (TS).

    Taught in chapter temperature.
    """
    if isinstance(schedule, str):
        schedule = SCHEDULES[_checks.known(schedule, SCHEDULES, "schedule")]
    if steps < 1:
        raise ValueError(f"steps is {steps}; a training has at least one")
    fix(model, schedule(0.0))

    def scheduler(step: int) -> float:
        if also is not None:
            also(step)
        tau = schedule(min(step / max(steps - 1, 1), 1.0))
        fix(model, tau)
        return tau

    return scheduler


def slow_groups(groups: list[dict], model: torch.nn.Module, factor: float = 0.1) -> list[dict]:
    """Return an optimizer's parameter groups with one more, last: the temperature at a smaller learning rate.

    Args:
        groups: Parameter groups, each with its "lr"; they are not changed.
        model: The model whose parameters they are.
        factor: The temperature's learning rate over that of the group it was in.

    Raises:
        TypeError: If the model has no `logit_scale`.
        ValueError: If the factor is negative, or no group holds the temperature.

    Example:
        >>> from mgaplib.clip import mini_clip
        >>> model = mini_clip()
        >>> groups = slow_groups([{"params": list(model.parameters()), "lr": 1e-3}], model)
        >>> [round(group["lr"], 6) for group in groups]
        [0.001, 0.0001]

    Source: Yaras et al. (2025), section 4.1, smaller learning rate of temperature (SLRT).

    Taught in chapter temperature.
    """
    if not 0 <= factor < math.inf:
        raise ValueError(f"factor is {factor}; it must be at least 0")
    scale = trained_parameter(model)
    others = [group | {"params": [p for p in group["params"] if p is not scale]} for group in groups]
    holding = [group for group in groups if any(p is scale for p in group["params"])]
    if not holding:
        raise ValueError("no group holds this model's logit_scale; it is not trained, or fixed")
    own = {k: v for k, v in holding[0].items() if k != "initial_lr"}  # a PyTorch scheduler's, of the old rate
    return [*others, own | {"params": [scale], "lr": own["lr"] * factor}]


def slow_down(
    optimizer: torch.optim.Optimizer,
    model: torch.nn.Module,
    factor: float = 0.1,
    also: Callable[[int], object] | None = None,
) -> Callable[[int], None]:
    """Apply `slow_groups` to an optimizer already made, and return a scheduler that keeps the ratio.

    PyTorch's own schedulers scale each group's rate and need no help, if made after this. open_clip's set one
    rate for all groups: pass it as `also` and use what this returns in its place.

    Args:
        optimizer: The optimizer; it is changed.
        model: The model that it trains.
        factor: The temperature's learning rate over that of the group it was in.
        also: A scheduler to call with the step first.

    Raises:
        TypeError: If the model has no `logit_scale`.
        ValueError: If the factor is negative, or the optimizer does not train the temperature.

    Example:
        >>> from mgaplib.clip import mini_clip
        >>> model = mini_clip()
        >>> optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        >>> scheduler = slow_down(optimizer, model, 0.1)
        >>> [len(group["params"]) for group in optimizer.param_groups][-1]
        1

    Source: Yaras et al. (2025), section 4.1, smaller learning rate of temperature (SLRT).

    Taught in chapter temperature.
    """
    optimizer.param_groups[:] = slow_groups(optimizer.param_groups, model, factor)

    def scheduler(step: int) -> None:
        if also is not None:
            also(step)  # it has just set the same rate everywhere
            optimizer.param_groups[-1]["lr"] *= factor

    return scheduler

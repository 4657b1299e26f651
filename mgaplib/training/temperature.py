"""Control of the temperature: Yaras et al.'s remedies as drop-ins for any open_clip training.

Each of them leaves open_clip's forward pass, loss and training loop as they are. A model keeps its
temperature as `logit_scale`: 1/tau = exp(logit_scale); what has none is a TypeError. Call them before the
model is wrapped for distributed training and before its optimizer is made, but for `slow_down`.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.nn.utils import parametrize

from mgaplib import checks

__all__ = [
    "MAX_SCALE", "SCHEDULES", "Schedule", "alternating", "fix", "linear", "plain_state_dict", "reparametrize",
    "restore", "scheduled", "slow_down", "slow_groups",
]  # fmt: skip

MAX_SCALE = 100.0  #: CLIP never lets 1/tau exceed 100.
_NAME = "logit_scale"
_PLAIN_KEY = f"parametrizations.{_NAME}.original"


class Inward(torch.autograd.Function):
    """Clamping with a gradient outside the range where it leads back: `torch.clamp` would be stuck there."""

    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.range = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, grad):
        (x,), (low, high) = ctx.saved_tensors, ctx.range
        # Descent moves against the gradient: negative ones lead out at the top, positive ones at the bottom.
        leads_out = ((x > high) & (grad < 0)) | ((x < low) & (grad > 0))
        return grad.masked_fill(leads_out, 0), None, None


class Exp(torch.nn.Module):
    def __init__(self, scale: float, max_scale: float):
        super().__init__()
        self.scale, self.high = scale, math.log(max_scale)

    def forward(self, nu):
        return Inward.apply(nu / self.scale, 0.0, self.high)

    def right_inverse(self, logit_scale):
        return logit_scale * self.scale


class Softplus(torch.nn.Module):
    def __init__(self, max_scale: float):
        super().__init__()
        self.high = math.log(max_scale)

    def forward(self, nu):
        return Inward.apply(F.softplus(nu).log(), 0.0, self.high)

    def right_inverse(self, logit_scale):
        inverse_tau = logit_scale.exp()
        return inverse_tau + (-torch.expm1(-inverse_tau)).log()  # log(exp(1/tau) - 1), which would overflow


def reparametrize(
    model: torch.nn.Module, by: str = "softplus", scale: float = 1.0, max_scale: float = MAX_SCALE
) -> None:
    """Learn 1/tau as softplus(nu) or exp(nu / scale) in place of exp(nu), from the temperature it has now.

    `logit_scale` becomes log(softplus(nu)) or nu / scale. open_clip's clamp of it in place now does nothing,
    so the clamp to 1 <= 1/tau <= `max_scale` is part of the parametrisation. The checkpoint's key changes:
    save `plain_state_dict(model)`, or call `restore(model)` first. To resume, load the weights, then call
    this again.

    Args:
        by: "softplus" or "exp".
        scale: Divides nu where `by` is "exp"; the paper takes 2 and 10.
        max_scale: The largest 1/tau.

    Raises:
        ValueError: If `by` is unknown, a scale makes no sense, or the model is re-parametrised already.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip(tau=0.07)
        >>> reparametrize(model, "softplus")
        >>> round(1 / model.logit_scale.exp().item(), 4)
        0.07

    Source: Yaras et al. (2025), section 4.1, temperature reparametrization (TR), and appendix F.
    Taught in chapter temperature.
    """
    checks.known(by, ("softplus", "exp"), "re-parametrisation")
    if not (0 < scale < math.inf and 1 < max_scale < math.inf):
        raise ValueError(f"scale is {scale} and max_scale {max_scale}; they must be above 0 and above 1")
    if by == "softplus" and scale != 1:
        raise ValueError(f"scale is {scale}; only by='exp' takes one")
    logit_scale_of(model, plain=True)
    parametrization = Softplus(max_scale) if by == "softplus" else Exp(scale, max_scale)
    parametrize.register_parametrization(unwrap(model), _NAME, parametrization)


def restore(model: torch.nn.Module) -> None:
    """Undo `reparametrize`, keeping the temperature; a model that is not re-parametrised is left as it is.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip()
        >>> reparametrize(model)
        >>> restore(model)
        >>> "logit_scale" in model.state_dict()
        True

    Taught in chapter temperature.
    """
    logit_scale_of(model)
    if parametrize.is_parametrized(unwrap(model), _NAME):
        parametrize.remove_parametrizations(unwrap(model), _NAME)


def plain_state_dict(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights under the keys that every open_clip model of this architecture loads.

    Any open_clip model will do, re-parametrised or not, wrapped or not; it is left as it is.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip()
        >>> reparametrize(model)
        >>> mini_clip().load_state_dict(plain_state_dict(model))
        <All keys matched successfully>

    Taught in chapter temperature.
    """
    value = logit_scale_of(model).detach().clone()
    state = unwrap(model).state_dict()
    return {_NAME if k == _PLAIN_KEY else k: value if k == _PLAIN_KEY else v for k, v in state.items()}


def unwrap(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model inside DistributedDataParallel."""
    return getattr(model, "module", model)


def logit_scale_of(model: torch.nn.Module, plain: bool = False) -> torch.Tensor:
    """Return the model's logit_scale, which it must have; if `plain`, refuse a re-parametrised one."""
    inner = unwrap(model)
    if not isinstance(getattr(inner, _NAME, None), torch.Tensor):
        raise TypeError(f"{type(inner).__name__} has no logit_scale; pass an open_clip model")
    if plain and parametrize.is_parametrized(inner, _NAME):
        raise ValueError("this model's temperature is re-parametrised; call temperature.restore(model) first")
    return getattr(inner, _NAME)


Schedule = Callable[[float], float]  #: From the share of training done, 0 to 1, to the temperature.


def fix(model: torch.nn.Module, tau: float) -> None:
    """Set the temperature and stop learning it.

    open_clip's loop keeps 1/tau within 1 to 100, so that a tau below 0.01 lasts until its first step.

    Raises:
        ValueError: If tau is not positive or above 3, or the model is re-parametrised.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip()
        >>> fix(model, 0.04)
        >>> round(1 / model.logit_scale.exp().item(), 4), model.logit_scale.requires_grad
        (0.04, False)

    Source: Yaras et al. (2025), section 4.1, fixed large temperature (FLT). Taught in chapter temperature.
    """
    scale = logit_scale_of(model, plain=True)
    scale.requires_grad_(False)
    scale.fill_(-math.log(checks.temperature(tau)))


def linear(start: float, end: float) -> Schedule:
    """Return the schedule that goes from the temperature `start` to `end` in a straight line.

    Raises:
        ValueError: If either is not positive, or above 3.

    Example:
        >>> round(linear(0.01, 0.05)(0.5), 6)
        0.03

    Source: Yaras et al. (2025), appendix D, temperature scheduling (TS), there a step an epoch.
    Taught in chapter temperature.
    """
    start, end = checks.temperature(start, "start"), checks.temperature(end, "end")
    return lambda done: start + (end - start) * done


def alternating(low: float, high: float, cycles: float = 5) -> Schedule:
    """Return the schedule that swings from `low` to `high` and back as a cosine does.

    Args:
        low, high: The temperature at the start of every cycle, and in its middle.
        cycles: How often it swings; the paper does not give its number.

    Raises:
        ValueError: If a temperature is not positive or above 3, or the cycles are not positive and finite.

    Example:
        >>> [round(alternating(0.01, 0.04, cycles=1)(t), 4) for t in (0, 0.25, 0.5, 1)]
        [0.01, 0.025, 0.04, 0.01]

    Source: Yaras et al. (2025), appendix F, A0 and A1. Taught in chapter temperature.
    """
    low, high = checks.temperature(low, "low"), checks.temperature(high, "high")
    if not 0 < cycles < math.inf:
        raise ValueError(f"cycles is {cycles!r}; it must be positive")
    return lambda done: low + (high - low) * (1 - math.cos(2 * math.pi * cycles * done)) / 2


#: The paper's schedules by the paper's names.
SCHEDULES: dict[str, Schedule] = {
    **{f"S{k}": linear(0.01, end) for k, end in enumerate((0.02, 0.03, 0.04, 0.05))},
    **{f"A{k}": alternating(0.01, high) for k, high in enumerate((0.02, 0.04))},
}


def scheduled(
    model: torch.nn.Module, schedule: Schedule | str, steps: int, also: Callable[[int], object] | None = None
) -> Callable[[int], float]:
    """Return a scheduler that sets the temperature of each step, and stop learning it.

    It is called with the step's number before the step: hand it to open_clip in the place of its learning
    rate's scheduler and pass that one as `also`. It keeps no state, so resuming is no special case.

    Args:
        schedule: From the share of training done to tau, or a name in `SCHEDULES`.
        steps: Steps of the whole training.
        also: A scheduler to call with the step first, such as `open_clip_train.scheduler.cosine_lr`'s.

    Raises:
        ValueError: If the name is unknown, steps is below 1, or the model is re-parametrised.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip()
        >>> scheduler = scheduled(model, "S3", steps=101)
        >>> round(scheduler(50), 4), round(1 / model.logit_scale.exp().item(), 4)
        (0.03, 0.03)

    Source: Yaras et al. (2025), section 4.1, temperature scheduling (TS). Taught in chapter temperature.
    """
    if isinstance(schedule, str):
        schedule = SCHEDULES[checks.known(schedule, SCHEDULES, "schedule")]
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
        ValueError: If the factor is negative, or no group holds the temperature.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
        >>> model = mini_clip()
        >>> groups = slow_groups([{"params": list(model.parameters()), "lr": 1e-3}], model)
        >>> [round(group["lr"], 6) for group in groups]
        [0.001, 0.0001]

    Source: Yaras et al. (2025), section 4.1, smaller learning rate of temperature (SLRT).
    Taught in chapter temperature.
    """
    if not 0 <= factor < math.inf:
        raise ValueError(f"factor is {factor}; it must be at least 0")
    scale, inner = logit_scale_of(model), unwrap(model)
    if parametrize.is_parametrized(inner, _NAME):
        scale = inner.parametrizations[_NAME].original  # nu, which is what the optimizer trains
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
        model, factor: As in `slow_groups`.
        also: A scheduler to call with the step first.

    Raises:
        ValueError: If the factor is negative, or the optimizer does not train the temperature.

    Example:
        >>> from mgaplib.models.miniclip import mini_clip
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

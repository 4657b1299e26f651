"""1/tau as softplus(nu) or exp(nu / scale), for `temperature.reparametrize` to put on a `logit_scale`."""

import math

import torch
import torch.nn.functional as F
from torch.nn.utils import parametrize

from mgaplib import _checks

MAX_SCALE = 100.0  #: CLIP never lets 1/tau exceed 100.
_NAME = "logit_scale"
_PLAIN_KEY = f"parametrizations.{_NAME}.original"


class Inward(torch.autograd.Function):
    """Clamping, but with a gradient outside the range where it leads back inside.

    `torch.clamp` has none there, so that a parameter once outside would be stuck; in-place clamping, which
    open_clip uses, is not to be had inside a parametrisation.
    """

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

    The model's own `logit_scale.exp()` stays untouched: `logit_scale` becomes log(softplus(nu)) or
    nu / scale. Two things follow. open_clip's loop clamps `logit_scale` in place, which now does nothing, so
    the clamp to 1 <= 1/tau <= `max_scale` is part of the parametrisation. And the checkpoint's key changes:
    save `plain_state_dict(model)`, or call `restore(model)` first. To resume, load the weights, then call
    this again.

    Args:
        model: Any open_clip model.
        by: "softplus" or "exp".
        scale: Divides nu where `by` is "exp"; the paper takes 2 and 10.
        max_scale: The largest 1/tau.

    Raises:
        TypeError: If the model has no `logit_scale`.
        ValueError: If `by` is unknown, a scale makes no sense, or the model is re-parametrised already.

    Example:
        >>> from mgaplib.clip import mini_clip
        >>> model = mini_clip(tau=0.07)
        >>> reparametrize(model, "softplus")
        >>> round(1 / model.logit_scale.exp().item(), 4)
        0.07

    Source: Yaras et al. (2025), section 4.1, temperature reparametrization (TR), and appendix F.

    Taught in chapter temperature.
    """
    _checks.known(by, ("softplus", "exp"), "re-parametrisation")
    if not (0 < scale < math.inf and 1 < max_scale < math.inf):
        raise ValueError(
            f"scale is {scale} and max_scale {max_scale}; scale is positive and max_scale exceeds 1"
        )
    if by == "softplus" and scale != 1:
        raise ValueError(f"scale is {scale}; only by='exp' takes one")
    logit_scale_of(model, plain=True)
    parametrization = Softplus(max_scale) if by == "softplus" else Exp(scale, max_scale)
    parametrize.register_parametrization(unwrap(model), _NAME, parametrization)


def restore(model: torch.nn.Module) -> None:
    """Undo `reparametrize`, keeping the temperature; a model that is not re-parametrised is left as it is.

    Args:
        model: Any open_clip model.

    Raises:
        TypeError: If the model has no `logit_scale`.

    Example:
        >>> from mgaplib.clip import mini_clip
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

    Args:
        model: Any open_clip model, re-parametrised or not, wrapped or not; it is left as it is.

    Raises:
        TypeError: If the model has no `logit_scale`.

    Example:
        >>> from mgaplib.clip import mini_clip
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
    """Return the model's logit_scale; if `plain`, refuse a re-parametrised one.

    Raises:
        TypeError: If the model has none.
        ValueError: If `plain` and the model is re-parametrised.
    """
    inner = unwrap(model)
    if not isinstance(getattr(inner, _NAME, None), torch.Tensor):
        raise TypeError(f"{type(inner).__name__} has no logit_scale; pass an open_clip model")
    if plain and parametrize.is_parametrized(inner, _NAME):
        raise ValueError("this model's temperature is re-parametrised; call temperature.restore(model) first")
    return getattr(inner, _NAME)


def trained_parameter(model: torch.nn.Module) -> torch.Tensor:
    """Return what the optimizer trains: nu of a re-parametrised model, else `logit_scale` itself."""
    value = logit_scale_of(model)
    inner = unwrap(model)
    return inner.parametrizations[_NAME].original if parametrize.is_parametrized(inner, _NAME) else value

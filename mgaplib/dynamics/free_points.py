"""Contrastive training of free points, step by step: pairs on the sphere that are their own parameters.

No network, no data: a run of thousands of steps takes a moment, so that one knob of training can be turned at
a time. `widgets.DynamicsExplorer` does the same in the browser, number for number, by the same `Draws`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from scipy.special import expit

from mgaplib import checks
from mgaplib.dynamics.gradient_flow import PARAMETRISATIONS, Parametrisation

__all__ = [
    "COMPARISONS", "FREE_STARTS", "LEARNED", "LOSSES", "PARALLEL_STARTS", "SCHEDULED", "SWAPS",
    "TEMPERATURES", "Draws", "FreePoints", "Record", "Setting", "train",
]  # fmt: skip

FREE_STARTS = ("apart", "together", "cones")  #: Two clouds of one cone; one cloud; one cone each.
PARALLEL_STARTS = ("independent", "matched")  #: The starts of Theorem 3.3 and of Theorem 3.2.
SWAPS = ("none", "hard", "soft", "rows")  #: As `mgaplib.training.swapping.KINDS`.
LOSSES = ("both", "images", "siglip")  #: InfoNCE both ways, images to texts alone, SigLIP.
SPREAD = 0.36  #: How far a start's points lie from the middle of their cloud.
CYCLES = 5  #: How often the schedules A0 and A1 swing.
MAX_SCALE = 100.0  #: A learned 1 / tau stays between 1 and this, as CLIP's.
BIAS = -10.0  #: SigLIP's bias at the start.

#: How 1 / tau follows from the number that is learned; "slow" is "learned" at a tenth of its learning rate.
LEARNED = {
    "learned": PARAMETRISATIONS["exp"],
    "slow": PARAMETRISATIONS["exp"],
    "softplus": PARAMETRISATIONS["softplus"],
    "scale10": Parametrisation(
        lambda nu: np.exp(nu / 10), lambda nu: np.exp(nu / 10) / 10, lambda b: 10 * np.log(b)
    ),
}
_SLOW = {"slow": 0.1}


def _swing(high: float) -> Callable[[float], float]:
    return lambda done: 0.01 + (high - 0.01) * (1 - math.cos(2 * math.pi * CYCLES * done)) / 2


def _line(end: float) -> Callable[[float], float]:
    return lambda done: 0.01 + (end - 0.01) * done


#: Temperature by the share of the horizon that has passed, Yaras et al.'s schedules by their names.
SCHEDULED = {
    **{f"S{k}": _line(end) for k, end in enumerate((0.02, 0.03, 0.04, 0.05))},
    **{f"A{k}": _swing(high) for k, high in enumerate((0.02, 0.04))},
}
TEMPERATURES = ("fixed", *LEARNED, "annealed", *SCHEDULED)  #: Everything that `Setting.temperature` may be.

#: Two runs that differ in one knob, the first run's knobs and what the second has instead.
COMPARISONS: dict[str, tuple[dict, dict]] = {
    "frozen": ({"tau": 0.01}, {"tau": 0.1}),
    "learned": ({"temperature": "learned", "tau": 0.07}, {"tau": 0.01}),
    "wrong": ({"temperature": "learned", "tau": 0.07, "wrong": 0.25}, {"wrong": 0.0}),
    "three": ({"d": 3}, {"d": 16}),
    "swapped": ({"swap": "hard", "swap_share": 0.5}, {"swap": "none"}),
    "bound": (
        {"model": "parallel", "start": "matched", "temperature": "learned", "tau": 0.07, "n": 16, "d": 17,
         "gap": 0.6, "lr": 0.2},
        {"temperature": "softplus"},
    ),
}  # fmt: skip


def _mix(words: np.ndarray) -> np.ndarray:
    """Scramble 32-bit words, one to one."""
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    words = (words ^ (words >> np.uint32(15))) * np.uint32(0x735A2D97)
    return words ^ (words >> np.uint32(15))


class Draws:
    """Random numbers that Python and JavaScript draw alike: scrambled counters, as splitmix32's.

    The k-th number depends on the seed, the purpose and k alone, so that two runs that differ in one knob
    share the numbers of all other purposes. For simulation, not for secrets.

    Args:
        seed: Whole number from 0 to 2^32 - 1.
        purpose: What they are for: each whole number has its own sequence.

    Raises:
        ValueError: If the seed is out of range.

    Example:
        >>> Draws(0, 1).uniform(3).round(4)
        array([0.4546, 0.1731, 0.4433])

    Taught in chapter gradient_flow.
    """

    _STEP = np.uint32(0x9E3779B9)

    def __init__(self, seed: int, purpose: int):
        seed = checks.whole(seed, "seed", 0, 2**32 - 1, "pass a whole number from 0 to 2^32 - 1")
        self._key = _mix(_mix(np.array([seed + 1], np.uint64).astype(np.uint32)) ^ np.uint32(purpose))
        self._drawn = 0

    def uniform(self, count: int) -> np.ndarray:
        """Return the next `count` numbers, uniform from 0 to below 1."""
        at = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64).astype(np.uint32)
        self._drawn += count
        return _mix(_mix(at * self._STEP) ^ self._key) / 2**32

    def normal(self, count: int) -> np.ndarray:
        """Return the next `count` standard normal numbers, each from two uniform ones (Box and Muller)."""
        radius, angle = self.uniform(2 * count).reshape(count, 2).T
        return np.sqrt(-2 * np.log(radius + 2**-33)) * np.cos(2 * np.pi * angle)


@dataclass(frozen=True)
class Setting:
    """The knobs of a training of free points; each is checked, and the error names it and the cure.

    Attributes:
        n, d: Number of pairs and dimension, at least 2; 3 dimensions for parallel modalities.
        model: "free": every point moves by itself, under Adam. "parallel": images and texts differ by one
            coordinate, gamma; all learn by plain gradient descent: the theorems' model, `lr` of time a step.
        start: One of `FREE_STARTS` or of `PARALLEL_STARTS`.
        gap: About how far apart "apart" starts; twice gamma for parallel modalities.
        temperature: "fixed", "annealed" (from tau to `tau_end`, geometrically, over the horizon), a key of
            `LEARNED` or of `SCHEDULED` (which set tau themselves).
        tau, tau_end: Temperature at the start and where annealing ends; .005 to 1, from .01 on if learned.
        horizon: Number of steps that annealing and schedules take.
        swap, swap_share: One of `SWAPS`, and the share of the steps that swap.
        wrong, redrawn: Share of images with another's caption, and whether it is drawn anew at every step.
        loss: One of `LOSSES`. SigLIP's bias is learned at the temperature's rate, from -10.
        lr, tau_lr: Learning rate of the points (if parallel, of all parameters); Adam's of the temperature.
        seed: Of everything that is drawn.
    """

    n: int = 48
    d: int = 16
    model: str = "free"
    start: str = "apart"
    gap: float = 0.8
    temperature: str = "fixed"
    tau: float = 0.01
    tau_end: float = 0.01
    horizon: int = 4000
    swap: str = "none"
    swap_share: float = 0.1
    wrong: float = 0.0
    redrawn: bool = True
    loss: str = "both"
    lr: float = 0.005
    tau_lr: float = 0.002
    seed: int = 0

    def __post_init__(self):
        parallel = checks.known(self.model, ("free", "parallel"), "model") == "parallel"
        checks.whole(self.n, "n", 2, 512, "pass a number of pairs from 2 to 512")
        least = 3 if parallel else 2
        cure = f"pass a whole number from {least} to 512" + parallel * ": gamma's coordinate is one of them"
        checks.whole(self.d, "d", least, 512, cure)
        checks.known(
            self.start, PARALLEL_STARTS if parallel else FREE_STARTS, f"start of the {self.model} model"
        )
        low = 0.001 if parallel else 0.0
        checks.within(self.gap, "gap", low, 1.9, f"pass a distance from {low:g} to 1.9")
        checks.known(self.temperature, TEMPERATURES, "temperature")
        least = 1 / MAX_SCALE if self.temperature in LEARNED else 0.005
        for name in ("tau", "tau_end"):
            checks.within(getattr(self, name), name, least, 1, f"pass a temperature from {least:g} to 1")
        checks.whole(self.horizon, "horizon", 1, None, "pass a number of steps of at least 1")
        checks.known(self.swap, SWAPS, "swap")
        checks.known(self.loss, LOSSES, "loss")
        for name in ("swap_share", "wrong"):
            checks.within(getattr(self, name), name, 0, 1, "pass a share from 0 to 1")
        for name in ("lr", "tau_lr"):
            checks.within(getattr(self, name), name, 0, 1, "pass a learning rate from 0 to 1")
        if not isinstance(self.redrawn, bool | np.bool_):
            raise TypeError(f"redrawn is {self.redrawn!r}; pass True or False")
        checks.whole(self.seed, "seed", 0, 2**32 - 1, "pass a whole number from 0 to 2^32 - 1")

    def turned(self, **knobs) -> "Setting":
        """Return the setting with some of its knobs turned; a name that is none is a ValueError."""
        for name in knobs:
            checks.known(name, self.__dataclass_fields__, "knob")
        return replace(self, **knobs)


@dataclass(frozen=True)
class Record:
    """What a training went through: one number a step, the first before any.

    Attributes:
        gap, tau: Length of the gap vector, and temperature.
        loss: What was trained on at that step, wrong captions and swaps included.
        recall: Share of points that are nearest to their true partner, mean of both directions.
        margin: How much nearer the worst placed pair is than its nearest rival, in cosine.
    """

    gap: np.ndarray
    tau: np.ndarray
    loss: np.ndarray
    recall: np.ndarray
    margin: np.ndarray


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows * rows).sum(axis=-1, keepdims=True))


def _place(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Return images and texts before the first step; parallel ones without their gamma."""
    n, draws = setting.n, Draws(setting.seed, 1)
    if setting.model == "parallel":
        x = _unit(draws.normal(n * (setting.d - 1)).reshape(n, -1))
        y = _unit(draws.normal(n * (setting.d - 1)).reshape(n, -1))
        return x, x.copy() if setting.start == "matched" else y
    centre, other = _unit(draws.normal(2 * setting.d).reshape(2, -1))
    noise = SPREAD / math.sqrt(setting.d) * draws.normal(2 * n * setting.d).reshape(2, n, -1)
    if setting.start == "cones":
        return _unit(centre + noise[0]), _unit(other + noise[1])
    apart = _unit(other - (other @ centre) * centre) * (setting.gap / 2 if setting.start == "apart" else 0.0)
    middle = math.cos(0.5) * centre
    return _unit(middle + apart + noise[0]), _unit(middle - apart + noise[1])


def _wrong_captions(draws: Draws, n: int, share: float) -> np.ndarray:
    """Return whose caption each image has: a random share of them, rounded, have each other's, in a ring."""
    order = np.argsort(draws.uniform(n), kind="stable")[: math.floor(share * n + 0.5)]
    captions = np.arange(n)
    captions[order] = np.roll(order, 1)
    return captions


@dataclass
class _Adam:
    """CLIP's Adam: betas .9 and .98."""

    lr: float
    mean: np.ndarray | float = 0.0
    square: np.ndarray | float = 0.0
    steps: int = field(default=0)

    def move(self, slope):
        """Return what to subtract."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.98 * self.square + 0.02 * slope * slope
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.98**self.steps)
        return self.lr * mean / (np.sqrt(square) + 1e-8)


class FreePoints:
    """A training of free points that can be taken step by step.

    Args:
        setting: The knobs; what is passed besides replaces single ones of them.

    Attributes:
        images, texts: The points, n rows of unit length and d columns.
        gamma: Half the gap of parallel modalities, None for free points.
        setting, tau, steps: The knobs, the temperature, and the number of steps taken.
        gap, loss, recall, margin: As `Record` has them, at this step.
        slopes: The loss's derivatives: by "images" and "texts" (as free points of space), "beta" and "bias".

    Raises:
        TypeError, ValueError: If a knob is unknown or makes no sense.

    Example:
        >>> points = FreePoints(d=3, tau=0.1)  # their gap is 0.8244
        >>> points.step()
        >>> round(points.gap, 4)
        0.8207

    Taught in chapter gradient_flow.
    """

    def __init__(self, setting: Setting | None = None, **knobs):
        self.setting = s = (setting or Setting()).turned(**knobs)
        x, y = _place(s)
        self.gamma = s.gap / 2 if s.model == "parallel" else None
        self._rows, self.steps, self._bias = [x, y], 0, BIAS
        self._nu = LEARNED[s.temperature].inverse(1 / s.tau) if s.temperature in LEARNED else None
        self._swaps, self._captions = Draws(s.seed, 2), Draws(s.seed, 3)
        self._wrong = _wrong_captions(self._captions, s.n, s.wrong)
        tau_lr = s.tau_lr * _SLOW.get(s.temperature, 1.0)
        self._adam = [_Adam(s.lr), _Adam(s.lr), _Adam(tau_lr), _Adam(s.tau_lr)]
        self._evaluate()

    def _tau(self) -> float:
        s = self.setting
        if s.temperature in LEARNED:
            return float(1 / LEARNED[s.temperature].value(self._nu))
        done = min(self.steps / s.horizon, 1.0)
        if s.temperature == "annealed":
            return s.tau * (s.tau_end / s.tau) ** done
        return SCHEDULED[s.temperature](done) if s.temperature in SCHEDULED else s.tau

    def _keep(self) -> np.ndarray | None:
        """What share of itself each entry keeps at this step, or None where nothing is swapped."""
        s = self.setting
        if s.swap == "none" or self._swaps.uniform(1)[0] >= s.swap_share:
            return None
        drawn = self._swaps.uniform(s.n if s.swap == "rows" else s.n * s.d).reshape(s.n, -1)
        return drawn if s.swap == "soft" else (drawn >= 0.5).astype(float)

    def _evaluate(self) -> None:
        """Measure the points as they are, and which way the loss falls."""
        s, n = self.setting, self.setting.n
        x, y = self._rows
        if self.gamma is not None:
            root = math.sqrt(1 - self.gamma**2)
            x, y = (
                np.column_stack([root * z, np.full(n, g)]) for z, g in ((x, self.gamma), (y, -self.gamma))
            )
        self.images, self.texts, self.tau = x, y, self._tau()
        between = x.mean(axis=0) - y.mean(axis=0)
        self.gap = math.sqrt(between @ between)
        cosines = x @ y.T
        own, rivals = np.diagonal(cosines), np.where(np.eye(n, dtype=bool), -np.inf, cosines)
        leads = np.stack([own - rivals.max(axis=axis) for axis in (0, 1)])
        self.recall, self.margin = float((leads > 0).mean()), float(leads.min())

        keep = self._keep()
        if keep is not None:
            x, y = keep * x + (1 - keep) * y, keep * y + (1 - keep) * x
            cosines = x @ y.T
        captions = _wrong_captions(self._captions, n, s.wrong) if s.redrawn and s.wrong else self._wrong
        beta = 1 / self.tau
        self.loss, slope, bias_slope = _loss(s.loss, beta * cosines, beta, self._bias, captions)
        slope_x, slope_y = beta * slope @ y, beta * slope.T @ x
        if keep is not None:
            slope_x, slope_y = keep * slope_x + (1 - keep) * slope_y, keep * slope_y + (1 - keep) * slope_x
        beta_slope = float((slope * cosines).sum())
        self.slopes = {"images": slope_x, "texts": slope_y, "beta": beta_slope, "bias": bias_slope}

    def step(self) -> None:
        """Take one step, and measure anew."""
        s, (x, y), (slope_x, slope_y, beta_slope, bias_slope) = self.setting, self._rows, self.slopes.values()
        descent = s.model == "parallel"
        if descent:
            root = math.sqrt(1 - self.gamma**2)
            along = (x * slope_x[:, :-1]).sum() + (y * slope_y[:, :-1]).sum()
            gamma_slope = slope_x[:, -1].sum() - slope_y[:, -1].sum() - self.gamma / root * along
            self.gamma = float(np.clip(self.gamma - s.lr * gamma_slope, 0.0, 0.999))
            slope_x, slope_y = root * slope_x[:, :-1], root * slope_y[:, :-1]
        for k, (rows, slope) in enumerate(((x, slope_x), (y, slope_y))):
            slope = slope - (slope * rows).sum(axis=1, keepdims=True) * rows
            self._rows[k] = _unit(rows - (s.lr * slope if descent else self._adam[k].move(slope)))
        if self._nu is not None:
            kind = LEARNED[s.temperature]
            slope = beta_slope * kind.slope(self._nu)
            slow = _SLOW.get(s.temperature, 1.0)
            self._nu -= s.lr * slow * slope if descent else self._adam[2].move(slope)
            self._nu = float(np.clip(self._nu, kind.inverse(1.0), kind.inverse(MAX_SCALE)))
        if s.loss == "siglip":
            self._bias -= s.lr * bias_slope if descent else self._adam[3].move(bias_slope)
        self.steps += 1
        self._evaluate()


def _loss(kind, logits, beta, bias, captions):
    """Return the loss, its derivatives by the logits, and that by SigLIP's bias."""
    n = len(logits)
    true = np.zeros((n, n))
    true[np.arange(n), captions] = 1.0
    if kind == "siglip":
        sign = 2 * true - 1
        z = sign * (logits + bias)
        slope = -sign * expit(-z) / n
        return float(np.logaddexp(0.0, -z).sum() / n), slope, float(slope.sum())
    shares = np.exp(logits - beta)  # no cosine is above 1, and 1 / tau is at most 200
    rows, columns = shares.sum(axis=1, keepdims=True), shares.sum(axis=0, keepdims=True)
    own = (logits * true).sum() / n - beta
    if kind == "images":
        return float(np.log(rows).mean() - own), (shares / rows - true) / n, 0.0
    slope = (shares / rows + shares / columns - 2 * true) / (2 * n)
    return float((np.log(rows).mean() + np.log(columns).mean()) / 2 - own), slope, 0.0


def train(steps: int, setting: Setting | None = None, **knobs) -> Record:
    """Train free points, and return what they went through.

    Args:
        steps: Number of steps, at least 0.
        setting: The knobs; what is passed besides replaces single ones of them.

    Raises:
        TypeError, ValueError: If a knob is unknown or makes no sense.

    Example:
        >>> run = train(200, d=3, tau=0.1)
        >>> len(run.gap), bool(run.gap[-1] < 0.1 < run.gap[0])
        (201, True)

    Source: Yaras et al. 2025, figure 2, an optimizer in the flow's place. Taught in chapter what_holds_it.
    """
    steps = checks.whole(steps, "steps", 0, None, "pass a number of steps of at least 0")
    points = FreePoints(setting, **knobs)
    names = [f.name for f in fields(Record)]
    rows = [[getattr(points, name) for name in names]]
    for _ in range(steps):
        points.step()
        rows.append([getattr(points, name) for name in names])
    return Record(**dict(zip(names, np.array(rows).T, strict=True)))

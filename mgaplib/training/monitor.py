"""The gap while a model trains: what a loop logs of the embeddings that pass through it anyway."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributed

from mgaplib import checks
from mgaplib.metrics.streaming import of_sums

_COUNTS = 5  # before the sums: pairs, batches, squared distances, hits of each direction
#: How the results are called, as in `training.measure`, and what they are called in `metrics`.
_NAMES = {
    "gap": "modality_gap",
    "relative_gap": "relative_modality_gap",
    "image_cosine": "mean_cosine (images)",
    "text_cosine": "mean_cosine (texts)",
}


class GapMonitor:
    """Gap, relative gap, cones and R@1 of the batches that it is shown, with torchmetrics' interface.

    A batch costs one product of its embeddings; nothing is kept but sums, and on a GPU nothing waits for them
    until `compute`. In a process group of torch.distributed each process shows its own share, and `compute`,
    which all of them must call, returns the numbers of all. In a loop of one's own, or Lightning's
    (`self.log_dict(monitor.compute())`), call `update`; where the loop is another's, as open_clip's,
    `watch(model)` has every forward pass shown. For a `MetricCollection` there is `torchmetric`.

    Args:
        prefix: Put before each name, such as "train/".

    Example:
        >>> monitor = GapMonitor("train/")
        >>> monitor.update(torch.eye(3), torch.eye(3) - 2)
        >>> found = monitor.compute()
        >>> round(found["train/gap"], 3), found["train/image_to_text"], found["train/pool"]
        (1.54, 1.0, 3.0)

    Source: Each metric as in `mgaplib.metrics`. Taught in chapter training.
    """

    def __init__(self, prefix: str = ""):
        self.prefix = prefix
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._state = None

    def update(self, images: torch.Tensor, texts: torch.Tensor) -> None:
        """Add a batch of embeddings.

        Args:
            images, texts: Tensors (n, d), row i paired with row i, of any length; they are used where they
                are, and without gradient.

        Raises:
            TypeError, ValueError: If they are no two float matrices of one shape, of the same d as before.
        """
        batch = _sums(images, texts)
        if self._state is not None and len(self._state) != len(batch):
            d, before = ((len(state) - _COUNTS) // 2 for state in (batch, self._state))
            raise ValueError(
                f"images have {d} columns, those before had {before}; call reset() between models"
            )
        self._state = batch if self._state is None else self._state + batch.to(self._state.device)

    def compute(self) -> dict[str, float]:
        """Return the numbers of all batches since the last reset, over all processes.

        `gap`, `relative_gap`, the cones' `image_cosine` and `text_cosine`, R@1 as `image_to_text` and
        `text_to_image`; its `pool` is a batch, and a process sees its own share of one only.

        Raises:
            ValueError: If there have been fewer than two pairs, or a process of several has had none.
        """
        state = self._state
        if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
            sizes = [None] * distributed.get_world_size()
            distributed.all_gather_object(sizes, 0 if state is None else len(state))
            if len(set(sizes)) > 1 or 0 in sizes:
                raise ValueError(f"the processes hold sums of {sizes} numbers; each must update, with one d")
            every = [torch.empty_like(state) for _ in sizes]
            distributed.all_gather(every, state)
            state = torch.stack(every).sum(dim=0)
        return {self.prefix + name: value for name, value in _found(state).items()}

    def watch(self, model: torch.nn.Module) -> Callable[[], None]:
        """Have every forward pass of an open_clip model shown; return a function that ends it.

        The model's output is a tuple of image and text embeddings first, or open_clip's dict.
        """

        def show(_model, _inputs, output) -> None:
            first = ("image_features", "text_features") if isinstance(output, dict) else (0, 1)
            images, texts = (output[place] for place in first)
            if images is not None and texts is not None:  # a pass of one modality alone has no pairs
                self.update(images, texts)

        return model.register_forward_hook(show).remove


def torchmetric(d: int):
    """Return `GapMonitor` as a `torchmetrics.Metric`, for embeddings of d columns in a `MetricCollection`.

    Raises:
        ImportError: If torchmetrics is not installed.

    Example:
        >>> from importlib.util import find_spec
        >>> find_spec("torchmetrics") is None or torchmetric(d=3).total.tolist() == 11 * [0.0]
        True

    Taught in chapter training.
    """
    try:
        from torchmetrics import Metric
    except ImportError as error:
        raise ImportError("torchmetric needs torchmetrics; pip install it, or use GapMonitor") from error

    class TorchMetric(Metric):
        full_state_update = False

        def __init__(self):
            super().__init__()
            self.add_state("total", torch.zeros(_COUNTS + 2 * d, dtype=torch.float64), dist_reduce_fx="sum")

        def update(self, images, texts):
            self.total += _sums(images, texts)

        def compute(self):
            return _found(self.total)

    return TorchMetric()


@torch.no_grad()
def _sums(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return what of a batch adds up, in one tensor: counts, hits, and both modalities' sums of unit rows."""
    images, texts = (
        rows if isinstance(rows, torch.Tensor) else torch.from_numpy(checks.embeddings(rows, name))
        for rows, name in ((images, "images"), (texts, "texts"))
    )
    for name, rows in (("images", images), ("texts", texts)):
        if not rows.is_floating_point():
            raise TypeError(f"{name} holds {rows.dtype}; embeddings are floating point: call {name}.float()")
    if images.ndim != 2 or images.shape != texts.shape:
        raise ValueError(
            f"images has shape {tuple(images.shape)} and texts {tuple(texts.shape)}; pass two matrices of "
            "one shape, row i paired with row i"
        )
    x, y = (F.normalize(rows.detach().float(), dim=1) for rows in (images, texts))
    scores = x @ y.T
    own = scores.diagonal()
    tie = 4 * torch.finfo(scores.dtype).eps  # two cosines of the same rows differ by rounding alone
    exact = torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    hits = []
    for table in (scores, scores.T):
        better = (table > (own + tie)[:, None]).sum(dim=1)
        tied = (table >= (own - tie)[:, None]).sum(dim=1) - better
        hits.append(((better == 0) / tied).sum(dtype=exact))
    counts = own.new_tensor([len(x), 1], dtype=exact)
    apart = (x - y).pow(2).sum(dtype=exact)
    return torch.cat([counts, torch.stack([apart, *hits]), *(z.sum(dim=0, dtype=exact) for z in (x, y))])


def _found(state: torch.Tensor | None) -> dict[str, float]:
    """Return the metrics of summed batches."""
    n = 0 if state is None else int(state[0])
    if n < 2:
        raise ValueError(f"{n} pairs have been shown; call update with at least 2")
    _, batches, apart, to_text, to_image, *_ = state.tolist()
    sums = np.array(state[_COUNTS:].tolist()).reshape(2, -1)
    found = of_sums(n, sums, apart)
    return {
        **{name: float(found[source]) for name, source in _NAMES.items()},
        "image_to_text": to_text / n,
        "text_to_image": to_image / n,
        "pool": n / batches,
    }

"""Modality swapping: on some training steps, mix the two modalities' embeddings before the loss sees them."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import normalize as unit

from mgaplib import checks

KINDS = ("hard", "soft", "rows")  #: Whole entries, shares of entries, whole embeddings.


def weights(kind: str, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return the share of itself that each entry keeps, at random: (rows, columns) or (rows, 1), float32.

    Args:
        kind: "hard", 0 or 1 with equal chance for each entry; "soft", uniform between; "rows", 0 or 1 a row.
        rows, columns: Number of pairs, and dimension of the embeddings.

    Raises:
        ValueError: If the kind is unknown.

    Example:
        >>> weights("rows", 4, 8, np.random.default_rng(1)).ravel()
        array([0., 1., 1., 1.], dtype=float32)

    Source: Yaras et al. (2025), appendix D; uniform soft weights are our reading. Taught in chapter swapping.
    """
    checks.known(kind, KINDS, "kind of swap")
    drawn = rng.random((rows, 1 if kind == "rows" else columns), dtype=np.float32)
    return drawn if kind == "soft" else (drawn >= 0.5).astype(np.float32)


def swap(
    images: torch.Tensor, texts: torch.Tensor, keep: torch.Tensor, normalize: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both modalities, each with a share of the other in it.

    Args:
        images, texts: Embeddings, (n, d), row i paired with row i.
        keep: The share of itself that an entry keeps, (n, d) or (n, 1), as `weights` draws it.
        normalize: Whether to scale the mixed rows back to unit length; the paper does not say that it does.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
        >>> swap(x, y, torch.tensor([[0.0, 1.0]]))
        (tensor([[0.6000, 0.0000]]), tensor([[1.0000, 0.8000]]))

    Source: Yaras et al. (2025), appendix D, hard and soft swapping between modalities (HS, SS).
    Taught in chapter swapping.
    """
    if images.shape != texts.shape or images.ndim != 2:
        raise ValueError(
            f"images has shape {tuple(images.shape)} and texts {tuple(texts.shape)}; "
            "pass two tensors of shape (n, d)"
        )
    if tuple(keep.shape) not in (tuple(images.shape), (len(images), 1)):
        raise ValueError(
            f"keep has shape {tuple(keep.shape)}; it must be {tuple(images.shape)} or ({len(images)}, 1)"
        )
    keep = keep.to(images)
    mixed = keep * images + (1 - keep) * texts, keep * texts + (1 - keep) * images
    return tuple(unit(m, dim=-1) for m in mixed) if normalize else mixed


class SwappedLoss(torch.nn.Module):
    """A contrastive loss that sees swapped embeddings on a random share of the training steps.

    It has the signature of the loss that it wraps and takes its place in any training loop. Every process
    draws the same weights for the whole batch and uses its own rows: together they do what one alone would.

    Args:
        loss: The loss to call, such as `open_clip.ClipLoss()` or its `SigLipLoss()`.
        p: Share of the steps that swap.
        kind: "hard", "soft" or "rows", see `weights`.
        normalize: Whether to scale mixed embeddings back to unit length.
        seed: Seed of the swaps; the same on all processes.
        rank, world_size: This process's number, and how many there are; the wrapped loss's own if None.
        calls_per_step: How often the loop calls the loss in a step: open_clip's `accum_freq`.

    Attributes:
        calls: Calls in training so far; the state dict holds it: a resumed training swaps on the same steps.

    Raises:
        ValueError: If a number or name makes no sense.

    Example:
        >>> loss = SwappedLoss(lambda images, texts, logit_scale: (images * texts).sum(), p=1.0)
        >>> loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]]), 1.0)  # hard swaps keep x.y
        tensor(0.6000)

    Source: Yaras et al. (2025), section 4.1 and appendix D. Taught in chapter swapping.
    """

    def __init__(
        self,
        loss: Callable,
        p: float = 1e-3,
        kind: str = "hard",
        *,
        normalize: bool = False,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        calls_per_step: int = 1,
    ):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is {p}; it is a share between 0 and 1")
        self.loss, self.p, self.normalize = loss, float(p), normalize
        self.kind = checks.known(kind, KINDS, "kind of swap")
        self.seed, self.calls, self.calls_per_step = seed, 0, calls_per_step
        self.rank = getattr(loss, "rank", 0) if rank is None else rank
        self.world_size = getattr(loss, "world_size", 1) if world_size is None else world_size
        if not (0 <= self.rank < self.world_size and calls_per_step >= 1):
            raise ValueError(
                f"rank is {self.rank} of {self.world_size} and calls_per_step {calls_per_step}; "
                "ranks count from 0, calls from 1"
            )

    def forward(self, image_features, text_features, *args, **kwargs):
        """Return the wrapped loss of the features, (n, d), swapped if this step is one of those that swap."""
        if self.training:
            # A generator for each step: all processes agree, and a resumed training draws what it would have.
            rng = np.random.default_rng([self.seed, self.calls // self.calls_per_step])
            self.calls += 1
            if rng.random() < self.p:
                n, d = image_features.shape
                keep = weights(self.kind, n * self.world_size, d, rng)[self.rank * n : (self.rank + 1) * n]
                image_features, text_features = swap(
                    image_features, text_features, torch.from_numpy(keep), self.normalize
                )
        return self.loss(image_features, text_features, *args, **kwargs)

    def get_extra_state(self) -> dict[str, int]:
        """Return what `state_dict` keeps beside tensors."""
        return {"calls": self.calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Take over what `load_state_dict` found."""
        self.calls = state["calls"]

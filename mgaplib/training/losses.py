"""Remedies during training, besides temperature and swapping: other losses, extra terms, a shared encoder.

Each loss takes the place of `open_clip.ClipLoss` in any training loop: it is called with both modalities'
embeddings and the logit scale, 1 / tau.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from mgaplib.models.open_clip import open_clip


def alignment_term(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return the mean squared distance of the pairs: what pulls a pair together.

    Args:
        images, texts: Unit rows, (n, d), row i paired with row i.

    Raises:
        TypeError, ValueError: If they are no two floating-point matrices of one shape with unit rows.

    Example:
        >>> alignment_term(torch.eye(2), -torch.eye(2))
        tensor(4.)

    Source: Wang and Isola 2020; Fahim et al. 2024. Taught in chapter explanations.
    """
    _check_rows(images=images, texts=texts)
    return (images - texts).pow(2).sum(dim=1).mean()


def uniformity_term(x: torch.Tensor, t: float = 2.0) -> torch.Tensor:
    """Return `log mean exp(-t |x_i - x_j|^2)` over pairs i < j: what pushes one modality's points apart.

    Args:
        x: Unit rows, (n, d), at least 2.
        t: How fast a pair's weight falls with its squared distance.

    Raises:
        TypeError, ValueError: If x is no floating-point matrix of 2 or more unit rows, or t is not positive.

    Example:
        >>> uniformity_term(torch.eye(3))
        tensor(-4.)

    Source: Wang and Isola 2020; Fahim et al. 2024. Taught in chapter explanations.
    """
    _check_rows(2, x=x)
    n = len(x)
    above = torch.triu_indices(n, n, offset=1, device=x.device)
    return _log_mean_weight((x @ x.T)[above[0], above[1]], t)


def cross_uniformity_term(images: torch.Tensor, texts: torch.Tensor, t: float = 2.0) -> torch.Tensor:
    """Return `log mean exp(-t |x_i - y_j|^2)` over i != j: what pushes strangers of two modalities apart.

    Args:
        images, texts: Unit rows, (n, d), at least 2, row i paired with row i.
        t: As in `uniformity_term`.

    Raises:
        TypeError, ValueError: As in `alignment_term` and `uniformity_term`.

    Example:
        >>> cross_uniformity_term(torch.eye(3), torch.eye(3))
        tensor(-4.)

    Source: Fahim et al. 2024. Taught in chapter explanations.
    """
    _check_rows(2, images=images, texts=texts)
    different = ~torch.eye(len(images), dtype=torch.bool, device=images.device)
    return _log_mean_weight((images @ texts.T)[different], t)


def in_modal_term(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return how far two images' cosine is from their texts': CyCLIP's in-modal consistency.

    `sum_jk (x_j.x_k - y_j.y_k)^2 / n`; 0 where one modality is a rotated copy of the other.
    Arguments and errors are those of `alignment_term`: unit rows, (n, d), row i paired with row i.

    Example:
        >>> in_modal_term(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor(1.)

    Source: Goel et al. 2022 (CyCLIP). Taught in chapter explanations.
    """
    _check_rows(images=images, texts=texts)
    return (images @ images.T - texts @ texts.T).pow(2).sum() / len(images)


def cross_modal_term(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return how asymmetric the cosines across are: CyCLIP's cross-modal consistency.

    `sum_jk (x_j.y_k - x_k.y_j)^2 / n`; 0 where image j is to text k what image k is to text j.
    Arguments and errors are those of `alignment_term`: unit rows, (n, d), row i paired with row i.

    Example:
        >>> cross_modal_term(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor(1.)

    Source: Goel et al. 2022 (CyCLIP). Taught in chapter explanations.
    """
    _check_rows(images=images, texts=texts)
    across = images @ texts.T
    return (across - across.T).pow(2).sum() / len(images)


def _check_rows(least: int = 1, **matrices: torch.Tensor) -> None:
    shapes = {name: tuple(matrix.shape) for name, matrix in matrices.items()}
    for name, matrix in matrices.items():
        if not matrix.is_floating_point():
            raise TypeError(
                f"{name} holds {matrix.dtype}; embeddings are floating point: call {name}.float()"
            )
        if matrix.ndim != 2 or len(matrix) < least:
            raise ValueError(
                f"{name} has shape {shapes[name]}; pass a matrix of {least} or more rows, one embedding a row"
            )
        # Half precision leaves a unit row's length within a hundredth of 1.
        lengths = torch.linalg.vector_norm(matrix.detach().float(), dim=1)
        off = (lengths - 1).abs() > 0.01
        if off.any():
            row = int(off.int().argmax())
            raise ValueError(
                f"{name} has a row ({row}) of length {lengths[row]:.3g}; the term needs unit rows: pass "
                f"torch.nn.functional.normalize({name}, dim=-1)"
            )
    if len(set(shapes.values())) > 1:
        raise ValueError(f"the shapes differ: {shapes}; row i of one is paired with row i of the other")


def _log_mean_weight(cosines: torch.Tensor, t: float) -> torch.Tensor:
    if not (math.isfinite(t) and t > 0):
        raise ValueError(f"t is {t!r}; pass a positive number, such as 2")
    # |a - b|^2 = 2 - 2 a.b for unit rows
    return torch.logsumexp(2 * t * (cosines - 1), dim=0) - torch.log(cosines.new_tensor(float(len(cosines))))


class SpreadLoss(torch.nn.Module):
    """A contrastive loss plus terms of the embeddings' geometry, each with its weight.

    It has the signature of the loss that it wraps. The terms see the process's own share of the batch. With
    `output_dict=True` each term has its own entry, and open_clip's loop adds them up.

    Args:
        loss: The loss to call, such as `open_clip.ClipLoss()`.
        alignment, cross_uniformity: Weight of `alignment_term`, of `cross_uniformity_term`.
        uniformity: Weight of `uniformity_term`, the mean of both modalities.
        in_modal, cross_modal: Weight of `in_modal_term`, of `cross_modal_term`; CyCLIP takes 0.25 for both.

    Raises:
        ValueError: If a weight is negative or not finite.

    Example:
        >>> loss = SpreadLoss(lambda images, texts, logit_scale: torch.tensor(1.0), alignment=0.5)
        >>> loss(torch.eye(2), -torch.eye(2), 1.0)
        tensor(3.)

    Source: Fahim et al. 2024, whose L_CUAXU has the first three weights 1, and L_CUA the first two; Goel et
    al. 2022 (CyCLIP) for the consistencies. Taught in chapter explanations.
    """

    def __init__(
        self,
        loss: Callable,
        *,
        alignment: float = 0.0,
        uniformity: float = 0.0,
        cross_uniformity: float = 0.0,
        in_modal: float = 0.0,
        cross_modal: float = 0.0,
    ):
        super().__init__()
        self.loss = loss
        self.weights = {
            "alignment": alignment, "uniformity": uniformity, "cross_uniformity": cross_uniformity,
            "in_modal": in_modal, "cross_modal": cross_modal,
        }  # fmt: skip
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"{name} is {weight!r}; pass its weight, 0 or a positive number")

    def forward(self, image_features, text_features, *args, output_dict: bool = False, **kwargs):
        """Return the wrapped loss plus the terms.

        Args:
            image_features, text_features: Embeddings, (n, d), of unit length.
            *args: What the wrapped loss takes after them, such as `logit_scale`.
            **kwargs: What else it takes.
            output_dict: Whether to return each part by name instead of the sum.
        """
        kwargs = kwargs | ({"output_dict": True} if output_dict else {})
        base = self.loss(image_features, text_features, *args, **kwargs)
        parts = {
            f"{name}_loss": weight * self._term(name, image_features, text_features)
            for name, weight in self.weights.items()
            if weight
        }
        return base | parts if output_dict else base + sum(parts.values())

    @staticmethod
    def _term(name: str, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        if name == "uniformity":
            return (uniformity_term(images) + uniformity_term(texts)) / 2
        terms = {
            "alignment": alignment_term, "cross_uniformity": cross_uniformity_term, "in_modal": in_modal_term,
            "cross_modal": cross_modal_term,
        }  # fmt: skip
        return terms[name](images, texts)


class CLOOBLoss(torch.nn.Module):
    """InfoLOOB after Hopfield retrieval: a contrastive loss whose softmax leaves the own partner out.

    Of a query's logits, `log sum_others exp(other) - own`: unlike InfoNCE it goes on falling when the partner
    is found already, so that a learned tau falls too: CLOOB fixes it at 1/30. Before it, both modalities are
    looked up in a modern Hopfield network, among the batch's images and among its texts: each embedding
    becomes the softmax-weighted mean of what is stored, at unit length. What images retrieve among images
    looks for what their texts retrieve there; what texts retrieve among texts, for what their images do.

    It is the mean of the two directions, where the paper adds them and its code multiplies by tau; so without
    both parts it is `open_clip.ClipLoss`.

    Args:
        beta: The retrieval's inverse temperature, CLOOB's is 8; None for no retrieval, which is InfoLOOB.
        leave_one_out: Whether to leave the partner out; InfoNCE if not.
        rank, world_size: This process's number, and how many there are; features are gathered with gradient.

    Raises:
        ValueError: If beta is negative or not finite, or a batch has no stranger to leave in.

    Example:
        >>> CLOOBLoss(beta=None)(torch.eye(3), torch.eye(3), 1.0)  # log 2 - 1
        tensor(-0.3069)

    Source: Fürst et al. 2022 (CLOOB); Poole et al. 2019, leave-one-out bound. Taught in chapter explanations.
    """

    def __init__(
        self, *, beta: float | None = 8.0, leave_one_out: bool = True, rank: int = 0, world_size: int = 1
    ):
        super().__init__()
        if beta is not None and not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f"beta is {beta!r}; pass 0 or a positive number, CLOOB's is 8, or None")
        self.beta, self.leave_one_out = beta, leave_one_out
        self.rank, self.world_size = rank, world_size

    def forward(self, image_features, text_features, logit_scale, logit_bias=None, output_dict: bool = False):
        """Return the loss of the whole batch, over all processes.

        Args:
            image_features, text_features: Embeddings, (n, d), of unit length.
            logit_scale: 1 / tau.
            logit_bias: Added to all logits, which changes nothing here; None for none.
            output_dict: Whether to return it by name, as open_clip's loop wants it.
        """
        x, y = image_features, text_features
        if self.world_size > 1:
            x, y = open_clip.loss.gather_features(
                x, y, gather_with_grad=True, rank=self.rank, world_size=self.world_size
            )
        if self.leave_one_out and len(x) < 2:
            raise ValueError(f"the batch has {len(x)} pair; InfoLOOB needs a stranger: pass 2 or more")
        sides = [(x, y), (y, x)]
        if self.beta is not None:
            sides = [(self._retrieved(a, a), self._retrieved(b, a)) for a, b in sides]
        bias = 0.0 if logit_bias is None else logit_bias
        loss = sum(self._one_way(logit_scale * a @ b.T + bias) for a, b in sides) / 2
        return {"contrastive_loss": loss} if output_dict else loss

    def _retrieved(self, states: torch.Tensor, stored: torch.Tensor) -> torch.Tensor:
        return F.normalize((self.beta * states @ stored.T).softmax(dim=1) @ stored, dim=1)

    def _one_way(self, logits: torch.Tensor) -> torch.Tensor:
        own = logits.diagonal()
        if self.leave_one_out:
            logits = logits.masked_fill(
                torch.eye(len(logits), dtype=torch.bool, device=logits.device), -math.inf
            )
        return (logits.logsumexp(dim=1) - own).mean()


class SigLIPLoss(open_clip.loss.SigLipLoss):
    """SigLIP's sigmoid loss, open_clip's own: each of the n^2 pairs is a question of its own, match or not.

    Its logits need a learned bias, which `add_logit_bias` gives; SigLIP starts from 1 / tau = 10 and -10.

    Args:
        rank, world_size: This process's number, and how many there are.

    Example:
        >>> round(float(SigLIPLoss()(torch.eye(2), torch.eye(2), 10.0, torch.tensor(-10.0))), 4)  # log 2
        0.6932

    Source: Zhai et al. 2023 (SigLIP), section 3.2 and algorithm 1. Taught in chapter explanations.
    """

    def __init__(self, *, rank: int = 0, world_size: int = 1):
        super().__init__(rank=rank, world_size=world_size)

    def forward(self, image_features, text_features, logit_scale, logit_bias=None, output_dict: bool = False):
        """Return the sum over all n^2 pairs, divided by n.

        Arguments as in `CLOOBLoss.forward`, but `logit_bias`, the model's, is needed.

        Raises:
            ValueError: If there is no bias.
        """
        if logit_bias is None:
            raise ValueError(
                "the model has no logit_bias, which the sigmoid needs; call add_logit_bias(model)"
            )
        return super().forward(image_features, text_features, logit_scale, logit_bias, output_dict)


def add_logit_bias(model: torch.nn.Module, bias: float = -10.0) -> torch.nn.Module:
    """Give an open_clip model the learned bias of SigLIP's logits, and return the model.

    Call it before the optimizer is made. The model's forward pass then returns the bias as its fourth output,
    which open_clip's loop and `training.train` pass to the loss.

    Raises:
        TypeError, ValueError: If the model is none of open_clip's, or the bias is not finite.

    Example:
        >>> from mgaplib import models
        >>> add_logit_bias(models.mini_clip()).logit_bias.item()
        -10.0

    Source: Zhai et al. 2023 (SigLIP), section 3.2. Taught in chapter explanations.
    """
    if not hasattr(model, "logit_bias") or not hasattr(model, "logit_scale"):
        raise TypeError(f"model is a {type(model).__name__}; pass an open_clip model, which has a logit_bias")
    if not math.isfinite(bias):
        raise ValueError(f"bias is {bias!r}; pass a finite number, SigLIP's is -10")
    model.logit_bias = torch.nn.Parameter(torch.full_like(model.logit_scale.detach(), bias))
    return model


def share_encoder(model: torch.nn.Module) -> torch.nn.Module:
    """Let both towers of an `open_clip.CLIP` use one transformer and one projection, and return the model.

    What turns pixels and words into tokens stays apart, as do the positions and the layer norms around the
    transformer. The image tower's weights are kept.

    Raises:
        ValueError: If the image tower is no vision transformer of the text tower's width, depth and kind.

    Example:
        >>> from mgaplib import models
        >>> model = share_encoder(models.mini_clip(layers=1, text_layers=1))
        >>> model.transformer is model.visual.transformer
        True

    Source: Eslami and de Melo 2025 (AlignCLIP), the shared half of it. Taught in chapter explanations.
    """
    image_tower = getattr(model.visual, "transformer", None)
    if image_tower is None or not hasattr(model, "transformer"):
        raise ValueError("share_encoder needs an open_clip.CLIP whose image tower is a vision transformer")
    shapes = [
        {k: tuple(v.shape) for k, v in tower.state_dict().items()}
        for tower in (image_tower, model.transformer)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"the towers differ: {image_tower.layers} layers of width {image_tower.width} for images, "
            f"{model.transformer.layers} of {model.transformer.width} for texts; give both the same"
        )
    model.transformer = image_tower
    model.text_projection = model.visual.proj
    return model

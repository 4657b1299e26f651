"""Remedies during training, besides temperature and swapping: extra loss terms and a shared encoder."""

import math
from collections.abc import Callable

import torch


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
    """A contrastive loss plus alignment and uniformity of the embeddings, each with its weight.

    It has the signature of the loss that it wraps, so it takes the place of `open_clip.ClipLoss` in any
    training loop. The terms see the process's own share of the batch. With `output_dict=True` each term has
    its own entry, and open_clip's loop adds them up.

    Args:
        loss: The loss to call, such as `open_clip.ClipLoss()`.
        alignment: Weight of `alignment_term`.
        uniformity: Weight of `uniformity_term`, the mean of both modalities.
        cross_uniformity: Weight of `cross_uniformity_term`.

    Raises:
        ValueError: If a weight is negative or not finite.

    Example:
        >>> loss = SpreadLoss(lambda images, texts, logit_scale: torch.tensor(1.0), alignment=0.5)
        >>> loss(torch.eye(2), -torch.eye(2), 1.0)
        tensor(3.)

    Source: Fahim et al. 2024; all weights 1 are their L_CUAXU, and without the last term their L_CUA.
    Taught in chapter explanations.
    """

    def __init__(
        self,
        loss: Callable,
        *,
        alignment: float = 0.0,
        uniformity: float = 0.0,
        cross_uniformity: float = 0.0,
    ):
        super().__init__()
        self.loss = loss
        self.weights = {
            "alignment": alignment,
            "uniformity": uniformity,
            "cross_uniformity": cross_uniformity,
        }
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"{name} is {weight!r}; pass its weight, 0 or a positive number")

    def forward(self, image_features, text_features, *args, output_dict: bool = False, **kwargs):
        """Return the wrapped loss plus the terms.

        Args:
            image_features, text_features: Embeddings, (n, d), of unit length.
            *args: What the wrapped loss takes after them, such as `logit_scale`.
            output_dict: Whether to return each part by name instead of the sum.
            **kwargs: What else the wrapped loss takes.
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
        if name == "alignment":
            return alignment_term(images, texts)
        if name == "uniformity":
            return (uniformity_term(images) + uniformity_term(texts)) / 2
        return cross_uniformity_term(images, texts)


def share_encoder(model: torch.nn.Module) -> torch.nn.Module:
    """Let both towers of an open_clip model use one transformer and one projection, and return the model.

    What turns pixels and words into tokens stays apart, as do the positions and the layer norms around the
    transformer. The image tower's weights are kept.

    Args:
        model: An `open_clip.CLIP` with a vision transformer of the text transformer's width, depth and kind.

    Raises:
        ValueError: If the towers differ in shape, or the image tower is no vision transformer.

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

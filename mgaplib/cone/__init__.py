"""The cone effect: random networks, how narrow their cones are, and what the seed decides of a feature.

The room of Part I. Networks are made and measured here; `kernels` holds what one infinitely wide layer does
to an angle, which needs no network at all.
"""

from mgaplib.cone import kernels
from mgaplib.cone.initialisations import describe_cones, initialisation_share
from mgaplib.cone.networks import (
    full_mean_cosine,
    layer_products,
    mlp_layers,
    raise_probability,
    random_resnet18,
    without_norms,
)
from mgaplib.cone.solid_angle import log2_cap_share, log2_simplex_share
from mgaplib.cone.towers import tower_layers

__all__ = [
    "describe_cones", "full_mean_cosine", "initialisation_share", "kernels", "layer_products",
    "log2_cap_share", "log2_simplex_share", "mlp_layers", "raise_probability", "random_resnet18",
    "tower_layers", "without_norms",
]  # fmt: skip

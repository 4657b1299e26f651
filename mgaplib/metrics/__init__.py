"""Measure the modality gap, what it is made of, and what it costs.

Every function takes arrays or CPU tensors with one embedding a row, or `mgaplib.pairs.Pairs` that were
checked before, and works on rows of unit length. The room serves the whole book: the front page shows the
gap, Part I the cones, Practice the rest; `gap_report` is all of it in one table, and `GapAccumulator` the
part that needs one pass only, for embeddings that do not fit into memory. `pairwise`, `centroid_polygon` and
`first_hits` take a dict of named arrays, for three modalities and more.
"""

from mgaplib.metrics.clouds import covariance_gap, frechet_distance, knn_mixing, norm_imbalance
from mgaplib.metrics.gap import (
    alignment,
    centre_angle,
    gap_share,
    gap_vector,
    linear_separability,
    modality_gap,
    relative_modality_gap,
    score_gap,
)
from mgaplib.metrics.gram import embeddings_from_gram
from mgaplib.metrics.mixed import logit_entropy, mixed_partner_ranks, ranking_robustness, same_modality_share
from mgaplib.metrics.retrieval import contrastive_loss, hubness, recall_at_k
from mgaplib.metrics.several import centroid_polygon, first_hits, pairwise
from mgaplib.metrics.spread import effective_rank, mean_cosine, uniformity, uniformity_w2
from mgaplib.metrics.streaming import GapAccumulator
from mgaplib.metrics.table import gap_report

__all__ = [
    "GapAccumulator", "alignment", "centre_angle", "centroid_polygon", "contrastive_loss",
    "covariance_gap", "effective_rank", "embeddings_from_gram", "first_hits", "frechet_distance",
    "gap_report", "gap_share", "gap_vector", "hubness", "knn_mixing", "linear_separability",
    "logit_entropy", "mean_cosine", "mixed_partner_ranks", "modality_gap", "norm_imbalance", "pairwise",
    "ranking_robustness", "recall_at_k", "relative_modality_gap", "same_modality_share", "score_gap",
    "uniformity", "uniformity_w2",
]  # fmt: skip

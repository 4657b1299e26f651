"""Measure the modality gap, what it is made of, and what it costs.

Every function takes arrays or CPU tensors with one embedding a row and scales the rows to unit length itself.
"""

import numpy as np

from mgaplib import checks
from mgaplib.metrics.gap import (
    alignment,
    centre_angle,
    gap_share,
    linear_separability,
    modality_gap,
    relative_modality_gap,
    score_gap,
)
from mgaplib.metrics.retrieval import contrastive_loss, recall_at_k
from mgaplib.metrics.spread import effective_rank, mean_cosine, uniformity, uniformity_w2


def gap_report(images, texts, tau: float = 0.01, seed: int = 0):
    """Return every metric of a set of pairs as a DataFrame: value, unit, range and meaning.

    Args:
        images: Array of n rows and d columns, at least 4 rows.
        texts: Array of the same shape, row i paired with row i.
        tau: Temperature of the contrastive loss; CLIP's own is 0.01.
        seed: Seed of the linear classifier's split.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed, their shapes differ, or a metric has no value for them: a centroid
            is zero, or every image coincides with its text.

    Source: Each metric names its own.

    Example:
        >>> float(gap_report(np.eye(8), np.roll(np.eye(8), 1, axis=0)).value["recall_at_1 (text to image)"])
        0.0

    Taught in chapter index.
    """
    import pandas as pd

    x, y = checks.pairs(images, texts, min_rows=4)
    n, d = x.shape
    pool = f"share, pool of {n}"
    gap = modality_gap(x, y)
    rows = [
        ("modality_gap", gap, "distance", "0 to 2", "length of the gap, the difference of the centroids"),
        ("squared gap", gap**2, "squared distance", "0 to 4", "what some papers call the gap"),
        (
            "relative_modality_gap",
            relative_modality_gap(x, y),
            "ratio",
            "0 to 1",
            "0.5: a partner is as far as a stranger",
        ),
        ("centre_angle", centre_angle(x, y), "degrees", "0 to 180", "angle between the centroids"),
        (
            "gap_share",
            gap_share(x, y),
            "share",
            "0 to 1",
            "of the pairs' squared distance, what the gap alone makes",
        ),
        ("alignment", alignment(x, y), "squared distance", "0 to 4", "mean squared distance of pairs"),
        ("mean_cosine (images)", mean_cosine(x), "cosine", "-1 to 1", "how narrow the images' cone is"),
        ("mean_cosine (texts)", mean_cosine(y), "cosine", "-1 to 1", "how narrow the texts' cone is"),
        ("uniformity (images)", uniformity(x), "log", "-4 to 0", "0: all in one point"),
        ("uniformity (texts)", uniformity(y), "log", "-4 to 0", "0: all in one point"),
        (
            "uniformity_w2",
            uniformity_w2(x, y),
            "minus distance",
            "-1.41 to 0",
            "both modalities together; 0: even",
        ),
        (
            "effective_rank (images)",
            effective_rank(x),
            "dimensions",
            f"0 to {min(n - 1, d)}",
            "that images fill",
        ),
        (
            "effective_rank (texts)",
            effective_rank(y),
            "dimensions",
            f"0 to {min(n - 1, d)}",
            "that texts fill",
        ),
        (
            "linear_separability",
            linear_separability(x, y, seed),
            "accuracy",
            "0.5 to 1",
            "0.5: modalities mixed",
        ),
        ("score_gap", score_gap(x, y), "cosine", "0 to 2", "0: one threshold serves both modalities"),
        ("recall_at_1 (image to text)", recall_at_k(x, y), pool, "0 to 1", f"blind guess: {1 / n:.2g}"),
        ("recall_at_1 (text to image)", recall_at_k(y, x), pool, "0 to 1", f"blind guess: {1 / n:.2g}"),
        (
            "contrastive_loss",
            contrastive_loss(x, y, tau),
            f"nats, tau {tau:g}",
            "from 0",
            f"blind: {np.log(n):.3g}",
        ),
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "unit", "range", "meaning"]).set_index("metric")

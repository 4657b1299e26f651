"""Every metric of a set of pairs in one table."""

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
from mgaplib.metrics.intervals import resampled, wilson
from mgaplib.metrics.retrieval import contrastive_loss, recalls
from mgaplib.metrics.spread import (
    effective_rank_of,
    even_uniformity_w2,
    mean_cosine_of,
    uniformity_of,
    uniformity_w2,
)
from mgaplib.pairs import Pairs, centroid

_RECALLS = (1, 5, 10)


def gap_report(images, texts=None, tau: float = 0.01, seed: int = 0):
    """Return every metric of a set of pairs as a DataFrame: value, interval, unit, range and meaning.

    The columns `low` and `high` are a 95 % interval: of recall over queries, in this pool (Wilson); of the
    others over pairs (1000 draws with replacement). An interval of the gap, its square or its share is one
    of the unbiased estimate, so that the plain value of few pairs may lie above it.

    Args:
        images, texts: Arrays of n rows and d columns, at least 4 rows, row i paired with row i; or `Pairs`.
        tau: Temperature of the contrastive loss; CLIP's own is 0.01.
        seed: Seed of the linear classifier's split and of the draws.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, a metric has no value for them: a centroid is
            zero, or every image coincides with its text.

    Example:
        >>> report = gap_report(np.eye(8), np.roll(np.eye(8), 1, axis=0))
        >>> report.loc["recall_at_1 (text to image)", ["value", "high"]].round(3).tolist()
        [0.0, 0.324]

    Source: Each metric names its own. Taught in chapter index.
    """
    import pandas as pd

    pairs = Pairs.of(images, texts, min_rows=4)
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    n, d = pairs.shape
    x, y = pairs.images, pairs.texts
    gap, apart = modality_gap(pairs), alignment(pairs)
    matched = 1 - apart / 2
    strangers = float((n * (centroid(x) @ centroid(y)) - matched) / (n - 1))
    within, dimensions = f"{-1 / (n - 1):.2g} to 1", f"0 to {min(n - 1, d)}"
    sure = "the same, without what chance makes of few pairs"
    partner = "0.5: a partner is as far as a stranger of one's own modality"
    alone = "of the pairs' squared distance, what the gap alone makes"
    rows = [
        ("modality_gap", gap, "distance", "0 to 2", "length of the gap, the difference of the centroids"),
        ("modality_gap (unbiased)", modality_gap(pairs, unbiased=True), "distance", "0 to 2", sure),
        ("squared gap", gap**2, "squared distance", "0 to 4", "what some papers call the gap"),
        ("relative_modality_gap", relative_modality_gap(pairs), "ratio", "0 to 1", partner),
        ("centre_angle", centre_angle(pairs), "degrees", "0 to 180", "angle between the centroids"),
        ("gap_share", gap_share(pairs), "share", "0 to 1", alone),
        ("gap_share (unbiased)", gap_share(pairs, unbiased=True), "share", "0 to 1", sure),
        ("alignment", apart, "squared distance", "0 to 4", "mean squared distance of pairs"),
        ("matched cosine", matched, "cosine", "-1 to 1", "mean of an image and its own text"),
        ("mismatched cosine", strangers, "cosine", "-1 to 1", "mean of an image and another's text"),
        ("mean_cosine (images)", mean_cosine_of(x), "cosine", within, "of two images: 1 is a ray, 0 no cone"),
        ("mean_cosine (texts)", mean_cosine_of(y), "cosine", within, "of two texts: 1 is a ray, 0 no cone"),
    ]
    even, fill = "0: all in one point, near -4: even in many dimensions", f"fill; it grows with n, here {n}"
    together = f"both modalities together; as many even rows: {even_uniformity_w2(2 * n, d):.2f}"
    plane = "1: a plane parts the modalities, 0.5: mixed, less: rows centred together"
    spread = f"{-4 * n / (n - 1):.3g} to 0"
    rows += [
        ("uniformity (images)", uniformity_of(x), "log", spread, even),
        ("uniformity (texts)", uniformity_of(y), "log", spread, even),
        ("uniformity_w2", uniformity_w2(pairs), "minus distance", "-1.41 to 0", together),
        ("effective_rank (images)", effective_rank_of(x), "dimensions", dimensions, f"that images {fill}"),
        ("effective_rank (texts)", effective_rank_of(y), "dimensions", dimensions, f"that texts {fill}"),
        ("linear_separability", linear_separability(pairs, seed=seed), "accuracy", "0 to 1", plane),
        ("score_gap", score_gap(pairs), "cosine", "0 to 2", "0: one threshold serves both modalities"),
    ]
    ks = [k for k in _RECALLS if k < n]
    found = {"image to text": recalls(pairs, ks), "text to image": recalls(pairs.swapped, ks)}
    for i, k in enumerate(ks):
        for way, shares in found.items():
            name, pool = f"recall_at_{k} ({way})", f"share, pool of {n}"
            rows.append((name, shares[i], pool, "0 to 1", f"blind guess: {k / n:.2g}"))
    loss = contrastive_loss(pairs, None, tau)
    rows.append(("contrastive_loss", loss, f"nats, tau {tau:g}", "from 0", f"blind: {np.log(n):.3g}"))
    table = pd.DataFrame(rows, columns=["metric", "value", "unit", "range", "meaning"]).set_index("metric")
    ends = resampled(pairs, seed)
    ends |= {f"{name} (unbiased)": ends[name] for name in ("modality_gap", "gap_share")}
    ends |= {name: wilson(table.value[name], n) for name in table.index if name.startswith("recall")}
    none = np.nan, np.nan
    for place, side in enumerate(("low", "high")):
        table.insert(1 + place, side, [ends.get(name, none)[place] for name in table.index])
    return table

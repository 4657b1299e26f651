"""Every metric of a set of pairs in one table."""

import numpy as np

from mgaplib import checks
from mgaplib.metrics import intervals
from mgaplib.metrics.gap import (
    alignment,
    centre_angle,
    gap_share,
    mean_cosines,
    modality_gap,
    relative_modality_gap,
    score_gap,
    separations,
)
from mgaplib.metrics.retrieval import best_partners, chance_of_any, hits, losses
from mgaplib.metrics.spread import effective_rank_of, even_uniformity_w2, uniformity_of, uniformity_w2
from mgaplib.pairs import Pairs

_RECALLS = (1, 5, 10)


@checks.memory("pass fewer rows, some drawn at random: all cosines are held at once")
def gap_report(images, texts=None, tau: float = 0.01, seed: int = 0, *, groups=None):
    """Return every metric of a set of pairs as a DataFrame: value, interval, unit, range and meaning.

    The columns `low` and `high` are a 95 % interval: of recall and the loss over queries, in this pool; of
    the others over pairs, or whole groups (1000 draws with replacement, or each left out once where repeated
    rows would mislead: uniformity, effective rank, score gap). That of the gap, its square or its share is
    one of the unbiased estimate, so that the plain value of few pairs may lie above it; those of effective
    rank, `uniformity_w2` and the score gap need 20 groups. Two sets of which no row belongs to any other's
    (`Pairs.unpaired`, or unequal numbers of rows without groups) get what needs no partners.

    Args:
        images, texts: Arrays of n rows and d columns, at least 4 rows, row i paired with row i; or `Pairs`.
        tau: Temperature of the contrastive loss; CLIP's own is 0.01.
        seed: Seed of the linear classifier's split and of the draws.
        groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, a centroid is zero, or all pairs coincide.

    Example:
        >>> report = gap_report(np.eye(8), np.roll(np.eye(8), 1, axis=0))
        >>> report.loc["recall_at_1 (text to image)", ["value", "high"]].round(3).tolist()
        [0.0, 0.324]

    Source: Each metric names its own. Taught in chapter index.
    """
    import pandas as pd

    pairs = Pairs.of(images, texts, groups=groups, paired=False, notice=True, min_rows=4)
    tau = checks.temperature(tau)
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    rows, ends = _geometry(pairs, seed)
    if len(pairs.partners[0]):
        found, more = _retrieval(pairs, tau)
        rows, ends = rows + found, ends | more
    table = pd.DataFrame(rows, columns=["metric", "value", "unit", "range", "meaning"]).set_index("metric")
    for place, side in enumerate(("low", "high")):
        table.insert(1 + place, side, [ends.get(name, (np.nan, np.nan))[place] for name in table.index])
    return table


def _geometry(pairs: Pairs, seed: int) -> tuple[list[tuple], dict]:
    """Return the rows of what is measured without a search, and their intervals."""
    x, y, d = pairs.images, pairs.texts, pairs.shape[1]
    n, m, paired = len(x), len(y), bool(len(pairs.partners[0]))
    gap, cosines = modality_gap(pairs), mean_cosines(pairs)
    sure = "the same, without what chance makes" + " of few pairs" * paired
    partner = "0.5: a partner is as far as a stranger of one's own modality"
    alone = "of the pairs' squared distance, what the gap alone makes"
    within = [f"{-1 / (rows - 1):.2g} to 1" for rows in (n, m)]
    dimensions = [f"0 to {min(rows - 1, d)}" for rows in (n, m)]
    spread = [f"{-4 * rows / (rows - 1):.3g} to 0" for rows in (n, m)]
    rows = [
        ("modality_gap", gap, "distance", "0 to 2", "length of the gap, the difference of the centroids"),
        ("modality_gap (unbiased)", modality_gap(pairs, unbiased=True), "distance", "0 to 2", sure),
        ("squared gap", gap**2, "squared distance", "0 to 4", "what some papers call the gap"),
    ]
    if paired:
        rows.append(("relative_modality_gap", relative_modality_gap(pairs), "ratio", "0 to 1", partner))
    rows.append(("centre_angle", centre_angle(pairs), "degrees", "0 to 180", "angle between the centroids"))
    if paired:
        apart = alignment(pairs)
        rows += [
            ("gap_share", gap_share(pairs), "share", "0 to 1", alone),
            ("gap_share (unbiased)", gap_share(pairs, unbiased=True), "share", "0 to 1", sure),
            ("alignment", apart, "squared distance", "0 to 4", "mean squared distance of pairs"),
            ("matched cosine", 1 - apart / 2, "cosine", "-1 to 1", "mean of an image and its own text"),
        ]
    other = "mean of an image and another's text" if paired else "mean of an image and a text"
    even, fill = "0: all in one point, near -4: even in many dimensions", "fill; it grows with n, here"
    together = f"both modalities together; as many even rows: {even_uniformity_w2(n + m, d):.2f}"
    plane = "1: a plane parts the modalities, 0.5: mixed, less: rows centred together"
    of_images, of_texts = (None, None) if pairs.groups is None else pairs.groups
    shares, ranks = separations(pairs, seed), [effective_rank_of(side) for side in (x, y)]
    separability, held_out = float(np.mean([share for share, _ in shares])), sum(rows for _, rows in shares)
    scores = score_gap(pairs)
    rows += [
        ("mismatched cosine", cosines.across, "cosine", "-1 to 1", other),
        ("mean_cosine (images)", cosines.images, "cosine", within[0], "of two images: 1 is a ray, 0 no cone"),
        ("mean_cosine (texts)", cosines.texts, "cosine", within[1], "of two texts: 1 is a ray, 0 no cone"),
        ("uniformity (images)", uniformity_of(x, codes=of_images), "log", spread[0], even),
        ("uniformity (texts)", uniformity_of(y, codes=of_texts), "log", spread[1], even),
        ("uniformity_w2", uniformity_w2(pairs), "minus distance", "-1.41 to 0", together),
        ("effective_rank (images)", ranks[0], "dimensions", dimensions[0], f"that images {fill} {n}"),
        ("effective_rank (texts)", ranks[1], "dimensions", dimensions[1], f"that texts {fill} {m}"),
        ("linear_separability", separability, "accuracy", "0 to 1", plane),
        ("score_gap", scores, "cosine", "0 to 2", "0: one threshold serves both modalities"),
    ]
    ends = intervals.resampled(pairs, seed)
    ends |= {f"{name} (unbiased)": ends[name] for name in ("modality_gap", "gap_share") if name in ends}
    both = np.concatenate([x, y]), np.concatenate(pairs.codes), intervals.kinds_of(pairs)
    ends["uniformity_w2"] = _cut(intervals.of_spectrum(*both)["uniformity_w2"], -np.sqrt(2), 0)
    ends["score_gap"] = _cut(intervals.of_score_gap(pairs, scores, seed), 0, 2)
    for name, side, codes in zip(("images", "texts"), (x, y), pairs.codes, strict=True):
        codes, lowest = np.unique(codes, return_inverse=True)[1], -4 * len(side) / (len(side) - 1)
        ends[f"uniformity ({name})"] = _cut(intervals.of_uniformity(side, codes), lowest, 0)
        rank = intervals.of_spectrum(side, codes, np.zeros(1 + codes.max()))["effective_rank"]
        ends[f"effective_rank ({name})"] = _cut(rank, 0, min(len(side) - 1, d))
    return rows, ends | {"linear_separability": intervals.wilson(separability, min(held_out, len(pairs)))}


def _cut(ends: tuple[float, float], lowest: float, highest: float) -> tuple[float, float]:
    return max(ends[0], lowest), min(ends[1], highest)


def _retrieval(pairs: Pairs, tau: float) -> tuple[list[tuple], dict]:
    """Return the rows of recall and of the loss, and their intervals."""
    rows, ends = [], {}
    ks = [k for k in _RECALLS if k < min(len(pairs.images), len(pairs.texts))]
    ways = {"image to text": pairs, "text to image": pairs.swapped}
    found = {way: (hits(side, ks), side.codes[0][best_partners(side)[0]]) for way, side in ways.items()}
    for i, k in enumerate(ks):
        for way, (chances, codes) in found.items():
            name, pool = f"recall_at_{k} ({way})", len(ways[way].texts)
            partners = np.bincount(ways[way].codes[1], minlength=len(pairs))[codes]
            blind = f"blind guess: {chance_of_any(k, pool, partners).mean():.2g}"
            rows.append((name, chances[i].mean(), f"share, pool of {pool}", "0 to 1", blind))
            ends[name] = intervals.of_share(chances[i], codes)
    values, codes = losses(pairs, tau), [code for _, code in found.values()]
    blind = np.log([len(pairs.images), len(pairs.texts)]).mean()
    loss = float(np.mean([one_way.mean() for one_way in values]))
    rows.append(("contrastive_loss", loss, f"nats, tau {tau:g}", "from 0", f"blind: {blind:.3g}"))
    low, high = intervals.of_mean(values, codes)
    return rows, ends | {"contrastive_loss": (max(low, 0.0), high)}

"""What a report's numbers mean, in plain words: each sentence with the chapter that explains it."""

import numpy as np

from mgaplib.corrections.trials import NOTHING


def sentences(report) -> list[tuple[str, str]]:
    """Return the sentences and their chapters' names."""
    parts = [_normal, _asked, _gap, _cone, _retrieval, _mixed, _remedy, _threshold, _best_hit]
    return [found for part in parts if (found := part(report)) is not None]


def _normal(report) -> tuple[str, str]:
    matched, random = report.scores["matched pairs"], report.scores["random pairs"]
    return (
        f"A cosine of {matched['low']:.2f} is normal for a match here: matched pairs sit at "
        f"{matched['mean']:.2f} (90% between {matched['low']:.2f} and {matched['high']:.2f}), random pairs "
        f"at {random['mean']:.2f} ({random['low']:.2f} to {random['high']:.2f}). Read a score against these, "
        "not against 1.",
        "your_embeddings",
    )


def _asked(report) -> tuple[str, str] | None:
    if report.asked is None:
        return None
    cosines = report.images @ report.texts.T
    own = np.diag(cosines)
    strangers = cosines[~np.eye(len(cosines), dtype=bool)]
    return (
        f"Your cosine of {report.asked:.3g}: {_percent(np.mean(strangers >= report.asked))} of random pairs "
        f"and {_percent(np.mean(own >= report.asked))} of matched pairs score as high.",
        "your_embeddings",
    )


def _gap(report) -> tuple[str, str]:
    gap, share = report.metrics.value["modality_gap"], report.metrics.value["gap_share"]
    apart = (report.images - report.texts).astype(float)
    n = len(apart)
    # Were there no gap, image and text of a pair could change places: so do they, at random.
    flips = np.random.default_rng(0).choice([-1.0, 1.0], (999, n))
    by_chance = np.quantile(np.linalg.norm(flips @ apart / n, axis=1), 0.95)
    if gap <= by_chance:
        words = f"chance alone makes up to {by_chance:.2f} of {n} pairs, so no gap is to be seen"
    else:
        unbiased = np.sqrt((n * gap**2 - np.mean(np.sum(apart**2, axis=1))) / (n - 1))
        words = f"{_percent(share)} of the squared distance between an image and its text is this one vector"
        if gap - unbiased > 0.005:
            words += f"; without what chance adds to {n} pairs it is {unbiased:.2f} long"
    return f"The gap is {gap:.2f} long, on a scale from 0 to 2; {words}.", "loss_landscape"


def _cone(report) -> tuple[str, str]:
    images, texts = (report.scores[name]["mean"] for name in ("two images", "two texts"))
    narrow = max(images, texts) > 0.2
    tail = (
        "that is the cone in which all of them lie, not likeness"
        if narrow
        else "each modality is spread out, so there is no cone to speak of"
    )
    return (
        f"Two images taken at random have a cosine of {images:.2f}, two texts {texts:.2f}: {tail}.",
        "random_networks",
    )


def _retrieval(report) -> tuple[str, str]:
    values, n = report.metrics.value, len(report.images)
    to_text, to_image = (values[f"recall_at_1 ({way})"] for way in ("image to text", "text to image"))
    return (
        f"In a pool of {n}, an image finds its text first in {_percent(to_text)} of cases, a text its "
        f"image in {_percent(to_image)}; a blind guess would in {_percent(1 / n)}.",
        "loss_landscape",
    )


def _mixed(report) -> tuple[str, str]:
    row = report.corrections.loc[NOTHING]
    return (
        f"Put images and texts into one index, and the best hit is of the query's own modality in "
        f"{_percent(row.own_modality_first)} of all searches; the partner comes at rank {row.mixed_rank:.0f} "
        f"of {2 * (len(report.images) - len(report.images) // 2) - 1}.",
        "mixed_search",
    )


def best(report) -> str | None:
    """Return the correction that helps most, or None: the best mixed rank of those that cost no recall."""
    table, (recall, noise) = report.corrections, _recalls(report)
    harmless = recall[NOTHING] - recall <= np.maximum(np.maximum(noise, noise[NOTHING]), 0.01)
    better = table.mixed_rank[harmless & (table.mixed_rank < 0.9 * table.mixed_rank[NOTHING])]
    return None if better.empty else better.idxmin()


def _recalls(report) -> tuple:
    """Recall of each correction, the mean of both ways, and by how much splits differ in it."""
    ways = ["recall_image_to_text", "recall_text_to_image"]
    return report.corrections[ways].mean(axis=1), report.spread[ways].mean(axis=1)


def _remedy(report) -> tuple[str, str]:
    name, rank = best(report), report.corrections.mixed_rank
    if name is None:
        return (
            "On held-out pairs no correction brings partners closer in one index without costing recall: "
            "leave these embeddings as they are.",
            "post_hoc",
        )
    recall, noise = _recalls(report)
    worst = recall.drop(NOTHING).idxmin()
    words = (
        f"Of all corrections, {name} helps most: on held-out pairs it brings the partner in one "
        f"index from rank {rank[NOTHING]:.0f} to {rank[name]:.0f}, and recall within "
        f"the other modality goes from {_percent(recall[NOTHING])} to {_percent(recall[name])}"
    )
    if recall[NOTHING] - recall[worst] > max(noise[NOTHING], noise[worst], 0.01):
        words += f". {worst} costs most: it leaves {_percent(recall[worst])}"
    return words + ".", "post_hoc"


def _threshold(report) -> tuple[str, str]:
    threshold, held_out = report.thresholds["pair"]
    _, knowing = report.thresholds["candidate"]
    return (
        f"Is this one pair a match? Take a score above {threshold.value:.3f}: of random pairs held out, "
        f"{_percent(held_out['false_positive_rate'])} pass, of true pairs {_percent(held_out['hit_rate'])}. "
        f"With a threshold that knows the candidate, {_percent(knowing['false_positive_rate'])} and "
        f"{_percent(knowing['hit_rate'])}: it first takes off what the candidate scores with other queries "
        "(calibrate, per candidate).",
        "your_embeddings",
    )


def _best_hit(report) -> tuple[str, str] | None:
    if "query" not in report.thresholds:
        return None
    threshold, held_out = report.thresholds["query"]
    return (
        f"Is the best hit of a search among {threshold.pool} images a match at all? Take a score above "
        f"{threshold.value:.3f}: of searches without a match, {_percent(held_out['false_positive_rate'])} "
        f"pass, of true partners {_percent(held_out['hit_rate'])}. The best of many strangers scores higher "
        "than one does.",
        "your_embeddings",
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"

"""What a report's numbers mean, in plain words: each sentence with the chapter that explains it."""

import numpy as np

from mgaplib.corrections.trials import NOTHING
from mgaplib.report.pairing import LOOK, OK, WRONG

#: Metrics that are of pairs: wrong where these are.
_OF_PAIRS = (
    "relative_modality_gap", "gap_share", "alignment", "matched cosine", "recall_at", "contrastive_loss",
)  # fmt: skip
_GAPS = ("modality_gap", "squared gap", "centre_angle", "gap_share")
_SURE = 0.05  # how often chance may make as long a gap before it is no gap
_WIDE = 0.1  # an interval of recall wider than this
#: The sentences, in the words that the report and the page of the book that measures a reader's files share.
SENTENCES = {
    "normal": "A cosine of {low:.2f} is normal for a match here: matched pairs sit at {mean:.2f} (90% "
    "between {low:.2f} and {high:.2f}), random pairs at {random:.2f} ({random_low:.2f} to "
    "{random_high:.2f}). Read a score against these, not against 1.",
    "normal_lost": "An image and a text have a cosine of {random:.2f} (90% between {random_low:.2f} and "
    "{random_high:.2f}). What is normal for a match cannot be told without pairs that are right.",
    "gap": "The gap is {gap:.2f} long, on a scale from 0 to 2; {words}.",
    "gap_chance": "chance alone makes up to {by_chance:.2f} of {n}, so no gap is to be seen",
    "gap_left": " (without what chance adds, {unbiased:.2f}: anything from {low:.2f} to {high:.2f})",
    "gap_sure": "with 95% confidence {low:.2f} to {high:.2f}",
    "gap_unbiased": "without what chance adds to {n} it is {unbiased:.2f} long, with 95% confidence "
    "{low:.2f} to {high:.2f}",
    "gap_more": "; chance alone makes no more than {by_chance:.2f}",
    "gap_share": ". {share} of the squared distance between an image and its text is this one vector",
    "cone": "Two images taken at random have a cosine of {images:.2f}, two texts {texts:.2f}: {words}.",
    "cone_narrow": "that is the cone in which all of them lie, not likeness",
    "cone_wide": "each modality is spread out, so there is no cone to speak of",
    "retrieval": "In {pool}, an image finds {text} first in {to_text} of cases ({to_text_low} to "
    "{to_text_high}), a text {image} in {to_image} ({to_image_low} to {to_image_high}); a blind guess would "
    "in {blind}.",
    "pool": "a pool of {n}",
    "pools": "pools of {m} texts and {n} images",
    "mixed": "Put images and texts into one index, and the best hit is of the query's own modality in {own} "
    "of all searches; the partner comes at rank {rank:.0f} of {index}.",
    "threshold": "Is this one pair a match? Take a score above {score:.3f}: of random pairs held out, {pass} "
    "pass, of true pairs {hit}.",
    "threshold_knowing": " With a threshold that knows the candidate, {pass} and {hit}: it first takes off "
    "what the candidate scores with other queries (calibrate, per candidate).",
    "threshold_lost": "If all of these are strangers, take a score above {score:.3f} for a match: of images "
    "and texts held out {pass} pass. How many matches it finds cannot be told without pairs that are right.",
    "best_hit": "Is the best hit of a search among {pool} images a match at all? Take a score above "
    "{score:.3f}: of searches without a match, {pass} pass, of true partners {hit}. The best of many "
    "strangers scores higher than one does.",
}


def sentences(report) -> list[tuple[str, str]]:
    """Return the sentences and their chapters' names."""
    parts = [_pairing, _normal, _asked, _gap, _cone]
    if report.paired:
        parts += [_retrieval, _mixed, _remedy]
    parts += [_threshold] if report.pairing.lost else [_threshold, _best_hit]
    return [found for part in parts if (found := part(report)) is not None]


def verdicts(report) -> dict[str, tuple[str, str]]:
    """Return for each metric whether its number can be trusted as it stands, and why not."""
    found = {}
    for name, row in report.metrics.iterrows():
        rules = (_by_pairing, _by_chance, _by_size, _by_repeats)
        said = [words for rule in rules if (words := rule(report, name, row))]
        verdict = next((v for v in (WRONG, LOOK) if any(v == word for word, _ in said)), OK)
        found[name] = verdict, "; ".join(words for word, words in said if word == verdict)
    return found


def reasons(report) -> list[tuple[str, str]]:
    """Return what is not ok, each reason once: the verdict, and the metrics that it is about."""
    about = {}
    for name, (verdict, reason) in report.verdicts.items():
        if verdict != OK:
            about.setdefault((verdict, reason), []).append(name)
    order = sorted(about.items(), key=lambda item: item[0][0] != WRONG)
    return [(verdict, f"{', '.join(names)}: {reason}") for (verdict, reason), names in order]


def _by_pairing(report, name: str, row) -> tuple[str, str] | None:
    if report.pairing.verdict == OK or not name.startswith(_OF_PAIRS) or report.pairing.p_value is None:
        return None
    if report.pairing.verdict == WRONG:
        return WRONG, "the pairs do not look right"
    if report.pairing.misfits > 0.02:
        return LOOK, f"about {report.pairing.misfits:.0%} of the partners fit no better than strangers"
    return None


def _by_chance(report, name: str, row) -> tuple[str, str] | None:
    plain = name.removesuffix(" (unbiased)")
    if plain in _GAPS and report.by_chance[0] > _SURE:
        return WRONG, "chance makes as long a gap"
    gap, unbiased = report.metrics.value[["modality_gap", "modality_gap (unbiased)"]]
    if name in ("modality_gap", "squared gap", "gap_share") and unbiased < 0.9 * gap:
        return LOOK, "chance adds to it; take the unbiased one"
    if name.startswith("recall") and row["low"] <= float(row["meaning"].removeprefix("blind guess: ")):
        return LOOK, "not told apart from a blind guess"
    if name == "contrastive_loss" and row["value"] > float(row["meaning"].removeprefix("blind: ")):
        tau = f"tau {report.tau:g} is not the model's"
        return LOOK, f"worse than a blind guess: {tau}, or the pairs are not its"
    return None


def _by_size(report, name: str, row) -> tuple[str, str] | None:
    rows = {"images": len(report.images), "texts": len(report.texts)}
    for side, n in rows.items():
        if name == f"effective_rank ({side})" and row["value"] > 0.1 * n:
            return LOOK, f"{n} rows are few for it, and it grows with them: compare at one number of rows"
    if name == "uniformity_w2" and sum(rows.values()) < 10 * report.images.shape[1]:
        return LOOK, "so few rows cannot fill so many dimensions: compare with what even rows would read"
    if name.startswith("recall") and row["high"] - row["low"] > _WIDE:
        return LOOK, "the queries are few: see the interval"
    if name == "linear_separability" and row["value"] < 0.45:
        return LOOK, "below a coin: the rows were centred together"
    return None


def _by_repeats(report, name: str, row) -> tuple[str, str] | None:
    for side, count in zip(("images", "texts"), report.pairing.repeats, strict=True):
        if count and (name.startswith("recall") or name.endswith(f"({side})")):
            return LOOK, f"{count} {side} equal an earlier one"
    return None


def _pairing(report) -> tuple[str, str] | None:
    words = report.pairing.words
    return (" ".join(words), "your_embeddings") if words else None


def _normal(report) -> tuple[str, str]:
    random = report.scores["random pairs"]
    told = {"random": random["mean"], "random_low": random["low"], "random_high": random["high"]}
    if report.pairing.lost:
        return SENTENCES["normal_lost"].format(**told), "your_embeddings"
    return SENTENCES["normal"].format(**told, **report.scores["matched pairs"]), "your_embeddings"


def _asked(report) -> tuple[str, str] | None:
    if report.asked is None:
        return None
    from mgaplib.report.report import cosines

    found = cosines(report.data)
    kinds = (kind for kind in ("random pairs", "matched pairs") if kind in found)
    shares = [f"{_percent(np.mean(found[kind] >= report.asked))} of {kind}" for kind in kinds]
    return f"Your cosine of {report.asked:.3g}: {' and '.join(shares)} score as high.", "your_embeddings"


def _gap(report) -> tuple[str, str]:
    values, (p_value, by_chance) = report.metrics.value, report.by_chance
    gap, unbiased = values["modality_gap"], values["modality_gap (unbiased)"]
    low, high = report.metrics.loc["modality_gap", ["low", "high"]]
    units = "pairs" if report.data.groups is None else "groups" if report.paired else "rows"
    told = {"gap": gap, "unbiased": unbiased, "low": low, "high": high, "by_chance": by_chance}
    told["n"] = f"{len(report.data)} {units}"
    if p_value > _SURE:
        parts = ["gap_chance", *(["gap_left"] if unbiased > 0 else [])]
    else:
        parts = ["gap_unbiased" if gap - unbiased > 0.005 else "gap_sure", "gap_more"]
        if report.paired:
            parts, told["share"] = [*parts, "gap_share"], _percent(values["gap_share"])
    words = "".join(SENTENCES[part].format(**told) for part in parts)
    return SENTENCES["gap"].format(gap=gap, words=words), "loss_landscape"


def _cone(report) -> tuple[str, str]:
    images, texts = (report.scores[name]["mean"] for name in ("two images", "two texts"))
    words = SENTENCES["cone_narrow" if max(images, texts) > 0.2 else "cone_wide"]
    return SENTENCES["cone"].format(images=images, texts=texts, words=words), "random_networks"


def _retrieval(report) -> tuple[str, str]:
    table, (n, m) = report.metrics, (len(report.images), len(report.texts))
    told = {}
    for way, to in (("image to text", "to_text"), ("text to image", "to_image")):
        row = table.loc[f"recall_at_1 ({way})"]
        told |= {to: _percent(row.value), f"{to}_low": _percent(row.low), f"{to}_high": _percent(row.high)}
        told[way] = _percent(float(row.meaning.split()[-1]))
    one = "its text" if report.data.groups is None else "one of its texts"
    told |= {"text": one, "image": one.replace("text", "image")}
    told["pool"] = SENTENCES["pool" if n == m else "pools"].format(n=n, m=m)
    told["blind"] = " and ".join(dict.fromkeys([told["image to text"], told["text to image"]]))
    return SENTENCES["retrieval"].format(**told), "loss_landscape"


def _mixed(report) -> tuple[str, str]:
    row = report.corrections.loc[NOTHING]
    half = len(report.data) // 2  # held out
    index = round(half / len(report.data) * (len(report.images) + len(report.texts))) - 1
    told = {"own": _percent(row.own_modality_first), "rank": row.mixed_rank, "index": index}
    return SENTENCES["mixed"].format(**told), "mixed_search"


def best(report) -> str | None:
    """Return the correction that helps most, or None: the best mixed rank of those that cost no recall."""
    if report.pairing.lost:
        return None
    table, (recall, noise) = report.corrections, _recalls(report)
    harmless = recall[NOTHING] - recall <= np.maximum(np.maximum(noise, noise[NOTHING]), 0.01)
    better = table.mixed_rank[harmless & (table.mixed_rank < 0.9 * table.mixed_rank[NOTHING])]
    return None if better.empty else better.idxmin()


def _recalls(report) -> tuple:
    """Recall of each correction, the mean of both ways, and by how much splits differ in it."""
    ways = ["recall_image_to_text", "recall_text_to_image"]
    return report.corrections[ways].mean(axis=1), report.spread[ways].mean(axis=1)


def _remedy(report) -> tuple[str, str]:
    if report.pairing.lost:
        return "What a correction would bring cannot be judged until the pairs are right.", "post_hoc"
    name, rank = best(report), report.corrections.mixed_rank
    if name is None:
        words = (
            "On held-out pairs no correction brings partners closer in one index without costing recall: "
            "leave these embeddings as they are."
        )
        return words, "post_hoc"
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
    if report.pairing.lost:
        return _passed("threshold_lost", threshold, held_out), "your_embeddings"
    knowing = _passed("threshold_knowing", *report.thresholds["candidate"])
    return _passed("threshold", threshold, held_out) + knowing, "your_embeddings"


def _best_hit(report) -> tuple[str, str] | None:
    found = report.thresholds.get("query")
    return found and (_passed("best_hit", *found), "your_embeddings")


def _passed(name: str, threshold, held_out: dict[str, float]) -> str:
    """Return a threshold's sentence, with what passes of the half that did not calibrate it."""
    told = {"score": threshold.value, "pool": threshold.pool}
    rates = {"pass": "false_positive_rate", "hit": "hit_rate"}
    told |= {word: _percent(held_out[rate]) for word, rate in rates.items() if rate in held_out}
    return SENTENCES[name].format(**told)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"

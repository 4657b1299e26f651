"""Everything there is to know about a set of paired embeddings, in numbers and in plain words."""

from dataclasses import dataclass

import numpy as np

from mgaplib import checks, metrics, output
from mgaplib.corrections.trials import try_corrections
from mgaplib.pairs import Pairs
from mgaplib.report import reading
from mgaplib.search.thresholds import PER, Threshold, calibrate

MIN_PAIRS = 24  # below, one half cannot calibrate and the other cannot judge


@dataclass(frozen=True, eq=False)
class Report:
    """What `measure` found.

    Attributes:
        images: The images that were measured, as unit rows.
        texts: Their texts.
        rows: Which of the pairs these are.
        pairs: How many pairs there are.
        tau: The temperature of the loss.
        metrics: DataFrame of `metrics.gap_report`.
        scores: For matched pairs, random pairs, two images and two texts: the mean cosine, its 5 %
            and its 95 % quantile.
        corrections: DataFrame of the means over the splits of `corrections.try_corrections`; `spread` has the
            standard deviations.
        spread: See `corrections`.
        thresholds: For each of `search.thresholds.PER`, those that count queries with enough pairs only: the
            threshold and what it does on the half that did not calibrate it.
        asked: A cosine that the user asked about, or None.

    Taught in chapter your_embeddings.
    """

    images: np.ndarray
    texts: np.ndarray
    rows: np.ndarray
    pairs: int
    tau: float
    metrics: object
    scores: dict[str, dict[str, float]]
    corrections: object
    spread: object
    thresholds: dict[str, tuple[Threshold, dict[str, float]]]
    asked: float | None

    @property
    def reading(self) -> list[tuple[str, str]]:
        """What the numbers mean, each with the chapter that explains it."""
        return reading.sentences(self)

    def __repr__(self) -> str:
        gap = self.metrics.value["modality_gap"]
        return f"Report of {self.pairs} pairs of {self.images.shape[1]} dimensions: gap {gap:.3f}"

    def __str__(self) -> str:
        lines = [repr(self), "", self.metrics.drop(columns="meaning").round(4).to_string(na_rep=""), ""]
        lines += [f"- {words} [{chapter}]" for words, chapter in self.reading]
        lines += [
            "",
            "Corrections, fitted on one half and judged on the other:",
            self.corrections.round(3).to_string(),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """Return the report as plain numbers and texts, ready for `json.dumps`."""
        return {
            "pairs": self.pairs,
            "measured": len(self.images),
            "dimensions": self.images.shape[1],
            "tau": self.tau,
            "metrics": {name: float(value) for name, value in self.metrics.value.items()},
            "intervals": {
                name: [float(low), float(high)]
                for name, low, high in self.metrics[["low", "high"]].dropna().itertuples()
            },
            "scores": self.scores,
            "corrections": [
                {"correction": name, **row, "spread": self.spread.loc[name].to_dict()}
                for name, row in self.corrections.to_dict(orient="index").items()
            ],
            "thresholds": {
                per: {
                    "score": t.value,
                    "calibrated_for": t.false_positive_rate,
                    "pool": t.pool,
                    "held_out": held_out,
                }
                for per, (t, held_out) in self.thresholds.items()
            },
            "reading": [{"words": words, "chapter": chapter} for words, chapter in self.reading],
        }

    def to_html(self, captions=None, thumbnails=None) -> str:
        """Return the report as one page that asks no other host for anything.

        Args:
            captions: A text for each of the pairs, for the explorer.
            thumbnails: A picture for each of the pairs, uint8 squares, for the explorer.
        """
        from mgaplib.report import page

        captions = None if captions is None else [captions[row] for row in self.rows]
        thumbnails = None if thumbnails is None else np.asarray(thumbnails)[self.rows]
        return page.page(self, captions, thumbnails)


def measure(
    images,
    texts=None,
    *,
    tau: float = 0.01,
    false_positive_rate: float = 0.01,
    score: float | None = None,
    max_pairs: int = 2000,
    seed: int = 0,
) -> Report:
    """Return the report of a set of pairs.

    Args:
        images, texts: Arrays of n rows and d columns, at least 24 rows, row i paired with row i; or `Pairs`.
        tau: Temperature of the contrastive loss; CLIP's own is 0.01.
        false_positive_rate: The share of strangers that the thresholds may let pass.
        score: A cosine to be told about: is it high for these embeddings?
        max_pairs: With more pairs, this many are drawn at random, and every number is theirs.
        seed: Seed of the drawing and of the splits.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, they are too few, or an option makes no sense.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(60, 8))
        >>> report = measure(x + 1, x - 1)
        >>> report.scores["matched pairs"]["mean"] > report.scores["random pairs"]["mean"]
        True

    Taught in chapter your_embeddings.
    """
    tau = checks.temperature(tau)
    max_pairs = checks.whole(max_pairs, "max_pairs", MIN_PAIRS, None, f"at least {MIN_PAIRS} are needed")
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    asked = None if score is None else checks.within(score, "score", -1, 1, "pass a cosine, -1 to 1")
    if not isinstance(images, Pairs):
        given = ((images, "images"), (texts, "texts"))
        images, texts = (x if x is None else checks.rows(x, name) for x, name in given)
    if isinstance(images, Pairs) or np.shape(images) != np.shape(texts):  # refuse before drawing rows
        images, texts = Pairs.of(images, texts), None
    elif len(images) > max_pairs:  # looked at, a file's rows block by block, before some are drawn
        checks.looked_at(images, "images")
        checks.looked_at(texts, "texts")
    total = len(images)
    rng, rows = np.random.default_rng(seed), np.arange(total)
    if total > max_pairs:
        rows = np.sort(rng.choice(total, max_pairs, replace=False))
        if texts is None:
            images = images.take(rows)
        else:
            images, texts = checks.drawn(images, rows), checks.drawn(texts, rows)
    pairs = Pairs.of(images, texts, min_rows=MIN_PAIRS)
    steps = output.bar(range(4), "measure")
    steps.update()
    table = metrics.gap_report(pairs, tau=tau, seed=seed)
    steps.update()
    scores = _scores(pairs.images, pairs.texts)
    steps.update()
    order = rng.permutation(len(pairs))
    thresholds = _thresholds(pairs.swapped, order, false_positive_rate)
    steps.update()
    steps.close()
    trial = try_corrections(pairs, seed=seed).drop(columns="split").astype({"needs_pairs": float})
    trial = trial.groupby("correction", sort=False)
    mean, spread = trial.mean(), trial.std().fillna(0.0)
    return Report(pairs.images, pairs.texts, rows, total, tau, table, scores, mean, spread, thresholds, asked)


def _thresholds(searches: Pairs, order: np.ndarray, rate: float) -> dict:
    """Calibrate on one half and measure on the other; texts search images."""
    fit, test = order[: len(order) // 2], order[len(order) // 2 :]
    found = {}
    for per in PER:
        if per in ("query", "both") and rate * len(fit) < 1:
            continue  # as many queries cannot show so small a rate
        threshold = calibrate(searches.take(fit), None, rate, per)
        found[per] = threshold, threshold.measure(searches.take(test))
    return found


def _scores(images: np.ndarray, texts: np.ndarray) -> dict[str, dict[str, float]]:
    apart = ~np.eye(len(images), dtype=bool)
    kinds = {
        "matched pairs": np.einsum("ij,ij->i", images, texts),
        "random pairs": (images @ texts.T)[apart],
        "two images": (images @ images.T)[apart],
        "two texts": (texts @ texts.T)[apart],
    }
    return {
        name: {
            "mean": float(np.mean(values, dtype=float)),
            "low": float(np.quantile(values, 0.05)),
            "high": float(np.quantile(values, 0.95)),
        }
        for name, values in kinds.items()
    }

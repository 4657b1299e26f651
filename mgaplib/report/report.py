"""Everything there is to know about a set of paired embeddings, in numbers and in plain words."""

from dataclasses import dataclass

import numpy as np

from mgaplib import checks, metrics, output
from mgaplib.corrections.trials import try_corrections
from mgaplib.metrics.gap import strangers
from mgaplib.metrics.intervals import gaps_by_chance
from mgaplib.metrics.retrieval import partner_cosines
from mgaplib.metrics.several import distinct_names, named
from mgaplib.pairs import Pairs, noticed, relation
from mgaplib.report import pairing, reading
from mgaplib.search.thresholds import PER, Threshold, calibrate, of_strangers

_FITS = 6  # standard errors by which rows must fit before their order is taken for who belongs to whom
MIN_PAIRS = 24  # below, one half cannot calibrate and the other cannot judge
#: How it is known who belongs to whom, in words.
RELATIONS = {
    "aligned": "",
    "groups": "Who belongs to whom is as the groups say.",
    "noticed": "Equal rows are taken as one, with all the partners beside them.",
    "together": "There are as many rows of one side for each of the other, and they fit if those of one "
    "follow one another. So they are taken, in groups.",
    "in turn": "There are as many rows of one side for each of the other, and they fit if they come one of "
    "each in turn. So they are taken, in groups.",
    "unpaired": "Nobody belongs to anybody, as was said: what needs pairs is left out.",
    "unequal": "They are not equally many and no groups say who belongs to whom, so they are taken as "
    "unpaired: what needs pairs is left out.",
}


@dataclass(frozen=True, eq=False)
class Report:
    """What `measure` found.

    Attributes:
        data: The `Pairs` that were measured; `images` and `texts` are its unit rows.
        rows, text_rows: Which of the images and of the texts that came in these are.
        pairs: How many pairs, or groups, there are; 0 where nobody belongs to anybody.
        sizes: How many images and texts there are, equal ones of one group counted once.
        relation: How it is known who belongs to whom, a key of `RELATIONS`.
        tau: The temperature of the loss.
        metrics: DataFrame of `metrics.gap_report`.
        by_chance: Share of random sign flips of whole pairs with as long a gap; the length 95 % stay below.
        pairing: What the cosines say about the pairing; see `report.pairing`.
        scores: Mean, 5 % and 95 % quantile of cosines: matched pairs, random pairs, two images, two texts.
        corrections, spread: DataFrames of the means and standard deviations over the splits of
            `corrections.try_corrections`; None without pairs.
        thresholds: For each of `search.thresholds.PER`, those that count queries with enough pairs only: the
            threshold and what it does on the half that did not calibrate it.
        asked: A cosine that the user asked about, or None.
        names: What the two modalities are called.

    Taught in chapter your_embeddings.
    """

    data: Pairs
    rows: np.ndarray
    text_rows: np.ndarray
    pairs: int
    sizes: tuple[int, int]
    relation: str
    tau: float
    metrics: object
    by_chance: tuple[float, float]
    pairing: pairing.Pairing
    scores: dict[str, dict[str, float]]
    corrections: object
    spread: object
    thresholds: dict[str, tuple[Threshold, dict[str, float]]]
    asked: float | None
    names: tuple[str, str] = ("image", "text")

    @property
    def images(self) -> np.ndarray:
        """The images that were measured, as unit rows."""
        return self.data.images

    @property
    def texts(self) -> np.ndarray:
        """The texts that were measured, as unit rows."""
        return self.data.texts

    @property
    def paired(self) -> bool:
        """Whether anybody belongs to anybody."""
        return self.pairs > 0

    @property
    def best(self) -> str | None:
        """The correction that helps most on held-out pairs, or None if none does."""
        return reading.best(self)

    @property
    def verdicts(self) -> dict[str, tuple[str, str]]:
        """For each metric "ok", "look" or "wrong", whether its number can be trusted, and why not."""
        return reading.verdicts(self)

    @property
    def reading(self) -> list[tuple[str, str]]:
        """What the numbers mean, each with the chapter that explains it."""
        return [(self.named(words), chapter) for words, chapter in reading.sentences(self)]

    def named(self, words: str) -> str:
        """Return words about images and texts with this report's names of them."""
        return named(words, self.names)

    @property
    def what(self) -> str:
        """What there is, so many pairs, or images and texts in groups or without partners."""
        (n, m), d = self.sizes, self.images.shape[1]
        if self.relation == "aligned":
            return f"{self.pairs} pairs of {d} dimensions"
        together = f"in {self.pairs} groups" if self.paired else "without partners"
        return self.named(f"{n} images and {m} texts {together}, of {d} dimensions")

    def __repr__(self) -> str:
        return f"Report of {self.what}: gap {self.metrics.value['modality_gap']:.3f}"

    def __str__(self) -> str:
        table = self.metrics.drop(columns="meaning").round(4)
        table["verdict"] = [verdict for verdict, _ in self.verdicts.values()]
        table = table.rename(index=self.named).to_string(na_rep="")
        lines = [repr(self), *filter(None, [RELATIONS[self.relation]]), "", table, ""]
        lines += [f"- {words} [{chapter}]" for words, chapter in self.reading]
        reasons = reading.reasons(self)
        if reasons:
            looked = (f"- {verdict}: {self.named(words)}" for verdict, words in reasons)
            lines += ["", "Numbers to look at:", *looked]
        if self.paired:
            lines += ["", "Corrections, fitted on one half and judged on the other:"]
            lines.append(self.corrections.round(3).rename(columns=self.named).to_string())
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """Return the report as plain numbers and texts, ready for `json.dumps`."""
        found, trials = self.pairing, {} if self.corrections is None else self.corrections.to_dict("index")
        return {
            "pairs": self.pairs,
            "images": self.sizes[0],
            "texts": self.sizes[1],
            "modalities": list(self.names),
            "relation": self.relation,
            "measured": len(self.data) if self.paired else len(self.images),
            "measured_images": len(self.images),
            "measured_texts": len(self.texts),
            "dimensions": self.images.shape[1],
            "tau": self.tau,
            "pairing": {
                "verdict": found.verdict,
                "words": [self.named(words) for words in found.words],
                "p_value": found.p_value,
                "misfits": found.misfits,
                "misplaced": found.misplaced,
                "repeated_images": found.repeats[0],
                "repeated_texts": found.repeats[1],
            },
            "gap_by_chance": {"p_value": self.by_chance[0], "high": self.by_chance[1]},
            "metrics": {name: float(value) for name, value in self.metrics.value.items()},
            "intervals": self.metrics[["low", "high"]].dropna().T.to_dict("list"),
            "verdicts": {
                name: {"verdict": verdict, "reason": self.named(reason)}
                for name, (verdict, reason) in self.verdicts.items()
            },
            "scores": self.scores,
            "best_correction": self.best,
            "corrections": [
                {"correction": name, **row, "spread": self.spread.loc[name].to_dict()}
                for name, row in trials.items()
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
            captions: A text for each of the texts that came in, for the explorer.
            thumbnails: A picture for each of the images that came in, uint8 squares, for the explorer.
        """
        from mgaplib.report import page

        for given, rows, what in (
            (captions, self.text_rows, "captions"),
            (thumbnails, self.rows, "thumbnails"),
        ):
            if given is not None and len(given) <= rows.max():
                raise ValueError(
                    f"{what} has {len(given)} entries and row {rows.max()} was measured; pass one for each "
                    "row that came in"
                )
        captions = None if captions is None else [captions[row] for row in self.text_rows]
        thumbnails = None if thumbnails is None else np.asarray(thumbnails)[self.rows]
        return page.page(self, captions, thumbnails)


@checks.memory("lower max_pairs")
def measure(
    images,
    texts=None,
    *,
    groups=None,
    paired: bool | None = None,
    tau: float = 0.01,
    false_positive_rate: float = 0.01,
    score: float | None = None,
    names: tuple[str, str] = ("image", "text"),
    max_pairs: int = 2000,
    seed: int = 0,
) -> Report:
    """Return the report of a set of pairs, or of two sets.

    Args:
        images, texts: Arrays of n rows and d columns, at least 24 rows, row i paired with row i; or `Pairs`.
        groups: Who belongs to whom, if not row i to row i; see `Pairs`. The report says what that notices.
        paired: False where nobody belongs to anybody. None looks whether one set has k rows for each of the
            other's, in one of the two usual orders, else takes unequal sets without partners, and says which.
        tau: Temperature of the contrastive loss; CLIP's own is 0.01.
        false_positive_rate: The share of strangers that the thresholds may let pass.
        score: A cosine to be told about: is it high for these embeddings?
        names: What the two modalities are called, such as ("audio", "text").
        max_pairs: With more images or texts, as many are drawn at random, by whole groups.
        seed: Seed of the drawing and of the splits.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, they are too few, or an option makes no sense.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 8))
        >>> report = measure(x + 1, x - 1)
        >>> report.scores["matched pairs"]["mean"] > report.scores["random pairs"]["mean"]
        True
        >>> measure(x + 1, x[:40] - 1)
        Report of 60 images and 40 texts without partners, of 8 dimensions: gap 1.409

    Taught in chapter your_embeddings.
    """
    tau = checks.temperature(tau)
    max_pairs = checks.whole(max_pairs, "max_pairs", MIN_PAIRS, None, f"at least {MIN_PAIRS} are needed")
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    asked = None if score is None else checks.within(score, "score", -1, 1, "pass a cosine, -1 to 1")
    names = tuple(distinct_names(names))
    if len(names) != 2:
        raise ValueError(f"names is {names}; pass what the two modalities are called, such as audio and text")
    rng = np.random.default_rng(seed)
    pairs, rows, total, sizes, how = drawn(images, texts, groups, paired, max_pairs, rng)
    steps = output.bar(range(5), "measure")
    steps.update()
    table = metrics.gap_report(pairs, tau=tau, seed=seed)
    steps.update()
    chance = gaps_by_chance(pairs, seed)
    longer = np.count_nonzero(chance >= table.value["modality_gap"] - 1e-12)
    by_chance = (1 + longer) / (1 + len(chance)), float(np.quantile(chance, 0.95))
    judged = pairing.judge(pairs, seed)
    steps.update()
    scores = _scores(pairs)
    steps.update()
    limits = _thresholds(pairs.swapped, rng, false_positive_rate)
    steps.update()
    steps.close()
    trials = None, None
    if total:
        trial = try_corrections(pairs, seed=seed).drop(columns="split").astype({"needs_pairs": float})
        trial = trial.groupby("correction", sort=False)
        trials = trial.mean(), trial.std().fillna(0.0)
    return Report(
        pairs, *rows, total, sizes, how, tau, table, by_chance, judged, scores, *trials, limits, asked, names
    )


def drawn(images, texts, groups, paired, most: int, rng, least: int = MIN_PAIRS) -> tuple:
    """Return the pairs to measure, which rows they are, how many groups and rows there are, and how known."""
    if isinstance(images, Pairs):
        given = Pairs.of(images, texts, groups=groups, paired=False)
        x, y, codes = given.images, given.texts, given.groups
        how = "aligned" if codes is None else "groups"
        if paired is False or not len(given.partners[0]):
            how = "unpaired"
    else:
        if texts is None:
            Pairs.of(images, texts)  # which says what is missing
        given, x, y = None, checks.rows(images, "images"), checks.rows(texts, "texts")
        codes, how = _relation(x, y, groups, paired)
        if max(len(x), len(y)) > most:  # looked at, a file's rows block by block, before some are drawn
            checks.looked_at(x, "images")
            checks.looked_at(y, "texts")
    n, m = sizes = len(x), len(y)
    if how in ("unpaired", "unequal"):
        rows = [_some(size, most, rng) for size in sizes]
        try:
            pairs = Pairs.unpaired(*map(checks.drawn, (x, y), rows), min_rows=least)
        except ValueError as error:
            taken = f"; {n} images and {m} texts without groups are taken as unpaired"
            raise ValueError(f"{error}{taken if how == 'unequal' else ''}") from error
        if given is not None:
            pairs = Pairs.trusted(x[rows[0]], y[rows[1]], pairs.groups)
        total = 0
    else:
        total = n if codes is None else 1 + int(max(map(np.max, codes)))
        which = _some(total, most, rng) if codes is None else _groups(codes, total, most, rng, least)
        rows = [which] * 2 if codes is None else [np.flatnonzero(np.isin(c, which)) for c in codes]
        if given is not None:
            pairs = Pairs.of(given.take(which) if len(which) < total else given, min_rows=least)
            return pairs, pairs.rows, total, sizes, how
        of_rows = None if codes is None else tuple(c[r] for c, r in zip(codes, rows, strict=True))
        pairs = Pairs.of(*map(checks.drawn, (x, y), rows), groups=of_rows, min_rows=least)
        if len(which) == total:
            sizes = len(pairs.images), len(pairs.texts)  # equal rows of one group are one
        how = "aligned" if pairs.groups is None and how == "groups" else how
    return pairs, [r[kept] for r, kept in zip(rows, pairs.rows, strict=True)], total, sizes, how


def _relation(x: np.ndarray, y: np.ndarray, groups, paired) -> tuple:
    """Return the groups of rows that nobody looked at yet, None for row i with row i, and how it is known."""
    if paired is False:
        if groups is not None:
            raise ValueError("groups say who belongs to whom, and paired=False that nobody does; pass one")
        return None, "unpaired"
    if groups is not None:
        return relation(groups, x, y), "groups"
    if len(x) != len(y):
        if paired:
            Pairs.of(x, y)  # which says what does not fit
        return _blocks(x, y) or (None, "unequal")
    same = noticed(x, y, say=False)
    return (None, "aligned") if same is None else (relation(same, x, y), "noticed")


def _blocks(x: np.ndarray, y: np.ndarray) -> tuple | None:
    """Return the groups of sides of which one has k rows for each of the other's, if such an order fits."""
    few, many = sorted((x, y), key=len)
    if len(few) < MIN_PAIRS or x.shape[1:] != y.shape[1:] or len(many) % len(few):
        return None
    k = len(many) // len(few)
    some = np.linspace(0, len(few) - 1, min(len(few), 500)).astype(int)
    following = (some + 1) % len(few)
    orders = {
        "together": (lambda i: i[:, None] * k + np.arange(k), lambda n: np.arange(n) // k),
        "in turn": (lambda i: i[:, None] + len(few) * np.arange(k), lambda n: np.arange(n) % len(few)),
    }
    for how, (rows, groups) in orders.items():
        found = (few, some), (many, rows(some).ravel()), (many, rows(following).ravel())
        one, own, other = (checks.drawn(z, r).astype(np.float64) for z, r in found)
        # Less the fit of the next one's rows: what neighbours share, such as a class, counts for nothing.
        # Bad rows are told later, by number.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            one, own, other = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (one, own, other))
            better = (own - other).reshape(len(one), k, -1)
            fit = ((one - one.mean(axis=0))[:, None] * better).sum(axis=2).mean(axis=1)
            if fit.mean() > _FITS * fit.std(ddof=1) / np.sqrt(len(fit)):
                return tuple(np.arange(len(z)) if z is few else groups(len(z)) for z in (x, y)), how
    return None


def _some(size: int, most: int, rng) -> np.ndarray:
    return np.arange(size) if size <= most else np.sort(rng.choice(size, most, replace=False))


def _groups(codes, total: int, most: int, rng, least: int) -> np.ndarray:
    """Return groups, all of them or as many at random as have no more rows of either side than asked for."""
    sizes = np.stack([np.bincount(c, minlength=total) for c in codes])
    order = rng.permutation(total) if sizes.sum(axis=1).max() > most else np.arange(total)
    fits = (np.cumsum(sizes[:, order], axis=1) <= most).all(axis=0)
    return np.sort(order[: max(int(fits.sum()), least)])


def _thresholds(searches: Pairs, rng, rate: float) -> dict:
    """Calibrate on one half and measure on the other; texts search images."""
    if not len(searches.partners[0]):  # strangers are enough for the rate; whom it lets find cannot be told
        halves = [np.array_split(rng.permutation(len(side)), 2) for side in (searches.images, searches.texts)]
        fit, test = ((searches.images[q] @ searches.texts[c].T).ravel() for q, c in zip(*halves, strict=True))
        threshold = of_strangers(fit, rate, "pair", len(halves[1][0]))
        return {"pair": (threshold, {"false_positive_rate": float(np.mean(test > threshold.value))})}
    n, found = len(searches), {}
    fit, test = map(searches.take, np.split(rng.permutation(n), [n // 2]))
    for per in PER:
        if per in ("query", "both") and rate * len(fit) < 1:
            continue  # as many queries cannot show so small a rate
        threshold = calibrate(fit, None, rate, per)
        found[per] = threshold, threshold.measure(test)
    return found


def cosines(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the cosines of partners, if there are any, and of strangers across and within the modalities."""
    x, y, (a, b) = pairs.images, pairs.texts, pairs.codes
    found = {"matched pairs": partner_cosines(pairs)} if len(pairs.partners[0]) else {}
    return found | {
        "random pairs": strangers(x, y, a, b),
        "two images": strangers(x, x, a, a),
        "two texts": strangers(y, y, b, b),
    }


def _scores(pairs: Pairs) -> dict[str, dict[str, float]]:
    found = {}
    for name, values in cosines(pairs).items():
        low, high = (float(np.quantile(values, share)) for share in (0.05, 0.95))
        found[name] = {"mean": float(np.mean(values, dtype=float)), "low": low, "high": high}
    return found

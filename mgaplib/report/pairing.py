"""Are the pairs right? Better than chance, and each in its place: what the cosines say."""

from dataclasses import dataclass

import numpy as np

from mgaplib.pairs import Pairs, group_sums, twins

OK, LOOK, WRONG = "ok", "look", "wrong"
_DRAWS = 999
_MISFIT = 0.05  # a pair that so many strangers beat does not look like one
_SURE = 1e-3  # how unlikely a pattern must be by chance before it is named
_FEW = 5  # misfits in a row of an order; fewer show no order
_ALIKE = 1e-6  # of 1 - cosine: equal rows, encoded twice
#: The sentences, which the page of the book that measures a reader's files shares.
WORDS = {
    "better": "The pairing is {better} than chance: {chance} of the {what} {fit} as well.",
    "shuffled": "The rows are shuffled or sorted differently, the two sets have nothing to do with one "
    "another, or the model never saw pairs.",
    "misfits": "About {share} of the {what} fit no better than strangers do: mislabelled, or beyond the "
    "model.",
    "ahead": "fit better with the partner of the row {by} further on: one side is shifted",
    "behind": "fit better with the partner of the row {by} before: one side is shifted",
    "reverse": "fit better in the reverse order",
    "texts by name": "fit better if the texts were sorted by name, counted from {by}: 10 comes before 2",
    "images by name": "fit better if the images were sorted by name, counted from {by}: 10 comes before 2",
    "together": "fit better if the texts are read as {by} of one image after another",
    "in turn": "fit better if the texts are read as one of each image in turn",
    "exchanged": "find their best partner among one another: they look exchanged",
    "repeats": "{rows} equal an earlier one: a search cannot tell them apart. If they are one thing with "
    "several partners, say so with groups.",
}


@dataclass(frozen=True)
class Pairing:
    """What can be said about who belongs to whom.

    Attributes:
        verdict: "ok", "look" or "wrong".
        words: Why, in sentences.
        p_value: How often shuffled groups fit as well; None where there are no pairs.
        misplaced: Groups that look as if their partners were exchanged, by number.
        misfits: Estimated share of groups that fit no better than strangers do.
        repeats: How many images and how many texts equal an earlier one, but for rounding.
    """

    verdict: str
    words: list[str]
    p_value: float | None
    misplaced: list[int]
    misfits: float | None
    repeats: tuple[int, int]

    @property
    def lost(self) -> bool:
        """Whether nothing that needs partners can be learnt; there are none, or most are not theirs."""
        return self.p_value is None or (self.verdict == WRONG and (self.p_value > 0.05 or self.misfits > 0.3))


def judge(pairs: Pairs, seed: int = 0) -> Pairing:
    """Return what the cosines of checked pairs say about the pairing.

    Shuffling says whether it is better than chance. Of groups that many strangers beat: whether one shift,
    the reverse, or a sorting by name puts them right, and whether they find their partners among one another.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(100, 16))
        >>> y = x + 0.3 * rng.normal(size=x.shape)
        >>> judge(Pairs(x, np.roll(y, 1, axis=0))).words[1]
        'All of them fit better with the partner of the row 1 further on: one side is shifted.'
    """
    repeats, said, verdict = _repeats(pairs), [], OK
    if any(repeats):
        counts = [f"{n} {side}" for n, side in zip(repeats, ("images", "texts"), strict=True) if n]
        said, verdict = [WORDS["repeats"].format(rows=" and ".join(counts))], LOOK
    if not len(pairs.partners[0]):
        return Pairing(verdict, said, None, [], None, repeats)
    there, scores = _between_groups(pairs)
    k, rng = len(scores), np.random.default_rng(seed)
    own, noise = np.diag(scores), scores[~np.eye(k, dtype=bool)].std() or 1.0
    shuffled = [scores[np.arange(k), rng.permutation(k)].mean() for _ in range(_DRAWS)]
    p_value = (1 + np.count_nonzero(np.array(shuffled) >= own.mean() - 1e-12)) / (1 + _DRAWS)
    beaten = ((scores >= own[:, None]).sum(axis=1) + (scores >= own).sum(axis=0) - 2) / (2 * (k - 1))
    odd = np.flatnonzero(beaten > _MISFIT)
    misfits = min(2 * float(np.mean(beaten > 0.5)), 1.0)
    what = "pairs" if pairs.groups is None else "groups"
    chance = f"none of {_DRAWS} shufflings" if p_value <= 1 / (1 + _DRAWS) else f"{p_value:.0%} of shufflings"
    better = "better" if p_value < 0.01 else "hardly better" if p_value < 0.05 else "no better"
    fit = "fits" if "none" in chance else "fit"
    words = [WORDS["better"].format(better=better, chance=chance, what=what, fit=fit)]
    order = _order(scores, odd, noise) or _blocks(pairs, odd, noise)
    misplaced, how = order or _exchanged(scores, odd)
    if how:
        verdict = WRONG
        words.append(f"{_which(there[misplaced], k, order is not None)} {how}.")
    elif better == "no better":
        verdict = WRONG
        words.append(WORDS["shuffled"])
    elif misfits > 0.02:
        verdict = LOOK
        words.append(WORDS["misfits"].format(share=f"{misfits:.0%}", what=what))
    return Pairing(verdict, words + said, float(p_value), there[misplaced].tolist(), misfits, repeats)


def _which(misplaced: np.ndarray, k: int, together: bool) -> str:
    """Return how many groups are meant, and which: the most of them if they hang together, else the first."""
    n = len(misplaced)
    if n > 0.9 * k:
        return "All of them"
    if together and n > 8:
        low, high = np.quantile(misplaced, [0.05, 0.95]).astype(int)
        return f"{n} of {k}, most of them from number {low} to {high},"
    return f"{n} of {k} ({', '.join(map(str, misplaced[:8]))}{', ...' * (n > 8)})"


def _between_groups(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Return which groups have both sides, and the mean cosines of all with all, rows and columns centred."""
    sides = list(zip((pairs.images, pairs.texts), pairs.codes, strict=True))
    sizes = [np.bincount(codes, minlength=len(pairs)) for codes in pairs.codes]
    there = np.flatnonzero(np.minimum(*sizes))
    sums = (group_sums(z, codes, len(pairs)) for z, codes in sides)
    x, y = (total[there] / size[there, None] for total, size in zip(sums, sizes, strict=True))
    # A hub is near everybody; what counts is whether it is nearer to this one.
    return there, (x - x.mean(axis=0)) @ (y - y.mean(axis=0)).T


def _order(scores: np.ndarray, odd: np.ndarray, noise: float) -> tuple[np.ndarray, str] | None:
    """Return which groups another order would put right, if one does so far beyond chance, and what order."""
    k = len(scores)
    if len(odd) < _FEW:
        return None
    orders = {
        WORDS["ahead" if by <= k / 2 else "behind"].format(by=min(by, k - by)): (np.arange(k) + by) % k
        for by in range(1, k)
    }
    orders[WORDS["reverse"]] = np.arange(k)[::-1]
    for first in (0, 1):
        by_name = np.array(sorted(range(k), key=lambda i, first=first: str(i + first)))
        for order, side in ((by_name, "texts"), (np.argsort(by_name), "images")):
            orders[WORDS[f"{side} by name"].format(by=first)] = order
    fits = {how: scores[odd, order[odd]].mean() for how, order in orders.items()}
    how, best = max(fits.items(), key=lambda item: item[1])
    # Of so many orders the best is a few deviations up by chance, and the own one is no good.
    if best < 6 * noise / np.sqrt(len(odd)) or best < 2 * scores[odd, odd].mean():
        return None
    return odd[scores[odd, orders[how][odd]] > scores[odd, odd]], how


def _blocks(pairs: Pairs, odd: np.ndarray, noise: float) -> tuple[np.ndarray, str] | None:
    """Return whether texts that come as many an image fit if they are read in the other order of two."""
    if pairs.groups is None or len(odd) < _FEW:
        return None
    of_images, of_texts = pairs.groups
    k, each = len(pairs), len(of_texts) // len(pairs)
    if not np.array_equal(of_images, np.arange(k)) or set(np.bincount(of_texts, minlength=k)) != {each}:
        return None
    x, y = (z - z.mean(axis=0) for z in (pairs.images, pairs.texts))
    in_turn, together = np.tile(np.arange(k), each), np.repeat(np.arange(k), each)
    for read, how in ((together, "together"), (in_turn, "in turn")):
        fit = np.einsum("ij,ij->i", x[read], y).mean()
        if fit > 6 * noise / np.sqrt(k) and fit > 2 * np.einsum("ij,ij->i", x[of_texts], y).mean():
            return odd, WORDS[how].format(by=each)
    return None


def _exchanged(scores: np.ndarray, odd: np.ndarray) -> tuple[np.ndarray, str]:
    """Return which odd groups find one another, if more often than chance lets them."""
    best = np.concatenate([scores[odd].argmax(axis=1), scores[:, odd].argmax(axis=0)])
    hits = np.isin(best, odd) & (best != np.tile(odd, 2))
    if len(odd) < 2 or not _at_least(int(hits.sum()), len(hits), len(odd) / len(scores)) < _SURE:
        return odd[:0], ""
    return odd[hits[: len(odd)] | hits[len(odd) :]], WORDS["exchanged"]


def _at_least(hits: int, n: int, share: float) -> float:
    """Return how likely a binomial count of n reaches so many hits."""
    if hits == 0 or share >= 1:
        return 1.0
    from scipy.special import bdtrc  # here, since few sets come so far and its import costs 0.1 s

    return float(bdtrc(hits - 1, n, share))


def _repeats(pairs: Pairs) -> tuple[int, int]:
    """Return how many images and how many texts equal an earlier one, but for rounding."""
    found = []
    for rows in (pairs.images, pairs.texts):
        if float(np.linalg.norm(rows.mean(axis=0, dtype=float))) > 1 - 1e-3:  # so alike that it says nothing
            found.append(len(rows) - len(np.unique(twins(rows))))
        else:
            found.append(int(np.tril(rows @ rows.T >= 1 - _ALIKE, -1).any(axis=1).sum()))
    return tuple(found)

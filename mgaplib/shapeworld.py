"""ShapeWorld: small pictures of one shape each, with captions, and control over what the captions say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mgaplib import _checks
from mgaplib._drawing import PALETTE, POSITIONS, SHAPES, SIZES, STYLES, render

#: What a picture is drawn from, and a caption may mention, each with its values.
ATTRIBUTES = {
    "size": tuple(SIZES),
    "colour": tuple(PALETTE),
    "shape": SHAPES,
    "position": tuple(POSITIONS),
}
SYNONYMS = {
    "small": "tiny",
    "medium": "middling",
    "large": "big",
    "red": "crimson",
    "green": "emerald",
    "blue": "navy",
    "yellow": "golden",
    "purple": "violet",
    "orange": "amber",
    "cyan": "turquoise",
    "brown": "chestnut",
    "circle": "disc",
    "square": "box",
    "triangle": "wedge",
    "diamond": "rhombus",
    "cross": "plus",
    "ring": "hoop",
    "centre": "middle",
    "top": "upper",
    "bottom": "lower",
}
SPLITS = ("train", "val", "test")
_PROMPT_WORDS = (
    "a an the of at in on and is it this that there with photo picture image drawing sketch painting shape "
    "thing object part edge corner side colour coloured sized noisy outlined inverted grey black white "
    "handwritten digit number zero one two three four five six seven eight nine"
)


@dataclass(frozen=True, repr=False)
class ShapeWorld:
    """Pictures with captions; made by `draw`.

    Attributes:
        images: Pictures, uint8, (n, size, size, 3).
        captions: One caption a picture.
        attributes: For each attribute, the index of every picture's value in `ATTRIBUTES`.
        described: The picture that caption i describes: i itself, unless the pair is mismatched.
    """

    images: np.ndarray
    captions: list[str]
    attributes: dict[str, np.ndarray]
    described: np.ndarray

    def __len__(self) -> int:
        return len(self.captions)

    def __repr__(self) -> str:
        wrong = int((self.described != np.arange(len(self))).sum())
        return f"ShapeWorld({len(self)} pairs of {self.images.shape[1]} px, {wrong} mismatched)"

    def to_torch(self, clip):
        """Return a torch Dataset of (pixels, token ids), preprocessed for a `mgaplib.clip.Clip`."""
        from torch.utils.data import TensorDataset

        return TensorDataset(clip.pixels(self.images), clip.tokenizer(self.captions))


def vocabulary() -> list[str]:
    """Return every word a caption or a prompt may hold, sorted.

    Example:
        >>> "circle" in vocabulary()
        True

    Taught in chapter training.
    """
    phrases = [
        *(value for values in ATTRIBUTES.values() for value in values),
        *SYNONYMS.values(),
        _PROMPT_WORDS,
    ]
    return sorted({word for phrase in phrases for word in phrase.split()})


def draw(
    n: int,
    *,
    seed: int = 0,
    split: str = "train",
    size: int = 32,
    mention: Sequence[str] = tuple(ATTRIBUTES),
    omit: float = 0.1,
    synonyms: float = 0.0,
    style: str = "plain",
    mismatched: float = 0.0,
    frequencies: Mapping[str, Mapping[str, float]] | None = None,
    attributes: Mapping[str, object] | None = None,
) -> ShapeWorld:
    """Draw n pictures, each of one shape, with their captions.

    Every source of chance has its own stream: the same seed with another style, caption or fixed attribute
    gives the same pictures otherwise, which makes minimal pairs.

    Args:
        n: Number of pairs.
        seed: Seed of the draw.
        split: train, val or test; no two share a stream of random numbers.
        size: Side of a picture in pixels.
        mention: The attributes that captions mention.
        omit: Probability that a caption leaves out one of them, as people do; 0 for complete captions.
        synonyms: Probability that a word gives way to its synonym.
        style: plain; noise (grain and uneven light, as in a photo); outline; inverted (a colourless shape on
            a coloured ground); or grey.
        mismatched: Share of pairs that get the caption of another picture.
        frequencies: For an attribute, the relative frequency of its values; those not named get 0.
        attributes: Values to fix instead of drawing them: one value's name, or an array of n indices.

    Raises:
        ValueError: If a name is unknown (the nearest are named), n or size too small, or a share not in
            [0, 1].

    Example:
        >>> draw(2, seed=4).captions
        ['a small green triangle at the bottom', 'a small red ring']

    Taught in chapter training.
    """
    _checks.known(split, SPLITS, "split")
    _checks.known(style, STYLES, "style")
    for name in [*mention, *(frequencies or {}), *(attributes or {})]:
        _checks.known(name, ATTRIBUTES, "attribute")
    if n < 1 or size < 8:
        raise ValueError(f"n is {n} and size {size}; at least 1 picture of 8 pixels is needed")
    for name, share in (("omit", omit), ("synonyms", synonyms), ("mismatched", mismatched)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}; it is a share between 0 and 1")
    streams = iter(np.random.SeedSequence([SPLITS.index(split), seed]).spawn(len(ATTRIBUTES) + 3))
    drawn = {
        name: _values(name, n, np.random.default_rng(next(streams)), frequencies or {}, attributes or {})
        for name in ATTRIBUTES
    }
    pixels, words, pairs = (np.random.default_rng(s) for s in streams)
    images = render(drawn, size, style, pixels)
    described = np.arange(n)
    wrong = np.sort(pairs.permutation(n)[: round(mismatched * n)])
    described[wrong] = np.roll(wrong, 1)  # each gets its neighbour's caption: nobody keeps their own
    told = {name: values[described] for name, values in drawn.items()}
    captions = describe(told, mention, omit=omit, synonyms=synonyms, rng=words)
    return ShapeWorld(images, captions, drawn, described)


def describe(
    attributes: Mapping[str, np.ndarray],
    mention: Sequence[str] = tuple(ATTRIBUTES),
    *,
    omit: float = 0.0,
    synonyms: float = 0.0,
    rng: np.random.Generator | None = None,
) -> list[str]:
    """Return the captions of given attribute values.

    Args:
        attributes: Indices into `ATTRIBUTES`, one array for each mentioned attribute.
        mention: The attributes to mention; an unmentioned shape is called "shape".
        omit: Probability that a caption leaves out one of them, each by its own chance.
        synonyms: Probability that a word gives way to its synonym.
        rng: Needed where `omit` or `synonyms` is not 0.

    Raises:
        ValueError: If an attribute is unknown, or chance is asked for without a generator.

    Example:
        >>> describe({"colour": np.array([0]), "shape": np.array([5])}, mention=["colour", "shape"])
        ['a red ring']

    Taught in chapter training.
    """
    for name in mention:
        _checks.known(name, ATTRIBUTES, "attribute")
    if (omit or synonyms) and rng is None:
        raise ValueError("omissions and synonyms are drawn at random: pass rng")
    n = len(next(iter(attributes.values())))
    words = {name: [""] * n for name in ATTRIBUTES}
    for name in ATTRIBUTES:
        if name not in mention:
            continue
        plain = ATTRIBUTES[name]
        other = [" ".join(SYNONYMS.get(word, word) for word in value.split()) for value in plain]
        swap = rng.random(n) < synonyms if synonyms else np.zeros(n, bool)
        keep = rng.random(n) >= omit if omit else np.ones(n, bool)
        words[name] = [
            (other if s else plain)[v] if k else ""
            for v, s, k in zip(attributes[name], swap, keep, strict=True)
        ]
    columns = zip(*(words[name] for name in ATTRIBUTES), strict=True)
    return [_phrase(*values) for values in columns]


def _phrase(size: str, colour: str, shape: str, position: str) -> str:
    return " ".join(filter(None, ("a", size, colour, shape or "shape", position and f"at the {position}")))


def _values(name: str, n: int, rng: np.random.Generator, frequencies: Mapping, fixed: Mapping) -> np.ndarray:
    options = ATTRIBUTES[name]
    if name in fixed:
        value = fixed[name]
        if isinstance(value, str):
            return np.full(n, options.index(_checks.known(value, options, name)))
        values = np.asarray(value)
        if (
            values.shape != (n,)
            or values.dtype.kind != "i"
            or values.min() < 0
            or values.max() >= len(options)
        ):
            raise ValueError(
                f"attributes[{name!r}] must be {n} indices below {len(options)}, or a value's name"
            )
        return values.copy()
    weights = np.ones(len(options))
    if name in frequencies:
        for value in frequencies[name]:
            _checks.known(value, options, name)
        weights = np.array([float(frequencies[name].get(option, 0)) for option in options])
        if (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"frequencies[{name!r}] must be non-negative, and one of them positive")
    return rng.choice(len(options), size=n, p=weights / weights.sum())

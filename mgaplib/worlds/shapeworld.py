"""ShapeWorld: small pictures of one shape each, with captions, and control over what the captions say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mgaplib import checks

__all__ = ["ATTRIBUTES", "SPLITS", "STYLES", "SYNONYMS", "ShapeWorld", "describe", "draw", "vocabulary"]

PALETTE = {
    "red": (0.86, 0.10, 0.12), "green": (0.10, 0.62, 0.18), "blue": (0.10, 0.25, 0.85),
    "yellow": (0.93, 0.83, 0.10), "purple": (0.50, 0.12, 0.62), "orange": (0.95, 0.50, 0.05),
    "cyan": (0.10, 0.75, 0.80), "brown": (0.45, 0.27, 0.10),
}  # fmt: skip
SIZES = {"small": 0.22, "medium": 0.32, "large": 0.44}  # radius; the picture spans -1 to 1
_ROWS, _COLUMNS = {"top": -0.48, "": 0.0, "bottom": 0.48}, {"left": -0.48, "": 0.0, "right": 0.48}
POSITIONS = {
    f"{row} {column}".strip() or "centre": (x, y)
    for row, y in _ROWS.items()
    for column, x in _COLUMNS.items()
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
STYLES = ("plain", "noise", "outline", "inverted", "grey")


def render(drawn: dict[str, np.ndarray], size: int, style: str, rng: np.random.Generator) -> np.ndarray:
    """Return one picture, uint8, for each row of attribute values."""
    n, f32 = len(drawn["size"]), np.float32

    def shaken(values: Mapping, name: str, by: float) -> np.ndarray:
        chosen = np.array(list(values.values()), f32)[drawn[name]]
        return chosen + rng.uniform(-by, by, chosen.shape).astype(f32)

    # What no caption mentions: exact place, size, slant and colour, and the paper's grey.
    centre = shaken(POSITIONS, "position", 0.08)
    radius = np.array(list(SIZES.values()), f32)[drawn["size"]] * rng.uniform(0.92, 1.08, n).astype(f32)
    slant = rng.uniform(-0.25, 0.25, n).astype(f32)
    colour = shaken(PALETTE, "colour", 0.06)
    paper = rng.uniform(0.75, 1.0, (n, 1)).astype(f32).repeat(3, axis=1)
    if style == "inverted":
        colour, paper = paper, colour
    images = np.empty((n, size, size, 3), np.uint8)
    for start in range(0, n, 256):  # blocks that fit the cache
        rows = slice(start, start + 256)
        ink = _ink(drawn["shape"][rows], centre[rows], radius[rows], slant[rows], size, style == "outline")
        block = paper[rows, None, None] + ink[..., None] * (colour - paper)[rows, None, None]
        if style == "noise":
            slope = rng.uniform(-0.2, 0.2, (len(block), 1, 1, 1)).astype(f32)
            block += slope * np.linspace(-1, 1, size, dtype=f32)[:, None]
            block += 0.08 * rng.standard_normal(block.shape, dtype=f32)
        if style == "grey":
            block = (block @ np.array([0.299, 0.587, 0.114], f32))[..., None].repeat(3, axis=-1)
        images[rows] = (block * 255 + 0.5).clip(0, 255)
    return images


def _ink(shapes, centre, radius, slant, size: int, outline: bool) -> np.ndarray:
    """Return each pixel's share under the shape: 1 inside, 0 outside, a ramp one pixel wide at the edge."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x, y = axis[None, None, :] - centre[:, 0, None, None], axis[None, :, None] - centre[:, 1, None, None]
    cos, sin = np.cos(slant)[:, None, None], np.sin(slant)[:, None, None]
    x, y = cos * x + sin * y, cos * y - sin * x
    distance = np.empty(x.shape, np.float32)
    for i, name in enumerate(SHAPES):
        at = shapes == i
        if at.any():
            distance[at] = _distance(name, x[at], y[at], radius[at, None, None])
    if outline:
        distance = np.abs(distance + 0.05) - 0.05
    return np.clip(0.5 - distance * (size / 2), 0, 1)


def _distance(name: str, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the signed distance to the shape's edge, negative inside; exact near straight edges."""
    if name == "circle":
        return np.hypot(x, y) - r
    if name == "ring":
        return np.abs(np.hypot(x, y) - 0.78 * r) - 0.22 * r
    ax, ay = np.abs(x), np.abs(y)
    if name == "square":
        return np.maximum(ax, ay) - 0.85 * r
    if name == "diamond":
        return (1.6 * ax + ay - r) / np.float32(np.hypot(1.6, 1))
    if name == "cross":
        return np.minimum(np.maximum(ax - 0.3 * r, ay - r), np.maximum(ax - r, ay - 0.3 * r))
    root3 = np.float32(np.sqrt(3))
    return np.maximum(y - 0.6 * r, (root3 * ax - y) / 2 - 0.5 * r)


#: What a picture is drawn from, and a caption may mention, each with its values.
ATTRIBUTES = {"size": tuple(SIZES), "colour": tuple(PALETTE), "shape": SHAPES, "position": tuple(POSITIONS)}
SYNONYMS = {
    "small": "tiny", "medium": "middling", "large": "big",
    "red": "crimson", "green": "emerald", "blue": "navy", "yellow": "golden",
    "purple": "violet", "orange": "amber", "cyan": "turquoise", "brown": "chestnut",
    "circle": "disc", "square": "box", "triangle": "wedge",
    "diamond": "rhombus", "cross": "plus", "ring": "hoop",
    "centre": "middle", "top": "upper", "bottom": "lower",
}  # fmt: skip
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
        """Return a torch Dataset of (pixels, token ids), preprocessed for a `mgaplib.models.Clip`."""
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

    The same seed with another style, caption or fixed attribute gives the same pictures otherwise.

    Args:
        n: Number of pairs.
        seed: Seed of the draw.
        split: train, val or test; no two share a stream of random numbers.
        size: Side of a picture in pixels.
        mention: The attributes that captions mention.
        omit: Probability that a caption leaves out one of them, as people do; 0 for complete captions.
        synonyms: Probability that a word gives way to its synonym.
        style: plain; noise (a photo's grain and uneven light); outline; inverted (a colourless shape on a
            coloured ground); or grey.
        mismatched: Share of pairs that get the caption of another picture.
        frequencies: For an attribute, the relative frequency of its values; those not named get 0.
        attributes: Values to fix instead of drawing them: one value's name, or an array of n indices.

    Raises:
        ValueError: If a name is unknown, n or size too small, or a share not in [0, 1].

    Example:
        >>> draw(2, seed=4).captions
        ['a small green triangle at the bottom', 'a small red ring']

    Taught in chapter training.
    """
    checks.known(split, SPLITS, "split")
    checks.known(style, STYLES, "style")
    for name in [*mention, *(frequencies or {}), *(attributes or {})]:
        checks.known(name, ATTRIBUTES, "attribute")
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
        omit, synonyms: As in `draw`; each attribute is left out by its own chance.
        rng: Needed where `omit` or `synonyms` is not 0.

    Raises:
        ValueError: If an attribute is unknown, or chance is asked for without a generator.

    Example:
        >>> describe({"colour": np.array([0]), "shape": np.array([5])}, mention=["colour", "shape"])
        ['a red ring']

    Taught in chapter zero_shot.
    """
    for name in mention:
        checks.known(name, ATTRIBUTES, "attribute")
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
            return np.full(n, options.index(checks.known(value, options, name)))
        values = np.asarray(value)
        if (
            values.shape != (n,)
            or values.dtype.kind != "i"
            or values.min() < 0
            or values.max() >= len(options)
        ):
            raise ValueError(f"attributes[{name!r}] must be {n} indices below {len(options)}, or a value")
        return values.copy()
    weights = np.ones(len(options))
    if name in frequencies:
        for value in frequencies[name]:
            checks.known(value, options, name)
        weights = np.array([float(frequencies[name].get(option, 0)) for option in options])
        if (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(f"frequencies[{name!r}] must be non-negative, and one of them positive")
    return rng.choice(len(options), size=n, p=weights / weights.sum())

"""Emoji: pictures that artists drew in five house styles, with the names that Unicode gives them."""

import contextlib
import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from mgaplib import checks, download, output
from mgaplib.worlds import shapeworld

__all__ = [
    "ATTRIBUTION", "CAPTIONS", "GROUPS", "SETS", "STYLES", "UNSEEN", "Emoji", "Splits", "load",
    "near_doubles", "vocabulary",
]  # fmt: skip


@dataclass(frozen=True)
class Set:
    """One set of pictures: its title, whose it is, under which licence, and its file's SHA-256."""

    title: str
    authors: str
    licence: str
    page: str
    sha256: str


SETS = {
    "emojione": Set("EmojiOne 2 (EmojiTwo)", "Emoji One", "CC BY 4.0",
                    "https://github.com/EmojiTwo/emojitwo",
                    "1d82e800aec3664aa46e596ebb06e9fc866fc44605d5eaa8eae6e00941c90875"),
    "twemoji": Set("Twemoji", "Twitter and its contributors", "CC BY 4.0",
                   "https://github.com/jdecked/twemoji",
                   "ac1ef422058cfd8a4803940a8caea453d00340d18b9a0864085b9d908e46f9a3"),
    "fluent-emoji-flat": Set("Fluent Emoji", "Microsoft Corporation", "MIT",
                             "https://github.com/microsoft/fluentui-emoji",
                             "8d15d8881d780e399e5aed3d7fe28719a698d3a1643913ab10bf899ca2c6d8bd"),
    "noto-v1": Set("Noto Emoji, first version", "Google", "Apache 2.0",
                   "https://github.com/googlefonts/noto-emoji",
                   "71d528d911d82b4ffeadc401cac5280d300d4df814a2d406757a2579aeeb81c9"),
    "noto": Set("Noto Emoji", "Google", "Apache 2.0",
                "https://github.com/googlefonts/noto-emoji",
                "b3deb286139ed971bb47b42ebc94efc0eebc3002efb8097a3a99f684dcf00314"),
}  # fmt: skip
STYLES = tuple(SETS)  #: The five house styles.
UNSEEN = "noto"  #: The style that no model is trained on.
#: Unicode's groups of emoji; of the flags, those of countries are left out.
GROUPS = (
    "Smileys & Emotion", "People & Body", "Animals & Nature", "Food & Drink", "Travel & Places", "Activities",
    "Objects", "Symbols", "Flags",
)  # fmt: skip
CAPTIONS = ("name", "group")  #: What a caption may say.
#: Whose pictures these are, for the caption of every figure that shows some.
ATTRIBUTION = (
    "Pictures: EmojiOne 2 and Twemoji (CC BY 4.0), Fluent Emoji (MIT), Noto Emoji (Apache 2.0); rasterised."
)
FILES = download.Published(
    "https://raw.githubusercontent.com/iconify/icon-sets/174ea0808b3b4cdd03a6769baee62d0fc6141c77/json/",
    "iconify2026",
    {f"{name}.json": of.sha256 for name, of in SETS.items()},
)
_SKIN = re.compile(r"-(light|medium-light|medium|medium-dark|dark)$|-skin-tone")
_OLD_GROUPS = {"Nature": 2, "Food": 3, "Travel": 4, "People": 1}  # EmojiOne's own, where no other set helps
_SAME = 0.02  # root mean square difference, of 1, below which two pictures are one drawing
_VIEW = (("left", 0), ("top", 0), ("width", 16), ("height", 16))
_HELD_OUT = 10  # one concept in so many is kept from training
_LARGEST = 256  # pixels: all pictures together take 1.4 GB then
_DEEPEST = 16  # elements in elements; the sets need three, and hundreds would end the process in resvg
# Shapes, paint and filters: nothing here names a file or a host, and nothing runs.
_DRAWN_WITH = frozenset(
    "path g circle ellipse rect line polygon polyline defs use symbol linearGradient radialGradient stop "
    "clipPath mask filter feFlood feColorMatrix feOffset feGaussianBlur feBlend".split()
)
_REACHES_OUT = re.compile(
    r"""(?:href|src)\s*=\s*["']?\s*(?![#"'\s])[^"'>]*|url\(\s*["']?\s*(?![#"'\s])[^)]*|\son\w+\s*=|@import|<!|<\?""",
    re.IGNORECASE,
)


@dataclass(frozen=True, repr=False)
class Emoji:
    """Pictures with captions; made by `load`.

    Attributes:
        images: Pictures on white, uint8, (n, size, size, 3).
        captions: One caption a picture.
        names: Each picture's full name.
        groups: Each picture's group, an index into `GROUPS`.
        styles: The set that each picture is from.
        codes: Each picture's Unicode code points in hexadecimal, joined by hyphens; "" where none is known.
        concepts: What each shows, by one of its names: those of a concept share code, name, alias or drawing.
        described: The picture whose name caption i tells: i itself, unless mismatched; -1 if not among these.
        redraw: From a random generator to captions drawn anew, or None where they are fixed.
        shift: Pixels that a picture may be moved by, anew each time that training asks for it.
    """

    images: np.ndarray
    captions: list[str]
    names: list[str]
    groups: np.ndarray
    styles: np.ndarray
    codes: list[str]
    concepts: np.ndarray
    described: np.ndarray
    redraw: Callable[[np.random.Generator], tuple[list[str], np.ndarray]] | None = None
    shift: int = 0

    def __len__(self) -> int:
        return len(self.captions)

    def __repr__(self) -> str:
        wrong = int((self.described != np.arange(len(self))).sum())
        return f"Emoji({len(self)} pairs of {self.images.shape[1]} px, {wrong} mismatched)"

    def take(self, rows) -> "Emoji":
        """Return some of the pairs, by their indices or a mask; captions are fixed from then on."""
        rows = np.arange(len(self))[rows]
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        some = {name: [getattr(self, name)[i] for i in rows] for name in ("captions", "names", "codes")}
        arrays = {name: getattr(self, name)[rows] for name in ("images", "groups", "styles", "concepts")}
        return Emoji(**some, **arrays, described=place[self.described[rows]])

    def to_torch(self, clip):
        """Return a torch Dataset of (pixels, token ids), preprocessed for a `mgaplib.models.Clip`.

        Captions that are drawn anew change with every pass over the pairs, moved pictures each time.
        """
        import torch
        from torch.utils.data import TensorDataset

        pixels, tokens = clip.pixels(self.images), clip.tokenizer(self.captions)
        if self.redraw is None and not self.shift:
            return TensorDataset(pixels, tokens)
        world, size, by = self, pixels.shape[-1], self.shift

        class Varied(TensorDataset):
            """Pairs that are not the same each time they are asked for, but the same in each run."""

            asked, rng = 0, np.random.default_rng(len(world))

            def __getitem__(self, index):
                self.asked += len(index)
                if world.redraw and self.asked > len(world):
                    self.asked = len(index)
                    self.tensors = pixels, clip.tokenizer(world.redraw(self.rng)[0])
                images, texts = super().__getitem__(index)
                if by:
                    edged = torch.nn.functional.pad(images, (by, by, by, by), mode="replicate")
                    places = edged.unfold(2, size, 1).unfold(3, size, 1)
                    down, right = self.rng.integers(0, 2 * by + 1, (2, len(images)))
                    images = places[np.arange(len(images)), :, down, right]
                return images, texts

        return Varied(pixels, tokens)


class Splits(NamedTuple):
    """Pairs to train on, and three kinds of pairs to test on; a concept of `names` or `both` is in no other.

    Args:
        train: Four styles, nine concepts in ten.
        style: The same concepts in the fifth style; drawings that a training set shares are left out.
        names: The other concepts, in the four styles.
        both: The other concepts, in the fifth style.
        stand_in: What is shown instead of emoji and why, or "" where these are emoji.
    """

    train: Emoji
    style: Emoji
    names: Emoji
    both: Emoji
    stand_in: str = ""


def load(
    *,
    size: int = 32,
    caption: str = "name",
    drop: float = 0.0,
    mismatched: float = 0.0,
    redrawn: bool = False,
    shift: int = 0,
    seed: int = 0,
    stand_in: bool = False,
) -> Splits:
    """Return the emoji world: pairs to train on, and pairs in a style and with names that none of them shows.

    The five files are read from the folder that MGAPLIB_DATA names, else from the cache, else downloaded;
    their SHA-256 is checked. They are rasterised once for each size, and the pictures kept in the cache.
    The options on captions concern the pairs to train on; those to test on have their full names.

    Args:
        size: Side of a picture in pixels, 8 to 256.
        caption: "name", or "group" for captions that tell the group only.
        drop: Probability that a word of a name is left out; one stays always.
        mismatched: Share of pairs that get the caption of another picture.
        redrawn: Whether dropped words and wrong captions are drawn anew in each epoch.
        shift: Pixels that a training picture may be moved by, in each direction, anew each time.
        seed: Seed of what is dropped and mismatched.
        stand_in: Whether ShapeWorld in five renderings may replace emoji that cannot be had; it says so once.

    Raises:
        ValueError: If an option makes no sense, or a picture holds anything but plain drawing.
        FileNotFoundError: If the emoji cannot be had and nothing may stand in.
        ImportError: If resvg_py is not installed and the pictures are not in the cache.

    Example:
        >>> splits = load(size=8, drop=0.5, stand_in=True)
        >>> set(splits.names.concepts) & set(splits.train.concepts)
        set()

    Taught in chapter emoji.
    """
    checks.known(caption, CAPTIONS, "caption")
    drop = checks.within(drop, "drop", 0, 1, "pass a share between 0 and 1")
    mismatched = checks.within(mismatched, "mismatched", 0, 1, "pass a share between 0 and 1")
    size = checks.whole(size, "size", 8, _LARGEST, f"pass a whole number from 8 to {_LARGEST}")
    shift = checks.whole(shift, "shift", 0, size - 1, f"a picture of {size} pixels moves by 0 to {size - 1}")
    seed = checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    world, doubles, instead = _collection(size, stand_in)
    unseen_style, unseen_name = world.styles == world.styles[-1], _held_out(world.concepts)
    train = world.take(~unseen_style & ~unseen_name)

    def captions(rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
        told = [_told(n, g, caption, drop, rng) for n, g in zip(train.names, train.groups, strict=True)]
        described = np.arange(len(train))
        wrong = rng.permutation(len(train))[: round(mismatched * len(train))]
        described[wrong] = np.roll(wrong, 1)  # each gets its neighbour's caption
        return [told[i] for i in described], described

    told, described = captions(np.random.default_rng([seed, 1]))
    varied = captions if redrawn and (drop or mismatched) else None
    seen = np.isin(np.arange(len(world)), doubles[:, 1])
    return Splits(
        replace(train, captions=told, described=described, redraw=varied, shift=shift),
        world.take(unseen_style & ~unseen_name & ~seen),
        world.take(~unseen_style & unseen_name),
        world.take(unseen_style & unseen_name),
        instead,
    )


def _told(name: str, group: int, caption: str, drop: float, rng: np.random.Generator) -> str:
    if caption == "group":
        return GROUPS[group].lower().replace("&", "and")
    words = name.split()
    kept = [word for word in words if rng.random() >= drop] if drop else words
    return " ".join(kept or [words[rng.integers(len(words))]])


def vocabulary(stand_in: bool = False) -> list[str]:
    """Return every word of a name or a group, sorted.

    Args:
        stand_in: As in `load`.

    Example:
        >>> "and" in vocabulary(stand_in=True)
        True

    Taught in chapter emoji.
    """
    world, *_ = _collection(32, stand_in)
    groups = (_told("", g, "group", 0, None) for g in range(len(GROUPS)))
    return sorted({word for phrase in (*world.names, *groups) for word in phrase.split()})


def near_doubles(stand_in: bool = False) -> list[tuple[str, str, str, str]]:
    """Return the drawings that two sets share, as (style, name, unseen style, name).

    Two pictures are one drawing where they differ by less than 0.02 of 1, root mean square, at 32 pixels.

    Args:
        stand_in: As in `load`.

    Example:
        >>> {unseen for _, _, unseen, _ in near_doubles(stand_in=True)} <= {"noto", "grey"}
        True

    Taught in chapter emoji.
    """
    world, doubles, _ = _collection(32, stand_in)
    return [(str(world.styles[i]), world.names[i], str(world.styles[j]), world.names[j]) for i, j in doubles]


def _alike(images: np.ndarray) -> np.ndarray:
    """Return the pairs of rows i < j whose pictures differ by less than `_SAME`."""
    n, size = images.shape[:2]
    small = 8 if size % 8 == 0 else size
    pixels = images.reshape(n, small, size // small, small, size // small, 3).astype(np.float32) / 255
    # Means over blocks differ by less than the pixels do: few pairs are left to be compared in full.
    coarse, found = pixels.mean(axis=(2, 4)).reshape(n, -1), []
    squares, near = (coarse**2).sum(axis=1), _SAME**2 * coarse.shape[1] + 1e-3
    for start in range(0, n, 512):
        block = slice(start, start + 512)
        apart = squares[block, None] + squares - 2 * coarse[block] @ coarse.T
        found += [(start + i, j) for i, j in zip(*np.nonzero(apart < near), strict=True) if start + i < j]
    rows = np.array(found, int).reshape(-1, 2)
    flat = images.reshape(n, -1)
    differ = [np.mean((flat[i] / 255.0 - flat[j] / 255.0) ** 2) for i, j in rows]
    return rows[np.array(differ, float) < _SAME**2]


def _held_out(concepts: np.ndarray) -> np.ndarray:
    """Return which rows show one of the concepts that are kept from training: the same on every machine."""
    digest = {c: hashlib.sha256(c.encode()).digest()[0] for c in set(concepts.tolist())}
    return np.array([digest[c] % _HELD_OUT == 0 for c in concepts.tolist()])


@lru_cache(maxsize=2)
def _collection(size: int, stand_in: bool) -> tuple[Emoji, np.ndarray, str]:
    """Return all pictures, the unseen style last; their `near_doubles`, by row; and what stands in, or ""."""
    made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]  # it holds the files' hashes, too
    kept = download.cache_folder() / f"emoji-{size}-{made_by}.npz"
    with contextlib.suppress(Exception):  # not there, or damaged, which zip tells in many ways: made anew
        with np.load(kept, allow_pickle=False) as columns:
            return *_of_columns(columns), ""
    files = {style: FILES.read(f"{style}.json") for style in STYLES}
    missing = [reason for content, reason in files.values() if content is None]
    if not missing:
        packed, columns = io.BytesIO(), _columns(files, size)
        np.savez_compressed(packed, **columns)
        with contextlib.suppress(OSError):  # a cache that cannot be written costs ten seconds the next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            output.write_whole(kept, packed.getvalue())
        return *_of_columns(columns), ""
    if not stand_in:
        raise FileNotFoundError(
            f"the emoji cannot be had: {missing[0]}; name a folder that holds {FILES.folder}/ in "
            "MGAPLIB_DATA, or pass stand_in=True"
        )
    instead = f"ShapeWorld's pictures in five renderings, because {missing[0]}"
    _say(
        f"Shown instead of emoji: {instead}. What a page says of emoji and of whose they are is not of these."
    )
    shapes = _shapes(32)
    doubles = _across(_alike(shapes.images), shapes.styles)
    return shapes if size == 32 else _shapes(size), doubles, instead


@cache
def _say(sentence: str) -> None:
    """Print a sentence, once in a process."""
    print(sentence)


def _of_columns(columns) -> tuple[Emoji, np.ndarray]:
    names = columns["names"].tolist()
    world = Emoji(
        columns["images"], names, names, columns["groups"], columns["styles"], columns["codes"].tolist(),
        columns["concepts"], np.arange(len(names)),
    )  # fmt: skip
    return world, columns["doubles"]


def _columns(files: dict[str, tuple[bytes, str]], size: int) -> dict[str, np.ndarray]:
    """Return what `Emoji` holds of every picture in these files."""
    sets = {style: _read(style, content) for style, (content, _) in files.items()}
    icons = [(style, name) for style, icons in sets.items() for name in _shown(icons)]
    if shows_nothing := sorted(sets.keys() - {style for style, _ in icons}):
        raise ValueError(f"{shows_nothing[0]}.json holds no picture in a group of emoji; fetch it anew")
    plain = np.stack([_drawn(sets[style], name, 32, f"{style}.json's {name!r}") for style, name in icons])
    visible = plain.min(axis=(1, 2, 3)) < 250  # white on nothing shows nothing on white
    plain, icons = plain[visible], [icon for icon, seen in zip(icons, visible, strict=True) if seen]
    images = plain if size == 32 else np.stack([_drawn(sets[s], name, size, name) for s, name in icons])
    alias, codes = {}, {}
    for of in sets.values():
        codes |= {name: code for code, name in of.get("chars", {}).items()}
        alias |= {name: to["parent"] for name, to in of.get("aliases", {}).items() if set(to) == {"parent"}}
    styles, keys = (np.array(column) for column in zip(*icons, strict=True))
    alike = _alike(plain)
    concepts = _concepts(keys, alias, alike)
    of_concept = {c: codes[k] for k, c in zip(keys.tolist(), concepts.tolist(), strict=True) if k in codes}
    return {
        "images": images,
        "names": np.array([key.replace("-", " ") for key in keys.tolist()]),
        "groups": _groups(sets, icons),
        "styles": styles,
        "codes": np.array(
            [
                codes.get(k) or of_concept.get(c, "")
                for k, c in zip(keys.tolist(), concepts.tolist(), strict=True)
            ]
        ),
        "concepts": concepts,
        "doubles": _across(alike, styles),
    }


def _across(alike: np.ndarray, styles: np.ndarray) -> np.ndarray:
    """Return the pairs of rows of which only the second is of the last, unseen, style."""
    unseen = styles == styles[-1]
    return alike[~unseen[alike[:, 0]] & unseen[alike[:, 1]]]


def _read(style: str, content: bytes) -> dict:
    """Return a set's JSON, or say what is wrong with it."""
    try:
        of = json.loads(content)
        icons, aliases = list(of["icons"].values()), of.get("aliases", {}).values()
        texts = [icon["body"] for icon in icons] + list(of.get("chars", {}).values())
        texts += [to["parent"] for to in aliases] + [n for names in of["categories"].values() for n in names]
        sides = [v[k] + 0.0 for v in (of, *icons) for k in ("width", "height") if k in v]
        corners = [v[k] + 0.0 for v in (of, *icons) for k in ("left", "top") if k in v]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text is none")
        if not all(0 < v < 1e6 for v in sides) or not all(abs(v) < 1e6 for v in corners):
            raise ValueError("a picture has no size")
        return of
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{style}.json is no set of icons as Iconify writes them ({error!r:.80}); fetch it anew"
        ) from error


def _shown(of: dict) -> list[str]:
    """Return the names of a set's pictures without skin tones, country flags and hidden ones."""
    categories = {name: group for group, names in of["categories"].items() for name in names}
    country = {name for name, group in categories.items() if group == "Flags" and name.startswith("flag-")}
    return [
        name
        for name, icon in of["icons"].items()
        if not icon.get("hidden") and not _SKIN.search(name) and name not in country
        and categories.get(name, "Modifiers") != "Modifiers"
    ]  # fmt: skip


def _groups(sets: dict[str, dict], icons: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return each picture's group; a set that sorts in its own way follows the others."""
    of = {s: {n: g for g, names in d["categories"].items() for n in names} for s, d in sets.items()}
    standard = {n: g for groups in of.values() for n, g in groups.items() if g in GROUPS}
    told = [of[style][name] if of[style][name] in GROUPS else standard.get(name, of[style][name])
            for style, name in icons]  # fmt: skip
    if strange := set(told) - {*GROUPS, *_OLD_GROUPS}:
        raise ValueError(f"no group of emoji is called {min(strange)!r}; fetch the sets anew")
    return np.array([GROUPS.index(g) if g in GROUPS else _OLD_GROUPS[g] for g in told])


def _concepts(names: np.ndarray, alias: dict[str, str], alike: np.ndarray) -> np.ndarray:
    """Return for each picture the first name, in the alphabet, of all that name or show the same thing."""
    from scipy.cluster.hierarchy import DisjointSet

    same = DisjointSet({*names.tolist(), *alias, *alias.values()})
    for one, other in [*alias.items(), *((names[i], names[j]) for i, j in alike)]:
        same.merge(str(one), str(other))
    first = {}
    for subset in same.subsets():
        first |= dict.fromkeys(subset, min(subset))
    return np.array([first[name] for name in names.tolist()])


def _drawn(of: dict, name: str, size: int, what: str) -> np.ndarray:
    """Return one picture on white, uint8, (size, size, 3); refuse what could fetch or run something."""
    try:
        import resvg_py
    except ImportError as error:
        raise ImportError("resvg_py draws the emoji; install it: pip install 'mgaplib[worlds]'") from error
    from PIL import Image

    icon = of["icons"][name]
    body = icon["body"]
    strange = {tag for tag in re.findall(r"<\s*/?\s*([^\s/>]+)", body)} - _DRAWN_WITH
    foreign = _REACHES_OUT.findall(html.unescape(body))
    if strange or foreign:
        raise ValueError(f"{what} holds {(sorted(strange) or foreign)[0]!r}, which is no plain drawing")
    left, top, width, height = (icon.get(k, of.get(k, d)) for k, d in _VIEW)
    side = max(width, height)  # pictures that are not square stand in the middle of one
    view = f"{left - (side - width) / 2:g} {top - (side - height) / 2:g} {side:g} {side:g}"
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    svg = f'<svg {namespaces} viewBox="{view}">{body}</svg>'
    try:
        if _depth(svg) > _DEEPEST:
            raise ValueError(f"elements lie more than {_DEEPEST} deep in one another")
        png = resvg_py.svg_to_bytes(
            svg_string=svg, width=size, height=size, background="#ffffff", skip_system_fonts=True
        )
    except (ValueError, ElementTree.ParseError) as error:
        raise ValueError(f"{what} cannot be drawn: {error}") from error
    with Image.open(io.BytesIO(bytes(png))) as picture:
        return np.asarray(picture.convert("RGB"))


def _depth(svg: str) -> int:
    """Return how many elements at most lie in one another."""
    events = ElementTree.iterparse(io.StringIO(svg), ("start", "end"))
    return max(accumulate(1 if event == "start" else -1 for event, _ in events))


def _shapes(size: int) -> Emoji:
    """Return ShapeWorld's 1,296 kinds of picture in its five renderings, in the form of the emoji."""
    options = [np.arange(len(values)) for values in shapeworld.ATTRIBUTES.values()]
    kinds = dict(zip(shapeworld.ATTRIBUTES, (k.ravel() for k in np.meshgrid(*options)), strict=True))
    n, styles = len(kinds["shape"]), shapeworld.STYLES
    images = [shapeworld.draw(n, size=size, style=s, attributes=kinds).images for s in styles]
    names = shapeworld.describe(kinds) * len(styles)
    return Emoji(
        np.concatenate(images), names, names, np.tile(kinds["position"] % len(GROUPS), len(styles)),
        np.repeat(styles, n), [""] * len(names), np.array(names), np.arange(len(names)),
    )  # fmt: skip

"""The emoji world: its splits on what can be had here, its doors on five small sets made for the purpose."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from mgaplib import models
from mgaplib.worlds import emoji

COLOURS = ("red", "blue", "green", "black", "orange", "purple", "teal", "navy", "gold", "brown")
FORMS = {
    "circle": '<circle cx="8" cy="8" r="{r}" fill="{c}"/>',
    "square": '<rect x="{r}" y="{r}" width="8" height="8" fill="{c}"/>',
    "triangle": '<path d="M8 {r}L14 14H2z" fill="{c}"/>',
}


def icon_set(style: int) -> dict:
    """Return a set of thirty icons in Iconify's form; each style draws them a little otherwise."""
    bodies = {
        f"{colour}-{form}": body.format(r=2 + style, c=colour)
        for colour in COLOURS
        for form, body in FORMS.items()
    }
    return {
        "icons": {name: {"body": body} for name, body in bodies.items()},
        "categories": {"Symbols": list(bodies)},
        "width": 16,
        "height": 16,
    }


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """Write five sets into a mirror, with their hashes known; returns a function that changes one first."""
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MGAPLIB_DATA", str(tmp_path / "data"))
    emoji._collection.cache_clear()
    emoji._say.cache_clear()
    folder = tmp_path / "data" / emoji.FILES.folder
    folder.mkdir(parents=True)

    def write(change=lambda style, of: of):
        hashes = {}
        for i, style in enumerate(emoji.STYLES):
            content = change(style, icon_set(i))
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / f"{style}.json").write_bytes(content)
            hashes[f"{style}.json"] = hashlib.sha256(content).hexdigest()
        files = dataclasses.replace(emoji.FILES, url="http://127.0.0.1:9/", sha256=hashes)
        monkeypatch.setattr(emoji, "FILES", files)
        return folder

    yield write
    emoji._collection.cache_clear()


def changed(body: str):
    """Return a change that gives the first set's red circle another body."""

    def change(style, of):
        if style == emoji.STYLES[0]:
            of["icons"]["red-circle"]["body"] = body
        return of

    return change


@pytest.fixture(scope="module")
def world():
    return emoji.load(stand_in=True)


def test_a_concept_lies_on_one_side_only(world):
    seen = set(world.train.concepts)
    assert set(world.style.concepts) <= seen
    assert not seen & (set(world.names.concepts) | set(world.both.concepts))
    assert set(world.both.styles) == set(world.style.styles)
    assert not set(world.style.styles) & set(world.train.styles)


def test_a_tenth_of_the_concepts_is_kept_from_training(world):
    kept, seen = set(world.names.concepts), set(world.train.concepts)
    assert 0.07 < len(kept) / (len(kept) + len(seen)) < 0.13


def test_pictures_names_and_groups_go_together(world):
    for part in world[:4]:
        assert part.images.shape == (len(part), 32, 32, 3) and part.images.dtype == np.uint8
        assert len(part.names) == len(part.groups) == len(part.styles) == len(part.codes) == len(part)
        assert part.captions == part.names and (part.described == np.arange(len(part))).all()
        assert set(part.groups.tolist()) <= set(range(len(emoji.GROUPS)))


def test_the_vocabulary_holds_every_word(world):
    words = set(emoji.vocabulary(stand_in=True))
    assert {w for part in world[:4] for name in part.names for w in name.split()} <= words


def test_no_test_picture_is_a_drawing_of_the_training_styles(world):
    flat = [part.images.reshape(len(part), -1) / np.float32(255) for part in (world.train, world.style)]
    squares = [(rows**2).sum(axis=1) for rows in flat]
    apart = (squares[0][:, None] + squares[1] - 2 * flat[0] @ flat[1].T) / flat[0].shape[1]
    assert apart.min() > (0.02 - 1e-3) ** 2


def test_dropped_words_leave_one_and_come_from_the_name():
    train = emoji.load(drop=0.6, seed=1, stand_in=True).train
    for caption, name in zip(train.captions, train.names, strict=True):
        assert caption and set(caption.split()) <= set(name.split())
    kept = sum(len(c.split()) for c in train.captions) / sum(len(n.split()) for n in train.names)
    assert 0.4 < kept < 0.65  # one word stays always


def test_group_captions_tell_the_group_only(world):
    train = emoji.load(caption="group", stand_in=True).train
    assert len(set(train.captions)) <= len(emoji.GROUPS)
    assert train.captions[0] == emoji.GROUPS[train.groups[0]].lower().replace("&", "and")


def test_mismatched_pairs_tell_another_picture(world):
    train = emoji.load(mismatched=0.25, stand_in=True).train
    wrong = train.described != np.arange(len(train))
    assert wrong.sum() == round(0.25 * len(train))
    assert train.captions == [train.names[i] for i in train.described]
    assert emoji.load(mismatched=0.25, stand_in=True).train.captions == train.captions
    assert emoji.load(mismatched=0.25, seed=1, stand_in=True).train.captions != train.captions


def test_captions_drawn_anew_change_with_the_epoch_and_repeat_with_the_run(world):
    clip = models.wrap(models.mini_clip(width=16, words=emoji.vocabulary(stand_in=True)))
    runs = []
    for _ in range(2):
        train = emoji.load(drop=0.5, redrawn=True, stand_in=True).train
        data = train.to_torch(clip)
        runs.append([data[np.arange(len(train))][1] for _ in range(3)])
    first, again = runs
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_pictures_are_moved_by_no_more_than_the_shift_and_keep_their_captions(world):
    clip = models.wrap(models.mini_clip(width=16, words=emoji.vocabulary(stand_in=True)))
    fixed = world.train.to_torch(clip)[np.arange(64)]
    moved = emoji.load(shift=2, stand_in=True).train.to_torch(clip)[np.arange(64)]
    assert (moved[1] == fixed[1]).all() and (moved[0] != fixed[0]).any()
    for one, other in zip(moved[0], fixed[0], strict=True):
        edged = np.pad(other.numpy(), ((0, 0), (2, 2), (2, 2)), mode="edge")
        places = [edged[:, y : y + 32, x : x + 32] for y in range(5) for x in range(5)]
        assert any((one.numpy() == place).all() for place in places)


def test_a_taken_pair_keeps_what_it_describes(world):
    train = emoji.load(mismatched=0.5, stand_in=True).train
    some = train.take(train.described == np.arange(len(train)))
    assert (some.described == np.arange(len(some))).all() and some.captions == some.names


def test_pictures_are_made_once_and_kept_whole(mirror, monkeypatch, tmp_path):
    mirror()
    first = emoji.load(size=16)
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1 and kept[0].suffix == ".npz"
    emoji._collection.cache_clear()
    monkeypatch.setattr(emoji, "_drawn", None)  # a second drawing would fail
    np.testing.assert_array_equal(emoji.load(size=16).train.images, first.train.images)


def test_a_damaged_cache_is_made_anew(mirror, tmp_path):
    mirror()
    first = emoji.load(size=16).train
    kept = next((tmp_path / "cache").iterdir())
    whole, rng, damaged = kept.read_bytes(), np.random.default_rng(0), []
    damaged += [b"", whole[:500], whole[:-20], b"\x93NUMPY" + whole[6:], b"PK" + bytes(200)]
    for at in rng.integers(len(whole), size=(20, 3)):
        flipped = np.frombuffer(whole, np.uint8).copy()
        flipped[at] ^= 0x55
        damaged.append(flipped.tobytes())
    for content in damaged:
        kept.write_bytes(content)
        emoji._collection.cache_clear()
        again = emoji.load(size=16).train
        np.testing.assert_array_equal(again.images, first.images)
        assert again.names == first.names and (again.concepts == first.concepts).all()


@pytest.mark.parametrize("what", ["a folder in its place", "a file for a cache"])
def test_a_cache_that_cannot_be_kept_costs_time_only(mirror, tmp_path, what):
    mirror()
    first = emoji.load(size=16).train.images
    kept = next((tmp_path / "cache").iterdir())
    kept.unlink()
    if what == "a folder in its place":
        kept.mkdir()
    else:
        kept.parent.rmdir()
        kept.parent.write_text("taken")
    emoji._collection.cache_clear()
    np.testing.assert_array_equal(emoji.load(size=16).train.images, first)


def test_a_colour_is_where_it_was_drawn(mirror):
    mirror(changed('<path d="M0 0H16V8H0z" fill="#ff0000"/>'))
    world = emoji.load(size=16)
    red = next(
        part.images[i]
        for part in world[:4]
        for i, name in enumerate(part.names)
        if name == "red circle" and part.styles[i] == emoji.STYLES[0]
    )
    assert (red[:7] == [255, 0, 0]).all() and (red[9:] == 255).all()


def test_the_same_drawing_in_the_unseen_style_leaves_the_test(mirror):
    def copied(style, of):
        if style == emoji.UNSEEN:
            of["icons"]["red-circle"] = icon_set(0)["icons"]["red-circle"]
        return of

    mirror(copied)
    assert (emoji.STYLES[0], "red circle", emoji.UNSEEN, "red circle") in emoji.near_doubles()
    assert "red circle" not in emoji.load().style.names


def test_an_alias_is_no_other_concept(mirror):
    def renamed(style, of):
        if style == emoji.STYLES[1]:
            of["icons"]["crimson-disc"] = of["icons"].pop("red-circle")
            of["categories"]["Symbols"] = list(of["icons"])
            of["aliases"] = {"red-circle": {"parent": "crimson-disc"}}
        return of

    mirror(renamed)
    parts = [p for p in emoji.load()[:4] if "red circle" in p.names or "crimson disc" in p.names]
    concepts = {str(c) for p in parts for n, c in zip(p.names, p.concepts, strict=True) if "red c" in n}
    concepts |= {str(c) for p in parts for n, c in zip(p.names, p.concepts, strict=True) if "disc" in n}
    assert concepts == {"crimson-disc"}


def test_what_shows_nothing_on_white_skin_tones_hidden_icons_and_country_flags_are_left_out(mirror):
    def more(style, of):
        for name in ("hand-medium-dark", "hand-dark-skin-tone", "flag-of-norway", "ghost", "secret"):
            of["icons"][name] = {"body": '<circle cx="8" cy="8" r="4" fill="red"/>'}
        of["icons"]["ghost"]["body"] = '<circle cx="8" cy="8" r="4" fill="#fff"/>'
        of["icons"]["secret"]["hidden"] = True
        of["categories"]["Objects"] = ["hand-medium-dark", "hand-dark-skin-tone", "ghost", "secret"]
        of["categories"]["Flags"] = ["flag-of-norway"]
        return of

    mirror(more)
    names = {name for part in emoji.load(size=16)[:4] for name in part.names}
    assert names == {f"{c} {f}" for c in COLOURS for f in FORMS}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<script>alert(1)</script>", "script"),
        ('<image href="http://127.0.0.1:9/a.png"/>', "image"),
        ('<use href="file:///etc/passwd#a"/>', "file:"),
        ('<use xlink:href="&#104;ttp://127.0.0.1:9/a.svg#b"/>', "http"),
        ('<path fill="url(http://127.0.0.1:9/#a)"/>', "url"),
        ('<path style="fill:url( https://127.0.0.1:9/x )"/>', "url"),
        ("<foreignObject/>", "foreignObject"),
        ("<style>@import 'x.css'</style>", "style"),
        ('<g onload="x()"/>', "onload"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><g/>', "!DOCTYPE"),
    ],
)
def test_a_picture_that_could_fetch_or_run_something_is_refused(mirror, body, found):
    mirror(changed(body))
    with pytest.raises(ValueError, match=r"emojione.json's 'red-circle'.*no plain drawing") as error:
        emoji.load(size=16)
    assert found in str(error.value)


@pytest.mark.parametrize(
    "body", ["<g>", "<g/>\0", "<g/>&lol;", "<g" + " a='1'" * 2 + "/>", "<g>" * 9999 + "</g>" * 9999]
)  # the last ends the process where it is drawn
def test_a_picture_that_is_no_svg_is_named(mirror, body):
    mirror(changed(body))
    with pytest.raises(ValueError, match=r"emojione.json's 'red-circle' cannot be drawn"):
        emoji.load(size=16)


def test_elements_that_multiply_themselves_are_refused(mirror):
    tens = [f'<g id="a{i + 1}">{f"""<use href="#a{i}"/>""" * 10}</g>' for i in range(8)]
    mirror(changed(f'<defs><g id="a0"/>{"".join(tens)}</defs><use href="#a8"/>'))
    with pytest.raises(ValueError, match="cannot be drawn"):
        emoji.load(size=16)


@pytest.mark.parametrize(
    "content",
    [
        b"{}", b'{"icons": {"a": 3}}', b"[1", b"NaN", b"[" * 200_000, {"categories": ["Symbols"]},
        {"aliases": [1]}, {"aliases": {"a": {"parent": 3}}}, {"chars": {"1f600": ["a"]}}, {"width": "16px"},
        {"width": 0}, {"left": float("nan")}, {"icons": [{"body": ""}]},
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named(mirror, content):
    def change(style, of):
        return of if style != "noto" else content if isinstance(content, bytes) else of | content

    mirror(change)
    with pytest.raises(ValueError, match="noto.json is no set of icons"):
        emoji.load(size=16)


@pytest.mark.parametrize("of", [{"icons": {}}, {"categories": {"Symbols": ["nothing"]}}])
def test_a_set_without_pictures_is_named(mirror, of):
    mirror(lambda style, whole: whole | of if style == "noto" else whole)
    with pytest.raises(ValueError, match="noto.json holds no picture"):
        emoji.load(size=16)


def test_an_unknown_group_is_named(mirror):
    mirror(lambda style, of: of | {"categories": {"Weird": list(of["icons"])}})
    with pytest.raises(ValueError, match="no group of emoji is called 'Weird'"):
        emoji.load(size=16)


def test_a_truncated_file_is_named(mirror):
    folder = mirror()
    (folder / "noto.json").write_bytes((folder / "noto.json").read_bytes()[:100])
    with pytest.raises(OSError, match="noto.json is damaged or truncated"):
        emoji.load(size=16)


def test_without_the_files_shapes_stand_in_and_say_so(mirror, capsys):
    folder = mirror()
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match="the emoji cannot be had.*stand_in=True"):
        emoji.load(size=16)
    world = emoji.load(size=16, stand_in=True)
    emoji.load(size=24, stand_in=True)
    assert "ShapeWorld" in world.stand_in and capsys.readouterr().out.count("Shown instead of emoji") == 1
    assert len(set(world.train.styles)) == 4 and len(world.style) > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"caption": "nam"}, "did you mean 'name'"),
        ({"drop": 1.5}, "drop is 1.5; pass a share"),
        ({"drop": float("nan")}, "drop is nan; pass a share"),
        ({"mismatched": -0.1}, "mismatched is -0.1; pass a share"),
        ({"mismatched": None}, "mismatched is None; pass a share"),
        ({"size": 4}, "size is 4; pass a whole number from 8"),
        ({"size": 24.5}, "size is 24.5; pass a whole number"),
        ({"size": 10_000}, "size is 10000; .* to 256"),
        ({"shift": -1}, "shift is -1; a picture of 32 pixels moves by 0 to 31"),
        ({"shift": 1.5}, "shift is 1.5"),
        ({"seed": -1}, "seed is -1; pass a whole number from 0 on"),
        ({"seed": "a"}, "seed is 'a'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        emoji.load(**options, stand_in=True)

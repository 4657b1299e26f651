import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import models
from mgaplib.models import WordTokenizer
from mgaplib.worlds import shapeworld
from mgaplib.worlds.shapeworld import ATTRIBUTES, SPLITS, STYLES, SYNONYMS


def test_twenty_thousand_pictures_are_drawn_in_one_call():  # how fast, benchmarks/training.py says
    world = shapeworld.draw(20_000)
    assert len(world.captions) == 20_000
    assert world.images.shape == (20_000, 32, 32, 3) and world.images.dtype == np.uint8


def test_the_same_seed_draws_the_same_world_and_another_seed_or_split_another():
    same = shapeworld.draw(20, seed=3), shapeworld.draw(20, seed=3)
    assert (same[0].images == same[1].images).all() and same[0].captions == same[1].captions
    others = [shapeworld.draw(20, seed=4), *(shapeworld.draw(20, seed=3, split=s) for s in SPLITS[1:])]
    assert all((other.images != same[0].images).any() for other in others)
    assert all(other.captions != same[0].captions for other in others)


def test_a_caption_says_what_the_picture_shows():
    world = shapeworld.draw(50, omit=0)
    for i, caption in enumerate(world.captions):
        said = {name: ATTRIBUTES[name][world.attributes[name][i]] for name in ATTRIBUTES}
        assert caption == f"a {said['size']} {said['colour']} {said['shape']} at the {said['position']}"


@pytest.mark.parametrize("size", [8, 24, 33])
def test_the_shape_lies_where_the_position_says_at_any_size(size):
    world = shapeworld.draw(60, size=size, attributes={"colour": "blue", "size": "medium"})
    ink = 255.0 - world.images[..., 0]  # blue ink takes the red away
    ink -= ink.min(axis=(1, 2), keepdims=True)
    axis = (np.arange(size) + 0.5) * 2 / size - 1
    x = (ink.sum(axis=1) * axis).sum(axis=1) / ink.sum(axis=(1, 2))
    y = (ink.sum(axis=2) * axis).sum(axis=1) / ink.sum(axis=(1, 2))
    words = np.array([ATTRIBUTES["position"][p] for p in world.attributes["position"]])
    for word, value in (("left", x), ("right", -x), ("top", y), ("bottom", -y)):
        there = np.array([word in w for w in words])
        assert (value[there] < -0.2).all() and (value[~there] > -0.3).all()


def test_edges_are_smooth():
    world = shapeworld.draw(1, size=64, attributes={"shape": "circle", "colour": "blue", "size": "large"})
    assert len(np.unique(world.images[..., 0])) > 20


def test_larger_words_mean_more_ink():
    ink = []
    for size in ATTRIBUTES["size"]:
        images = shapeworld.draw(
            50, attributes={"size": size, "shape": "square", "colour": "blue"}
        ).images.astype(float)
        ink.append((images.max(axis=(1, 2)) - images.mean(axis=(1, 2)))[:, 0].mean())
    assert ink[0] < ink[1] < ink[2]


def test_minimal_pairs_differ_in_the_fixed_attribute_only():
    red, green = (shapeworld.draw(10, seed=1, attributes={"colour": c}) for c in ("red", "green"))
    changed = (red.images != green.images).any(axis=-1).mean(axis=(1, 2))
    assert (changed > 0).all() and (changed < 0.5).all()
    assert [c.replace("red", "green") for c in red.captions] == green.captions


def test_captions_mention_what_they_are_asked_to():
    world = shapeworld.draw(30, mention=["colour"], omit=0)
    assert all(c.split()[1] in ATTRIBUTES["colour"] and c.endswith(" shape") for c in world.captions)
    assert shapeworld.draw(1, mention=[]).captions == ["a shape"]


@given(omit=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_captions_omit_the_share_they_are_asked_to(omit):
    world = shapeworld.draw(2000, size=8, omit=omit)
    share = np.mean([not any(c in caption for c in ATTRIBUTES["colour"]) for caption in world.captions])
    assert abs(share - omit) < 0.05


def test_synonyms_take_the_place_of_the_words_and_leave_the_pictures_alone():
    plain, other = shapeworld.draw(200, omit=0), shapeworld.draw(200, omit=0, synonyms=1)
    assert (plain.images == other.images).all()
    words = {word for caption in other.captions for word in caption.split()}
    assert not words & set(SYNONYMS) and words & set(SYNONYMS.values())


@given(n=st.integers(2, 60), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_exactly_the_mismatched_share_gets_another_pictures_caption(n, share):
    world = shapeworld.draw(n, size=8, mismatched=share, omit=0)
    wrong = world.described != np.arange(n)
    asked = round(share * n)
    assert wrong.sum() == (asked if asked > 1 else 0)  # one alone has nobody to swap with
    assert sorted(world.described) == list(range(n))
    right = shapeworld.draw(n, size=8, omit=0)
    assert world.captions == [right.captions[i] for i in world.described]


def test_frequencies_are_those_asked_for():
    world = shapeworld.draw(4000, size=8, frequencies={"colour": {"red": 3, "blue": 1}})
    share = np.bincount(world.attributes["colour"], minlength=8) / 4000
    assert share[0] == pytest.approx(0.75, abs=0.03) and share[[0, 2]].sum() == 1


@pytest.mark.parametrize("style", STYLES)
def test_every_style_draws_another_picture_of_the_same_thing(style):
    plain, styled = shapeworld.draw(20, seed=2), shapeworld.draw(20, seed=2, style=style)
    assert plain.captions == styled.captions
    assert (style == "plain") == bool((plain.images == styled.images).all())
    if style == "grey":
        assert (styled.images[..., 0] == styled.images[..., 1]).all()


def test_the_vocabulary_holds_every_caption_and_the_tokenizer_is_called_as_open_clips_are():
    model = models.load_clip("MiniCLIP-24")
    captions = [*shapeworld.draw(300).captions, *shapeworld.draw(300, synonyms=1).captions]
    ids = model.tokenizer(captions)
    assert ids.dtype == torch.long and ids.shape == (600, 16)
    assert (ids.argmax(dim=1) == (ids > 0).sum(dim=1) - 1).all()  # the end has the largest id
    assert [model.tokenizer.decode(row) for row in ids] == captions
    assert model.tokenizer("a red circle").shape == (1, 16)
    assert model.tokenizer(["a red circle"], context_length=4)[0, -1] == model.tokenizer.eot


def test_a_world_becomes_a_torch_dataset():
    data = shapeworld.draw(5, size=24).to_torch(models.load_clip("MiniCLIP-24"))
    pixels, tokens = data[0]
    assert isinstance(data, torch.utils.data.Dataset) and len(data) == 5
    assert pixels.shape == (3, 24, 24) and tokens.shape == (16,)
    assert -1 <= pixels.min() and pixels.max() <= 1


def test_an_unknown_word_names_the_nearest():
    with pytest.raises(ValueError, match="unknown word 'circel'; did you mean 'circle'"):
        WordTokenizer(["circle", "square"])("circel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "gray"}, "did you mean 'grey'"),
        ({"split": "vall"}, "did you mean 'val'"),
        ({"mention": ["color"]}, "did you mean 'colour'"),
        ({"frequencies": {"colour": {"rde": 1}}}, "did you mean 'red'"),
        ({"frequencies": {"colour": {"red": -1}}}, "non-negative"),
        ({"attributes": {"shape": "star"}}, "unknown shape"),
        ({"attributes": {"shape": np.array([0, 9])}}, "2 indices below 6"),
        ({"mismatched": 1.5}, "share between 0 and 1"),
        ({"omit": -0.1}, "share between 0 and 1"),
        ({"size": 4}, "at least 1 picture of 8 pixels"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        shapeworld.draw(2, **options)


def test_chance_needs_a_generator():
    with pytest.raises(ValueError, match="pass rng"):
        shapeworld.describe({"shape": np.array([0])}, ["shape"], omit=0.5)


@pytest.mark.parametrize(("words", "length"), [(["a", "a"], 16), (["a"], 2)])
def test_a_tokenizer_refuses_double_words_and_short_contexts(words, length):
    with pytest.raises(ValueError, match="twice|at least 3"):
        WordTokenizer(words, length)

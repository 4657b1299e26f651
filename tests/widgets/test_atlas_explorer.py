"""The AtlasExplorer's Python side: its numbers are the library's, and many models fit a page."""

import json
import re

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets import embed

from mgaplib import landscape, metrics
from mgaplib.pairs import Pairs
from mgaplib.widgets import AtlasExplorer


def draw_pairs(seed=0, n=30, d=8, apart=1.0):
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, d))
    return Pairs(*(meaning + 0.6 * rng.normal(size=(n, d)) + side * apart for side in (1, -1)))


def gram_of(pairs):
    rows = np.concatenate([pairs.images, pairs.texts])
    return rows @ rows.T


@pytest.fixture(scope="module")
def models():
    return {"far": draw_pairs(0), "near": draw_pairs(1, apart=0.3), "third": draw_pairs(2)}


@pytest.fixture(scope="module")
def atlas(models):
    return AtlasExplorer(models)


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-1, 1.5), left=st.sampled_from(["far", "near", "third"]))
def test_metrics_are_the_librarys_at_every_setting(atlas, models, shift, left):
    atlas.left, atlas.shift = left, shift
    moved = landscape.shift(models[left], None, shift)
    assert atlas.metrics["left"] == {
        "gap": metrics.modality_gap(*moved),
        "relative_modality_gap": metrics.relative_modality_gap(*moved),
        "recall_image_to_text": metrics.recall_at_k(*moved),
        "recall_text_to_image": metrics.recall_at_k(*moved[::-1]),
    }


def test_pairs_two_arrays_and_cosines_mean_the_same(models):
    pairs = models["far"]
    same = AtlasExplorer({"a": pairs, "b": (pairs.images, pairs.texts), "c": gram_of(pairs)}, right="c")
    assert same.metrics["right"] == pytest.approx(same.metrics["left"])
    same.right = "b"
    assert same.metrics["right"] == pytest.approx(same.metrics["left"])


def test_models_of_the_same_captions_share_an_order_captions_and_pictures():
    three = {name: draw_pairs(k, n=12) for k, name in enumerate("abc")}
    words, others = [f"w{k}" for k in range(12)], [f"o{k}" for k in range(12)]
    pictures = np.zeros((12, 8, 8, 3), np.uint8)
    atlas = AtlasExplorer(three, captions={"a": words, "b": others, "c": words}, pictures={"c": pictures})
    sets = atlas.data["sets"]
    assert [s["captions"][0] for s in sets] == ["w0", "o0"]
    assert ["pictures" in s for s in sets] == [True, False]
    assert {m["name"]: m["set"] for m in atlas.data["models"]} == {"a": 0, "b": 1, "c": 0}
    assert all(sorted(s["order"]) == list(range(12)) for s in sets)


def test_like_stands_by_like():
    rng = np.random.default_rng(0)
    kinds = np.arange(24) % 3
    rows = 5 * np.eye(6)[kinds] + 0.3 * rng.normal(size=(24, 6))
    pairs = Pairs(rows + np.eye(6)[5], rows - np.eye(6)[5])
    [shared] = AtlasExplorer({"a": pairs, "b": pairs}).data["sets"]
    sorted_kinds = kinds[shared["order"]]
    assert np.count_nonzero(np.diff(sorted_kinds)) == 2  # each kind in one piece


def test_cosines_travel_in_16_bits_across_and_8_within(atlas, models):
    data, pairs = atlas.data["models"][0], models["far"]
    for name, kind, exact in (
        ("cross", "<i2", (pairs.images @ pairs.texts.T).ravel()),
        (
            "within",
            "u1",
            np.concatenate([(s @ s.T)[np.triu_indices(len(s), 1)] for s in (pairs.images, pairs.texts)]),
        ),
    ):
        sent = data[name]["centre"] + data[name]["step"] * np.frombuffer(data[name]["levels"], kind)
        assert np.abs(sent - exact).max() <= data[name]["step"] * 0.51
    assert data["cross"]["step"] < 4e-5 and data["within"]["step"] < 0.01


def test_twenty_one_models_of_a_hundred_pairs_fit_a_page():
    pairs = draw_pairs(n=100, d=32)
    atlas = AtlasExplorer({str(k): pairs for k in range(21)})
    assert len(json.dumps(embed.dependency_state([atlas], drop_defaults=False))) < 1_100_000


def test_tries_are_checked_and_leave_the_settings_as_they_were(models):
    atlas = AtlasExplorer(models, tries=[("closed", {"shift": 0.5, "left": "third"}, "They meet.")])
    assert (atlas.left, atlas.shift) == ("far", 0.0)
    assert atlas.tries == [
        {"label": "closed", "state": {"shift": 0.5, "left": "third"}, "sentence": "They meet."}
    ]


def test_shows_a_picture_and_a_sentence(atlas):
    bundle, _ = atlas._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBORw0KGgo") and len(bundle["image/png"]) < 200_000
    assert "3 models" in bundle["text/plain"]


BAD = {
    "one model": (lambda m: ({"a": m["far"]}, {}), ValueError, "two models or more"),
    "a list": (lambda m: (list(m.values()), {}), ValueError, "dict"),
    "no gram": (lambda m: ({**m, "bad": np.ones((4, 6))}, {}), ValueError, "model 'bad': gram has shape"),
    "integers": (lambda m: ({**m, "bad": ([[1, 2]], [[2, 1]])}, {}), TypeError, "model 'bad'"),
    "no gap": (lambda m: ({**m, "bad": (m["far"].images,) * 2}, {}), ValueError, "'bad'.*same centroid"),
    "too many": (lambda m: ({**m, "bad": draw_pairs(n=201)}, {}), ValueError, "201 pairs; pass at most 200"),
    "groups": (
        lambda m: ({**m, "bad": Pairs(m["far"].images, m["far"].texts, groups=np.arange(30) // 2)}, {}),
        ValueError,
        "'bad' has groups",
    ),
    "captions": (lambda m: (m, {"captions": ["a"]}), ValueError, "captions has 1 entries"),
    "captions of whom": (lambda m: (m, {"captions": {"fat": []}}), ValueError, "did you mean 'far'"),
    "pictures": (lambda m: (m, {"pictures": np.zeros((30, 8, 8), np.uint8)}), ValueError, "pictures has"),
    "no such model": (lambda m: (m, {"left": "fat"}), traitlets.TraitError, "left.*did you mean 'far'"),
    "no such pair": (lambda m: (m, {"pair": 30}), traitlets.TraitError, "pair is 30; pass 0 to 29"),
    "a shift beyond": (lambda m: (m, {"shift": 2.0}), traitlets.TraitError, "shift is 2.0"),
    "a try of nothing": (lambda m: (m, {"tries": ["x"]}), ValueError, "tries holds 'x'; pass a label"),
    "a try of tau": (
        lambda m: (m, {"tries": [("x", {"tau": 1}, "y")]}),
        ValueError,
        "setting in tries 'tau'",
    ),
    "a name": (lambda m: (m, {"name": "a b"}), traitlets.TraitError, "name is 'a b'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named(models, kind):
    build, error, message = BAD[kind]
    given_models, options = build(models)
    with pytest.raises(error, match=message):
        AtlasExplorer(given_models, **options)


def test_front_end_asks_no_host_and_writes_no_html(atlas):
    assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|eval\(", atlas._esm)

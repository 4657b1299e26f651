"""The GapExplorer's Python side: its numbers are the library's, and what it sends suffices for a browser."""

import io
import json
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets import embed
from PIL import Image

from mgaplib import landscape, metrics
from mgaplib.book import plots
from mgaplib.pairs import Pairs
from mgaplib.widgets import GapExplorer
from mgaplib.widgets.gap_explorer import CURVE_SHIFTS, SHIFTS, TAUS


def draw_pairs(n=60, d=16, seed=0):
    """Pairs like a trained model's: a shared meaning, some noise and one offset between the modalities."""
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, d))
    offset = 3 * np.eye(d)[0]
    return meaning + 0.8 * rng.normal(size=(n, d)) + offset, meaning + 0.8 * rng.normal(size=(n, d)) - offset


@pytest.fixture(scope="module")
def pairs():
    return draw_pairs()


@pytest.fixture(scope="module")
def explorer(pairs):
    return GapExplorer(*pairs)


@pytest.fixture(scope="module")
def large():
    """As many pairs, and as many dimensions, as CLIP's 500."""
    images, texts = draw_pairs(500, 64, seed=1)
    return images, texts, GapExplorer(images, texts)


def library_metrics(images, texts, shift, tau):
    x, y = landscape.shift(images, texts, shift)
    return {
        "gap": metrics.modality_gap(x, y),
        "loss": metrics.contrastive_loss(x, y, tau),
        "loss_image_to_text": metrics.contrastive_loss(x, y, tau, "image_to_text"),
        "loss_text_to_image": metrics.contrastive_loss(x, y, tau, "text_to_image"),
        "recall_image_to_text": metrics.recall_at_k(x, y),
        "recall_text_to_image": metrics.recall_at_k(y, x),
    }


def array(data, name, kind):
    return np.frombuffer(data[name], dtype=kind)


def share_at(steps, shift):
    """Look a share up as the browser does."""
    at, value = array(steps, "at", "<f8"), array(steps, "value", "<f8")
    return value[np.searchsorted(at, shift, side="right") - 1]


def saved(explorer):
    """Return what a notebook saves of the explorer: its own model and those that it refers to."""
    return embed.dependency_state([explorer], drop_defaults=False)  # its own code counts as a default


# --- the numbers


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-1, 1.5), tau=st.floats(0.005, 1))
def test_metrics_are_the_librarys_at_every_setting(explorer, pairs, shift, tau):
    explorer.shift, explorer.tau = shift, tau
    expected = library_metrics(*pairs, shift, tau)
    assert explorer.metrics == pytest.approx(expected, abs=1e-6)


def test_one_dot_a_distinct_row_however_the_groups_are_said(pairs):
    images, texts = pairs
    rng = np.random.default_rng(1)
    of_texts = np.repeat(np.arange(60), 3)
    several = texts[of_texts] + 0.5 * rng.normal(size=(180, 16))
    captions = [f"caption {i}" for i in range(180)]
    pictures = np.tile(np.arange(60, dtype=np.uint8)[:, None, None, None], (1, 8, 8, 3))
    grouped = GapExplorer(images, several, groups=of_texts, captions=captions, pictures=pictures, shift=0.2)
    with pytest.warns(UserWarning, match="images holds 60 different rows, 180 in all"):
        repeated = GapExplorer(
            images[of_texts], several, captions=captions, pictures=pictures[of_texts], shift=0.2
        )
    moved = Pairs.trusted(*landscape.shift(images, several, 0.2, groups=of_texts), grouped._land.pairs.groups)
    for explorer in (grouped, repeated):
        assert explorer.metrics["recall_image_to_text"] == metrics.recall_at_k(moved)
        assert explorer.metrics["recall_text_to_image"] == metrics.recall_at_k(moved.swapped)
        assert explorer.metrics["loss"] == pytest.approx(metrics.contrastive_loss(moved, None, 0.01))
        assert (explorer.data["n"], explorer.data["m"], explorer.data["captions"]) == (60, 180, captions)
        for name in ("gram", "p", "q", "pictures", "steps", "partners"):
            assert explorer.data[name] == grouped.data[name]
        assert "60 images and 180 texts in 60 groups" in repr(explorer) and explorer.picture()


def test_of_many_groups_as_many_are_drawn_as_have_the_cosines_of_the_pairs(pairs):
    images, texts = pairs
    of_texts = np.repeat(np.arange(60), 4)
    several = texts[of_texts] + 0.5 * np.random.default_rng(1).normal(size=(240, 16))
    captions = [f"caption {i}" for i in range(240)]
    for options in ({"groups": of_texts}, {}):
        given = (images, several) if options else (Pairs(images, several, groups=of_texts), None)
        drawn = GapExplorer(*given, captions=captions, max_pairs=40, **options)
        assert (drawn.data["n"], drawn.data["m"]) == (20, 80)
        assert "20 of 60 groups, drawn at random" in drawn.data["note"]
        numbers = [int(caption.split()[1]) for caption in drawn.data["captions"]]
        rows = np.unique(of_texts[numbers])
        few = Pairs(images[rows], several[numbers], groups=np.repeat(np.arange(20), 4))
        assert drawn.metrics["recall_text_to_image"] == metrics.recall_at_k(few.swapped)
    with pytest.raises(ValueError, match="captions has 239 entries; pass one for each of the 240"):
        GapExplorer(images, several, groups=of_texts, captions=captions[1:])


def test_the_modalities_are_called_by_their_names(pairs):
    explorer = GapExplorer(*pairs, names=("audio", "query"))
    assert explorer.data["names"] == ("audio", "query")
    assert explorer.data["plurals"] == ["audio clips", "queries"]
    assert "audio to query" in repr(explorer)


def test_zero_shot_accuracy_shifts_the_class_embeddings_with_the_texts(pairs):
    images, texts = pairs
    rng = np.random.default_rng(3)
    classes, labels = rng.normal(size=(5, 16)) - 2 * np.eye(16)[0], rng.integers(0, 5, 60)
    explorer = GapExplorer(images, texts, labels=labels, class_embeddings=classes, shift=0.35)
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (images, texts, classes)]
    gap = unit[0].mean(0) - unit[1].mean(0)
    moved = unit[2] + 0.35 * gap
    scores = (unit[0] - 0.35 * gap) @ (moved / np.linalg.norm(moved, axis=1, keepdims=True)).T
    assert explorer.metrics["zero_shot_accuracy"] == pytest.approx((scores.argmax(1) == labels).mean())
    assert (
        share_at(explorer.data["steps"]["zero_shot_accuracy"], 0.35) == explorer.metrics["zero_shot_accuracy"]
    )


def test_a_front_end_that_moves_a_slider_is_heard(explorer):
    explorer.set_state({"shift": 0.5, "tau": 0.1})  # what a message from the browser calls
    assert explorer.metrics["gap"] < 0.1
    explorer.set_state({"shift": 0.0, "tau": 0.01})


# --- what the browser is sent


@pytest.mark.parametrize("tau", [0.005, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.31, 0.5, 1.3])
def test_the_rounded_gram_gives_the_loss_to_four_decimals(large, shift, tau):
    images, texts, explorer = large
    data = explorer.data
    n = data["n"]
    gram = data["gram_centre"] + data["gram_step"] * array(data, "gram", "<i2").reshape(n, n).astype(float)
    np.fill_diagonal(gram, array(data, "own", "<f8"))
    p, q, t = array(data, "p", "<f8")[:, None], array(data, "q", "<f8"), shift * data["gap_length"]
    cosines = (gram + t * p - t * q - t * t) / np.sqrt(1 - 2 * t * p + t * t) / np.sqrt(1 + 2 * t * q + t * t)
    logits = cosines / tau
    losses = [np.log(np.exp(logits - 1 / tau).sum(axis)) + 1 / tau - np.diag(logits) for axis in (0, 1)]
    x, y = landscape.shift(images, texts, shift)
    assert np.mean(losses) == pytest.approx(metrics.contrastive_loss(x, y, tau), abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(stop=st.integers(0, len(SHIFTS) - 1), between=st.floats(0, 1))
def test_recall_steps_are_exact_at_the_stops_and_between(explorer, pairs, stop, between):
    for shift in (SHIFTS[stop], min(SHIFTS[stop] + 0.01 * between, 1.5)):
        x, y = landscape.shift(*pairs, shift)
        steps = explorer.data["steps"]
        assert share_at(steps["recall_image_to_text"], shift) == pytest.approx(metrics.recall_at_k(x, y))
        assert share_at(steps["recall_text_to_image"], shift) == pytest.approx(metrics.recall_at_k(y, x))


def test_tables_hold_the_gap_and_both_losses(explorer, pairs):
    land = landscape.ShiftLandscape(*pairs)
    squared = array(explorer.data, "squared_gaps", "<f8")
    assert np.sqrt(squared) == pytest.approx(land.modality_gap(SHIFTS), abs=1e-9)
    curves = array(explorer.data, "curves", "<f4").reshape(len(TAUS), 2, len(CURVE_SHIFTS))
    for k, way in enumerate(("image_to_text", "text_to_image")):
        assert curves[:, k].T == pytest.approx(land.loss(CURVE_SHIFTS, TAUS, direction=way), abs=1e-4)


def test_sliders_stop_at_the_settings_the_chapters_name():
    assert {-1.0, 0.0, 0.5, 1.5} <= set(SHIFTS.round(12))
    assert {0.005, 0.01, 0.02, 0.05, 0.07, 0.1, 1.0} <= set(TAUS)
    assert np.all(np.diff(TAUS) > 0)


def test_identical_captions_share_their_hits():
    images, texts = draw_pairs(6, 4)
    texts[1] = texts[0]
    explorer = GapExplorer(images, texts)
    assert explorer.metrics["recall_image_to_text"] == metrics.recall_at_k(images, texts)


def test_five_hundred_pairs_weigh_under_eight_tenths_of_a_megabyte(large):
    _, _, explorer = large
    model = saved(explorer)[explorer.model_id]
    assert len(json.dumps(model)) < 800_000
    assert {b["path"][-1] for b in model["buffers"]} >= {"gram", "own", "p", "q", "curves", "squared_gaps"}
    assert "gram" not in model["state"]["data"]  # binary values travel beside the state, not in it


def test_no_model_but_its_own_is_needed(explorer):
    state = saved(explorer)
    assert state[explorer.model_id]["model_module"] == "anywidget"
    assert all("LayoutModel" == m["model_name"] for k, m in state.items() if k != explorer.model_id)


def test_more_pairs_than_the_browser_can_follow_are_drawn_at_random_and_said():
    images, texts = draw_pairs(90)
    explorer = GapExplorer(images, texts, max_pairs=50, captions=[str(i) for i in range(90)])
    rows = [int(c) for c in explorer.data["captions"]]
    assert explorer.data["n"] == len(set(rows)) == 50
    assert explorer.data["note"].startswith("50 of 90 pairs")
    assert explorer.metrics["gap"] == pytest.approx(metrics.modality_gap(images[rows], texts[rows]))


def test_inputs_are_left_as_they_were(pairs):
    images, texts = (a.copy() for a in pairs)
    GapExplorer(images, texts)
    assert np.array_equal(images, pairs[0]) and np.array_equal(texts, pairs[1])


def test_float16_and_float32_are_welcome(pairs):
    for kind in (np.float16, np.float32):
        explorer = GapExplorer(*(a.astype(kind) for a in pairs))
        assert explorer.metrics["gap"] == pytest.approx(metrics.modality_gap(*pairs), abs=1e-2)


def test_pictures_travel_once_as_one_small_file(pairs):
    pictures = np.zeros((60, 100, 100, 3), np.uint8)
    pictures[27, :, :, 0] = 255  # red, in the second row of the sheet
    sprite = GapExplorer(*pairs, pictures=pictures).data["pictures"]
    sheet = np.asarray(Image.open(io.BytesIO(sprite["webp"])))
    assert sprite["size"] == 64 and sheet.shape == (3 * 64, 25 * 64, 3)
    red = sheet[:, :, 0].reshape(3, 64, 25, 64).mean(axis=(1, 3))
    assert np.unravel_index(red.argmax(), red.shape) == (1, 2) and np.sort(red.ravel())[-2] < 20


def test_pictures_and_captions_follow_the_pairs_that_were_drawn():
    images, texts = draw_pairs(90)
    pictures = np.zeros((90, 8, 8, 3), np.uint8) + np.arange(90, dtype=np.uint8)[:, None, None, None]
    explorer = GapExplorer(images, texts, max_pairs=50, pictures=pictures, captions=map(str, range(90)))
    sprite = explorer.data["pictures"]
    sheet = np.asarray(Image.open(io.BytesIO(sprite["webp"])).convert("L"))
    greys = sheet.reshape(2, 8, 25, 8).mean(axis=(1, 3)).ravel()
    assert greys == pytest.approx([int(caption) for caption in explorer.data["captions"]], abs=6)


# --- the picture shown where no script runs


def test_shows_a_picture_and_a_sentence_beside_the_widget(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBORw0KGgo")
    assert len(bundle["image/png"]) < 150_000
    assert "60 pairs" in bundle["text/plain"] and "gap" in bundle["text/plain"]


# --- bad input


@pytest.mark.parametrize(
    "name, value", [("shift", -1.2), ("shift", 2.0), ("tau", 0.0), ("tau", -0.1), ("tau", 3.0)]
)
def test_settings_outside_the_sliders_are_refused_and_leave_the_old_one(explorer, name, value):
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError, match=rf"{name} is {re.escape(str(value))}; pass"):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


BAD = {
    "integers": (lambda x, y: ((x.astype(int), y), {}), TypeError, "floating point"),
    "other lengths": (lambda x, y: ((x[:-1], y), {}), ValueError, "shape"),
    "nan": (lambda x, y: ((np.where(np.eye(*x.shape), np.nan, x), y), {}), ValueError, "NaN"),
    "zero row": (lambda x, y: ((np.append(x[:-1], [0 * x[0]], 0), y), {}), ValueError, "zero row"),
    "no gap": (lambda x, y: ((x, x), {}), ValueError, "same centroid"),
    "labels alone": (lambda x, y: ((x, y), {"labels": [0] * 60}), ValueError, "belong together"),
    "float labels": (
        lambda x, y: ((x, y), {"labels": [0.0] * 60, "class_embeddings": x[:3]}),
        TypeError,
        "integers",
    ),
    "too few labels": (
        lambda x, y: ((x, y), {"labels": [0], "class_embeddings": x[:3]}),
        ValueError,
        "one for each of the 60",
    ),
    "labels of no class": (
        lambda x, y: ((x, y), {"labels": [5] * 60, "class_embeddings": x[:3]}),
        ValueError,
        "class_embeddings has 3 rows",
    ),
    "classes of another width": (
        lambda x, y: ((x, y), {"labels": [0] * 60, "class_embeddings": x[:3, :4]}),
        ValueError,
        "columns",
    ),
    "too few captions": (lambda x, y: ((x, y), {"captions": ["a"]}), ValueError, "captions has 1 entries"),
    "grey pictures": (
        lambda x, y: ((x, y), {"pictures": np.zeros((60, 8, 8), np.uint8)}),
        ValueError,
        "pictures has shape",
    ),
    "one pair at most": (lambda x, y: ((x, y), {"max_pairs": 1}), ValueError, "max_pairs"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named(pairs, kind):
    build, error, message = BAD[kind]
    arguments, options = build(*pairs)
    with pytest.raises(error, match=message):
        GapExplorer(*arguments, **options)


# --- the front end


@pytest.mark.parametrize("trait", ["_esm", "_css"])
def test_front_end_asks_no_host_and_writes_no_html(explorer, trait):
    source = getattr(explorer, trait)
    assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    assert "import " not in source  # one module, nothing to fetch


def test_widgets_cost_nothing_until_they_are_used():
    code = "import sys, mgaplib.widgets as w; print('anywidget' in sys.modules, 'GapExplorer' in dir(w))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_an_unknown_widget_is_named():
    import mgaplib.widgets

    with pytest.raises(AttributeError, match="NoSuch"):
        mgaplib.widgets.NoSuch  # noqa: B018


@pytest.mark.filterwarnings("error")
def test_its_picture_keeps_its_margins_under_the_books_style(explorer):
    with plt.rc_context():
        plots.use_book_style()
        assert explorer.picture().startswith(b"\x89PNG")

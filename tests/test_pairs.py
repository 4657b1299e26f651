"""Pairs that were checked once are not checked again, cannot be changed, and measure as arrays do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import checks, corrections, landscape, metrics, report
from mgaplib.pairs import Pairs, centroid
from mgaplib.search import thresholds


def draw(n=60, d=8, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    shared, gap = rng.normal(size=(n, d)), np.eye(d)[0]
    return [(shared + rng.normal(size=(n, d)) + sign * gap).astype(dtype) for sign in (1, -1)]


@pytest.fixture
def door(monkeypatch):
    """Count what is taken to the checks, by the names that the caller gives."""
    asked, check = [], checks.embeddings
    monkeypatch.setattr(checks, "embeddings", lambda *a, **k: asked.append(a[1]) or check(*a, **k))
    return asked


MEASURED = {
    "gap_vector": metrics.gap_vector,
    "modality_gap": metrics.modality_gap,
    "modality_gap, unbiased": lambda *p: metrics.modality_gap(*p, unbiased=True),
    "relative_modality_gap": metrics.relative_modality_gap,
    "centre_angle": metrics.centre_angle,
    "alignment": metrics.alignment,
    "gap_share": metrics.gap_share,
    "linear_separability": metrics.linear_separability,
    "score_gap": metrics.score_gap,
    "uniformity_w2": metrics.uniformity_w2,
    "recall_at_k": metrics.recall_at_k,
    "contrastive_loss": lambda *p: metrics.contrastive_loss(*both(p), 0.1),
    "logit_entropy": lambda *p: metrics.logit_entropy(*both(p), 0.1),
    "mixed_partner_ranks": metrics.mixed_partner_ranks,
    "same_modality_share": metrics.same_modality_share,
    "gap_report": lambda *p: metrics.gap_report(*p)[["value", "low", "high"]].fillna(-1).to_numpy(),
    "landscape": lambda *p: landscape.ShiftLandscape(*p).loss([0, 0.5], 0.1),
    "Procrustes": lambda *p: corrections.Procrustes().fit_transform(*p),
    "Centring": lambda *p: corrections.Centring().fit_transform(*p),
    "calibrate": lambda *p: thresholds.calibrate(*p).measure(*p)["hit_rate"],
    "report": lambda *p: report.measure(*p).metrics.value.to_numpy(),
}


def both(pair):
    return pair if len(pair) == 2 else (pair[0], None)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", MEASURED)
def test_checked_pairs_measure_as_arrays_do_and_are_not_checked_again(name, kind, door):
    images, texts = draw(dtype=kind)
    wanted = MEASURED[name](images, texts)
    pairs = Pairs(images, texts)
    door.clear()
    np.testing.assert_array_equal(MEASURED[name](pairs), wanted)
    assert door == []


def test_a_whole_report_passes_the_door_once(door):
    images, texts = draw(80)
    report.measure(images, texts)
    assert door == ["images", "texts"]
    door.clear()
    assert report.measure(images, texts, max_pairs=40).pairs == 80
    assert door == ["images", "texts"]
    door.clear()
    metrics.gap_report(images, texts)
    corrections.try_corrections(images, texts)
    assert door == ["images", "texts"] * 2
    small = report.measure(Pairs(images, texts), max_pairs=40)
    np.testing.assert_array_equal(small.images, report.measure(images, texts, max_pairs=40).images)


def test_a_record_of_training_and_an_explorer_pass_it_once(door):
    from mgaplib.training.loop import measure
    from mgaplib.widgets import GapExplorer

    images, texts = draw()
    found = measure(images, texts)
    assert door == ["images", "texts"]
    pairs = Pairs(images, texts)
    door.clear()
    assert measure(pairs) == found
    assert GapExplorer(pairs, max_pairs=20).data["n"] == 20
    assert door == []
    assert GapExplorer(images, texts).metrics == GapExplorer(pairs).metrics


def test_pairs_are_unit_rows_that_nobody_changes():
    images, texts = draw()
    before = images.copy()
    pairs = Pairs(images, texts)
    assert np.array_equal(images, before) and images.flags.writeable
    assert np.allclose(np.linalg.norm(pairs.images, axis=1), 1)
    for change in (lambda: pairs.images.__setitem__(0, 1.0), lambda: pairs.texts.sort()):
        with pytest.raises(ValueError, match="read-only"):
            change()
    with pytest.raises(AttributeError):
        pairs.images = texts
    assert (len(pairs), pairs.shape) == (60, (60, 8))
    assert np.array_equal(pairs.swapped.images, pairs.texts)
    few = pairs.take([3, 1])
    assert np.array_equal(few.texts, pairs.texts[[3, 1]]) and not few.texts.flags.writeable
    assert Pairs.of(pairs) is pairs


def test_trusted_arrays_are_left_as_they_are():
    images, texts = map(checks.embeddings, draw(), "xy")
    pairs = Pairs.trusted(images, texts)
    assert pairs.images.base is images and images.flags.writeable and not pairs.images.flags.writeable


X, Y = draw(6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Pairs.of(X), TypeError, "^texts is missing; pass it beside images, or both in one"),
        (lambda: metrics.modality_gap(X), TypeError, "texts is missing"),
        (lambda: metrics.recall_at_k(X), TypeError, "candidates is missing; pass it beside queries"),
        (lambda: metrics.contrastive_loss(X, None, 0.1), TypeError, "texts is missing"),
        (lambda: report.measure(X), TypeError, "texts is missing"),
        (
            lambda: Pairs.of(Pairs(X, Y), Y),
            TypeError,
            "images is a Pairs, which holds both sides; leave texts out",
        ),
        (lambda: metrics.modality_gap(Pairs(X, Y), Y), TypeError, "leave texts out"),
        (lambda: corrections.Centring().fit(Pairs(X, Y), Y), TypeError, "leave texts out"),
        (lambda: Pairs(X, Y[:, :3]), ValueError, "images has shape .* and texts"),
        (lambda: Pairs(X, Y * np.nan), ValueError, "texts has a NaN"),
        (lambda: Pairs(X.astype(int), Y), TypeError, "images holds int64"),
        (lambda: Pairs.of(Pairs(X, Y), min_rows=7), ValueError, "images has 6 rows; at least 7"),
        (lambda: report.measure(Pairs(X, Y)), ValueError, "images has 6 rows; at least 24"),
        (lambda: metrics.mean_cosine(Pairs(X, Y)), TypeError, "x is of type Pairs"),
    ],
)
def test_what_is_no_pair_is_refused_with_a_cure(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("n", "kind", "off"), [(1, "f8", 1e-15), (5050, "f4", 1e-8), (777, "f8", 1e-15)])
def test_a_centroid_is_the_mean_of_the_rows(n, kind, off):
    rows = checks.embeddings(draw(n, 64, kind)[0], "x", min_rows=1)
    assert centroid(rows).dtype == float
    np.testing.assert_allclose(centroid(rows), rows.mean(axis=0, dtype=float), atol=off)


# ---- who belongs to whom


def slow_partners(of_images, of_texts):
    return [(i, j) for i, a in enumerate(of_images) for j, b in enumerate(of_texts) if a == b]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=3, max_size=9), st.lists(st.integers(0, 5), min_size=3, max_size=9)
)
def test_partners_are_the_rows_of_one_group_and_groups_are_taken_whole(of_images, of_texts):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(len(of_images), 4)), rng.normal(size=(len(of_texts), 4))
    try:
        pairs = Pairs(x, y, groups=([f"{c}.png" for c in of_images], [f"{c}.png" for c in of_texts]))
    except ValueError as error:  # no partners at all, or one group only
        assert not set(of_images) & set(of_texts) or len({*of_images, *of_texts}) == 1, error
        return
    assert sorted(zip(*pairs.partners, strict=True)) == slow_partners(of_images, of_texts)
    assert len(pairs) == len({*of_images, *of_texts}) and pairs.shape == (len(pairs), 4)
    assert sorted(zip(*pairs.swapped.partners, strict=True)) == slow_partners(of_texts, of_images)
    first = pairs.take([0, len(pairs) - 1])
    ends = {of_images[0]}  # groups are numbered by their first rows, images before texts
    ends.add(list(dict.fromkeys([*of_images, *of_texts]))[-1])
    for kept, codes in zip(first.rows, (of_images, of_texts), strict=True):
        assert kept.tolist() == [i for i, code in enumerate(codes) if code in ends]
    np.testing.assert_array_equal(first.images, pairs.images[first.rows[0]])
    one = pairs.one_each()
    assert one.groups is None and len(one) == len(set(of_images) & set(of_texts))
    for i, j in zip(*one.rows, strict=True):
        assert of_images[i] == of_texts[j] and of_images.index(of_images[i]) == i


def test_every_way_to_say_it_is_the_same_relation():
    images, texts = draw(12)
    x, of_texts = images[:4], np.repeat(np.arange(4), 3)
    wanted = Pairs(x, texts, groups=of_texts)
    again = np.repeat(x, 3, axis=0)
    names = [f"{i}.jpg" for i in of_texts]
    with pytest.warns(UserWarning, match="images holds 4 different rows, 12 in all: equal ones are taken"):
        noticed = Pairs(again, texts)
    for pairs in (
        Pairs(x, texts, groups=of_texts.tolist()),
        Pairs(x, texts, groups=(range(4), of_texts)),
        Pairs(x, texts, groups=(names[::3], names)),
        Pairs(again, texts, groups=names),
        Pairs(again, texts, groups="equal"),
        Pairs(np.tile(x, (3, 1)), texts[np.arange(12).reshape(4, 3).T.ravel()], groups="equal"),
        noticed,
    ):
        assert (len(pairs), len(pairs.images), len(pairs.texts)) == (4, 4, 12)
        assert metrics.recall_at_k(pairs) == metrics.recall_at_k(wanted)
        assert metrics.gap_report(pairs).value["alignment"] == pytest.approx(metrics.alignment(wanted))
    assert repr(wanted) == "Pairs of 4 images and 12 texts in 4 groups, 8 columns, float64"
    assert "without partners" in repr(Pairs.unpaired(x, texts))


def test_what_repeats_by_chance_or_altogether_is_left_alone(recwarn):
    images, texts = draw(12)
    few = texts[[0, 0, 0, *range(3, 12)]]
    assert Pairs(images, few).groups is None
    twice = [np.repeat(z, 2, axis=0) for z in (images, texts)]
    assert Pairs(*twice).groups is None and len(Pairs(*twice, groups="equal")) == 12
    assert Pairs(images, np.repeat(texts[:1], 12, axis=0)).groups is None  # a broken encoder's
    assert Pairs(images, np.repeat(texts[:4], 3, axis=0), groups=range(12)).groups is None
    assert not recwarn


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        (range(5), ValueError, "groups has 5 labels for the 6 rows of images; pass a label a row"),
        ((range(6), range(5)), ValueError, "groups has 5 labels for the 6 rows of texts"),
        ([0, 0, 1, None, 2, 2], ValueError, "no label for row 3 of images"),
        ([0, 0, 1, np.nan, 2, 2], ValueError, "no label for row 3 of images"),
        ("equall", ValueError, "did you mean 'equal'"),
        ([0] * 6, ValueError, "images and texts are of 1 groups; at least 2"),
        (([0] * 6, [1] * 6), ValueError, "no row of images belongs to one of texts"),
        ([{}, {}, 1, 1, 1, 1], TypeError, "labels of different types"),
    ],
)
def test_groups_that_make_no_sense(groups, error, words):
    with pytest.raises(error, match=words):
        metrics.relative_modality_gap(X, Y, groups=groups)


def test_a_mapping_names_rows_that_are_there():
    for mapping in ([0, 1, 2, 6, 5, 4, 3, 2], [0, -1, 2, 3, 4, 5, 0, 0], [0.5] * 8):
        with pytest.raises(ValueError, match="groups has 8 entries beside 6 rows of images; pass for each"):
            Pairs(X, draw(8)[1], groups=mapping)
    with pytest.raises(TypeError, match="holds its groups; leave groups out"):
        Pairs.of(Pairs(X, Y), groups=range(6))
    with pytest.raises(ValueError, match="'equal', but images has 6 rows and texts 8"):
        Pairs(X, draw(8)[1], groups="equal")
    with pytest.raises(ValueError, match="images have 8 columns and texts 5"):
        Pairs.unpaired(X, Y[:, :5])

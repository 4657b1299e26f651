"""Pairs that were checked once are not checked again, cannot be changed, and measure as arrays do."""

import numpy as np
import pytest

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

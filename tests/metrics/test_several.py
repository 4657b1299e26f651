"""More than two modalities: against the metrics of two, against published gaps, and every bad set refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import metrics
from mgaplib.embeddings import atlas

NAMES = ("image", "text", "audio")


def three(n: int = 20, d: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, d))
    return {name: meaning + rng.normal(size=(n, d)) / 3 + rng.normal(size=d) for name in NAMES}


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        (metrics.modality_gap, {}),
        (metrics.modality_gap, {"unbiased": True}),
        (metrics.relative_modality_gap, {}),
        (metrics.centre_angle, {}),
        (metrics.recall_at_k, {"k": 3}),
        (metrics.score_gap, {}),
    ],
)
def test_each_pair_reads_what_two_read(metric, options):
    sets = three()
    table = metrics.pairwise(sets, metric, **options)
    assert list(table.index) == list(table.columns) == list(NAMES)
    for first in NAMES:
        for second in NAMES:
            if first == second:
                assert np.isnan(table.loc[first, second])
            else:
                expected = metric(sets[first], sets[second], **options)
                assert table.loc[first, second] == pytest.approx(expected, abs=1e-12)


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_polygon_keeps_the_gaps_and_loses_what_it_says(m, d, seed):
    rng = np.random.default_rng(seed)
    sets = {f"m{i}": rng.normal(size=(7, d)) + rng.normal(size=d) for i in range(m)}
    gaps, points = metrics.pairwise(sets).fillna(0.0).to_numpy(), metrics.centroid_polygon(sets)
    drawn = points[["x", "y"]].to_numpy()
    apart = np.linalg.norm(drawn[:, None] - drawn, axis=2)
    assert (apart <= gaps + 1e-7).all()
    total = (gaps**2).sum()
    assert 1 - (apart**2).sum() / total == pytest.approx(points.unseen.iloc[0], abs=1e-6)
    if m <= 3 or d <= 2:
        np.testing.assert_allclose(apart, gaps, atol=1e-6)


def test_lengths_of_the_centroids_are_those_of_the_cones():
    sets = three()
    for name, length in metrics.centroid_polygon(sets).length.items():
        n = len(sets[name])
        assert (n * length**2 - 1) / (n - 1) == pytest.approx(metrics.mean_cosine(sets[name]))


def test_first_hits_of_two_are_the_same_modality_shares():
    sets = {name: rows for name, rows in three().items() if name != "audio"}
    table = metrics.first_hits(sets)
    shares = metrics.same_modality_share(sets["image"], sets["text"])
    np.testing.assert_allclose(np.diag(table), shares)
    np.testing.assert_allclose(table.sum(axis=1), 1)


def test_first_hits_against_a_loop():
    sets = three(n=9)
    sets["text"][3] = sets["audio"][3]  # a tie for best of two modalities, for some queries
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in sets.items()}
    table = metrics.first_hits(sets)
    for name in NAMES:
        counted = dict.fromkeys(NAMES, 0.0)
        for i, query in enumerate(unit[name]):
            best = {
                other: max(float(query @ row) for j, row in enumerate(rows) if (other, j) != (name, i))
                for other, rows in unit.items()
            }
            first = [other for other in NAMES if best[other] > max(best.values()) - 1e-12]
            for other in first:
                counted[other] += 1 / len(first) / 9
        assert table.loc[name].to_dict() == pytest.approx(counted)


def test_names_keep_their_order_and_lose_their_blanks():
    sets = {f" {name} ": rows for name, rows in three().items()}
    assert list(metrics.pairwise(sets).index) == list(NAMES)


def test_a_file_of_named_arrays_is_a_mapping(tmp_path):
    np.savez(tmp_path / "three.npz", **three())
    with np.load(tmp_path / "three.npz") as archive:
        np.testing.assert_array_equal(metrics.pairwise(archive), metrics.pairwise(three()))


@pytest.mark.parametrize("function", [metrics.pairwise, metrics.centroid_polygon, metrics.first_hits])
@pytest.mark.parametrize(
    ("sets", "error", "match"),
    [
        ([np.eye(3), np.eye(3)], TypeError, "sets is of type list; pass a dict from each modality's name"),
        ({"image": np.eye(3)}, ValueError, "sets holds 1 modality"),
        ({}, ValueError, "sets holds 0 modality"),
        ({"a": np.eye(3), "b": np.eye(3)[:2]}, ValueError, r"differ in shape: a \(3, 3\), b \(2, 3\)"),
        ({"a": np.eye(3), "b": np.ones((3, 2))}, ValueError, r"a \(3, 3\), b \(3, 2\)"),
        ({"a": np.eye(3), "a ": np.eye(3)}, ValueError, "the name 'a' stands there twice"),
        ({"a": np.eye(3), " ": np.eye(3)}, ValueError, "a modality's name is empty"),
        ({"a": np.eye(3), 1: np.eye(3)}, TypeError, "the name 1 is of type int"),
        ({"a": np.eye(3), "b": np.eye(3, dtype=int)}, TypeError, "b holds int64"),
        ({"a": np.eye(3), "b": np.zeros((3, 3))}, ValueError, "b has a zero row"),
        ({"a": np.eye(3), "b": np.full((3, 3), np.nan)}, ValueError, "b has a NaN"),
    ],
)
def test_sets_that_make_no_sense_are_refused(function, sets, error, match):
    with pytest.raises(error, match=match):
        function(sets)


def test_a_metric_that_gives_no_number_is_refused():
    with pytest.raises(TypeError, match="metric returned a ndarray; pass one that returns one number"):
        metrics.pairwise(three(), metrics.gap_vector)


def test_imagebinds_three_gaps_are_those_that_were_published():
    """Humer et al. 2024: 100 triplets; the gaps that they stored are .876, .746 and .684."""
    found = atlas.load("imagebind/audioset")
    if found.stand_in:
        pytest.skip("the published cosines are out of reach")
    sets = found.embeddings
    gaps = metrics.pairwise(sets)
    assert gaps.loc["image", "text"] == pytest.approx(0.876, abs=5e-4)
    assert gaps.loc["text", "audio"] == pytest.approx(0.746, abs=5e-4)
    assert gaps.loc["audio", "image"] == pytest.approx(0.684, abs=5e-4)

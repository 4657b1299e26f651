"""The metrics: published values, slow references, invariances, ties, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import ortho_group, wasserstein_distance

from mgaplib import embeddings, metrics
from mgaplib.metrics import intervals, spread
from mgaplib.pairs import Pairs

PAIRED = (
    "modality_gap relative_modality_gap centre_angle alignment gap_share uniformity_w2 linear_separability "
    "score_gap"
)
PAIRED = {name: getattr(metrics, name) for name in PAIRED.split()}
PAIRED["contrastive_loss"] = lambda x, y: metrics.contrastive_loss(x, y, 0.05)
SINGLE = {name: getattr(metrics, name) for name in ("mean_cosine", "uniformity", "effective_rank")}

# What the published files hold, to the digits printed: gap, mean cosine of images, of texts, of pairs and of
# unpaired rows, recall at 1 image to text and text to image.
PUBLISHED = {
    ("clip", True): (0.8514, 0.5315, 0.5152, 0.3099, 0.1616, 0.552, 0.506),
    ("clip", False): (1.1361, 0.6814, 0.6635, 0.0285, 0.0278, 0.002, 0.002),
    ("videoclip", True): (1.0669, 0.6889, 0.4947, 0.0915, 0.0261, 0.37, 0.24),
    ("videoclip", False): (0.9544, 0.4440, 0.8402, 0.1916, 0.1903, 0.0, 0.01),
    ("convirt", True): (0.8231, 0.7641, 0.1316, 0.2552, 0.1099, 0.006, 0.022),
    ("convirt", False): (1.4030, 0.9956, 0.9011, -0.0358, -0.0358, 0.002, 0.0),
    ("clasp", True): (1.0447, 0.6072, 0.7050, 0.1196, 0.1138, 0.0303, 0.0),
    ("clasp", False): (1.2893, 1.0, 1.0, 0.1689, 0.1689, 0.0101, 0.0101),
}


def draw(n=40, d=12, gap=1.0, seed=0):
    """Unit rows of two modalities that share their content."""
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(n, d)), rng.normal(size=d) * gap
    return unit(shared + rng.normal(size=(n, d)) * 0.7 + offset), unit(shared - offset)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


def published(name, trained):
    """Return the pairs in float64, and whether they are the published ones; warn where they are not."""
    data = embeddings.load_embeddings(name, trained)
    if data.stand_in:
        warnings.warn(f"{data.label} cannot be reached: checked on {data.source}", stacklevel=2)
    return unit(data.images.astype(float)), unit(data.texts.astype(float)), not data.stand_in


def slow_table(x, y):
    """The columns of PUBLISHED by their definitions, over whole matrices."""
    cross = x @ y.T
    return (
        np.sqrt(sum((x[:, k].mean() - y[:, k].mean()) ** 2 for k in range(x.shape[1]))),
        off_diagonal(x @ x.T).mean(),
        off_diagonal(y @ y.T).mean(),
        np.diag(cross).mean(),
        off_diagonal(cross).mean(),
        shared_first_places(cross),
        shared_first_places(cross.T),
    )


def shared_first_places(scores):
    """Recall at 1; a partner that shares the first place, as equal captions do, counts its share."""
    first = scores >= scores.max(axis=1, keepdims=True) - 1e-12
    return np.mean(np.diag(first) / first.sum(axis=1))


@pytest.mark.parametrize(("name", "trained"), PUBLISHED)
def test_table_of_the_published_models(name, trained):
    x, y, real = published(name, trained)
    cross = x @ y.T
    ours = (
        metrics.modality_gap(x, y),
        metrics.mean_cosine(x),
        metrics.mean_cosine(y),
        1 - metrics.alignment(x, y) / 2,
        off_diagonal(cross).mean(),
        metrics.recall_at_k(x, y),
        metrics.recall_at_k(y, x),
    )
    assert ours == pytest.approx(slow_table(x, y), abs=1e-9)
    if real:
        assert ours == pytest.approx(PUBLISHED[name, trained], abs=6e-5)


def test_derived_values_of_published_clip():
    x, y, real = published("clip", True)
    ours = (
        metrics.relative_modality_gap(x, y),
        metrics.gap_share(x, y),
        metrics.centre_angle(x, y),
        metrics.effective_rank(x),
        metrics.effective_rank(y),
        metrics.uniformity(x),
        metrics.uniformity(y),
    )
    slow = (
        slow_rmg(x, y),
        slow_share(x, y),
        slow_angle(x, y),
        *map(slow_rank, (x, y)),
        *map(slow_uniformity, (x, y)),
    )
    assert ours == pytest.approx(slow, rel=1e-6)
    if real:
        assert ours == pytest.approx((0.591, 0.525, 72.0, 104.6, 96.9, -1.79, -1.84), abs=0.05)
        assert ours[:2] == pytest.approx((0.591, 0.525), abs=5e-4)


def slow_rmg(x, y):
    across = np.mean([(1 - a @ b) / 2 for a, b in zip(x, y, strict=True)])
    within = np.mean([(1 - off_diagonal(z @ z.T).mean()) / 2 for z in (x, y)])
    return across / (across + within)


def slow_share(x, y):
    return np.sum((x - y).mean(axis=0) ** 2) / np.mean(
        [np.sum((a - b) ** 2) for a, b in zip(x, y, strict=True)]
    )


def slow_angle(x, y):
    a, b = x.mean(axis=0), y.mean(axis=0)
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


def slow_rank(x):
    variances = np.clip(np.linalg.eigvalsh(np.cov(x.T, ddof=0)), 1e-300, None)
    share = variances / variances.sum()
    return np.exp(-np.sum(share * np.log(share)))


def slow_uniformity(x):
    squares = [np.sum((x[i] - x[j]) ** 2) for i in range(len(x)) for j in range(i)]
    return np.log(np.mean(np.exp(-2 * np.array(squares))))


def slow_w2(x, y):
    z = np.concatenate([x, y])
    cov, d = np.cov(z.T, ddof=0), z.shape[1]
    squared = z.mean(axis=0) @ z.mean(axis=0) + 1 + np.trace(cov) - 2 / np.sqrt(d) * np.trace(sqrtm(cov)).real
    return -np.sqrt(squared)


def slow_score_gap(x, y):
    across = off_diagonal(x @ y.T)
    return np.mean([wasserstein_distance(off_diagonal(z @ z.T), across) for z in (x, y)])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [5, 40])
def test_against_slow_definitions(n, seed):
    x, y = draw(n, seed=seed)
    assert metrics.relative_modality_gap(x, y) == pytest.approx(slow_rmg(x, y))
    assert metrics.gap_share(x, y) == pytest.approx(slow_share(x, y))
    assert metrics.centre_angle(x, y) == pytest.approx(slow_angle(x, y))
    assert metrics.effective_rank(x) == pytest.approx(slow_rank(x))
    assert metrics.uniformity(x) == pytest.approx(slow_uniformity(x))
    assert metrics.uniformity_w2(x, y) == pytest.approx(slow_w2(x, y), abs=1e-6)
    assert metrics.score_gap(x, y) == pytest.approx(slow_score_gap(x, y))
    assert metrics.mean_cosine(x) == pytest.approx(off_diagonal(x @ x.T).mean())


def test_uniformity_over_several_blocks_of_rows():
    x, _ = draw(1100, d=6)
    squares = 2 - 2 * (x @ x.T)[np.triu_indices(1100, 1)]
    assert metrics.uniformity(x) == pytest.approx(np.log(np.exp(-2 * squares).mean()))
    assert metrics.uniformity(x, t=0.5) == pytest.approx(np.log(np.exp(-0.5 * squares).mean()))


@pytest.mark.parametrize("metric", PAIRED)
def test_a_rotation_of_both_modalities_changes_nothing(metric):
    x, y = draw()
    turn = ortho_group.rvs(12, random_state=np.random.default_rng(1))
    assert PAIRED[metric](x @ turn, y @ turn) == pytest.approx(PAIRED[metric](x, y), abs=1e-9)


@pytest.mark.parametrize("metric", PAIRED)
def test_the_rows_lengths_do_not_matter(metric):
    x, y = draw()
    lengths = np.random.default_rng(2).uniform(0.5, 20, (40, 1))
    assert PAIRED[metric](x * lengths, y * 3) == pytest.approx(PAIRED[metric](x, y), abs=1e-9)


@pytest.mark.parametrize("metric", [m for m in PAIRED if m != "linear_separability"])
def test_swapping_the_modalities_changes_nothing(metric):
    x, y = draw()
    assert PAIRED[metric](y, x) == pytest.approx(PAIRED[metric](x, y), abs=1e-12)


@pytest.mark.parametrize("metric", [m for m in PAIRED if m != "linear_separability"])
def test_the_order_of_the_pairs_does_not_matter(metric):
    x, y = draw()
    order = np.random.default_rng(3).permutation(len(x))
    assert PAIRED[metric](x[order], y[order]) == pytest.approx(PAIRED[metric](x, y), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(2, 16), st.floats(0, 5))
def test_metrics_stay_in_their_ranges(seed, n, d, gap):
    x, y = draw(n, d, gap, seed)
    assert 0 <= metrics.modality_gap(x, y) <= 2
    assert 0 <= metrics.relative_modality_gap(x, y) <= 1
    assert 0 <= metrics.centre_angle(x, y) <= 180
    assert 0 <= metrics.gap_share(x, y) <= 1
    assert 0 <= metrics.alignment(x, y) <= 4
    assert -(2**0.5) <= metrics.uniformity_w2(x, y) <= 0
    assert 0 <= metrics.score_gap(x, y) <= 2
    for z in (x, y):
        assert -1 / (n - 1) - 1e-9 <= metrics.mean_cosine(z) <= 1 + 1e-12
        assert -8 <= metrics.uniformity(z) <= 1e-12
        assert 0 <= metrics.effective_rank(z) <= min(n - 1, d) + 1e-6
    recall = [metrics.recall_at_k(x, y, k) for k in range(1, n + 1)]
    assert recall == sorted(recall) and recall[-1] == 1


def test_float32_agrees_with_float64():
    x, y = draw(200, 64)
    for name, metric in PAIRED.items():
        assert metric(x.astype("f4"), y.astype("f4")) == pytest.approx(metric(x, y), abs=2e-6), name
    for name, metric in SINGLE.items():
        assert metric(x.astype("f4")) == pytest.approx(metric(x), rel=1e-5), name


def test_the_gap_points_from_texts_to_images():
    x, y = draw()
    assert np.allclose(metrics.gap_vector(x, y), x.mean(axis=0) - y.mean(axis=0))
    assert np.allclose(metrics.gap_vector(y, x), -metrics.gap_vector(x, y))


def test_a_small_angle_is_not_lost_to_rounding():
    turn = np.array([[np.cos(1e-9), -np.sin(1e-9)], [np.sin(1e-9), np.cos(1e-9)]])
    x = unit(np.array([[1.0, 0.1], [1.0, -0.1]]))
    assert metrics.centre_angle(x, x @ turn) == pytest.approx(np.degrees(1e-9), rel=1e-5)


def test_one_point_fills_no_dimension():
    same = np.ones((5, 7), np.float32)
    assert metrics.effective_rank(same) == 0
    assert metrics.mean_cosine(same) == pytest.approx(1)
    assert metrics.uniformity(same) == pytest.approx(0, abs=1e-6)
    assert metrics.uniformity_w2(same, same) == pytest.approx(-(2**0.5))


@pytest.mark.parametrize(
    ("n", "m", "d", "gap"), [(40, 40, 6, 1), (30, 90, 12, 0.3), (20, 20, 60, 0), (9, 5, 2, 20)]
)
def test_the_plane_is_that_of_the_usual_logistic_regression(n, m, d, gap):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(n)
    rows, label = rng.normal(size=(n + m, d)), np.repeat([-1.0, 1.0], [n, m])
    rows[:, 0] += gap * label
    plane, threshold = metrics.gap._logistic(rows, label)
    usual = LogisticRegression(class_weight="balanced", tol=1e-9, max_iter=10000).fit(rows, label)
    assert plane == pytest.approx(usual.coef_[0], abs=1e-4 * np.abs(plane).max())
    assert threshold == pytest.approx(-usual.intercept_[0], abs=1e-4)


def test_separability_of_mixed_and_of_parted_modalities():
    mixed = [metrics.linear_separability(*draw(400, gap=0, seed=s), seed=s) for s in range(3)]
    assert np.mean(mixed) == pytest.approx(0.5, abs=0.06)
    assert metrics.linear_separability(*draw(400, gap=3)) > 0.99
    x, y = draw(400, gap=0.3)
    assert metrics.linear_separability(x, y, seed=1) == metrics.linear_separability(x, y, seed=1)


def test_recall_counts_repeated_candidates_by_chance():
    x = np.eye(4)
    twice = np.eye(4)[[0, 0, 2, 3]]  # candidate 1 repeats candidate 0
    assert metrics.recall_at_k(x, twice) == pytest.approx(
        (1 / 2 + 1 / 4 + 1 + 1) / 4
    )  # the second finds nothing
    assert metrics.recall_at_k(x, np.ones((4, 4)), k=3) == pytest.approx(0.75)


@pytest.mark.parametrize("k", [1, 3])
def test_recall_against_sorting_over_several_blocks(k):
    x, y = draw(1100, d=5)
    best = np.argsort(-(x @ y.T), axis=1)[:, :k]
    assert metrics.recall_at_k(x, y, k) == pytest.approx(
        np.mean((best == np.arange(1100)[:, None]).any(axis=1))
    )


def slow_loss(x, y, tau):
    total = 0.0
    for i in range(len(x)):
        scores = [x[i] @ t / tau for t in y]
        total += np.logaddexp.reduce(scores) - scores[i]
    return total / len(x)


@pytest.mark.parametrize("tau", [0.002, 0.05, 1.0])
def test_the_loss_and_its_directions(tau):
    x, y = draw(13)
    forth, back = slow_loss(x, y, tau), slow_loss(y, x, tau)
    assert metrics.contrastive_loss(x, y, tau, "image_to_text") == pytest.approx(forth)
    assert metrics.contrastive_loss(x, y, tau, "text_to_image") == pytest.approx(back)
    assert metrics.contrastive_loss(x, y, tau) == pytest.approx((forth + back) / 2)
    halves = (
        5 * slow_loss(x[:5], y[:5], tau)
        + 5 * slow_loss(x[5:10], y[5:10], tau)
        + 3 * slow_loss(x[10:], y[10:], tau)
    ) / 13
    assert metrics.contrastive_loss(x, y, tau, "image_to_text", block_size=5) == pytest.approx(halves)
    assert metrics.contrastive_loss(x, y, tau, block_size=13) == metrics.contrastive_loss(x, y, tau)


def test_the_loss_over_several_blocks_of_rows():
    x, y = draw(1100, d=5)
    assert metrics.contrastive_loss(x, y, 0.1, "image_to_text") == pytest.approx(slow_loss(x, y, 0.1))


def test_embeddings_from_their_gram_give_every_metric_again():
    x, y = draw(30, 12)
    z = np.concatenate([x, y])
    a, b = metrics.embeddings_from_gram(z @ z.T)
    assert a.shape == (30, 12)
    wanted, found = metrics.gap_report(x, y).value, metrics.gap_report(a, b).value
    assert found.to_numpy() == pytest.approx(wanted.to_numpy(), abs=1e-7)


def test_a_gram_of_two_decimals_is_still_taken():
    x, y = draw(30, 12)
    z = np.concatenate([x, y])
    a, b = metrics.embeddings_from_gram(np.round(z @ z.T, 2))
    assert metrics.modality_gap(a, b) == pytest.approx(metrics.modality_gap(x, y), abs=0.01)
    assert metrics.embeddings_from_gram(z @ z.T, d=20)[0].shape == (30, 20)


GRAM = np.eye(4)


@pytest.mark.parametrize(
    ("bad", "options", "message"),
    [
        (np.ones((4, 6)), {}, "2n rows and columns"),
        (np.eye(5), {}, "2n rows and columns"),
        (np.triu(np.ones((4, 4))), {}, "symmetric"),
        (100 * GRAM, {}, "not logits"),
        (2 * GRAM - 1, {}, "negative eigenvalues"),
        (GRAM, {"d": 3}, "rank 4"),
    ],
)
def test_what_is_no_gram_is_refused(bad, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.embeddings_from_gram(bad, **options)


def test_the_report_holds_every_metric_with_its_unit():
    x, y = draw()
    report = metrics.gap_report(x, y, tau=0.05)
    assert list(report.columns) == ["value", "low", "high", "unit", "range", "meaning"]
    for name, metric in PAIRED.items():
        assert report.value[name] == pytest.approx(metric(x, y))
    for name, metric in SINGLE.items():
        assert report.value[f"{name} (images)"] == pytest.approx(metric(x))
        assert report.value[f"{name} (texts)"] == pytest.approx(metric(y))
    assert report.value["recall_at_1 (text to image)"] == metrics.recall_at_k(y, x)
    for k in (1, 5, 10):
        assert report.value[f"recall_at_{k} (image to text)"] == metrics.recall_at_k(x, y, k)
    assert "pool of 40" in report.unit["recall_at_1 (image to text)"]
    assert report.value["matched cosine"] == pytest.approx(np.diag(x @ y.T).mean())
    assert report.value["mismatched cosine"] == pytest.approx(off_diagonal(x @ y.T).mean())
    for name in ("modality_gap", "gap_share"):
        assert report.value[f"{name} (unbiased)"] == PAIRED[name](x, y, unbiased=True)
    assert not report.drop(columns=["low", "high"]).isna().any(axis=None)


def test_a_report_of_few_pairs_leaves_out_recalls_that_say_nothing():
    report = metrics.gap_report(*draw(5))
    assert [name for name in report.index if name.startswith("recall")] == [
        "recall_at_1 (image to text)",
        "recall_at_1 (text to image)",
    ]


@pytest.mark.parametrize("n", [4, 30])
def test_values_lie_in_the_ranges_and_intervals_that_the_report_says(n):
    x, y = draw(n, 20, gap=0.4, seed=n)
    report = metrics.gap_report(x, y)
    for name, row in report.iterrows():
        low, _, high = row["range"].removeprefix("from ").partition(" to ")
        assert float(low) - 0.01 <= row["value"] <= float(high or "inf") + 0.01, name
        if not np.isnan(row["low"]):
            assert row["low"] <= row["high"], name
            assert float(low) - 0.01 <= row["low"] and row["high"] <= float(high or "inf") + 0.01, name
    assert report.low.notna().sum() == (25 if n > 10 else 17)
    sure = report.drop(["modality_gap", "squared gap", "gap_share"]).dropna()  # the plain ones may lie above
    assert ((sure.low <= sure.value) & (sure.value <= sure.high)).all()
    pd.testing.assert_frame_equal(report, metrics.gap_report(x, y))
    assert n < 10 or not report.low.equals(metrics.gap_report(x, y, seed=1).low)


def test_the_ends_of_the_ranges_are_reached():
    x = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    assert metrics.uniformity(x[1:3]) == pytest.approx(-8)  # two antipodes
    assert (
        metrics.gap_report(unit(x + [0, 0.1]), unit(x - [0, 0.1])).range["uniformity (images)"]
        == "-5.33 to 0"
    )
    x, y = draw(8, 64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    assert metrics.linear_separability(x, y) < 0.3  # what one half has too much of, the other lacks


def test_even_rows_read_what_their_law_says():
    rng = np.random.default_rng(0)
    for n, d in ((500, 512), (200, 64), (40, 300)):
        x, y = rng.normal(size=(2, n, d))
        assert spread.even_uniformity_w2(2 * n, d) == pytest.approx(metrics.uniformity_w2(x, y), abs=0.01)
    assert spread.even_uniformity_w2(1000, 512) == pytest.approx(-0.3714, abs=1e-4)


def test_the_unbiased_gap_against_its_pairs_and_where_there_is_none():
    x, y = draw(12, gap=0.5)
    apart = x - y
    squared = np.mean([apart[i] @ apart[j] for i in range(12) for j in range(12) if i != j])
    assert metrics.modality_gap(x, y, unbiased=True) ** 2 == pytest.approx(squared)
    assert metrics.gap_share(x, y, unbiased=True) == pytest.approx(squared / metrics.alignment(x, y))
    plain, sure = [], []
    for rng in map(np.random.default_rng, range(200)):
        pairs = rng.normal(size=(2, 16, 40))
        plain.append(metrics.modality_gap(*pairs))
        sure.append(metrics.modality_gap(*pairs, unbiased=True))
    assert np.mean(plain) == pytest.approx((2 / 16) ** 0.5, abs=0.01)  # sqrt(alignment / n), of no gap at all
    assert 0.4 < np.mean(np.array(sure) == 0) < 0.65  # half of the squares come out negative
    assert min(sure) == 0 and metrics.gap_share(*pairs, unbiased=True) < metrics.gap_share(*pairs)
    same = np.eye(3)[[0, 0, 0, 0]], np.eye(3)[[1, 1, 1, 1]]  # where all pairs are alike, nothing is chance
    assert metrics.modality_gap(*same, unbiased=True) == pytest.approx(2**0.5)
    assert metrics.gap_share(*same, unbiased=True) == pytest.approx(1)


@pytest.mark.parametrize(("name", "wanted"), [("clip", 0.8506), ("videoclip", 1.0637)])
def test_published_gaps_hardly_move_without_bias(name, wanted):
    x, y, real = published(name, True)
    if real:
        assert metrics.modality_gap(x, y, unbiased=True) == pytest.approx(wanted, abs=5e-5)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    inside = np.zeros(4)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=(80, 30))
        side = np.eye(30)[0] * 2
        pairs = Pairs(shared + rng.normal(size=(80, 30)) + side, shared + rng.normal(size=(80, 30)) - side)
        ends = intervals.resampled(pairs, seed, draws=300)
        truth = {  # of 200,000 such pairs
            "modality_gap": 0.4966,
            "matched cosine": 0.4004,
            "mismatched cosine": -0.0616,
            "mean_cosine (images)": 0.0616,
        }
        inside += [ends[name][0] <= value <= ends[name][1] for name, value in truth.items()]
    assert (inside / 60 > 0.85).all()


def test_intervals_of_resampled_pairs_against_whole_matrices():
    x, y = draw(9, d=4)
    ends = intervals.resampled(Pairs(x, y), 3, draws=50)
    rng, cosines, gaps = np.random.default_rng(3), [], []
    for _ in range(50):
        rows = rng.integers(9, size=9)
        other = rows[:, None] != rows
        cosines.append((x[rows] @ x[rows].T)[other].mean())
        gaps.append(((x[rows] - y[rows]) @ (x[rows] - y[rows]).T)[other].mean())
    assert ends["mean_cosine (images)"] == pytest.approx(tuple(np.percentile(cosines, [2.5, 97.5])))
    assert ends["squared gap"] == pytest.approx(tuple(np.percentile(gaps, [2.5, 97.5])))


def test_a_share_has_an_interval_even_at_its_ends():
    assert intervals.wilson(0.0, 500) == pytest.approx((0, 0.00762), abs=1e-5)
    assert intervals.wilson(1.0, 500) == pytest.approx((0.99238, 1), abs=1e-5)
    assert intervals.wilson(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: metrics.recall_at_k(x, y, 0), "pool of 40"),
        (lambda x, y: metrics.recall_at_k(x, y, 41), "pool of 40"),
        (lambda x, y: metrics.recall_at_k(x, y[:5]), "queries has shape .* candidates"),
        (lambda x, y: metrics.contrastive_loss(x, y, 0), "positive number"),
        (lambda x, y: metrics.contrastive_loss(x, y, 0.1, "sideways"), "unknown direction"),
        (lambda x, y: metrics.contrastive_loss(x, y, 0.1, block_size=1), "block_size"),
        (lambda x, y: metrics.contrastive_loss(x, y, 0.1, block_size=2.5), "block_size"),
        (lambda x, y: metrics.alignment(x, y, alpha=0), "positive power"),
        (lambda x, y: metrics.uniformity(x, t=-1), "positive number"),
        (lambda x, y: metrics.gap_share(x, x), "coincides"),
        (lambda x, y: metrics.relative_modality_gap(np.ones((3, 2)), np.ones((3, 2))), "are the same"),
        (
            lambda x, y: metrics.centre_angle(np.array([[1.0, 0], [-1, 0]]), y[:2, :2]),
            "centroid of images is zero",
        ),
        (lambda x, y: metrics.linear_separability(x[:3], y[:3]), "at least 4"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*draw())


@pytest.mark.parametrize("metric", [*PAIRED, "recall_at_k", "gap_vector", "gap_report"])
def test_every_metric_checks_its_embeddings(metric):
    call = PAIRED.get(metric) or getattr(metrics, metric)
    x, y = draw()
    for bad, error in ((x[:, :3], ValueError), (x * np.nan, ValueError), (np.ones((40, 12), int), TypeError)):
        with pytest.raises(error):
            call(bad, y)
    before = x.copy(), y.copy()
    call(x, y)
    assert np.array_equal(x, before[0]) and np.array_equal(y, before[1])

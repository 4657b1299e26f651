"""Who belongs to whom: several captions a picture, one for several, none at all, against slow definitions."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from mgaplib import embeddings, metrics
from mgaplib.landscape import ShiftLandscape, shift
from mgaplib.metrics import intervals, retrieval, spread
from mgaplib.pairs import Pairs


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def draw(of_images, of_texts, d=6, seed=0):
    """Unit rows of two modalities whose groups share their content."""
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(100, d)), rng.normal(size=d) * 0.5
    sides = (
        shared[np.array(codes)] + 0.8 * rng.normal(size=(len(codes), d)) for codes in (of_images, of_texts)
    )
    return [unit(side + sign * offset) for side, sign in zip(sides, (1, -1), strict=True)]


#: The groups of images and of texts: five captions each, one for three, anything, rows that stand alone.
RELATIONS = {
    "captions": (list(range(12)), list(np.repeat(range(12), 5))),
    "one for three": (list(np.repeat(range(9), 3)), list(range(9))),
    "mixed order": ([3, 0, 1, 2, 0, 3, 4], [1, 1, 4, 0, 2, 3, 3, 0, 2]),
    "some alone": ([0, 1, 2, 7, 8], [0, 0, 1, 2, 5, 6]),
}


def relations(test):
    return pytest.mark.parametrize("name", RELATIONS)(test)


def partners(name):
    a, b = map(np.array, RELATIONS[name])
    return a[:, None] == b


def slow_recall(scores, mine, k):
    """Over every order of ties: whether a partner is among the k best, of queries that have one."""
    found = []
    for row, own in zip(scores, mine, strict=True):
        if own.any():
            rng = np.random.default_rng(0)
            ranks = [np.lexsort((rng.random(len(row)), -np.round(row, 9)))[:k] for _ in range(400)]
            found.append(np.mean([own[best].any() for best in ranks]))
    return np.mean(found)


@relations
@pytest.mark.parametrize("k", [1, 3])
def test_recall_counts_any_partner(name, k):
    x, y = draw(*RELATIONS[name])
    mine = partners(name)
    assert metrics.recall_at_k(x, y, k, groups=RELATIONS[name]) == pytest.approx(
        slow_recall(x @ y.T, mine, k)
    )
    assert metrics.recall_at_k(y, x, k, groups=RELATIONS[name][::-1]) == pytest.approx(
        slow_recall(y @ x.T, mine.T, k)
    )
    pairs = Pairs(x, y, groups=RELATIONS[name])
    assert metrics.recall_at_k(pairs.swapped, k=k) == metrics.recall_at_k(
        y, x, k, groups=RELATIONS[name][::-1]
    )


def test_ties_of_partners_and_strangers_count_in_expectation():
    x = np.eye(3)
    y = np.eye(3)[[0, 0, 0, 1, 2]]
    groups = [0, 1, 2], [0, 0, 1, 1, 2]  # image 0 shares its place with two partners and a stranger
    # The two equal captions of image 0 are one, so it is one partner against one stranger.
    assert metrics.recall_at_k(x, y, groups=groups) == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert retrieval.chance_of_any(np.array([1, 2]), np.array([4, 4]), np.array([2, 2])) == pytest.approx(
        [1 / 2, 5 / 6]
    )
    # Different captions that are equally near.
    y = np.array([[0.6, 0.8, 0], [0.6, -0.8, 0], [0.6, 0, 0.8], [0, 0, 1]])
    assert metrics.recall_at_k(x[[0, 2]], y, groups=([0, 1], [0, 0, 1, 1])) == pytest.approx((2 / 3 + 1) / 2)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 4), st.integers(1, 4))
def test_chances_against_shuffling(seed, among, partners, places):
    partners = min(partners, among)
    rng = np.random.default_rng(seed)
    orders = np.array([rng.permutation(among)[:partners].min() < places for _ in range(600)])
    assert retrieval.chance_of_any(places, among, partners) == pytest.approx(orders.mean(), abs=0.09)


def five_captions():
    """CLIP's first 100 published pictures with five captions each: the published one, noise .7 long added.

    The noise is drawn by default_rng(0), a normal number a coordinate over sqrt(512), so about .7 long.
    """
    data = embeddings.load_embeddings("clip")
    if data.stand_in:
        warnings.warn(f"{data.label} cannot be reached: checked on {data.source}", stacklevel=2)
    x, y = unit(data.images[:100].astype(float)), unit(data.texts[:100].astype(float))
    noise = np.random.default_rng(0).normal(size=(500, y.shape[1])) / np.sqrt(y.shape[1])
    return x, unit(np.repeat(y, 5, axis=0) + 0.7 * noise), np.repeat(np.arange(100), 5), not data.stand_in


def test_five_captions_a_picture_of_published_clip():
    x, y, of_texts, real = five_captions()
    to_text, to_image = (
        metrics.recall_at_k(x, y, groups=of_texts),
        metrics.recall_at_k(y, x, groups=(of_texts, range(100))),
    )
    best = (x @ y.T).argmax(axis=1)
    assert to_text == np.mean(of_texts[best] == range(100))
    assert to_image == np.mean((y @ x.T).argmax(axis=1) == of_texts)
    if real:
        assert (to_text, to_image) == pytest.approx((0.61, 0.648), abs=5e-4)
    # The picture repeated beside each caption is the same set, however one says it.
    again = np.repeat(x, 5, axis=0)
    for pairs in (Pairs(again, y, groups=of_texts), Pairs(again, y, groups="equal")):
        assert (len(pairs), len(pairs.images), len(pairs.texts)) == (100, 100, 500)
        assert metrics.recall_at_k(pairs) == to_text and metrics.recall_at_k(pairs.swapped) == to_image
    for call, wanted in (
        (lambda: metrics.recall_at_k(again, y), to_text),
        (lambda: metrics.recall_at_k(y, again), to_image),
    ):
        with pytest.warns(UserWarning, match="100 different rows, 500 in all: equal ones are taken as one"):
            assert call() == wanted
    alone = metrics.recall_at_k(again, y, groups=range(500)), metrics.recall_at_k(y, again, groups=range(500))
    assert alone == pytest.approx((to_text / 5, to_image / 5))  # what it read before, and what that costs


def same(codes):
    return np.equal.outer(codes, codes)


def slow(name, x, y, tau=0.1):
    """Every number by its definition, over whole matrices."""
    mine, (a, b) = partners(name), map(np.array, RELATIONS[name])
    cross, g = x @ y.T, x.mean(axis=0) - y.mean(axis=0)
    within_x, within_y = (x @ x.T)[~same(a)], (y @ y.T)[~same(b)]
    matched = cross[mine].mean()
    near, far = (1 - matched) / 2, (2 - within_x.mean() - within_y.mean()) / 4
    losses = []
    for logits, own in ((cross / tau, mine), (cross.T / tau, mine.T)):
        log_shares = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        losses.append(np.mean([-row[o].mean() for row, o in zip(log_shares, own, strict=True) if o.any()]))
    distances = np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))
    return {
        "modality_gap": np.linalg.norm(g),
        "modality_gap (unbiased)": np.sqrt(
            max(within_x.mean() + within_y.mean() - 2 * cross[~mine].mean(), 0)
        ),
        "relative_modality_gap": near / (near + far),
        "alignment": (distances[mine] ** 2).mean(),
        "gap_share": g @ g / (distances[mine] ** 2).mean(),
        "matched cosine": matched,
        "mismatched cosine": cross[~mine].mean(),
        "mean_cosine (images)": within_x.mean(),
        "mean_cosine (texts)": within_y.mean(),
        "uniformity (texts)": np.log(np.exp(-2 * (2 - 2 * within_y)).mean()),
        "score_gap": np.mean([wasserstein_distance(z, cross[~mine]) for z in (within_x, within_y)]),
        "contrastive_loss": np.mean(losses),
        "recall_at_1 (image to text)": slow_recall(cross, mine, 1),
        "recall_at_1 (text to image)": slow_recall(cross.T, mine.T, 1),
    }


@relations
def test_every_number_of_the_table_by_its_definition(name):
    x, y = draw(*RELATIONS[name])
    wanted = slow(name, x, y)
    table = metrics.gap_report(x, y, tau=0.1, groups=RELATIONS[name])
    assert table.value[list(wanted)].to_dict() == pytest.approx(wanted)
    assert metrics.alignment(x, y, alpha=1, groups=RELATIONS[name]) == pytest.approx(
        np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))[partners(name)].mean()
    )
    inside = table.dropna(subset="low")
    assert (inside.low <= inside.high).all() and len(inside) > 12


def test_groups_of_one_row_are_aligned_pairs():
    x, y = draw(range(30), range(30))
    wanted, order = metrics.gap_report(x, y), np.random.default_rng(1).permutation(30)
    assert Pairs(x, y, groups=range(100, 130)).groups is None
    for name, value in metrics.gap_report(x, y[order], groups=(range(30), order)).value.items():
        assert value == pytest.approx(
            wanted.value[name], abs=0.1 if name == "linear_separability" else 1e-9
        ), name


@relations
def test_the_landscape_is_shifting_and_measuring_anew(name):
    x, y = draw(*RELATIONS[name])
    groups = RELATIONS[name]
    for dtype in ("float64", "float32"):
        land = ShiftLandscape(x, y, groups=groups, dtype=dtype)
        for lam in (-0.4, 0.0, 0.5):
            moved = Pairs(*shift(x, y, lam, groups=groups), groups=groups)
            for way in ("both", "image_to_text", "text_to_image"):
                for size in (None, 2):
                    for tau in (0.004, 0.1, 1.0):
                        found = land.loss(lam, tau, direction=way, block_size=size)[0, 0]
                        wanted = metrics.contrastive_loss(moved, None, tau, way, size)
                        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5)
            for k in (1, 2):
                both = metrics.recall_at_k(moved, k=k), metrics.recall_at_k(moved.swapped, k=k)
                assert land.recall(lam, k)[0] == pytest.approx(both)
            assert land.modality_gap(lam)[0] == pytest.approx(metrics.modality_gap(moved), abs=1e-6)


def test_a_loss_with_all_weight_on_its_partners_is_the_log_of_their_number():
    x = np.eye(4)
    y = np.repeat(x, 3, axis=0) + 1e-9 * np.random.default_rng(0).normal(size=(12, 4))
    loss = metrics.contrastive_loss(x, y, 0.01, groups=np.repeat(range(4), 3))
    assert loss == pytest.approx(np.log(3) / 2, abs=1e-6)  # three captions a picture, one picture a caption


@relations
def test_ranks_in_one_index_pass_over_their_own_kind(name):
    x, y = draw(*RELATIONS[name])
    (a, b), mine = map(np.array, RELATIONS[name]), partners(name)
    ranks = metrics.mixed_partner_ranks(x, y, groups=RELATIONS[name])
    shares = metrics.same_modality_share(x, y, groups=RELATIONS[name])
    for side, (q, own, other, codes) in enumerate(((x, mine, y, a), (y, mine.T, x, b))):
        first = []
        for i, row in enumerate(own):
            alike = (q[i] @ q.T)[codes != codes[i]]
            across = q[i] @ other.T
            first.append(alike.max() > across.max())
            if row.any():
                best = across[row].max()
                assert ranks[side][i] == 1 + (alike > best).sum() + (across > best).sum()
            else:
                assert np.isnan(ranks[side][i])
        assert shares[side] == np.mean(first)


# ---- no pairs at all

FREE = (
    "gap_vector modality_gap centre_angle linear_separability score_gap knn_mixing frechet_distance "
    "covariance_gap uniformity_w2 same_modality_share"
)
FREE = {name: getattr(metrics, name) for name in FREE.split()}
FREE["logit_entropy"] = lambda x, y: metrics.logit_entropy(x, y, 0.1)
NEED = "relative_modality_gap alignment gap_share recall_at_k mixed_partner_ranks"
NEED = {name: getattr(metrics, name) for name in NEED.split()} | {
    "contrastive_loss": lambda x, y=None: metrics.contrastive_loss(x, y, 0.1),
    "ShiftLandscape": ShiftLandscape,
}


@pytest.mark.parametrize("name", FREE)
def test_what_needs_no_pairs_takes_any_numbers_of_rows(name):
    x, y = draw(range(30), range(50))
    found = FREE[name](x, y)
    assert np.isfinite(found).all()
    assert np.array_equal(FREE[name](Pairs.unpaired(x, y), None), found)


@pytest.mark.parametrize("name", NEED)
def test_what_needs_pairs_says_so(name):
    x, y = draw(range(30), range(50))
    with pytest.raises(ValueError, match="say with groups= which rows belong together"):
        NEED[name](x, y)
    with pytest.raises(ValueError, match="no row of .* belongs to one of .*say with groups="):
        NEED[name](Pairs.unpaired(x, y))


def test_the_gap_of_unpaired_sets_is_unbiased():
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        x, y = unit(rng.normal(size=(12, 40))), unit(rng.normal(size=(30, 40)))
        found.append(
            metrics.gap_report(x, y).value["modality_gap (unbiased)"]
            if len(found) < 1
            else metrics.modality_gap(x, y, unbiased=True)
        )
        assert metrics.modality_gap(x, y) > 0.2
    assert 0.3 < np.mean(np.array(found) == 0) < 0.7
    x, y = draw(range(30), range(50))
    table = metrics.gap_report(x, y)
    assert table.value["mismatched cosine"] == pytest.approx((x @ y.T).mean())
    assert not {"alignment", "matched cosine", "recall_at_1 (image to text)", "contrastive_loss"} & set(
        table.index
    )
    assert table.low["modality_gap"] < table.value["modality_gap"]


def test_unequal_samples_are_as_far_apart_as_their_distributions():
    x, y = draw(range(30), range(50))
    within = [(z @ z.T)[~np.eye(len(z), dtype=bool)] for z in (x, y)]
    wanted = np.mean([wasserstein_distance(w, (x @ y.T).ravel()) for w in within])
    assert metrics.score_gap(x, y) == pytest.approx(wanted)


# ---- intervals by group


def test_copies_of_a_pair_bring_no_certainty():
    x, y = draw(range(60), range(60))
    once = intervals.resampled(Pairs(x, y), 0)
    rng = np.random.default_rng(0)
    five = [unit(np.repeat(z, 5, axis=0) + 1e-7 * rng.normal(size=(300, 6))) for z in (x, y)]
    grouped = intervals.resampled(Pairs(*five, groups=np.repeat(range(60), 5)), 0)
    rowwise = intervals.resampled(Pairs(*five), 0)
    for name in ("modality_gap", "matched cosine", "mean_cosine (texts)"):
        widths = [high - low for low, high in (once[name], grouped[name], rowwise[name])]
        assert widths[1] == pytest.approx(widths[0], rel=1e-3), name
        assert widths[2] < 0.7 * widths[0], name
    chances = np.repeat(np.random.default_rng(1).random(60) < 0.4, 5).astype(float)
    low, high = intervals.of_share(chances, np.repeat(range(60), 5))
    assert (low, high) == pytest.approx(intervals.wilson(chances.mean(), 60), abs=0.01)
    assert intervals.of_share(np.ones(300), np.repeat(range(60), 5)) == pytest.approx(intervals.wilson(1, 60))


def test_an_interval_of_recall_holds_the_mean_of_many_sets():
    truth, inside = [], 0
    for seed in range(120):
        x, y = draw(range(40), np.repeat(range(40), 4), seed=seed)
        pairs = Pairs(y, x, groups=(np.repeat(range(40), 4), range(40)))
        truth.append((retrieval.hits(pairs, (1,))[0], pairs.groups[0]))
    middle = np.mean([chances.mean() for chances, _ in truth])
    for chances, codes in truth:
        low, high = intervals.of_share(chances, codes)
        inside += low <= middle <= high
    assert inside / 120 > 0.88


def test_an_interval_of_uniformity_against_its_spread_over_many_sets():
    values, inside = [], []
    for seed in range(80):
        rng, codes = np.random.default_rng(seed), np.repeat(range(30), 3)
        y = unit(rng.normal(size=(30, 6))[codes] + 0.8 * rng.normal(size=(90, 6)) + np.eye(6)[0])
        values.append(spread.uniformity_of(y, codes=codes))
        inside.append(intervals.of_uniformity(y, codes))
    middle = np.mean(values)
    assert np.mean([low <= middle <= high for low, high in inside]) > 0.85
    assert np.mean([high - low for low, high in inside]) == pytest.approx(3.92 * np.std(values), rel=0.5)
    once = intervals.of_uniformity(y[::3], np.arange(30))
    copies = intervals.of_uniformity(np.repeat(y[::3], 4, axis=0), np.repeat(range(30), 4))
    assert copies == pytest.approx(once)


def noisy(n, d, gap, rng):
    """Two captions an image, in a few dimensions more than in others, some of them far out."""
    scale, offset = 0.9 ** np.arange(d), np.r_[gap, np.zeros(d - 1)]
    meaning = rng.normal(size=(n, d)) * scale + (rng.random((n, 1)) < 0.1) * 3 * np.eye(d)[1]
    noise = rng.normal(size=(3, n, d)) * scale / 2
    texts = np.stack([meaning + noise[1], meaning + noise[2]], axis=1).reshape(2 * n, d) - offset
    return Pairs(meaning + noise[0] + offset, texts, groups=np.repeat(np.arange(n), 2))


def spectral(pairs):
    """The two intervals as `gap_report` makes them, and the values they are about."""
    both = np.concatenate([pairs.images, pairs.texts]), np.concatenate(pairs.codes)
    texts = intervals.of_spectrum(pairs.texts, pairs.codes[1], np.zeros(len(pairs)))
    return {
        "effective_rank": (metrics.effective_rank(pairs.texts), *texts["effective_rank"]),
        "uniformity_w2": (
            metrics.uniformity_w2(pairs),
            *intervals.of_spectrum(*both, intervals.kinds_of(pairs))["uniformity_w2"],
        ),
    }


@pytest.mark.parametrize("d", [5, 90])
def test_leaving_out_each_group_at_once_is_leaving_it_out(d):
    pairs = noisy(30, d, 0.5, np.random.default_rng(d))
    others = [pairs.take(np.delete(np.arange(30), i)) for i in range(30)]
    slow = {
        "effective_rank": [metrics.effective_rank(some.texts) for some in others],
        "uniformity_w2": [metrics.uniformity_w2(some) for some in others],
    }
    for name, (value, low, high) in spectral(pairs).items():
        half = 1.959964 * np.sqrt(29 * np.var(slow[name]))
        assert (low, high) == pytest.approx((value - half, value + half), abs=2e-3 * half), name


@pytest.mark.parametrize(("n", "d"), [(60, 8), (40, 100)])
def test_intervals_of_spectra_hold_the_mean_over_many_sets_in_nine_of_ten(n, d):
    drawn = [spectral(noisy(n, d, 0.5, np.random.default_rng(seed))) for seed in range(100)]
    for name in drawn[0]:
        value, low, high = np.transpose([found[name] for found in drawn])
        assert np.mean((low <= value.mean()) & (value.mean() <= high)) > 0.9, name


def test_the_swap_test_of_a_score_gap_takes_sets_of_very_unequal_sizes():
    rng = np.random.default_rng(0)
    pairs = Pairs.unpaired(rng.normal(size=(2000, 8)), rng.normal(size=(24, 8)))
    assert not any(intervals._laws_differ(pairs, seed) for seed in range(20))
    apart = Pairs.unpaired(rng.normal(size=(2000, 8)), rng.normal(size=(24, 8)) + 2)
    assert all(intervals._laws_differ(apart, seed) for seed in range(20))


@pytest.mark.parametrize("gap", [0, 0.3, 1])
def test_the_interval_of_the_score_gap_holds_that_of_many_pairs_in_nine_of_ten(gap):
    truth = metrics.score_gap(noisy(1000, 12, gap, np.random.default_rng(0))) if gap else 0  # one law
    inside = []
    for seed in range(1, 101):
        pairs = noisy(60, 12, gap, np.random.default_rng(seed))
        low, high = intervals.of_score_gap(pairs, metrics.score_gap(pairs))
        inside.append(low <= truth <= high)
    assert np.mean(inside) > 0.9


def test_a_bootstrap_would_read_too_low_a_rank_and_copies_add_no_certainty():
    rng = np.random.default_rng(4)
    x = noisy(60, 30, 0.5, rng).images
    again = [metrics.effective_rank(x[rng.integers(60, size=60)]) for _ in range(50)]
    low, high = intervals.of_spectrum(x, np.arange(60), np.zeros(60))["effective_rank"]
    assert max(again) < metrics.effective_rank(x) and low < metrics.effective_rank(x) < high
    copies = intervals.of_spectrum(np.repeat(x, 4, axis=0), np.repeat(np.arange(60), 4), np.zeros(60))
    assert copies["effective_rank"] == pytest.approx((low, high), rel=1e-4)


def test_too_few_groups_have_no_such_interval_and_all_others_have_each():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 40, 6)) + 1
    table = metrics.gap_report(x[:19], y[:19])
    missing = ["uniformity_w2", "effective_rank (images)", "effective_rank (texts)", "score_gap"]
    assert table.index[table.low.isna()].tolist() == missing
    for pairs in (Pairs(x, y), Pairs.unpaired(x, y[:25])):
        table = metrics.gap_report(pairs)
        assert (table.low <= table.high).all()

"""The shift and its landscape, against shifting and multiplying anew; and the published figure's values."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import embeddings, landscape, metrics
from mgaplib.landscape import ShiftLandscape, shift

SCALES = [100, 50, 30, 20, 10, 1]
DELTAS = np.arange(-5, 5, 0.25)
# Lowest point over DELTAS in batches of 50: delta, distance of the centroids, loss, for each of SCALES.
SYMMETRIC = [
    (0, 0.851, 0.5660),
    (0.25, 0.632, 0.6646),
    (0.25, 0.632, 1.0138),
    (0.5, 0.383, 1.4940),
    (0.75, 0.115, 2.4227),
    (0.75, 0.115, 3.7374),
]
AS_RELEASED = [0.5232, 0.6302, 0.9986, 1.4941, 2.4310, 3.7375]  # the losses there, image to text alone
# Gap at the lowest loss of the full pool, found continuously.
FULL_POOL = [0.859, 0.713, 0.541, 0.398, 0.209, 0.019]


def draw(n=30, d=8, gap=0.6, seed=0):
    """Rows of two modalities that share their content; not of unit length."""
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(n, d)), rng.normal(size=d) * gap
    return shared + rng.normal(size=(n, d)) * 0.5 + offset, shared - offset


def published_clip():
    """Return CLIP's pairs in float64, and whether they are the published ones; warn where they are not."""
    data = embeddings.load_embeddings("clip")
    if data.stand_in:
        warnings.warn(f"{data.label} cannot be reached: checked on {data.source}", stacklevel=2)
    return data.images.astype(float), data.texts.astype(float), not data.stand_in


def slow_loss(x, y, by, tau, options, **how):
    return metrics.contrastive_loss(*shift(x, y, by, **options), tau, **how)


# ---- shift


def test_lambda_moves_each_modality_by_that_many_gaps():
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in draw())
    gap = metrics.gap_vector(x, y)
    a, b = shift(x, y, 0.3, renormalize=False)
    assert np.allclose(a, x - 0.3 * gap) and np.allclose(b, y + 0.3 * gap)
    c, d = shift(x, y, 0.3)
    assert np.allclose(c, a / np.linalg.norm(a, axis=1, keepdims=True))
    assert np.allclose(d, b / np.linalg.norm(b, axis=1, keepdims=True))


def test_delta_is_the_distance_that_both_go_together():
    x, y = draw()
    length = metrics.modality_gap(x, y)
    for a, b in zip(shift(x, y, 0.4, convention="delta"), shift(x, y, 0.5 * 0.4 / length), strict=True):
        assert np.allclose(a, b)


def test_images_only_go_the_whole_delta_and_texts_stay():
    x, y = draw()
    unit = y / np.linalg.norm(y, axis=1, keepdims=True)
    a, b = shift(x, y, 0.4, convention="delta", images_only=True, renormalize=False)
    assert np.allclose(b, unit)
    gap = metrics.gap_vector(x, y)
    assert np.allclose(a, x / np.linalg.norm(x, axis=1, keepdims=True) - 0.4 * gap / np.linalg.norm(gap))
    c, _ = shift(x, y, 0.4 / np.linalg.norm(gap), images_only=True, renormalize=False)
    assert np.allclose(a, c)


@pytest.mark.parametrize(("images_only", "lam"), [(False, 0.5), (True, 1.0)])
def test_without_normalising_again_the_gap_closes_exactly(images_only, lam):
    x, y = shift(*draw(), lam, images_only=images_only, renormalize=False)
    assert np.allclose(x.mean(axis=0), y.mean(axis=0))


def test_a_shift_keeps_precision_and_leaves_its_input_alone():
    x, y = (z.astype("f4") for z in draw())
    before = x.copy()
    a, b = shift(x, y, 0.2)
    assert a.dtype == b.dtype == np.float32 and np.array_equal(x, before)


# ---- the landscape against the slow way


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("images_only", [False, True])
@pytest.mark.parametrize("convention", ["lambda", "delta"])
def test_every_quantity_agrees_with_shifting_anew(dtype, images_only, convention, monkeypatch):
    monkeypatch.setattr(landscape, "_CELLS", 7 * 30)  # five blocks of rows
    x, y = draw()
    options = {"convention": convention, "images_only": images_only}
    land = ShiftLandscape(x, y, dtype=dtype, **options)
    shifts, taus = [-2.0, -0.3, 0.0, 0.4, 0.9], [0.002, 0.0035, 0.01, 0.1, 1.0]
    for direction in ("both", "image_to_text", "text_to_image"):
        for block_size in (None, 8):
            how = {"direction": direction, "block_size": block_size}
            slow = [[slow_loss(x, y, s, tau, options, **how) for tau in taus] for s in shifts]
            # float32 of so few pairs: no averaging over thousands of rows
            assert np.allclose(land.loss(shifts, taus, **how), slow, rtol=1e-6, atol=1e-5), how
    moved = [shift(x, y, s, **options) for s in shifts]
    assert land.modality_gap(shifts) == pytest.approx([metrics.modality_gap(*m) for m in moved], abs=1e-6)
    for k in (1, 3):
        both = [(metrics.recall_at_k(a, b, k), metrics.recall_at_k(b, a, k)) for a, b in moved]
        assert np.allclose(land.recall(shifts, k), both)


@pytest.mark.filterwarnings("error")
@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10**6),
    st.integers(2, 12),
    st.floats(-3, 3),
    st.sampled_from([0.0005, 0.002, 0.01, 0.1, 3]),
    st.booleans(),
)
def test_any_pairs_any_shift_any_temperature(seed, n, lam, tau, images_only):
    x, y = draw(n, 3, 0.4, seed)
    land = ShiftLandscape(x, y, images_only=images_only)
    slow = slow_loss(x, y, lam, tau, {"images_only": images_only})
    assert land.loss(lam, tau)[0, 0] == pytest.approx(slow, rel=1e-6, abs=1e-6)


@pytest.mark.filterwarnings("error")
@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["float32", "float64"]),
    st.floats(0.4, 30),
    st.lists(st.integers(1, 16), min_size=1, max_size=7),
    st.lists(st.floats(0.002, 3), max_size=3),
)
def test_temperatures_whose_inverses_add_up_agree_with_each_alone(seed, dtype, base, multiples, others):
    taus = [1 / (base * multiple) for multiple in multiples] + others
    x, y = draw(20, 6, seed=seed)
    lam = np.random.default_rng(seed).uniform(-2, 3)
    found = ShiftLandscape(x, y, dtype=dtype).loss(lam, taus)[0]
    slow = [slow_loss(x, y, lam, tau, {}) for tau in taus]
    assert found == pytest.approx(slow, rel=1e-6, abs=1e-5 if dtype == "float32" else 1e-9)


def test_exponentials_are_products_where_the_inverse_temperatures_add_up():
    def exps(scales):
        return [scales[t] for t, _, parts in landscape._steps(np.array(scales, float)) if not parts]

    assert exps(SCALES) == [1, 10]
    assert exps([20, 50, 10, 100]) == [10]  # 50 = 20 + 20 + 10
    assert exps([7, 7]) == [7, 7] and exps([100, 37.5, 14]) == [14, 37.5, 100]
    assert exps([2**i for i in range(8)]) == [1, 32]  # rounding adds up: 16 exps in a product at most
    assert [ShiftLandscape(*draw()).loss(0, 1 / s)[0, 0] for s in SCALES] == pytest.approx(
        ShiftLandscape(*draw()).loss(0, 1 / np.array(SCALES))[0], rel=1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tau", [0.0005, 0.002, 0.01, 0.05])
def test_no_row_or_column_is_lost_to_underflow(dtype, tau):
    # One pair at cosine 1, one at -1, whose terms differ by exp(-2 / tau), and one in between.
    x = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    y = np.array([[1.0, 0.0, 0.0], [-0.6, -0.8, 0.0], [0.0, 1.0, 0.2]])
    for direction in ("both", "image_to_text", "text_to_image"):
        found = ShiftLandscape(x, y, dtype=dtype).loss(0, tau, direction=direction)[0, 0]
        assert found == pytest.approx(metrics.contrastive_loss(x, y, tau, direction), rel=1e-6)


def test_float32_is_exact_to_1e_5_of_float64_on_clip():
    x, y, _ = published_clip()
    shifts, taus = np.linspace(-2, 3, 11), [0.002, 0.005, 0.01, 0.05, 1]
    fine, coarse = (ShiftLandscape(x, y, dtype=kind).loss(shifts, taus) for kind in ("float64", "float32"))
    assert np.abs(fine - coarse).max() < 1e-5
    slow = [[slow_loss(x, y, s, tau, {}) for tau in taus] for s in shifts[::5]]
    assert np.abs(fine[::5] - slow).max() < 1e-9


def test_the_default_precision_follows_the_number_of_pairs():
    assert ShiftLandscape(*draw(1024)).gram.dtype == np.float64
    assert ShiftLandscape(*draw(1025)).gram.dtype == np.float32


def test_the_attributes_are_the_unshifted_geometry():
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in draw())
    land = ShiftLandscape(x, y)
    assert np.allclose(land.gap, metrics.gap_vector(x, y))
    assert land.gap_length == pytest.approx(metrics.modality_gap(x, y))
    u = land.gap / land.gap_length
    assert np.allclose(land.direction, u)
    assert np.allclose(land.gram, x @ y.T)
    assert np.allclose(land.p, x @ u) and np.allclose(land.q, y @ u)


def test_the_distance_turns_negative_where_the_modalities_pass_each_other():
    land = ShiftLandscape(*draw(200), convention="lambda")
    shifts = np.linspace(-0.5, 1.5, 41)
    signed = land.signed_distance(shifts)
    assert np.allclose(np.abs(signed), land.modality_gap(shifts))
    assert signed[0] > 0 > signed[-1] and np.count_nonzero(np.diff(np.sign(signed))) == 1


def test_repeated_captions_count_by_chance_after_a_shift_too():
    x, y = draw()
    y[1] = y[0]
    for dtype in ("float32", "float64"):
        found = ShiftLandscape(x, y, dtype=dtype).recall(0.3)[0]
        a, b = shift(x, y, 0.3)
        assert found == pytest.approx([metrics.recall_at_k(a, b), metrics.recall_at_k(b, a)])


# ---- the published figure


def test_lowest_points_of_the_grid_in_batches_of_50():
    x, y, real = published_clip()
    land = ShiftLandscape(x, y, convention="delta")
    taus = 1 / np.array(SCALES)
    both = land.loss(DELTAS, taus, block_size=50)
    one_way = land.loss(DELTAS, taus, direction="image_to_text", block_size=50)
    best = both.argmin(axis=0)
    assert np.array_equal(best, one_way.argmin(axis=0)) or not real
    table = np.column_stack([DELTAS[best], land.signed_distance(DELTAS[best]), both.min(axis=0)])
    if real:
        assert np.allclose(table, SYMMETRIC, atol=6e-4)
        assert np.allclose(table[:, 2], np.array(SYMMETRIC)[:, 2], atol=6e-5)
        assert np.allclose(one_way.min(axis=0), AS_RELEASED, atol=6e-5)
    options = {"convention": "delta"}
    for t in (0, 3, 5):
        slow = slow_loss(x, y, DELTAS[best[t]], taus[t], options, block_size=50)
        assert both[best[t], t] == pytest.approx(slow, abs=1e-9)


def test_continuous_minima_of_the_full_pool():
    x, y, real = published_clip()
    land = ShiftLandscape(x, y)
    gaps = [land.minimum(1 / scale).distance for scale in SCALES]
    assert gaps == sorted(gaps, reverse=True)
    if real:
        assert gaps == pytest.approx(FULL_POOL, abs=0.003)
        assert land.minimum(0.01, direction="image_to_text").distance == pytest.approx(0.808, abs=0.003)
        assert land.minimum(0.01, direction="text_to_image").distance == pytest.approx(0.949, abs=0.003)


@pytest.mark.parametrize("images_only", [False, True])
def test_a_minimum_is_the_same_place_in_both_conventions(images_only):
    x, y = draw(60)
    one, other = (
        ShiftLandscape(x, y, convention=c, images_only=images_only).minimum(0.05) for c in ("lambda", "delta")
    )
    length = metrics.modality_gap(x, y)
    assert other.shift == pytest.approx(one.shift * length * (1 if images_only else 2), abs=1e-4)
    assert other.loss == pytest.approx(one.loss, abs=1e-6)
    land = ShiftLandscape(x, y, images_only=images_only)
    assert one.loss <= land.loss(np.linspace(-2, 2, 101), 0.05).min() + 1e-9
    assert one.loss == pytest.approx(land.loss(one.shift, 0.05)[0, 0])
    assert land.minimum(0.05, bounds=(-0.5, -0.4)).shift == pytest.approx(-0.4, abs=1e-3)


# ---- what is refused


def land():
    return ShiftLandscape(*draw())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: shift(*draw(), np.nan), ValueError, "lam is nan"),
        (lambda: shift(*draw(), 0.5, convention="lamda"), ValueError, "did you mean 'lambda'"),
        (lambda: shift(draw()[0], draw()[0], 0.5), ValueError, "no gap to move along"),
        (lambda: shift(draw()[0], draw()[1][:5], 0.5), ValueError, "images has shape"),
        (lambda: shift(np.ones((3, 2), int), np.ones((3, 2)), 0.5), TypeError, "images holds int64"),
        (lambda: ShiftLandscape(draw()[0], draw()[0]), ValueError, "no gap to move along"),
        (lambda: ShiftLandscape(*draw(), convention="gamma"), ValueError, "unknown convention"),
        (lambda: ShiftLandscape(*draw(), dtype="float16"), ValueError, "unknown dtype"),
        (lambda: land().loss([0, np.inf], 0.1), ValueError, "a shift is a finite number"),
        (lambda: land().loss(0, [0.1, 0]), ValueError, "taus is .*positive number"),
        (lambda: land().loss(0, 0.1, direction="text"), ValueError, "unknown direction"),
        (lambda: land().loss(0, 0.1, block_size=1), ValueError, "block_size"),
        (lambda: land().recall(0, k=31), ValueError, "pool of 30"),
        (lambda: land().minimum(-1), ValueError, "positive number"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_row_on_the_origin_has_no_direction():
    x, y = np.array([[1.0, 0], [1, 0]]), np.array([[0.0, 1], [0, -1]])
    with pytest.raises(ValueError, match=r"shifted images has a zero row \(0\)"):
        shift(x, y, 1.0)
    with pytest.raises(ValueError, match="onto the origin"):
        ShiftLandscape(x, y).loss(1.0, 0.1)

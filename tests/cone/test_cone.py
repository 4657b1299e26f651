"""The cone effect: limits known in closed form, the paper's table, and Monte-Carlo against formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import cone, metrics
from mgaplib.cone import kernels, networks

# Liang et al. (2022), figure 2b, released output: layer of the ReLU network, mean cosine after it.
PAPER_RELU = {0: 0.000969, 1: 0.319475, 2: 0.494273, 3: 0.606870, 5: 0.754082, 10: 0.947666, 25: 0.999997}


def curve(activation, seed, n=256, d=512, depth=25, **options):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((n, d), dtype=np.float32)
    return np.array(
        [cone.full_mean_cosine(h) for h in cone.mlp_layers(inputs, depth, activation, rng, **options)]
    )


def test_papers_relu_table_lies_within_the_spread_of_seeds():
    curves = np.array([curve("relu", seed, n=1024) for seed in range(5)])
    for layer, value in PAPER_RELU.items():
        # Seeds differ by 0.01-0.02 in the middle layers, where the paper's single run may lie 4 spreads away.
        spread = max(4 * curves[:, layer].std(ddof=1), 1e-3)
        assert abs(curves[:, layer].mean() - value) < spread, layer


def test_one_relu_layer_without_bias_gives_one_over_pi():
    inputs = np.random.default_rng(0).standard_normal((400, 2000))
    *_, h = cone.mlp_layers(inputs, 1, "relu", np.random.default_rng(1), width=4000, bias=False)
    assert metrics.mean_cosine(h) == pytest.approx(1 / np.pi, abs=4e-3)


@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_a_wide_layer_follows_the_infinite_width_prediction(activation):
    measured = np.mean([curve(activation, seed, depth=3) for seed in range(3)], axis=0)
    predicted = kernels.predicted_cosines(3, activation)
    predicted = predicted + (1 - predicted) / 256  # the measured mean includes the diagonal
    np.testing.assert_allclose(measured, predicted, atol=0.02)


def test_full_mean_cosine_equals_the_slow_form_and_counts_the_diagonal():
    x = np.random.default_rng(0).standard_normal((50, 7))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert cone.full_mean_cosine(x) == pytest.approx((unit @ unit.T).mean(), abs=1e-12)
    assert cone.full_mean_cosine(x) == pytest.approx((49 * metrics.mean_cosine(x) + 1) / 50, abs=1e-12)


def test_layers_are_reproducible_keep_the_dtype_and_leave_the_inputs_alone():
    inputs = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    before = inputs.copy()
    runs = [list(cone.mlp_layers(inputs, 2, "maxout", np.random.default_rng(3), width=5)) for _ in range(2)]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32
    np.testing.assert_array_equal(inputs, before)
    assert [h.shape for h in runs[0]] == [(6, 8), (6, 5), (6, 5)]


# ------------------------------------------------------------------ kernels


def test_relu_expectation_is_the_arc_cosine_kernel():
    theta = np.linspace(0.05, 3.1, 9)
    arc_cosine = (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / (2 * np.pi)
    np.testing.assert_allclose(
        kernels.expected_product("relu", 1.0, np.cos(theta), 1.0), arc_cosine, atol=1e-12
    )


@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_expectations_agree_with_draws(activation):
    rng = np.random.default_rng(0)
    covariance = np.array([[1.3, 0.5], [0.5, 0.7]])
    z = rng.standard_normal((400_000, 2, 2)) @ np.linalg.cholesky(covariance).T
    if activation == "maxout":
        phi = z.max(axis=1)
    else:
        phi = networks._ACTIVATE[activation](z[:, 0])
    products = phi.prod(axis=1)
    error = products.std() / np.sqrt(len(products))
    assert kernels.expected_product(activation, 1.3, 0.5, 0.7) == pytest.approx(
        products.mean(), abs=5 * error
    )


@given(st.floats(-0.99, 0.99), st.floats(0.1, 30), st.floats(0.1, 30))
@settings(max_examples=60, deadline=None)
def test_lemma_3_holds_in_the_limit(cosine, length_u, length_v):
    inner = cosine * length_u * length_v
    after = kernels.next_gram("relu", length_u**2, inner, length_v**2)[1]
    assert 2 * after >= 1 + inner - 1e-9 * length_u * length_v


@given(st.floats(-0.999, 0.999), st.floats(0.2, 30))
@settings(max_examples=60, deadline=None)
def test_inputs_of_equal_length_always_come_closer(cosine, norm):
    after = kernels.predicted_cosines(1, "relu", cosine=cosine, squared_norm=norm**2)[1]
    assert cosine < after <= 1


def test_prediction_without_bias_starts_at_one_over_pi_and_rises_to_one():
    predicted = kernels.predicted_cosines(200, "relu", bias=False)
    assert predicted[1] == pytest.approx(1 / np.pi, abs=1e-12)
    assert (np.diff(predicted) > 0).all() and predicted[-1] > 0.99


def test_linear_layers_without_bias_keep_the_cosine():
    np.testing.assert_allclose(kernels.predicted_cosines(5, "linear", cosine=0.3, bias=False), 0.3)
    with_bias = kernels.predicted_cosines(25, "linear", squared_norm=512, width=512)
    assert with_bias[-1] == pytest.approx(25 / 537)  # each layer adds 1 to every inner product


@given(st.floats(1.05, 8), st.floats(0.3, 30))
@settings(max_examples=60, deadline=None)
def test_the_crossing_lies_above_the_printed_condition(ratio, norm):
    crossing = kernels.crossing_cosine(ratio, norm)
    assert kernels.sufficient_cosine(ratio) < crossing < 1
    assert kernels.crossing_cosine(1 / ratio, ratio * norm) == pytest.approx(
        crossing, abs=1e-6
    )  # u and v swap


def test_at_equal_lengths_both_conditions_are_one():
    assert kernels.sufficient_cosine(1.0) == kernels.crossing_cosine(1.0, 3.0) == 1.0


# ------------------------------------------------------------------ theorem 1, lemma 3


def test_raising_turns_certain_below_the_crossing_and_impossible_above():
    rng = np.random.default_rng(0)
    crossing = kernels.crossing_cosine(2.0, 1.0)
    assert cone.raise_probability(crossing - 0.15, 2.0, 1.0, 1024, rng, trials=200) == 1.0
    assert cone.raise_probability(crossing + 0.05, 2.0, 1.0, 1024, rng, trials=200) < 0.1


def test_drawing_pre_activations_is_drawing_weights():
    rng = np.random.default_rng(0)
    cosine, ratio, norm, width, trials = 0.85, 2.0, 1.0, 16, 4000
    u, v = np.zeros((2, 6))
    u[0], v[:2] = ratio * norm, norm * np.array([cosine, np.sqrt(1 - cosine**2)])
    raised = 0
    for _ in range(trials):
        *_, h = cone.mlp_layers(np.stack([u, v]), 1, "relu", rng, width=width)
        raised += h[0] @ h[1] > cosine * np.linalg.norm(h[0]) * np.linalg.norm(h[1])
    drawn = cone.raise_probability(cosine, ratio, norm, width, rng, trials=trials)
    assert drawn == pytest.approx(raised / trials, abs=4 * np.sqrt(0.5 / trials))


@pytest.mark.parametrize("law", ["normal", "rademacher", "uniform"])
def test_lemma_3_holds_for_every_symmetric_law(law):
    u, v = np.array([0.8, -0.6]), np.array([0.3, 1.1])
    products = cone.layer_products(u, v, 32, np.random.default_rng(0), law=law, trials=4000)
    mean, error = products.mean(axis=0), products.std(axis=0) / np.sqrt(len(products))
    assert mean[0] == pytest.approx(1 + u @ v, abs=5 * error[0])
    assert mean[1] > mean[0]


# ------------------------------------------------------------------ the seed's share


def test_share_recovers_the_variances_it_was_drawn_with():
    rng = np.random.default_rng(0)
    between, shared, own = 1.0, 0.5, 0.5  # variances of seed, of input, and of the two together
    drawn = []
    for _ in range(200):
        h = np.sqrt(between) * rng.standard_normal((6, 1, 30)) + np.sqrt(shared) * rng.standard_normal(
            (1, 8, 30)
        )
        drawn.append(cone.initialisation_share(h + np.sqrt(own) * rng.standard_normal((6, 8, 30))))
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.01)  # the mean of the coordinates' own ratios is 0.44


def test_share_against_slow_sums():
    h = np.random.default_rng(1).standard_normal((4, 5, 3)) + np.arange(4)[:, None, None]
    within = between = 0.0
    for k in range(3):
        seed, by_input, mean = h[:, :, k].mean(axis=1), h[:, :, k].mean(axis=0), h[:, :, k].mean()
        rest = sum((h[s, i, k] - seed[s] - by_input[i] + mean) ** 2 for s in range(4) for i in range(5)) / (
            3 * 4
        )
        within += np.mean([h[s, :, k].var(ddof=1) for s in range(4)])
        between += seed.var(ddof=1) - rest / 5
    assert cone.initialisation_share(h) == pytest.approx(between / (between + within))


def test_share_of_one_function_is_zero_and_of_constants_one():
    h = np.random.default_rng(0).standard_normal((6, 7))
    assert cone.initialisation_share(np.repeat(h[None], 5, axis=0)) == pytest.approx(0, abs=1e-12)
    assert cone.initialisation_share(np.repeat(h[:, None], 5, axis=1)) == pytest.approx(1)


def test_share_ignores_scale_and_offset():
    h = np.random.default_rng(0).standard_normal((5, 6, 4))
    np.testing.assert_allclose(cone.initialisation_share(3 * h + 7), cone.initialisation_share(h))


def test_theorem_2_for_a_random_network():
    inputs = np.random.default_rng(0).standard_normal((32, 64))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    runs = [list(cone.mlp_layers(inputs, 6, "relu", np.random.default_rng(seed))) for seed in range(40)]
    for layer in range(1, 7):
        before = np.array([run[layer - 1] for run in runs])
        beta = 1 - before.var(axis=1, ddof=1).sum(axis=-1).mean()
        share = cone.initialisation_share(np.array([run[layer] for run in runs]))
        assert share > beta


def test_cones_of_known_place_and_width():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((200, 5)))[0].T
    h = axes[:, None] + 0.01 * rng.standard_normal((5, 40, 200))
    found = cone.describe_cones(h, components=8)
    assert len(found["distance"]) == 10 and found["own"] == [1.0] * 5
    # A row has length sqrt(1 + 200 * 0.01^2); its distance from the mean is what the noise leaves.
    length = np.sqrt(1.02)
    np.testing.assert_allclose(found["distance"], np.sqrt(2) / length, rtol=0.02)
    np.testing.assert_allclose(found["width"], np.sqrt(0.02) / length, rtol=0.05)
    values = np.array(found["singular_values"])
    assert values[3] > 10 * values[4]  # five centres span four directions once centred


def test_initialisations_that_share_one_cone_are_not_told_apart():
    h = np.random.default_rng(0).standard_normal((6, 50, 30)) + 1
    assert np.mean(cone.describe_cones(h)["own"]) < 0.4


# ------------------------------------------------------------------ how narrow a cone is


def test_caps_in_the_plane_and_in_space():
    for angle in (0.2, 0.9763, np.pi / 2):
        assert 2 ** cone.log2_cap_share(angle, 2) == pytest.approx(angle / np.pi)
        assert 2 ** cone.log2_cap_share(angle, 3) == pytest.approx((1 - np.cos(angle)) / 2)


@given(st.floats(0.01, 0.99))
@settings(max_examples=40, deadline=None)
def test_simplices_in_the_plane_and_in_space(cosine):
    assert 2 ** cone.log2_simplex_share(cosine, 2) == pytest.approx(np.arccos(cosine) / (2 * np.pi), rel=1e-6)
    excess = 3 * np.arccos(cosine / (1 + cosine)) - np.pi  # Girard's theorem
    assert 2 ** cone.log2_simplex_share(cosine, 3) == pytest.approx(excess / (4 * np.pi), rel=1e-6)


def test_simplex_against_draws_in_six_dimensions():
    d, cosine = 6, 0.3
    corners = np.linalg.cholesky((1 - cosine) * np.eye(d) + cosine).T
    draws = np.random.default_rng(0).standard_normal((d, 400_000))
    share = (np.linalg.solve(corners, draws) > 0).all(axis=0).mean()
    error = np.sqrt(share / 400_000)
    assert 2 ** cone.log2_simplex_share(cosine, d) == pytest.approx(share, abs=5 * error)


def test_right_angled_corners_cover_one_orthant():
    assert cone.log2_simplex_share(1e-9, 512) == pytest.approx(-512, abs=1e-3)


def test_the_papers_example_of_a_narrow_cone():
    angle = np.arccos(0.56)
    assert 2 ** cone.log2_simplex_share(0.56, 3) == pytest.approx(0.0373, abs=5e-5)
    assert 2 ** cone.log2_cap_share(angle / 2, 3) == pytest.approx(0.0584, abs=5e-5)
    assert 2 ** cone.log2_cap_share(angle, 3) == pytest.approx(0.22, abs=1e-9)


# ------------------------------------------------------------------ normalisation layers


def test_every_norm_becomes_an_identity_in_a_copy():
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln, self.inner = nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))

        def forward(self, x):
            return self.inner(self.ln(x))

    model = Block().eval()
    stripped = cone.without_norms(model)
    assert isinstance(model.ln, nn.LayerNorm) and isinstance(model.inner[1], nn.BatchNorm1d)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(stripped(x), model.inner[0](x))


def test_resnet_follows_its_seed_and_leaves_torchs_generator_alone():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    pixels = torch.ones(1, 3, 32, 32)
    a, b, c = (cone.random_resnet18(seed)(pixels) for seed in (0, 0, 1))
    torch.testing.assert_close(torch.rand(2), expected)
    torch.testing.assert_close(a, b)
    assert not torch.allclose(a, c) and a.shape == (1, 512) and (a >= 0).all()


def test_without_norms_refuses_a_model_that_has_none():
    from torch import nn

    with pytest.raises(ValueError, match="no normalisation layer"):
        cone.without_norms(nn.Linear(2, 2))


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: cone.mlp_layers(np.eye(3), 1, "rleu", np.random.default_rng(0)),
            ValueError,
            "did you mean 'relu'",
        ),
        (
            lambda: cone.mlp_layers(np.eye(3, dtype=int), 1, "relu", np.random.default_rng(0)),
            TypeError,
            "inputs",
        ),
        (lambda: cone.full_mean_cosine(np.zeros((2, 2))), ValueError, "zero row"),
        (
            lambda: cone.raise_probability(1.2, 1, 1, 8, np.random.default_rng(0)),
            ValueError,
            "between -1 and 1",
        ),
        (
            lambda: cone.layer_products([1.0], [1.0], 2, np.random.default_rng(0), law="cauchy"),
            ValueError,
            "law",
        ),
        (lambda: cone.initialisation_share(np.ones((3, 4))), ValueError, "at least two initialisations"),
        (lambda: cone.initialisation_share(np.ones((3, 4, 2))), ValueError, "no variance"),
        (lambda: cone.describe_cones(np.zeros((2, 3, 4))), ValueError, "zero row"),
        (lambda: cone.log2_cap_share(4.0, 3), ValueError, "half_angle"),
        (lambda: cone.log2_cap_share(1.0, 1), ValueError, "2 dimensions"),
        (lambda: cone.log2_simplex_share(1.0, 3), ValueError, "between 0 and 1"),
        (lambda: cone.log2_simplex_share(0.5, 1), ValueError, "2 dimensions"),
        (lambda: kernels.expected_product("relu", 1.0, 2.0, 1.0), ValueError, "larger than"),
        (lambda: kernels.expected_product("relu", 0.0, 0.0, 1.0), ValueError, "not positive"),
        (lambda: kernels.crossing_cosine(0.0, 1.0), ValueError, "ratio is 0.0"),
        (lambda: kernels.crossing_cosine(2.0, 1.0, "tanh"), ValueError, "commutes with scaling"),
        (lambda: kernels.sufficient_cosine(-1.0), ValueError, "positive number"),
        (lambda: kernels.predicted_cosines(-1, "relu"), ValueError, "depth is -1"),
        (lambda: kernels.predicted_cosines(1, "relu", cosine=2.0), ValueError, "cosine is 2.0"),
        (lambda: cone.mlp_layers(np.eye(3), -1, "relu", np.random.default_rng(0)), ValueError, "depth is -1"),
        (
            lambda: cone.raise_probability(0.5, 2, 0.0, 8, np.random.default_rng(0)),
            ValueError,
            "norm is 0.0",
        ),
        (
            lambda: cone.raise_probability(0.5, 2, 1, 8, np.random.default_rng(0), trials=0),
            ValueError,
            "trials is 0",
        ),
        (
            lambda: cone.layer_products([1.0], [1.0], 0, np.random.default_rng(0)),
            ValueError,
            "width is 0",
        ),
        (
            lambda: cone.layer_products([1.0], [1.0, 2.0], 2, np.random.default_rng(0)),
            ValueError,
            "two vectors",
        ),
        (lambda: cone.initialisation_share(np.full((2, 2, 2), np.nan)), ValueError, "NaN"),
        (lambda: cone.describe_cones(np.full((2, 2, 2), np.nan)), ValueError, "NaN"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()

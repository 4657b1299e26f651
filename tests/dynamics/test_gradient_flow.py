import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import iv

from mgaplib import metrics
from mgaplib.dynamics import bounds, gradient_flow

TIMES = np.r_[0.0, np.logspace(-1, 4, 61)]


def matched(n=8, d=8, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, x + noise * rng.normal(size=(n, d))


def random_pairs(n=5, d=3, seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, n, d))
    return tuple(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))


def parallel_loss(x, y, nu, gamma):
    """The loss of parallel modalities, from its definition: gamma is one more coordinate."""
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    x, y = np.sqrt(1 - gamma**2) * x, np.sqrt(1 - gamma**2) * y
    ones = np.ones((len(x), 1))
    return metrics.contrastive_loss(np.hstack([x, gamma * ones]), np.hstack([y, -gamma * ones]), np.exp(-nu))


def numerical_gradient(f, at, step=1e-6):
    at = np.asarray(at, dtype=float)
    slopes = np.empty(at.size)
    for k in range(at.size):
        ahead, behind = at.copy(), at.copy()
        ahead.flat[k] += step
        behind.flat[k] -= step
        slopes[k] = (f(ahead) - f(behind)) / (2 * step)
    return slopes.reshape(at.shape)


def test_the_velocities_are_the_loss_gradient():
    x, y = random_pairs()
    beta, gamma = 3.0, 0.4
    dx, dy, dlog_gamma = gradient_flow.velocities(x, y, beta, gamma)
    nu = np.log(beta)
    np.testing.assert_allclose(
        dx, -numerical_gradient(lambda v: parallel_loss(v, y, nu, gamma), x), atol=1e-7
    )
    np.testing.assert_allclose(
        dy, -numerical_gradient(lambda v: parallel_loss(x, v, nu, gamma), y), atol=1e-7
    )
    slope = numerical_gradient(lambda v: parallel_loss(x, y, nu, float(v)), gamma)
    assert gamma * dlog_gamma == pytest.approx(-float(slope), abs=1e-7)


def test_the_flow_follows_plain_gradient_descent():
    x, y = random_pairs()
    flow = gradient_flow.integrate(x, y, 0.5, [0.0, 0.5], gamma=0.3)
    state = [x.copy(), y.copy(), np.log(2.0), 0.3]
    step = 1e-4
    for _ in range(5000):
        dx, dy, dlog_gamma = gradient_flow.velocities(state[0], state[1], np.exp(state[2]), state[3])
        sharpness = np.exp(state[2]) * (1 - state[3] ** 2)
        dnu = sharpness * gradient_flow.pull(state[0] @ state[1].T, sharpness)
        state = [
            state[0] + step * dx,
            state[1] + step * dy,
            state[2] + step * dnu,
            state[3] * (1 + step * dlog_gamma),
        ]
        state[:2] = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in state[:2]]
    np.testing.assert_allclose(flow.images[-1], state[0], atol=1e-3)
    np.testing.assert_allclose(flow.texts[-1], state[1], atol=1e-3)
    assert flow.beta[-1] == pytest.approx(np.exp(state[2]), rel=1e-3)
    assert flow.gamma[-1] == pytest.approx(state[3], rel=1e-3)


@pytest.mark.parametrize("pairs", [matched(), random_pairs(), random_pairs(n=12, d=6, seed=3)])
def test_lemma_3_1_holds_along_the_flow(pairs):
    flow = gradient_flow.integrate(*pairs, 1.0, TIMES, gamma=0.3)
    kept = bounds.conserved(flow.beta, flow.gamma)
    assert np.ptp(kept) / kept[0] < 1e-6


def test_the_rate_of_gamma_against_beta_falls_as_the_cube_of_beta():
    flow = gradient_flow.integrate(*matched(n=16, d=16), 1.0, np.logspace(2, 8, 61), gamma=0.3)
    rate = -np.gradient(flow.gamma, flow.beta)
    slope = np.polyfit(np.log(flow.beta), np.log(rate), 1)[0]
    assert slope == pytest.approx(-3.0, abs=0.05)


def test_a_matched_start_cools_and_closes_and_a_mismatched_one_warms_and_opens():
    x, y = matched()
    closing = gradient_flow.integrate(x, y, 1.0, TIMES, gamma=0.3)
    assert (np.diff(closing.tau) < 0).all() and (np.diff(closing.gamma) < 0).all()
    opening = gradient_flow.integrate(x, y[::-1], 0.1, [0.0, 0.01], gamma=0.3, train_embeddings=False)
    assert opening.tau[1] > opening.tau[0] and opening.gap[1] > opening.gap[0]


def test_rows_stay_on_the_sphere_and_stand_still_when_asked_to():
    x, y = random_pairs()
    flow = gradient_flow.integrate(x, y, 0.07, TIMES)
    np.testing.assert_allclose(np.linalg.norm(flow.images, axis=2), 1, atol=1e-12)
    still = gradient_flow.integrate(*matched(), 0.5, TIMES, gamma=0.3, train_embeddings=False)
    np.testing.assert_allclose(still.texts[-1], still.texts[0], atol=1e-12)


def test_without_gamma_the_gap_is_that_of_the_points():
    x, y = random_pairs()
    flow = gradient_flow.integrate(x, y, 0.07, TIMES)
    assert (flow.gamma == 0).all()
    assert flow.gap[-1] == pytest.approx(metrics.modality_gap(flow.images[-1], flow.texts[-1]), abs=1e-12)


def test_the_gap_counts_gamma():
    x, y = random_pairs()
    flow = gradient_flow.integrate(x, y, 1.0, [0.0, 1.0], gamma=0.3)
    for k in (0, 1):
        lifted = [
            np.hstack([np.sqrt(1 - flow.gamma[k] ** 2) * rows[k], np.full((5, 1), sign * flow.gamma[k])])
            for rows, sign in ((flow.images, 1), (flow.texts, -1))
        ]
        assert flow.gap[k] == pytest.approx(metrics.modality_gap(*lifted), abs=1e-12)


@pytest.mark.parametrize("parametrisation", ["exp", "linear", "softplus", "fixed"])
def test_every_parametrisation_starts_at_the_asked_temperature(parametrisation):
    flow = gradient_flow.integrate(*matched(), 0.5, TIMES, gamma=0.3, parametrisation=parametrisation)
    assert flow.tau[0] == pytest.approx(0.5)
    assert (flow.tau[-1] == 0.5) == (parametrisation == "fixed")


def test_margin_is_the_worst_of_both_directions():
    assert gradient_flow.margin([[0.9, 0.1], [0.2, 0.5]]) == pytest.approx(0.3)
    assert gradient_flow.margin([[0.9, 0.6], [0.2, 0.5]]) == pytest.approx(-0.1)
    flow = gradient_flow.integrate(*random_pairs(), 0.07, TIMES)
    assert flow.margin[0] < 0 < flow.margin[-1]


@given(st.integers(0, 1000), st.floats(0.35, 30))
@settings(max_examples=25, deadline=None)
def test_the_pull_is_what_sharpness_does_to_the_loss(seed, sharpness):
    x, y = random_pairs(seed=seed)
    step = 1e-5 * sharpness
    ahead, behind = (metrics.contrastive_loss(x, y, 1 / (sharpness + s)) for s in (step, -step))
    assert gradient_flow.pull(x @ y.T, sharpness) == pytest.approx((behind - ahead) / (2 * step), abs=1e-5)


def test_the_pull_keeps_its_digits_where_the_right_share_is_one():
    pull = gradient_flow.pull([[1.0, -1.0], [-1.0, 1.0]], 100.0)
    assert pull == pytest.approx(2 * np.exp(-200.0), rel=1e-9)  # 1 - share is below rounding


# Appendix C at gamma 0.3 and beta 1: what the two equations give, computed to the printed digits.
def test_appendix_c_exp():
    beta, log_gamma = gradient_flow.integrate_pair([0.0, 1e2, 1e4])
    assert 0.0038 <= np.exp(log_gamma[1]) <= 0.00395
    assert 0.00135 <= np.exp(log_gamma[2]) <= 0.0014
    assert beta[2] == pytest.approx(14.38, abs=0.01)


def test_appendix_c_linear():
    _, log_gamma = gradient_flow.integrate_pair([0.0, 1e1, 1e2, 1e4], parametrisation="linear")
    np.testing.assert_allclose(log_gamma[1:], [-6.72, -21.7, -85.1], atol=0.03)
    assert log_gamma[3] / np.log(1e4) ** 2 == pytest.approx(-1.0, abs=0.01)


def test_appendix_c_fixed_has_its_exact_exponent():
    times = np.array([0.0, 50.0, 100.0])
    _, log_gamma = gradient_flow.integrate_pair(times, parametrisation="fixed")
    assert log_gamma[2] == pytest.approx(-74.8, abs=0.03)
    slope = (log_gamma[2] - log_gamma[1]) / 50
    assert slope == pytest.approx(-2 * np.exp(-1), rel=1e-6)  # once gamma is 0, -2 beta exp(-beta)


def test_appendix_c_schedule_has_its_exact_exponent():
    end = 4.0
    beta, log_gamma = gradient_flow.integrate_pair([0.0, 1e3, 2e3], parametrisation="fixed", end_beta=end)
    exponent = (2 * np.exp(-1) - (end + 1) * np.exp(-end)) / (end - 1)
    np.testing.assert_allclose(beta, [1.0, 2.5, 4.0])
    assert log_gamma[-1] == pytest.approx(-2 * exponent * 2e3, rel=2e-3)


def test_the_integrator_agrees_with_an_implicit_one():
    def velocity(log_time, state):
        beta, apart = np.exp(state[0]), np.exp(2 * state[1])
        g = np.exp(log_time - beta * (1 - apart))
        return [beta * (1 - apart) * g, -2 * beta * g]

    end = np.log1p(1e4)
    radau = solve_ivp(velocity, (0, end), [0.0, np.log(0.3)], method="Radau", rtol=1e-9, atol=1e-11).y[:, -1]
    beta, log_gamma = gradient_flow.integrate_pair([0.0, 1e4])
    np.testing.assert_allclose([np.log(beta[1]), log_gamma[1]], radau, rtol=1e-7)


# Theorem 3.2. Two antipodal pairs stay put and keep a margin of 2: the proof's inequalities are nearly tight.
@pytest.mark.parametrize("gamma", [0.02, 0.1, 0.3, 0.6])
def test_gamma_stays_above_the_closing_bound(gamma):
    x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    beta = 1.01 * np.log(4) / (2 * (1 - gamma**2))
    times = np.r_[0.0, np.logspace(-2, 60, 32)]
    flow = gradient_flow.integrate(x, x, 1 / beta, times, gamma=gamma, train_embeddings=False)
    low = bounds.closing(times, 2, 2.0, beta, gamma)
    assert low[0] == pytest.approx(gamma)
    assert (flow.gamma >= low * (1 - 1e-9)).all()
    assert flow.gamma[-1] < 5 * low[-1]


def test_the_closing_bound_holds_where_embeddings_move():
    x, y = matched(n=16, d=16)
    least = gradient_flow.margin(x @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T)
    beta = 1.01 * np.log(60) / (least * 0.91)
    flow = gradient_flow.integrate(x, y, 1 / beta, TIMES, gamma=0.3)
    assert flow.margin.min() >= least * (1 - 1e-9)
    low = bounds.closing(TIMES, 16, flow.margin.min(), beta, 0.3)
    assert (flow.gap >= 2 * low * (1 - 1e-9)).all()


def test_the_printed_constant_would_start_above_gamma():
    _, c4 = bounds.closing_constants(2, 2.0, 0.8, 0.1)
    c2 = c4 + 0.1
    assert c2 / (c4 / np.sqrt(0.1)) ** 2 > 0.1


# Theorem 3.3.
@pytest.mark.parametrize("d", [2, 3, 5, 64, 512, 1024, 4096])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 13.0, 700.0, 1e4])
def test_the_bessel_ratio_agrees_with_an_integral(d, sharpness):
    # E cos by quadrature over the density (1 - z^2)^((d - 3) / 2) of z = cos(angle), in logarithms.
    angle = (np.arange(400_000) + 0.5) * np.pi / 400_000
    log_weight = (d - 2) * np.log(np.sin(angle)) + sharpness * (np.cos(angle) - 1)
    weight = np.exp(log_weight - log_weight.max())
    expected = (weight * np.cos(angle)).sum() / weight.sum()
    assert bounds.mean_cosine_tilted(sharpness, d) == pytest.approx(expected, rel=1e-6)


def test_the_bessel_ratio_agrees_with_plain_bessel_functions():
    assert bounds.mean_cosine_tilted(5.0, 7) == pytest.approx(iv(3.5, 5.0) / iv(2.5, 5.0), rel=1e-12)


def test_the_opening_bound_at_clip_scale_is_vacuous_and_its_limit_is_not():
    clip = {"d": 3, "beta": 1 / 0.07, "gamma": 0.3}
    assert bounds.opening(2048, **clip) == pytest.approx(-15.3, abs=0.05)
    assert bounds.opening(np.inf, **clip) == pytest.approx(15.8, abs=0.05)
    assert bounds.opening(1e6, 3, beta=1.0, gamma=0.3) == pytest.approx(0.321, abs=5e-4)
    assert bounds.opening(np.inf, 3, beta=1.0, gamma=0.3) == pytest.approx(0.345, abs=5e-4)


@given(st.floats(0.1, 500), st.floats(0.01, 0.9))
def test_in_three_dimensions_the_limit_is_elementary(beta, gamma):
    a = beta * (1 - gamma**2)
    expected = 4 * beta * gamma * (1 / np.tanh(a) - 1 / a)
    assert bounds.opening(np.inf, 3, beta=beta, gamma=gamma) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n, d", [(200, 3), (400, 16)])
def test_random_pairs_open_the_gap_at_the_limiting_rate(n, d):
    rates = [bounds.opening_rates(*random_pairs(n, d, seed), beta=5.0, gamma=0.3) for seed in range(20)]
    by_gamma, whole = np.mean(rates, axis=0)
    limit = bounds.opening(np.inf, d, beta=5.0, gamma=0.3)
    assert by_gamma == pytest.approx(limit, rel=0.1)
    assert whole == pytest.approx(limit, rel=0.1)
    assert whole >= bounds.opening(n, d, beta=5.0, gamma=0.3)


def test_the_opening_rate_is_the_slope_of_the_flow():
    x, y = random_pairs(n=20)
    flow = gradient_flow.integrate(x, y, 0.5, [0.0, 1e-5], gamma=0.3)
    by_gamma, whole = bounds.opening_rates(x, y, beta=2.0, gamma=0.3)
    assert (flow.gap[1] - flow.gap[0]) / 1e-5 == pytest.approx(whole, rel=1e-3)
    assert 2 * (flow.gamma[1] - flow.gamma[0]) / 1e-5 == pytest.approx(by_gamma, rel=1e-3)


def test_inputs_are_left_alone():
    x, y = matched()
    before = x.copy(), y.copy()
    gradient_flow.integrate(x, y, 0.5, [0.0, 1.0], gamma=0.3)
    bounds.opening_rates(x, y, beta=2.0, gamma=0.3)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


EYE = np.eye(3)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: gradient_flow.integrate(EYE, EYE, 0.0, [0.0, 1.0]), "temperature"),
        (lambda: gradient_flow.integrate(EYE, EYE[:2], 1.0, [0.0, 1.0]), "shape"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, [0.0, 1.0], gamma=1.0), "gamma"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, [0.0, 1.0], parametrisation="expo"), "exp"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, []), "times"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, [-1.0, 1.0]), "times"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, [0.0, 2.0, 1.0]), "increase"),
        (lambda: gradient_flow.velocities(EYE, EYE, beta=-1.0), "beta"),
        (lambda: gradient_flow.margin(np.ones((2, 3))), "shape"),
        (lambda: gradient_flow.margin(np.ones((1, 1))), "at least 2"),
        (lambda: gradient_flow.margin(np.full((2, 2), np.nan)), "NaN"),
        (lambda: gradient_flow.pull(np.ones((2, 3)), 1.0), "shape"),
        (lambda: gradient_flow.pull(np.full((2, 2), np.inf), 1.0), "infinite"),
        (lambda: gradient_flow.pull(EYE, -1.0), "sharpness"),
        (lambda: gradient_flow.velocities(EYE, EYE, beta="warm"), "beta"),
        (lambda: gradient_flow.integrate(EYE, EYE, 1.0, [0.0, 1.0], tolerance=0.0), "tolerance"),
        (
            lambda: gradient_flow.integrate_pair([0.0, 1.0], parametrisation="fixed", end_beta=np.inf),
            "end_beta",
        ),
        (lambda: gradient_flow.integrate_pair([0.0, 1.0], gamma=0.0), "above 0"),
        (lambda: gradient_flow.integrate_pair([0.0, 1.0], beta=np.inf), "beta"),
        (lambda: gradient_flow.integrate_pair([0.0, 1.0], end_beta=2.0), "fixed"),
        (lambda: gradient_flow.integrate_pair([0.0], parametrisation="fixed", end_beta=2.0), "above 0"),
        (lambda: bounds.closing([1.0], 1, 2.0, 2.0, 0.3), "at least 2"),
        (lambda: bounds.conserved(-1.0, 0.3), "beta"),
        (lambda: bounds.closing([-1.0], 2, 2.0, 2.0, 0.3), "times"),
        (lambda: bounds.closing([1.0], 2, 3.0, 2.0, 0.3), "2 at most"),
        (lambda: bounds.closing([1.0], 2, -0.1, 2.0, 0.3), "margin"),
        (lambda: bounds.closing([1.0], 2, 2.0, 0.1, 0.3), "bound holds from"),
        (lambda: bounds.closing([1.0], 2, 2.0, 2.0, 0.0), "gamma"),
        (lambda: bounds.closing([1.0], 2, 2.0, 0.7, 1e-4), "c4"),
        (lambda: bounds.log_mean_exp(0.0, 3), "sharpness"),
        (lambda: bounds.log_mean_exp(1.0, 1), "dimensions"),
        (lambda: bounds.opening(0, 3, 1.0, 0.3), "n is"),
        (lambda: bounds.opening(10, 3, 1.0, 0.3, delta=0.0), "probability"),
        (lambda: bounds.opening(10, 3, 0.0, 0.3), "beta"),
        (lambda: bounds.opening(10, 3, 1.0, 0.0), "gamma"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_integers_are_refused():
    with pytest.raises(TypeError, match="floating"):
        gradient_flow.integrate(np.eye(3, dtype=int), EYE, 1.0, [0.0, 1.0])


def test_the_model_ends_where_the_modalities_are_opposite_points():
    x, y = matched()
    with pytest.raises(RuntimeError, match="gamma reached 1"):
        gradient_flow.integrate(x, y[::-1], 0.1, [0.0, 1e4], gamma=0.9, train_embeddings=False)

"""Calibrated scores: known values on CLIP, one inner product more, and what must not change."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from mgaplib import corrections, embeddings, metrics
from mgaplib.corrections import CSLS, NNN, Modality, QBNorm, ScoreCalibration

WAYS = [Modality, NNN, CSLS, QBNorm, lambda: NNN(by_modality=True), lambda: QBNorm(by_modality=True)]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def draw(n=40, d=6, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    return [unit(shared + 0.5 * rng.normal(size=(n, d)) + sign * np.eye(d)[0]) for sign in (2, -2)]


@pytest.fixture(scope="module")
def clip():
    found = embeddings.load_embeddings("clip")
    if found.stand_in:
        warnings.warn("drawn embeddings stand in for CLIP's: values are not compared", stacklevel=2)
        pytest.skip("the values are those of the published embeddings")
    return unit(found.images.astype(float)), unit(found.texts.astype(float))


def halves(clip, seed):
    """Images and texts of the calibration half, then of the other."""
    fit, test = np.split(np.random.default_rng(seed).permutation(len(clip[0])), 2)
    return *(z[fit] for z in clip), *(z[test] for z in clip)


def scores(way, queries, documents, kind, role):
    return way.queries(queries) @ way.documents(documents, kind, role).T


def first(found):
    return np.mean(found.argmax(axis=1) == np.arange(len(found)))


# Known values, on held-out halves of CLIP's 500 pairs


def test_neighbours_raise_the_recall_of_clip(clip):
    before, after = [], []
    for seed in range(5):
        fit_x, fit_y, x, y = halves(clip, seed)
        hubs = NNN().fit(image=fit_x, text=fit_y)
        before.append((first(x @ y.T) + first(y @ x.T)) / 2)
        after.append(
            (first(scores(hubs, x, y, "text", "image")) + first(scores(hubs, y, x, "image", "text"))) / 2
        )
    assert np.mean(before) == pytest.approx(0.634, abs=0.001)
    assert np.mean(after) == pytest.approx(0.673, abs=0.003)
    assert np.all(np.array(after) > before)


def test_chosen_neighbours_raise_the_recall_of_clip(clip):
    gains = []
    for seed in range(50):
        fit_x, fit_y, x, y = halves(clip, seed)
        hubs = NNN.chosen(fit_x, fit_y).fit(image=fit_x, text=fit_y)
        gains.append([
            first(scores(hubs, x, y, "text", "image")) - first(x @ y.T),
            first(scores(hubs, y, x, "image", "text")) - first(y @ x.T),
        ])  # fmt: skip
    assert np.mean(gains, axis=0) == pytest.approx([0.022, 0.048], abs=0.005)


def mixed(way, x, y, share, rng):
    """Texts search an index of which a share are images, their own among them."""
    to_images, to_texts = (scores(way, y, z, kind, "text") for z, kind in ((x, "image"), (y, "text")))
    image = rng.random(to_images.shape) < share
    return first(np.where(image | np.eye(len(x), dtype=bool), to_images, to_texts))


def test_modality_cures_the_mixed_index(clip):
    found = {share: [] for share in (0.5, 0.9, 1.0)}
    few, ranks, own = [], [], []
    for seed in range(20):
        fit_x, fit_y, x, y = halves(clip, seed)
        rng, way = np.random.default_rng(seed), Modality().fit(image=fit_x, text=fit_y, paired=True)
        for share, values in found.items():
            values.append(mixed(way, x, y, share, rng))
        few.append(mixed(Modality().fit(image=fit_x[:25], text=fit_y[25:50]), x, y, 0.5, rng))
        a, b = {"image": x, "text": y}, np.eye(len(x), dtype=bool)
        for role, other in (("image", "text"), ("text", "image")):
            across = scores(way, a[role], a[other], other, role)
            within = np.where(b, -np.inf, scores(way, a[role], a[role], role, role))
            partner = np.diag(across)[:, None]
            ranks.append(1 + np.mean((across > partner).sum(axis=1) + (within > partner).sum(axis=1)))
            own.append(np.mean(within.max(axis=1) > across.max(axis=1)))
    means = [np.mean(values) for values in found.values()]
    assert means == pytest.approx([0.604, 0.598, 0.606], abs=0.015)
    assert np.mean(few) == pytest.approx(0.572, abs=0.02)
    assert np.mean(ranks) == pytest.approx(5.5, abs=0.3)
    assert np.mean(own) == pytest.approx(0.26, abs=0.02)


def test_hubness_falls(clip):
    raw, after = [], []
    for seed in range(20):
        fit_x, fit_y, x, y = halves(clip, seed)
        raw.append(metrics.hubness(y @ x.T))
        after.append(metrics.hubness(scores(NNN().fit(image=fit_x, text=fit_y), y, x, "image", "text")))
    assert np.mean(raw) == pytest.approx(1.70, abs=0.1)
    assert np.mean(after) == pytest.approx(0.66, abs=0.05)


# What they are


def test_neighbours_are_what_their_definition_says():
    x, y = draw()
    hubs = NNN(k=3, weight=0.7).fit(image=x[:20], text=y[:20])
    slow = [[q @ c - 0.7 * np.mean(sorted(c @ r for r in y[:20])[-3:]) for c in x[20:]] for q in y[20:]]
    np.testing.assert_allclose(scores(hubs, y[20:], x[20:], "image", "text"), slow)


def test_csls_ranks_as_published():
    x, y = draw()
    found = scores(CSLS(k=3).fit(image=x[:20], text=y[:20]), y[20:], x[20:], "image", "text")
    near = np.sort(y[:20] @ x[20:].T, axis=0)[-3:].mean(axis=0)
    of_query = np.sort(y[20:] @ x[20:].T, axis=1)[:, -3:].mean(axis=1)
    published = 2 * y[20:] @ x[20:].T - near - of_query[:, None]
    np.testing.assert_allclose(2 * found - of_query[:, None], published)


def test_the_querybank_is_an_inverted_softmax_and_its_gate_takes_two_searches():
    x, y = draw()
    way = QBNorm(beta=20).fit(image=x[:20], text=y[:20])
    bank, new = y[:20] @ x[20:].T, y[20:] @ x[20:].T
    softmax = np.exp(20 * new) / np.exp(20 * bank).sum(axis=0)
    np.testing.assert_allclose(np.exp(20 * scores(way, y[20:], x[20:], "image", "text")), softmax)
    # The gate: the same documents, searched with a last coordinate of 0 first.
    documents, queries = way.documents(x[20:], "image", "text"), way.queries(y[20:])
    raw = np.column_stack([queries[:, :-1], np.zeros(len(queries))])
    active = np.isin((raw @ documents.T).argmax(axis=1), bank.argmax(axis=1))
    gated = np.where(active[:, None], queries, raw) @ documents.T
    published = np.where(np.isin(new.argmax(axis=1), bank.argmax(axis=1))[:, None], softmax, np.exp(20 * new))
    np.testing.assert_array_equal(gated.argmax(axis=1), published.argmax(axis=1))


def test_modality_needs_no_pairs_and_standardises_strangers():
    x, y = draw()
    way = Modality().fit(image=x, text=y[:30])
    np.testing.assert_allclose(way.levels_["text", "image"], [(y[:30] @ x.T).mean(), (y[:30] @ x.T).std()])
    apart = (x @ x.T)[~np.eye(40, dtype=bool)]
    np.testing.assert_allclose(way.levels_["image", "image"], [apart.mean(), apart.std()])
    paired = Modality().fit(image=x, text=y, paired=True)
    z = scores(paired, y, x, "image", "text")[~np.eye(40, dtype=bool)]
    np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=1e-9)


@pytest.mark.parametrize("make", WAYS)
def test_blocks_change_nothing(make, monkeypatch):
    x, y = draw()
    whole = make().fit(image=x, text=y, paired=True).documents(x, "image", "text")
    monkeypatch.setattr("mgaplib.corrections.hubness._COLUMNS", 7)
    np.testing.assert_allclose(make().fit(image=x, text=y, paired=True).documents(x, "image", "text"), whole)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(WAYS))
def test_what_must_not_matter(seed, make):
    """A rotation of everything, the order of the references and the length of rows change no score."""
    x, y = draw(30, 5, seed)
    way = make().fit(image=x, text=y[:20])
    before = scores(way, y, x, "image", "text")
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    again = make().fit(image=rng.permutation(3 * x @ turn), text=rng.permutation(y[:20] @ turn))
    np.testing.assert_allclose(scores(again, y @ turn, 2 * x @ turn, "image", "text"), before, atol=1e-9)


@pytest.mark.parametrize("make", WAYS)
def test_arrays_keep_all_there_is(make):
    x, y = draw()
    way = make().fit(image=x, text=y)
    again = ScoreCalibration.from_arrays(way.arrays())
    assert type(again) is type(way) and again.by_modality == way.by_modality
    np.testing.assert_array_equal(again.documents(x, "image", "text"), way.documents(x, "image", "text"))


def test_precision_is_kept_and_nothing_changed_in_place():
    x, y = (z.astype(np.float32) for z in draw())
    before = x.copy()
    way = NNN(by_modality=True).fit(image=x, text=y)
    assert way.documents(x, "image", "text").dtype == way.queries(y).dtype == np.float32
    np.testing.assert_array_equal(x, before)


# The door


def test_bad_input():
    x, y = draw()
    with pytest.raises(ValueError, match="no role"):
        NNN().fit()
    with pytest.raises(ValueError, match="one space"):
        NNN().fit(image=x, text=y[:, :3])
    with pytest.raises(ValueError, match="paired=True out"):
        NNN().fit(image=x, text=y[:10], paired=True)
    with pytest.raises(ValueError, match="pass 1 to 4"):
        NNN().fit(image=x, text=y[:5])
    with pytest.raises(ValueError, match="weight"):
        NNN(weight=np.nan).fit(image=x)
    with pytest.raises(ValueError, match="beta"):
        QBNorm(beta=0).fit(image=x)
    with pytest.raises(ValueError, match="different rows"):
        Modality().fit(image=np.ones((5, 3)), text=np.ones((5, 3)))
    with pytest.raises(NotFittedError, match="calibration"):
        NNN().documents(x, "image", "text")
    way = Modality().fit(image=x, text=y)
    with pytest.raises(ValueError, match="did you mean 'image'"):
        way.documents(x, "images", "text")
    with pytest.raises(ValueError, match="role of queries"):
        way.documents(x, "image", "query")
    with pytest.raises(ValueError, match="calibrated on 6"):
        way.queries(x[:, :4])
    with pytest.raises(ValueError, match="save it again"):
        ScoreCalibration.from_arrays({"about": np.array('{"way": "os.system"}')})
    with pytest.raises(ValueError, match="save it again"):
        ScoreCalibration.from_arrays({})


def test_few_pairs_still_choose_something():
    x, y = draw(8)
    assert NNN.chosen(x, y).fit(image=x, text=y).k < 8
    assert corrections.NNN.chosen(x, y, ks=(2,), weights=(0.5,)).k == 2

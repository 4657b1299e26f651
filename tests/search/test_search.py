"""A corrector makes roles comparable, survives a file, and an index of its vectors finds what it should."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import corrections, metrics
from mgaplib.corrections import NNN, Modality, trials
from mgaplib.search import Corrector, MixedIndex


def pairs(n=60, d=8, seed=0):
    rng = np.random.default_rng(seed)
    meaning, offset = rng.normal(size=(n, d)), 2 * np.eye(d)[0]
    return [meaning + 0.2 * rng.normal(size=(n, d)) + sign * offset for sign in (1, -1)]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_two_roles_do_what_centring_does():
    x, y = pairs()
    corrector = Corrector.fit(image=x[:30], text=y[:30])
    centring = corrections.Centring().fit(x[:30], y[:30])
    np.testing.assert_allclose(corrector.transform(x[30:], "image"), centring.transform_images(x[30:]))
    np.testing.assert_allclose(corrector.transform(y[30:], "text"), centring.transform_texts(y[30:]))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 10**6))
def test_fusion_is_the_mixture_minus_the_mixture_of_the_means(weight, seed):
    x, y = map(unit, pairs(20, 6, seed))
    corrector = Corrector.fit(image=x, text=y)
    slow = [(1 - weight) * (a - x.mean(0)) + weight * (b - y.mean(0)) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(corrector.fuse(weight, image=x, text=y), unit(np.array(slow)), atol=1e-9)


def test_the_ends_of_fusion_are_the_modalities():
    x, y = pairs()
    corrector = Corrector.fit(image=x, text=y)
    np.testing.assert_allclose(corrector.fuse(0, image=x, text=y), corrector.transform(x, "image"))
    np.testing.assert_allclose(corrector.fuse(1, image=x, text=y), corrector.transform(y, "text"))


def test_precision_is_kept_and_nothing_is_changed_in_place():
    x, y = (z.astype(np.float32) for z in pairs())
    before = x.copy()
    corrector = Corrector.fit(image=x, text=y)
    assert corrector.transform(x, "image").dtype == np.float32
    assert corrector.fuse(image=x, text=y).dtype == np.float32
    np.testing.assert_array_equal(x, before)


def test_a_saved_corrector_is_the_same_corrector(tmp_path):
    x, y = pairs()
    corrector = Corrector.fit(image=x, text=y, query=y[:20])
    corrector.save(tmp_path / "c.npz")
    again = Corrector.load(tmp_path / "c.npz")
    assert repr(again) == "Corrector of 8 dimensions for the roles image, text, query"
    for role in corrector.means:
        np.testing.assert_array_equal(again.transform(x, role), corrector.transform(x, role))
    assert [p.name for p in tmp_path.iterdir()] == ["c.npz"]


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_bad_files_are_refused_and_run_no_code(tmp_path):
    x, y = pairs()
    path = tmp_path / "c.npz"
    Corrector.fit(image=x, text=y).save(path)
    whole = path.read_bytes()
    evil = np.array([None], dtype=object)
    evil[0] = Evil()
    for content in (b"", b"noise", whole[:40], whole[: len(whole) // 2], pickle.dumps(Evil())):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.npz is no"):
            Corrector.load(path)
    for arrays in (
        {"format": np.array(1), "mean_image": evil},
        {"a": x},
        {"format": np.array(2), "mean_a": x[0]},
    ):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=r"c\.npz is no"):
            Corrector.load(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        Corrector.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="end in .npz"):
        Corrector({"image": x[0]}).save(tmp_path / "c.pkl")


def test_bad_input():
    x, y = pairs()
    corrector = Corrector.fit(image=x, text=y)
    with pytest.raises(ValueError, match="did you mean 'image'"):
        corrector.transform(x, "imag")
    with pytest.raises(ValueError, match="fitted on 8"):
        corrector.transform(x[:, :5], "image")
    with pytest.raises(ValueError, match="role"):
        Corrector.fit()
    with pytest.raises(ValueError, match="one model"):
        Corrector.fit(image=x, text=y[:, :5])
    with pytest.raises(ValueError, match="weight"):
        corrector.fuse(2, image=x, text=y)
    with pytest.raises(ValueError, match="fitted on 8"):
        corrector.documents(x[:, :5], "both", "text")
    with pytest.raises(ValueError, match="weight is 'half'"):
        corrector.fuse("half", image=x, text=y)
    with pytest.raises(ValueError, match="two roles"):
        corrector.fuse(image=x)
    with pytest.raises(ValueError, match="both of each document"):
        corrector.fuse(image=x, text=y[:5])
    with pytest.raises(ValueError, match="finite"):
        Corrector({"image": np.array([np.nan, 1])})
    with pytest.raises(TypeError, match="floating"):
        Corrector({"image": np.array([1, 2])})
    with pytest.raises(ValueError, match="origin"):
        Corrector({"image": np.array([1.0, 0.0])}).transform(np.array([[2.0, 0.0]]), "image")


def test_the_index_finds_what_brute_force_finds():
    x, y = pairs()
    corrector = Corrector.fit(image=x, text=y)
    index = MixedIndex(corrector).add(x[:20], "image").add(y[20:40], "text").add_both(x[40:], y[40:])
    vectors = np.concatenate([
        corrector.transform(x[:20], "image"), corrector.transform(y[20:40], "text"),
        corrector.fuse(image=x[40:], text=y[40:]),
    ])  # fmt: skip
    scores = corrector.transform(y, "text") @ vectors.T
    hits = index.search(y, "text", k=3)
    np.testing.assert_array_equal(hits.documents, np.argsort(-scores, axis=1)[:, :3])
    np.testing.assert_allclose(hits.scores, -np.sort(-scores, axis=1)[:, :3], atol=1e-6)
    kinds = np.repeat(["image", "text", "both"], 20)
    np.testing.assert_array_equal(hits.kinds, kinds[hits.documents])


def test_the_index_agrees_with_the_metric_of_mixed_search():
    x, y = pairs(40)
    corrector = Corrector.fit(image=x, text=y)
    index = MixedIndex(corrector).add(x, "image").add(y, "text")
    second = index.search(x, "image", k=2).documents[:, 1]  # the first is the query itself
    share, _ = metrics.same_modality_share(corrector.transform(x, "image"), corrector.transform(y, "text"))
    assert np.mean(second < 40) == share


@pytest.mark.parametrize("scores", [None, Modality(), NNN(k=3), NNN(k=3, by_modality=True)])
def test_a_saved_index_is_the_same_index(tmp_path, scores):
    x, y = pairs()
    corrector = Corrector.fit(image=x[:30], text=y[:30], scores=scores, paired=True)
    index = MixedIndex(corrector).add(x[40:], "image").add(y[40:], "text").add_both(x[40:], y[40:])
    index.calibrate(y[30:], x[30:], "text", "image", 0.1)
    index.save(tmp_path / "index.npz")
    again = MixedIndex.load(tmp_path / "index.npz")
    assert repr(again) == "60 documents: 20 image, 20 text, 20 both"
    for role, rows in (("image", x), ("text", y)):
        for mine, theirs in zip(index.search(rows, role), again.search(rows, role), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    again.add(x[:5], "image")  # and it can go on
    assert len(again.search(y, "text", k=65).documents[0]) == 65
    assert [p.name for p in tmp_path.iterdir()] == ["index.npz"]


def test_a_damaged_or_a_mixed_up_index_is_refused(tmp_path):
    x, y = pairs()
    path, other = tmp_path / "a.npz", tmp_path / "b.npz"
    MixedIndex(Corrector.fit(image=x, text=y)).add(x, "image").save(path)
    MixedIndex(Corrector.fit(image=x + 1, text=y)).add(y[:9], "text").save(other)
    with np.load(path) as one, np.load(other) as two:
        parts, theirs = dict(one), dict(two)
    for name in parts:
        if not np.array_equal(parts[name], theirs.get(name)):
            np.savez(path, **(parts | {name: theirs[name]}))
            with pytest.raises(ValueError, match=r"damaged \(its parts are not of one save\)"):
                MixedIndex.load(path)
    parts.pop("of_all")  # as the first version saved
    for name in ("vectors_0", "about"):
        np.savez(path, **(parts | {name: theirs[name]}))
        with pytest.raises(ValueError, match=r"damaged \(its vectors are not its documents'\)"):
            MixedIndex.load(path)
    for broken in (
        {"vectors_0": parts["vectors_0"][:50]},
        {"about": np.array("{")},
        {"corrector_format": np.array(9)},
    ):
        np.savez(path, **(parts | broken))
        with pytest.raises(ValueError, match=r"a\.npz is no"):
            MixedIndex.load(path)
    Corrector.fit(image=x, text=y).save(path)
    with pytest.raises(ValueError, match="no saved index"):
        MixedIndex.load(path)
    path.write_bytes(other.read_bytes()[:200])
    with pytest.raises(ValueError, match="damaged"):
        MixedIndex.load(path)
    with pytest.raises(FileNotFoundError, match="save the index there"):
        MixedIndex.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="end in .npz"):
        MixedIndex(Corrector.fit(image=x, text=y)).save(tmp_path / "index")


def test_calibrated_scores_are_what_the_index_searches_by():
    x, y = pairs(90)
    corrector = Corrector.fit(
        image=x[:40], text=y[:40], scores=NNN(k=5, by_modality=True), centre=False, paired=True
    )
    index = MixedIndex(corrector).add(x[60:80], "image").add(y[40:60], "text").add_both(x[80:], y[80:])
    way = NNN(k=5, by_modality=True).fit(
        image=x[:40], text=y[:40], both=corrector.fuse(image=x[:40], text=y[:40]), paired=True
    )
    for role, rows in (("image", x[40:]), ("text", y[40:])):
        stored = [way.documents(x[60:80], "image", role), way.documents(y[40:60], "text", role),
                  way.documents(unit(x[80:]) + unit(y[80:]), "both", role)]  # fmt: skip
        scores = way.queries(rows) @ np.concatenate(stored).T
        hits = index.search(rows, role, k=4)
        np.testing.assert_array_equal(hits.documents, np.argsort(-scores, axis=1)[:, :4])
        np.testing.assert_allclose(hits.scores, -np.sort(-scores, axis=1)[:, :4], atol=1e-4)
    texts_only = MixedIndex(corrector, roles=("text",)).add(x[60:80], "image")
    with pytest.raises(ValueError, match="did you mean 'text'"):
        texts_only.search(x, "image", k=1)


def test_an_index_says_which_hits_are_matches():
    x, y = pairs(300, d=16)
    corrector = Corrector.fit(image=x[:100], text=y[:100], scores=NNN(k=10, weight=0.5), centre=False)
    index = MixedIndex(corrector).add(x[200:], "image").add(y[200:], "text")
    assert index.search(y[200:], "text", k=20).accepted.all()
    for per, rate in (("candidate", 0.1), ("both", 0.2)):
        index.calibrate(y[100:200], x[100:200], "text", "image", rate, per)
        hits = index.search(y[200:], "text", k=200)
        of_images = hits.kinds == "image"
        value = index.thresholds["text", "image"].value
        np.testing.assert_array_equal(hits.accepted, ~of_images | (hits.scores > value))
        strangers = of_images & (hits.documents != np.arange(100)[:, None])
        passed = (hits.accepted & strangers).any(axis=1) if per == "both" else hits.accepted[strangers]
        assert np.mean(passed) == pytest.approx(rate, abs=0.1)


def test_what_an_index_cannot_calibrate():
    x, y = pairs()
    plain = MixedIndex(Corrector.fit(image=x, text=y))
    with pytest.raises(ValueError, match=r"scores=NNN\(\)"):
        plain.calibrate(y, x, "text", "image", 0.1, "both")
    with pytest.raises(ValueError, match="groups has 3 labels"):
        plain.calibrate(y, x, "text", "image", 0.1, groups=[0, 1, 2])
    with pytest.raises(ValueError, match="groups are for a method"):
        Corrector.fit(image=x, text=y, groups=range(len(x)))
    with pytest.raises(ValueError, match="paired=True"):
        MixedIndex(Corrector.fit(image=x, text=y, scores=Modality())).add_both(x, y)


def test_bad_searches():
    x, y = pairs()
    index = MixedIndex(Corrector.fit(image=x, text=y)).add(x[:5], "image")
    with pytest.raises(ValueError, match="holds 5"):
        index.search(y, "text", k=6)
    with pytest.raises(ValueError, match="k is 'many'"):
        index.search(y, "text", k="many")
    with pytest.raises(ValueError, match="role"):
        index.add(x, "video")
    with pytest.raises(ValueError, match="role"):
        index.search(y, "query", k=1)


def test_without_faiss_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install"):
        MixedIndex(Corrector({"image": np.ones(3)}))


def test_nobody_is_advised_to_unpickle_a_corrector(tmp_path):
    (tmp_path / "means.npz").write_text("no archive")
    with pytest.raises(ValueError, match="damaged; save it again") as told:
        Corrector.load(tmp_path / "means.npz")
    assert "pickle" not in str(told.value)


@pytest.mark.parametrize("method", [*trials._WAYS, *trials._SCORES])
def test_a_method_does_what_the_trial_did(method, tmp_path):
    x, y = (z + 0.5 * np.random.default_rng(i).normal(size=z.shape) for i, z in enumerate(pairs(80, 6)))
    trial = corrections.try_corrections(x, y, splits=1, seed=3).set_index("correction")
    fit, test = np.array_split(np.random.default_rng(3).permutation(80), 2)
    corrector = Corrector.fit(image=x[fit], text=y[fit], method=method)
    corrector.save(tmp_path / "c.npz")
    for found in (corrector, Corrector.load(tmp_path / "c.npz")):
        queries, documents = found.queries(y[test], "text"), found.documents(x[test], "image", "text")
        recall = np.mean((queries @ documents.T).argmax(axis=1) == np.arange(40))
        assert recall == pytest.approx(trial.recall_text_to_image[method])
    index = MixedIndex(found).add(x[test], "image").add_both(x[fit], y[fit])
    assert index.search(y[test], "text", k=1).documents.shape == (40, 1)
    if found.moves is not None:
        np.testing.assert_allclose(corrector.fuse(0, image=x, text=y), corrector.transform(x, "image"))
    whole = Corrector.fit(image=x[fit], text=y[fit], method=method, groups=range(40))
    np.testing.assert_allclose(whole.queries(y[test], "text"), corrector.queries(y[test], "text"))


def test_a_method_is_of_two_roles_and_known():
    x, y = pairs()
    with pytest.raises(ValueError, match="did you mean 'Procrustes'"):
        Corrector.fit(image=x, text=y, method="Procrutes")
    with pytest.raises(ValueError, match="for two roles"):
        Corrector.fit(image=x, text=y, query=y, method="Centring")
    with pytest.raises(ValueError, match="say with groups="):
        Corrector.fit(image=x[:30], text=y, method="Procrustes")
    assert Corrector.fit(image=x[:30], text=y, method="Centring").moves.paired is False

"""Loading the published embeddings, and what stands in for them where they cannot be had."""

import dataclasses
import hashlib
import io

import numpy as np
import pytest

from mgaplib.embeddings import published
from mgaplib.training import competent

STAND_IN = published.stand_in

FILE = "features_clip.npy"


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


GOOD = npy(np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32))


@pytest.fixture
def closed(monkeypatch, nobody, empty_cache):
    """No mirror, an empty cache, nobody in place of the network, and no torch."""
    drawn = (published.DRAWN, "simulation")  # what there is without torch
    monkeypatch.setattr(published, "stand_in", lambda *a: (*published.drawn(*a), *drawn))
    monkeypatch.setattr(published, "_FILES", dataclasses.replace(published._FILES, url=nobody))
    return empty_cache


def publish(monkeypatch, url: str, content: bytes) -> None:
    hashes = {FILE: hashlib.sha256(content).hexdigest()}
    monkeypatch.setattr(published, "_FILES", dataclasses.replace(published._FILES, url=url, sha256=hashes))


def test_what_is_downloaded_is_what_was_published(closed, serve, monkeypatch, capfd):
    url, asked = serve((200, GOOD, None))
    publish(monkeypatch, url, GOOD)
    found = published.load_embeddings("clip")
    assert asked == [f"/{FILE}"] and (closed / "liang2022" / FILE).read_bytes() == GOOD
    assert found.images.dtype == np.float32
    np.testing.assert_array_equal(np.stack([found.images, found.texts]), np.load(io.BytesIO(GOOD)))
    assert (found.name, found.label, found.modalities) == ("clip", "CLIP", ("image", "text"))
    assert not found.stand_in and "Liang et al. (2022)" in found.source and str(closed) not in found.source
    assert capfd.readouterr() == ("", "")  # above all nothing on stderr, which would fail a page


def test_nothing_is_ever_unpickled(closed, serve, monkeypatch):
    content = npy(np.zeros(3)).replace(b"<f8", b"|O8")
    url, _ = serve((200, content, None))
    publish(monkeypatch, url, content)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        published.load_embeddings("clip")


def test_a_closed_network_gives_a_stand_in_that_says_so(closed, capfd):
    stand_in = published.load_embeddings("clip")
    out, err = capfd.readouterr()
    assert out.startswith(
        "Shown instead of CLIP: a drawn stand-in, no measurement of CLIP, because 127.0.0.1"
    )
    assert "cannot be reached" in out and err == ""
    assert stand_in.data == "simulation" and "drawn" in stand_in.source


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("name", published.NAMES)
def test_the_stand_in_is_two_cones_of_pairs(closed, name, trained):
    e = published.load_embeddings(name, trained)
    x, y = e.images.astype(float), e.texts.astype(float)
    assert e.images.dtype == e.texts.dtype == np.float32
    assert x.shape == y.shape == published._MODELS[name].shape
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)
    gap = np.linalg.norm(x.mean(0) - y.mean(0))
    assert abs(gap - (0.85 if trained else 1.13)) < 0.03
    scores = x @ y.T
    recall = (scores.argmax(1) == np.arange(len(x))).mean()
    assert recall > 0.4 if trained else recall < 0.05
    again = published.load_embeddings(name, trained)
    np.testing.assert_array_equal([again.images, again.texts], [e.images, e.texts])


def test_every_stand_in_differs(closed):
    rows = [published.load_embeddings(n, t).images[0, :5] for n in published.NAMES for t in (True, False)]
    assert len(np.unique(np.stack(rows), axis=0)) == 8


def test_with_torch_miniclip_stands_in(closed, monkeypatch, capsys):
    """Trained here for a few steps only, into this test's own cache: a real model's rows, and named so."""
    monkeypatch.setattr(published, "stand_in", STAND_IN)
    shapes = competent.RECIPES["shapes"]
    short = dataclasses.replace(shapes, config=dataclasses.replace(shapes.config, steps=100, warmup=10))
    monkeypatch.setitem(competent.RECIPES, "shapes", short)
    e = published.load_embeddings("videoclip")
    assert "MiniCLIP" in e.source and "Shown instead of VideoCLIP: MiniCLIP" in capsys.readouterr().out
    assert e.data == "miniclip" and e.stand_in and e.images.shape == e.texts.shape == (100, 128)
    assert [path.suffix for path in closed.glob("miniclip-shapes-*.pt")] == [".pt"]
    random = published.load_embeddings("videoclip", trained=False)
    told = [np.diag(s.images @ s.texts.T).mean() - (s.images @ s.texts.T).mean() for s in (e, random)]
    assert told[0] > 0.02 > told[1]  # a hundred steps are a beginning: partners are closer than strangers


@pytest.mark.parametrize(
    ("name", "nearest"), [("clipp", "'clip'"), ("Video-CLIP", "'videoclip'"), ("???", "'convirt'")]
)
def test_an_unknown_name_is_told_the_nearest(name, nearest):
    with pytest.raises(
        ValueError, match=f"unknown model '{name.replace('?', '[?]')}'; did you mean .*{nearest}"
    ):
        published.load_embeddings(name)


# The published files, where they can be reached


def test_the_published_files_hold_their_known_gaps(capsys):
    known = {
        ("clip", True): (0.8514, 0.552),
        ("clip", False): (1.1361, 0.002),
        ("videoclip", True): (1.0669, 0.37),
        ("videoclip", False): (0.9544, 0.0),
        ("convirt", True): (0.8231, 0.006),
        ("convirt", False): (1.4030, 0.002),
        ("clasp", True): (1.0447, 0.030),
        ("clasp", False): (1.2893, 0.010),
    }
    for (name, trained), (gap, recall) in known.items():
        e = published.load_embeddings(name, trained)
        assert len(e.images) == len(e.texts) == published._MODELS[name].shape[0]
        x, y = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (e.images, e.texts)]
        if e.stand_in:  # the same check then runs on what was drawn
            with capsys.disabled():
                print(
                    f"\n{e.label}: the published file cannot be reached here, its stand-in was tested instead"
                )
            assert np.linalg.norm(x.mean(0) - y.mean(0)) > 0.3
            continue
        assert abs(np.linalg.norm(x.mean(0) - y.mean(0)) - gap) < 1e-4
        assert abs(((x @ y.T).argmax(1) == np.arange(len(x))).mean() - recall) < 6e-4

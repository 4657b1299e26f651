"""Loading the published embeddings: from a mirror, the cache or the network; and what happens without any."""

import dataclasses
import hashlib
import http.server
import io
import socket
import threading

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
def closed(monkeypatch, tmp_path):
    """No mirror, an empty cache, and a port that nobody listens on in place of the network."""
    monkeypatch.delenv("MGAPLIB_DATA", raising=False)
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(published, "_unreachable", "")
    drawn = (published.DRAWN, "simulation")  # what there is without torch
    monkeypatch.setattr(published, "stand_in", lambda *a: (*published.drawn(*a), *drawn))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        # Held, but never listening: whoever asks is refused, and nobody else can take the port meanwhile.
        monkeypatch.setattr(published, "_URL", f"http://127.0.0.1:{free.getsockname()[1]}/")
        yield tmp_path / "cache"


@pytest.fixture
def serve(closed, monkeypatch):
    """A local server; call it with the answers to give in turn, then look at the list of what was asked."""
    servers = []

    def start(*answers):
        asked, waiting = [], list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                status, content, length = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(published, "_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setitem(published._SHA256, FILE, hashlib.sha256(GOOD).hexdigest())
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(content: bytes, status: int = 200, length: int | None = None):
    return status, content, len(content) if length is None else length


def files(folder) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_download_is_checked_and_cached(serve, closed, capfd):
    asked = serve(answer(GOOD))
    first, again = published.load_embeddings("clip"), published.load_embeddings("clip")
    assert asked == [f"/{FILE}"]
    assert files(closed) == [FILE]
    assert first.images.dtype == np.float32 and not first.stand_in
    np.testing.assert_array_equal(np.stack([first.images, first.texts]), np.load(io.BytesIO(GOOD)))
    np.testing.assert_array_equal(first.images, again.images)
    assert capfd.readouterr() == ("", "")  # above all nothing on stderr, which would fail a page


BAD = {
    "corrupted": answer(GOOD[:-4] + b"spam"),
    "truncated": answer(GOOD[:-40]),
    "cut short": answer(GOOD[:-40], length=len(GOOD)),
    "another page": answer(b"<html>Please log in</html>"),
    "pickled": answer(npy(np.zeros(3)).replace(b"<f8", b"|O8")),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_damaged_download_is_fetched_again(serve, closed, bad):
    asked = serve(bad, answer(GOOD))
    assert not published.load_embeddings("clip").stand_in
    assert len(asked) == 2
    assert files(closed) == [FILE]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_download_damaged_twice_is_an_error_and_leaves_nothing(serve, closed, bad):
    asked = serve(bad)
    with pytest.raises(OSError, match=f"{FILE} arrived damaged twice and was not kept.*MGAPLIB_DATA"):
        published.load_embeddings("clip")
    assert len(asked) == 2
    assert files(closed) == []


def test_a_damaged_cache_is_fetched_again(serve, closed):
    asked = serve(answer(GOOD))
    published.load_embeddings("clip")
    (closed / FILE).write_bytes(GOOD[:100])
    assert not published.load_embeddings("clip").stand_in
    assert len(asked) == 2
    assert (closed / FILE).read_bytes() == GOOD


def test_an_intact_cache_needs_no_network(serve, closed, monkeypatch):
    serve(answer(GOOD))
    published.load_embeddings("clip")
    monkeypatch.setattr(published, "_URL", "http://127.0.0.1:9/")
    assert not published.load_embeddings("clip").stand_in
    monkeypatch.setattr(published, "_unreachable", "the network was closed")
    assert not published.load_embeddings("clip").stand_in


def test_a_server_without_the_file_gives_the_stand_in(serve, closed, capsys):
    asked = serve(answer(b"gone", status=404))
    assert published.load_embeddings("clip").stand_in
    assert "answers 404" in capsys.readouterr().out
    assert len(asked) == 1 and files(closed) == []


def test_a_closed_network_gives_a_stand_in_that_says_so(closed, capfd):
    stand_in = published.load_embeddings("clip")
    out, err = capfd.readouterr()
    assert out.startswith(
        "Shown instead of CLIP: a drawn stand-in, no measurement of CLIP, because 127.0.0.1"
    )
    assert "cannot be reached" in out and err == ""
    assert stand_in.data == "simulation" and "drawn" in stand_in.source
    assert files(closed) == []


def test_a_closed_network_is_tried_once(closed, monkeypatch, capsys):
    published.load_embeddings("clip")
    monkeypatch.setattr(published.pooch, "HTTPDownloader", None)  # a second try would call it
    assert published.load_embeddings("convirt", trained=False).stand_in
    assert capsys.readouterr().out.count("cannot be reached") == 2


def test_a_silent_network_is_given_up_soon(closed, monkeypatch):
    assert published._TIMEOUT[0] <= 5  # the setting; the test itself waits less
    with socket.socket() as silent:  # accepts no connection beyond its backlog and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        monkeypatch.setattr(published, "_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        monkeypatch.setattr(published, "_TIMEOUT", (0.2, 0.2))
        assert published.load_embeddings("clip").stand_in


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
    monkeypatch.setattr(competent, "CONFIG", dataclasses.replace(competent.CONFIG, steps=100, warmup=10))
    e = published.load_embeddings("videoclip")
    assert "MiniCLIP" in e.source and "Shown instead of VideoCLIP: MiniCLIP" in capsys.readouterr().out
    assert e.data == "miniclip" and e.stand_in and e.images.shape == e.texts.shape == (100, 128)
    assert [path.suffix for path in closed.glob("miniclip-*.pt")] == [".pt"]
    random = published.load_embeddings("videoclip", trained=False)
    told = [np.diag(s.images @ s.texts.T).mean() - (s.images @ s.texts.T).mean() for s in (e, random)]
    assert told[0] > 0.02 > told[1]  # a hundred steps are a beginning: partners are closer than strangers


# The mirror


@pytest.fixture
def mirror(closed, monkeypatch, tmp_path):
    folder = tmp_path / "mirror"
    (folder / "liang2022").mkdir(parents=True)
    (folder / "liang2022" / FILE).write_bytes(GOOD)
    monkeypatch.setenv("MGAPLIB_DATA", str(folder))
    monkeypatch.setitem(published._SHA256, FILE, hashlib.sha256(GOOD).hexdigest())
    return folder / "liang2022" / FILE


def test_the_mirror_needs_neither_network_nor_cache(mirror, closed, capfd):
    e = published.load_embeddings("clip")
    np.testing.assert_array_equal(np.stack([e.images, e.texts]), np.load(io.BytesIO(GOOD)))
    assert (e.name, e.label, e.modalities, e.stand_in) == ("clip", "CLIP", ("image", "text"), False)
    assert "Liang et al. (2022)" in e.source and str(mirror.parent) not in e.source
    assert not closed.exists() and capfd.readouterr() == ("", "")


def test_a_damaged_mirror_is_passed_over_for_a_download(mirror, serve):
    asked = serve(answer(GOOD))
    mirror.write_bytes(GOOD[:-1])
    assert not published.load_embeddings("clip").stand_in
    assert len(asked) == 1
    assert mirror.read_bytes() == GOOD[:-1]  # another's folder is never written to


def test_a_damaged_mirror_without_network_is_an_error(mirror):
    mirror.write_bytes(GOOD[:-1])
    with pytest.raises(
        OSError, match="is damaged or truncated .*cannot be reached; replace the file or unset"
    ):
        published.load_embeddings("clip")


def test_a_file_that_the_mirror_lacks_gives_the_stand_in(mirror, capsys):
    assert published.load_embeddings("clasp").stand_in
    assert (
        "because MGAPLIB_DATA holds no liang2022/features_clasp.npy and 127.0.0.1" in capsys.readouterr().out
    )


def test_a_mirror_that_is_no_folder_is_an_error(closed, monkeypatch, tmp_path):
    monkeypatch.setenv("MGAPLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="MGAPLIB_DATA names .*nowhere.*which is no folder"):
        published.load_embeddings("clip")


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


@pytest.mark.parametrize("kind", ["a file", "a folder in the file's place"])
def test_a_cache_that_cannot_be_used_is_named_and_a_stand_in_shown(closed, monkeypatch, capfd, kind):
    if kind == "a file":
        closed.write_text("not a folder")
    else:
        (closed / "features_convirt.npy").mkdir(parents=True)
    monkeypatch.setattr(published, "stand_in", lambda *_: (np.eye(4), np.eye(4), "a stand-in", "simulation"))
    assert published.load_embeddings("convirt").stand_in
    said = capfd.readouterr().out
    assert str(closed) in said and ("MGAPLIB_CACHE" in said or "remove it" in said)


def test_a_relative_folder_is_named_with_the_place_it_was_seen_from(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MGAPLIB_DATA", "../nowhere")
    with pytest.raises(FileNotFoundError, match=f"'../nowhere', which is no folder seen from '{tmp_path}'"):
        published.load_embeddings("clip")

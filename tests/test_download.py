"""Published files from a mirror, the cache or the network, and what happens without any."""

import hashlib
import re
import socket

import pytest
import requests

from mgaplib import download

FILE, GOOD = "a folder/numbers.csv", b"1,0.5\n0.5,1\n" * 20


def published(url: str) -> download.Published:
    return download.Published(url, "somebody2020", {FILE: hashlib.sha256(GOOD).hexdigest()})


def answer(content: bytes, status: int = 200, length: int | None = None):
    return status, content, length


def files(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


KEPT = [f"somebody2020/{FILE}"]


def test_a_download_is_checked_and_cached(serve, empty_cache, capfd):
    url, asked = serve(answer(GOOD))
    source = published(url)
    assert source.read(FILE) == source.read(FILE) == (GOOD, "")
    assert asked == [f"/{FILE.replace(' ', '%20')}"]
    assert files(empty_cache) == KEPT
    assert capfd.readouterr() == ("", "")  # above all nothing on stderr, which would fail a page


BAD = {
    "corrupted": answer(GOOD[:-4] + b"spam"),
    "truncated": answer(GOOD[:-40]),
    "cut short": answer(GOOD[:-40], length=len(GOOD)),
    "another page": answer(b"<html>Please log in</html>"),
}


PAGE = BAD.pop("another page")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_damaged_download_is_fetched_again(serve, empty_cache, bad):
    url, asked = serve(bad, answer(GOOD))
    assert published(url).read(FILE) == (GOOD, "")
    assert len(asked) == 2
    assert files(empty_cache) == KEPT


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_download_damaged_twice_is_an_error_and_leaves_nothing(serve, empty_cache, bad):
    url, asked = serve(bad)
    with pytest.raises(OSError, match="numbers.csv arrived damaged twice and was not kept.*MGAPLIB_DATA"):
        published(url).read(FILE)
    assert len(asked) == 2
    assert files(empty_cache) == []


def test_a_damaged_cache_is_fetched_again(serve, empty_cache):
    url, asked = serve(answer(GOOD))
    published(url).read(FILE)
    (empty_cache / KEPT[0]).write_bytes(GOOD[:100])
    assert published(url).read(FILE) == (GOOD, "")
    assert len(asked) == 2
    assert (empty_cache / KEPT[0]).read_bytes() == GOOD


def test_an_intact_cache_needs_no_network(serve, nobody, monkeypatch):
    url, _ = serve(answer(GOOD))
    published(url).read(FILE)
    assert published(nobody).read(FILE) == (GOOD, "")
    monkeypatch.setattr(download, "_unreachable", {nobody.split("/")[2]: "the network was closed"})
    assert published(nobody).read(FILE) == (GOOD, "")


def test_a_server_without_the_file_says_so(serve, empty_cache):
    url, asked = serve(answer(b"gone", status=404))
    content, reason = published(url).read(FILE)
    assert content is None and reason.endswith("answers 404")
    assert len(asked) == 1 and files(empty_cache) == []


def test_one_publisher_without_a_file_says_nothing_of_another(serve):
    url, _ = serve(answer(b"gone", status=404), answer(GOOD))
    assert published(url).read(FILE)[0] is None
    assert published(f"{url}another/").read(FILE) == (GOOD, "")


def test_a_closed_network_is_said_and_tried_once(nobody, empty_cache, monkeypatch, capfd):
    content, reason = published(nobody).read(FILE)
    assert content is None and "cannot be reached" in reason
    assert files(empty_cache) == [] and capfd.readouterr() == ("", "")
    monkeypatch.setattr(download.pooch, "HTTPDownloader", None)  # a second try would call it
    assert published(f"{nobody}another/").read(FILE) == (None, reason)


def test_a_silent_network_is_given_up_soon(empty_cache, monkeypatch):
    assert download._TIMEOUT[0] <= 5  # the setting; the test itself waits less
    with socket.socket() as silent:  # accepts no connection beyond its backlog and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        monkeypatch.setattr(download, "_TIMEOUT", (0.2, 0.2))
        assert published(f"http://127.0.0.1:{silent.getsockname()[1]}/").read(FILE)[0] is None


@pytest.fixture
def mirror(empty_cache, monkeypatch, tmp_path):
    file = tmp_path / "mirror/somebody2020" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(GOOD)
    monkeypatch.setenv("MGAPLIB_DATA", str(tmp_path / "mirror"))
    return file


def test_the_mirror_needs_neither_network_nor_cache(mirror, nobody, empty_cache):
    assert published(nobody).read(FILE) == (GOOD, "")
    assert not empty_cache.exists()


def test_a_damaged_mirror_is_passed_over_for_a_download(mirror, serve):
    url, asked = serve(answer(GOOD))
    mirror.write_bytes(GOOD[:-1])
    assert published(url).read(FILE) == (GOOD, "")
    assert len(asked) == 1
    assert mirror.read_bytes() == GOOD[:-1]  # another's folder is never written to


def test_a_damaged_mirror_without_network_is_an_error(mirror, nobody):
    mirror.write_bytes(GOOD[:-1])
    with pytest.raises(
        OSError, match="is damaged or truncated .*cannot be reached; replace the file or unset"
    ):
        published(nobody).read(FILE)


def test_a_file_that_the_mirror_lacks_is_named(mirror, nobody):
    mirror.unlink()
    content, reason = published(nobody).read(FILE)
    assert content is None
    assert reason.startswith(f"MGAPLIB_DATA holds no somebody2020/{FILE} and 127.0.0.1")


def test_a_mirror_that_is_no_folder_is_an_error(nobody, monkeypatch, tmp_path):
    monkeypatch.setenv("MGAPLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="MGAPLIB_DATA names .*nowhere.*which is no folder"):
        published(nobody).read(FILE)


def test_a_relative_folder_is_named_with_the_place_it_was_seen_from(nobody, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MGAPLIB_DATA", "../nowhere")
    with pytest.raises(FileNotFoundError, match=f"'../nowhere', which is no folder seen from '{tmp_path}'"):
        published(nobody).read(FILE)


@pytest.mark.parametrize("kind", ["a file", "a folder in the file's place"])
def test_a_cache_that_cannot_be_used_is_named(nobody, empty_cache, kind):
    if kind == "a file":
        empty_cache.write_text("not a folder")
    else:
        (empty_cache / KEPT[0]).mkdir(parents=True)
    content, reason = published(nobody).read(FILE)
    assert content is None
    assert str(empty_cache) in reason and ("MGAPLIB_CACHE" in reason or "remove it" in reason)


def test_a_cache_that_cannot_even_be_looked_into_is_named(serve, empty_cache, monkeypatch):
    url, asked = serve(answer(GOOD))
    monkeypatch.setenv("MGAPLIB_CACHE", str(empty_cache / ("a" * 300)))
    content, reason = published(url).read(FILE)
    assert content is None and "name another in MGAPLIB_CACHE" in reason and not asked


def test_a_page_in_the_files_place_is_called_one(serve, empty_cache):
    url, asked = serve(PAGE)
    content, reason = published(url).read(FILE)
    assert content is None and "answers with a web page in the file's place" in reason
    assert published(url).read(FILE) == (None, reason)
    assert len(asked) == 1 and files(empty_cache) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError("self-signed certificate"), "certificates in REQUESTS_CA_BUNDLE"),
        (requests.exceptions.ProxyError("no route"), "through the proxy that HTTPS_PROXY"),
        (requests.exceptions.ConnectTimeout("slow"), "cannot be reached"),
        (OSError(2, "No such file or directory", "bundle.pem"), "cannot be asked .No such file"),
        (OSError(28, "No space left on device"), "cannot be asked .No space left"),
    ],
)
def test_why_a_host_does_not_answer_is_said(nobody, monkeypatch, error, words):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(download.pooch, "HTTPDownloader", lambda **_: refuse)
    content, reason = published(nobody).read(FILE)
    assert content is None and re.search(words, reason)

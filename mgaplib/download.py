"""Files that others published: from a local mirror, the cache or the network, their hashes checked."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

_TIMEOUT = (3, 20)  # seconds to connect, then between two pieces: a closed network is noticed soon
_unreachable: dict[str, str] = {}  # host or address, and why it failed: each is tried once in a process


def cache_folder() -> Path:
    """Return the folder that what is downloaded, drawn and trained is kept in; it need not exist.

    Example:
        >>> cache_folder().name != ""
        True
    """
    return Path(os.environ.get("MGAPLIB_CACHE") or pooch.os_cache("mgaplib"))


@dataclass(frozen=True)
class Published:
    """Files of one pinned commit: their address, the folder they are kept in, and the SHA-256 of each.

    Args:
        url: Address that a file's name is put behind, ending in a slash.
        folder: Folder of a mirror (MGAPLIB_DATA) and of the cache (MGAPLIB_CACHE, or the user's own).
        sha256: SHA-256 of each file by its name, which may hold folders of its own.

    Example:
        >>> Published("https://example.org/", "example", {"a/b.csv": 64 * "0"}).url
        'https://example.org/'
    """

    url: str
    folder: str
    sha256: Mapping[str, str]

    def read(self, file: str) -> tuple[bytes | None, str]:
        """Return the file's checked content, or None and why it cannot be had.

        It is from the folder that MGAPLIB_DATA names, else from the cache, else downloaded. What could not be
        reached is not asked again in the same process.

        Raises:
            FileNotFoundError: If MGAPLIB_DATA names no folder.
            OSError: If a file is damaged and a fresh copy could not be had.
        """
        mirror = os.environ.get("MGAPLIB_DATA", "")
        missing, damaged = "", False
        if mirror:
            if not Path(mirror).is_dir():
                where = "" if Path(mirror).is_absolute() else f" seen from {str(Path.cwd())!r}"
                what = f"MGAPLIB_DATA names {mirror!r}, which is no folder{where}"
                raise FileNotFoundError(f"{what}; correct it or unset it")
            path = Path(mirror, self.folder, file)
            if path.is_file():
                content = path.read_bytes()
                if self._is(file, content):
                    return content, ""
                damaged = True
            missing = f"MGAPLIB_DATA holds no {'intact ' if damaged else ''}{self.folder}/{file} and "
        content, reason = self._cached(file)
        if content is None and damaged:
            raise OSError(
                f"{path} is damaged or truncated (its SHA-256 differs) and a fresh copy could not be had, "
                f"because {reason}; replace the file or unset MGAPLIB_DATA"
            )
        return (None, missing + reason) if content is None else (content, "")

    def _cached(self, file: str) -> tuple[bytes | None, str]:
        """Return the file's content from the cache or, checked, from its authors; or None and why not."""
        # pooch writes to a temporary file and renames it once the hash agrees: nothing half-written stays.
        place, registry = cache_folder() / self.folder, dict(self.sha256)
        cache = pooch.create(place, base_url=self.url, registry=registry, retry_if_failed=0)
        kept, host = Path(cache.abspath, file), self.url.split("/")[2]
        reason = _unusable(kept)
        if not reason and kept.is_file() and self._is(file, content := kept.read_bytes()):
            return content, ""
        reason = reason or _unreachable.get(host) or _unreachable.get(self.url)
        if reason:
            return None, reason
        logger = pooch.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # pooch reports each download on stderr, which fails a page
        try:
            for last in (False, True):
                try:
                    return Path(cache.fetch(file, downloader=_download)).read_bytes(), ""
                except (ValueError, requests.exceptions.ChunkedEncodingError) as error:
                    if last:  # for the second time the hash differs, or the file was cut short
                        raise OSError(
                            f"{self.url}{file} arrived damaged twice and was not kept; try again later, or "
                            f"put the file in {self.folder}/ of a folder and name that folder in MGAPLIB_DATA"
                        ) from error
        except requests.exceptions.RequestException as error:
            code = getattr(error.response, "status_code", None)
            reason = f"{host} answers {code}" if code else f"{host} {_why(error)}"
            _unreachable[self.url if code else host] = reason
            return None, reason
        except OSError as error:
            if error.errno is None:
                raise  # of its own
            return None, f"{host} cannot be asked ({error.strerror})"
        finally:
            logger.setLevel(level)

    def _is(self, file: str, content: bytes) -> bool:
        return hashlib.sha256(content).hexdigest() == self.sha256[file]


class _Blocked(requests.exceptions.RequestException):
    """A web page came in a file's place."""


def _download(url: str, output_file, pooch_: pooch.Pooch) -> None:
    """Download as pooch does, but tell the page by which a network says that it lets nothing through."""
    pooch.HTTPDownloader(timeout=_TIMEOUT)(url, output_file, pooch_)
    with open(output_file, "rb") as file:
        if file.read(64).lstrip().startswith(b"<"):
            raise _Blocked


def _why(error: requests.exceptions.RequestException) -> str:
    """Say why a host does not answer."""
    if isinstance(error, _Blocked):
        return "answers with a web page in the file's place, as a network does that blocks it"
    if isinstance(error, requests.exceptions.SSLError):
        cure = "name the proxy's certificates in REQUESTS_CA_BUNDLE"
        return f"shows a certificate that is not known here, as a proxy with its own does; {cure}"
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy that HTTPS_PROXY or HTTP_PROXY names"
    return "cannot be reached"


def _unusable(kept: Path) -> str:
    """Return why the cache cannot take a file, or nothing."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=kept.parent).close()
        if kept.is_dir():
            return f"a folder stands where the cache would keep {str(kept)!r}; remove it"
    except OSError as error:
        folder = str(kept.parent)
        return f"the cache {folder!r} cannot be written ({error.strerror}); name another in MGAPLIB_CACHE"
    return ""

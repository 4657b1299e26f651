"""What goes out: progress for those who wait, answers, and files that are written whole or not at all."""

import os
import shutil
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from tqdm import tqdm

_hidden = ContextVar("hidden", default=False)  # each thread has its own


@contextmanager
def hidden() -> Iterator[None]:
    """Hide the bars of this thread, for a caller that shows progress its own way."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


def bar(steps: Iterable, what: str, total: int | None = None) -> tqdm:
    """Return `steps` with a progress bar on a terminal's stderr or in a notebook, unless MGAPLIB_STATIC=1."""
    quiet = _hidden.get() or os.environ.get("MGAPLIB_STATIC") == "1"
    file = sys.stderr
    if not getattr(file, "isatty", bool)():
        file = sys.stdout  # a notebook shows standard error as a failure
        quiet = quiet or not type(file).__module__.startswith("ipykernel")
    return tqdm(steps, desc=what, total=total, file=file, disable=quiet, ascii=" =", mininterval=0.5)


def say(answer: str | bytes) -> None:
    """Write a line, or a file's bytes, to standard output; OSError if it fails, not if it is closed."""
    if sys.stdout is None:  # closed before we began
        return
    try:
        if isinstance(answer, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(answer)
        else:
            print(answer)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OSError(f"standard output cannot be written: {error.strerror}") from error


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that nobody ever finds half of it.

    A link is followed, and the mode of a file that is replaced is kept. What is no file on a disk, such as a
    pipe or a device, is written into and never replaced; if its reader has gone, that is no error.

    Raises:
        FileNotFoundError: If its folder does not exist.
        OSError: If it cannot be written; the file is named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "a.txt"), b"whole")
        ...     [file.name for file in Path(folder).iterdir()]
        ['a.txt']
    """
    place = Path(os.path.realpath(path))
    try:
        if is_special(path):
            with open(path, "wb") as file:
                file.write(content)
            return
        if not place.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(place.parent)!r} to write {place.name} into")
        part = place.with_name(f".{uuid.uuid4().hex}.part")  # short: a name may have 255 bytes
        try:
            part.write_bytes(content)
            if place.exists():
                shutil.copymode(place, part)
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        return
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.errno is None:
            raise
        raise type(error)(f"{path} cannot be written: {error.strerror or error}") from error


def is_special(path: str | Path) -> bool:
    """Return whether a path is no place for a file: a pipe, a device, a socket, or a process's own output."""
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return False
    own = os.path.abspath(path).startswith(("/dev/", "/proc/"))
    return own or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))

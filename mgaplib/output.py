"""What goes out: progress for those who wait, and files that are written whole or not at all."""

import os
import sys
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
    """Return `steps` with a progress bar; `MGAPLIB_STATIC=1` hides it."""
    quiet = _hidden.get() or os.environ.get("MGAPLIB_STATIC") == "1"
    return tqdm(steps, desc=what, total=total, file=sys.stdout, disable=quiet, ascii=" =", mininterval=0.5)


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that nobody ever finds half of it.

    Args:
        path: The file; one that is there is replaced.
        content: All of it.

    Raises:
        FileNotFoundError: If its folder does not exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "a.txt"), b"whole")
        ...     [file.name for file in Path(folder).iterdir()]
        ['a.txt']

    Taught in chapter your_embeddings.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to write {path.name} into")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)

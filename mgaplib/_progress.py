"""Progress in plain text on standard output, silent on the static page."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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

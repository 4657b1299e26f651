"""Progress in plain text on standard output, silent on the static page."""

import os
import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(steps: Iterable, what: str, total: int | None = None) -> tqdm:
    """Return `steps` with a progress bar; `MGAPLIB_STATIC=1` hides it."""
    hidden = os.environ.get("MGAPLIB_STATIC") == "1"
    return tqdm(steps, desc=what, total=total, file=sys.stdout, disable=hidden, ascii=" =", mininterval=0.5)

"""Called by `make test`, the page tests and readme_picture.py: print the path of a Chromium that starts.

Where the machine has none, one is fetched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SLOW = 300  # seconds: a busy machine is slow, not wrong
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
HELP = """No Chromium that starts was found and none could be installed; the pages cannot be tested without.
Install one of these and run again:
  - Debian or Ubuntu: apt-get install chromium
  - macOS: brew install --cask chromium
  - anywhere: python -m playwright install --with-deps chromium
or set CHROMIUM to the path of a Chromium or Chrome that is there already."""


def say(message: str) -> None:
    """Progress goes to standard error: standard output holds the path alone."""
    print(message, file=sys.stderr, flush=True)


def starts(path: str | None) -> bool:
    """Tell whether the browser really runs: a snap's stub or a missing library is found out here."""
    if not path:
        return False
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command = [path, *options, "--dump-dom", "data:text/html,<p>alive"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SLOW, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            say(f"{path} does not start: {error}")
            return False
    if "alive" not in done.stdout:
        say(f"{path} does not start: {done.stderr.strip()[-300:]}")
        return False
    return True


def playwrights_own() -> str | None:
    """Return the path of playwright's Chromium, downloaded if it is not there yet."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not Path(path).exists():
        say("fetching playwright's Chromium (about 170 MB)")
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"playwright could not fetch one: {(done.stdout + done.stderr).strip()[-300:]}")
            return None
    return path


def debians() -> str | None:
    """Return the system package's Chromium, installed now if we may."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return None
    say("installing the system package chromium")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        command = ["apt-get", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            say(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    return shutil.which("chromium")


def candidates() -> Iterator[str | None]:
    """Name browsers in the order of trust; each later one is fetched only when the earlier do not start."""
    yield os.environ.get("CHROMIUM")
    yield from map(shutil.which, NAMES)
    yield playwrights_own()
    yield debians()


def find() -> str:
    """Return the path of a Chromium that starts.

    Raises:
        RuntimeError: If there is none and none can be installed; the message names what to install.
    """
    for path in candidates():
        if starts(path):
            return path
    raise RuntimeError(HELP)


if __name__ == "__main__":
    try:
        print(find())
    except RuntimeError as error:
        sys.exit(str(error))

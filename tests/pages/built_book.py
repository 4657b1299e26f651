"""Where the built book lies, how it is served, and a page of it as a reader has it open."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import sys
import threading
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
BOOK = Path(os.environ.get("BOOK_HTML", ROOT / "_build/html"))
NOT_CHAPTERS = {
    "prf-prf.html",
    "genindex.html",
    "search.html",
    "py-modindex.html",
    "index.html",
}  # the last only leads to the first
PATIENCE = 120_000  # milliseconds that a page may take: a busy machine is slow, not wrong
NOT_BUILT = f"there is no book in {BOOK}; run `make book` first"


def chapters() -> list[str]:
    """Return the addresses of the book's own pages, relative to its root."""
    paths = (path.relative_to(BOOK) for path in BOOK.glob("**/*.html"))
    ours = [path for path in paths if path.parts[0] not in {"_static", "_modules"}]
    return sorted(path.as_posix() for path in ours if path.as_posix() not in NOT_CHAPTERS)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Connections are kept, so a page needs a few, not one for each of its files."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a kept connection waits between a reply's head and its body

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/favicon.ico":  # a browser asks for it by itself; no page of ours names it
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()


class Server(http.server.ThreadingHTTPServer):
    """On a busy machine callers wait in line; none is turned away."""

    request_queue_size = 512

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # a page that is left hangs up half-way
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve(folder: Path):
    """Serve a folder on loopback; yield its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def widget_page(folder: Path, models: dict, places: list[str]) -> None:
    """Write a page with the state of some widgets, and a place for each id, as the built book has them."""
    kind = "application/vnd.jupyter.widget-"
    state = json.dumps({"version_major": 2, "version_minor": 0, "state": models}).replace("</", "<\\/")
    views = "".join(
        f'<div><script type="{kind}view+json">{json.dumps({"model_id": place})}</script>'
        '<div class="widget-picture">picture</div></div>'
        for place in places
    )
    shutil.copy(ROOT / "mgaplib/widgets/widget_host.js", folder)
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>widgets</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<script type="{kind}state+json">{state}</script>'
        '<script defer src="widget_host.js"></script>'
        f"<body><main><h1>widgets</h1>{views}</main></body></html>",
        encoding="utf-8",
    )


class Visit:
    """A page as a reader has it open, with what it asked of other hosts and what went wrong on it."""

    def __init__(self, page: Page, site: str):
        self.page, self.outside, self.errors = page, [], []
        page.set_default_timeout(PATIENCE)
        page.context.route("**/*", lambda route: self._let_through(route, site))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._note(message))
        page.on("response", lambda reply: self._check(reply))

    def _let_through(self, route, site):
        if route.request.url.startswith(site):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _note(self, message):
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")  # the text names no file

    def _check(self, reply):
        if reply.status >= 400:
            self.errors.append(f"{reply.status} {reply.url}")

    def go(self, url: str) -> Page:
        """Open a page and wait until its formulas are set and its widgets stand."""
        self.page.goto(url, wait_until="load")
        self.page.evaluate(
            "document.fonts.ready.then(() => window.MathJax?.startup?.promise).then(() => null)"
        )
        self.page.wait_for_function(
            """() => document.querySelectorAll('script[type$="widget-view+json"]').length
                     === document.querySelectorAll('.static-widget:not(:empty)').length"""
        )
        return self.page

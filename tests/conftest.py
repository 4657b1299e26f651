"""For all tests: what hypothesis draws depends on no clock, no chance and no earlier run."""

import http.server
import socket
import threading

import pytest
from hypothesis import HealthCheck, settings

from mgaplib import download

#: The same examples on every machine; `--hypothesis-profile=default` draws others, to hunt with.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """No mirror, nothing cached, no host known to be out of reach: the cache's folder, not yet there."""
    monkeypatch.delenv("MGAPLIB_DATA", raising=False)
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "_unreachable", {})
    return tmp_path / "cache"


@pytest.fixture
def nobody(empty_cache):
    """An address at which nobody listens, in place of the network."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        # Held, but never listening: whoever asks is refused, and nobody else can take the port meanwhile.
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"


@pytest.fixture
def serve(empty_cache):
    """A local server: call it with the answers to give in turn; it returns its address and what was asked."""
    servers = []

    def start(*answers):
        asked, waiting = [], list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                status, content, length = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(content) if length is None else length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()

"""A stock Firefox, driven by the protocol that all browsers share; playwright drives only its own build."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import websocket
from built_book import PATIENCE


def find() -> str | None:
    """Return the path of a Firefox, if the machine has one."""
    return os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One window, and what went wrong in it."""

    def __init__(self, address: str):
        self.socket = websocket.create_connection(
            f"{address}/session", suppress_origin=True, timeout=PATIENCE / 1000
        )
        self.sent, self.errors, self.window = 0, [], None
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded", "network.responseCompleted"])
        self.window = self._open()

    def _open(self) -> str:
        return self.send("browsingContext.create", type="tab")["context"]

    def send(self, method: str, **params) -> dict:
        """Send a command and return its result; what is logged meanwhile is noted."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while (reply := json.loads(self.socket.recv())).get("id") != self.sent:
            self._note(reply)
        if reply["type"] == "error":
            raise RuntimeError(f"{method}: {reply['error']}: {reply['message']}")
        return reply["result"]

    def _note(self, event: dict) -> None:
        of = event.get("params", {})
        if of.get("source", of).get("context") != self.window:
            return  # said by a page that is left
        if event["method"] == "log.entryAdded" and of["level"] == "error":
            self.errors.append(of["text"])
        if event["method"] == "network.responseCompleted" and of["response"]["status"] >= 400:
            self.errors.append(f"{of['response']['status']} {of['request']['url']}")

    def go(self, url: str, width: int = 1280) -> None:
        """Open a page in a tab of its own, with nothing noted of those before.

        In the old page's tab, Firefox takes a change of that page's address for the end of the navigation.
        """
        left, self.window = self.window, self._open()
        self.send("browsingContext.close", context=left)
        self.errors.clear()
        self.send(
            "browsingContext.setViewport", context=self.window, viewport={"width": width, "height": 900}
        )
        self.send("browsingContext.navigate", context=self.window, url=url, wait="complete")

    def evaluate(self, expression: str):
        """Return what a JavaScript expression gives; lists and objects as JSON."""
        found = self.send(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then(JSON.stringify)",
            target={"context": self.window},
            awaitPromise=True,
        )
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"].get("value", "null"))

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        ends = time.monotonic() + PATIENCE / 1000
        while not self.evaluate(expression):
            if time.monotonic() > ends:
                raise TimeoutError(f"never true: {expression}")
            time.sleep(0.1)

    def press(self, key: str) -> None:
        """Press a key, named as in WebDriver, where the focus is."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.send(
            "input.performActions",
            context=self.window,
            actions=[{"type": "key", "id": "keyboard", "actions": actions}],
        )


@contextlib.contextmanager
def running(path: str):
    """Start a Firefox without a window on the screen; end it afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            said = iter(process.stderr.readline, "")
            address = next(
                (m[1] for line in said if (m := re.search(r"BiDi listening on (\S+)", line))), None
            )
            if address is None:
                raise RuntimeError(f"{path} does not start, or knows no WebDriver BiDi")
            firefox = Firefox(address)
            yield firefox
            firefox.socket.close()
        finally:
            process.terminate()
            process.wait()
            process.stderr.close()

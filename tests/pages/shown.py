"""A widget on a page, as a reader has it under the hand."""

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

DESKTOP = {"viewport": {"width": 1000, "height": 900}, "reduced_motion": "reduce"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
    "color_scheme": "dark",
}


def settle(page) -> None:
    """Wait until the last movement has been drawn: two frames, the second with what the first asked for.

    Where a test holds the page's clock, frames come by that clock. None in the page's patience is an error.
    """
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )


class Shown:
    """A widget on a page, handled as a reader would."""

    def __init__(self, page, kind):
        self.page, self.root = page, page.locator(f".static-widget .{kind}").first
        self.touched = 1_700_000_000  # when a finger last did, in seconds since 1970, by its own clock
        self.root.scroll_into_view_if_needed()
        self.settle()

    def settle(self):
        """Wait until the last movement has been drawn."""
        settle(self.page)

    def slider(self, label):
        return self.root.get_by_role("slider", name=label)

    def said(self, label) -> str:
        return self.slider(label).get_attribute("aria-valuetext").replace("−", "-")

    def press(self, label, key, times=1):
        self.slider(label).focus()
        for _ in range(times):
            self.slider(label).press(key)
        self.settle()

    def numbers(self) -> dict[str, float]:
        self.settle()
        return self.root.evaluate(
            "root => Object.fromEntries([...root.querySelectorAll('[data-metric]')]"
            ".map(e => [e.dataset.metric, Number(e.dataset.value)]))"
        )

    def canvas(self, number):
        """Return where a picture lies on the screen, scrolled into view."""
        canvas = self.root.locator("canvas").nth(number)
        canvas.scroll_into_view_if_needed()
        return canvas.bounding_box()

    def drawn(self, number) -> str:
        return self.root.locator("canvas").nth(number).evaluate("canvas => canvas.toDataURL()")

    def fits(self) -> bool:
        """Tell whether nothing reaches beyond the window's right edge."""
        return self.root.evaluate(
            "root => document.documentElement.scrollWidth <= innerWidth &&"
            " [...root.querySelectorAll('*')].every(e => e.getBoundingClientRect().right <= innerWidth)"
        )

    def swipe(self, number, across=0, along=0):
        """Move a finger over a picture from its middle, as far as told, in pixels."""
        box = self.canvas(number)
        self.swipe_from(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, across, along)

    def swipe_from(self, x, y, across=0, along=0):
        """Move a finger from a place on the screen, as far as told, in pixels; it rests before it leaves."""
        client = self.page.context.new_cdp_session(self.page)
        for kind, share, seconds in [
            ("touchStart", 0, 1),
            *(("touchMove", k / 10, 0.02) for k in range(1, 11)),
            ("touchEnd", 1, 1),  # a finger that left at once would leave the page moving
        ]:
            self.touched += seconds  # told with the event: how fast it moves is not the machine's affair
            points = [] if kind == "touchEnd" else [{"x": x + across * share, "y": y + along * share}]
            event = {"type": kind, "touchPoints": points, "timestamp": self.touched}
            client.send("Input.dispatchTouchEvent", event)
            self.settle()
        client.detach()
        # A scroll reaches the page with a frame of the browser, which no clock of a test holds or hastens.
        count = self.page.evaluate_handle("() => ({ frames: 0 })")
        self.page.wait_for_function("count => ++count.frames > 2", arg=count)

    def violations(self) -> list[str]:
        """Return what axe finds wrong on the page, by rule and place."""
        found = Axe().run(self.page).response["violations"]
        return [f"{v['id']}: {node['html'][:150]}" for v in found for node in v["nodes"]]


def status(shown):
    """Return where a widget says what it shows; it says it a moment later."""
    return shown.root.get_by_role("status")


def finish(shown):
    """Wait until the DynamicsExplorer's runs have paused by themselves."""
    expect(shown.root.get_by_role("button", name="Play", exact=True)).to_be_visible()
    shown.settle()


def opened(page):
    """Return the DynamicsExplorer, once open, of a reader who wants no motion: its runs at their end."""
    shown = Shown(page, "mgap-dynamics")
    expect(status(shown)).to_have_text(re.compile("Step [1-9]"))  # before, there was nothing to finish
    finish(shown)
    return shown

"""The pages with a widget in stock Firefox, where there is one: alive, without an error, moved by a key."""

import firefox as stock
import pytest
from built_book import BOOK, chapters, serve

END = "\ue010"
STANDING = """document.querySelectorAll('script[type$="widget-view+json"]').length
              === document.querySelectorAll('.static-widget:not(:empty)').length"""
#: What a widget says of where it stands: its numbers, and the words for those who do not see its pictures.
SAID = """[...document.querySelectorAll('.mgap [data-value]')].map(e => e.dataset.value).join()
          + [...document.querySelectorAll('.mgap canvas')].map(e => e.ariaLabel).join()"""


def with_widgets() -> list[str]:
    return [address for address in chapters() if b"widget-view+json" in (BOOK / address).read_bytes()]


@pytest.fixture(scope="module")
def firefox():
    path = stock.find()
    if path is None:
        pytest.skip("this machine has no Firefox (apt-get install firefox-esr)")
    with stock.running(path) as browser:
        yield browser


def move_a_slider(firefox) -> None:
    firefox.wait(STANDING)
    before = firefox.evaluate(SAID)
    if not firefox.evaluate("!!document.querySelector('.mgap input[type=range]')"):
        return  # nothing to move before a reader's files or the first press of a button
    firefox.evaluate("document.querySelector('.mgap input[type=range]').focus()")
    firefox.press(END)
    firefox.wait(f"{SAID} !== {before!r}")


@pytest.mark.parametrize("page", with_widgets() or ["chapters/index.html"])
def test_a_page_is_alive(firefox, site, page):
    firefox.go(site + page)
    move_a_slider(firefox)
    assert firefox.errors == []


def test_a_phones_width_holds_the_page(firefox, site):
    firefox.go(site + "chapters/index.html", width=390)
    firefox.wait(STANDING)
    assert firefox.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_page_that_writes_its_address_is_left(firefox, tmp_path):
    (tmp_path / "restless.html").write_text(
        "<script>let n = 0; setInterval(() => history.replaceState(null, '', `#${n++ % 9}`), 20)</script>"
    )
    slow = "<script>for (const t = Date.now(); Date.now() < t + 9;);</script>"
    (tmp_path / "next.html").write_text("<p>next" + 50 * slow)
    with serve(tmp_path) as site:
        for _ in range(5):
            firefox.go(f"{site}restless.html")
            firefox.go(f"{site}next.html")
            assert firefox.evaluate("[location.pathname, document.readyState]") == ["/next.html", "complete"]


def test_what_goes_wrong_is_seen(firefox, tmp_path):
    (tmp_path / "index.html").write_text(
        "<script>console.error('one')</script><script src='gone.js'></script>"
    )
    with serve(tmp_path) as site:
        firefox.go(site)
    assert firefox.evaluate("1 + 1") == 2
    assert "one" in firefox.errors and any("404" in text and "gone.js" in text for text in firefox.errors)

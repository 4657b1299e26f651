"""Figures and outputs on a dark page: they follow the theme's switch, and can be read on its ground."""

import io

import numpy as np
import pytest
from built_book import BOOK
from PIL import Image

FIGURES = '.bd-article :is(figure, .cell_output) img:is([src$=".svg"], [src^="data:image/svg"])'
OUTPUTS = ".bd-article .cell_output .output.text_html:not(:has(div.mgap-claim))"
COLOURS = """(element) => {
    const [text, ground] = [getComputedStyle(element).color, getComputedStyle(element).backgroundColor];
    return [text, ground, getComputedStyle(document.body).backgroundColor];
}"""


def with_figures() -> list[str]:
    """Return every third page that has a figure, and those with the still picture of a panel."""
    texts = {page: page.read_text(encoding="utf-8") for page in sorted(BOOK.glob("chapters/**/*.html"))}
    found = [page for page, text in texts.items() if 'src="../../_images' in text][::3]
    found += [page for page, text in texts.items() if "mgap-static-panel" in text and page not in found]
    return [page.relative_to(BOOK).as_posix() for page in found]


def opened(visitor, address, theme, system):
    """Open a page on which a reader has chosen a theme; the system's may be another."""
    page = visitor(address, color_scheme=system, viewport={"width": 1280, "height": 2000}).page
    page.evaluate(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    page.reload()
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    return page


def pixels(image) -> np.ndarray:
    image.scroll_into_view_if_needed()
    return np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB")) / 255


def light(colour) -> np.ndarray:
    """Return the relative luminance of colours, as WCAG 2 defines it."""
    c = np.asarray(colour)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(a, b) -> np.ndarray:
    low, high = np.sort(np.broadcast_arrays(light(a), light(b)), axis=0)
    return (high + 0.05) / (low + 0.05)


def rgb(css: str) -> list[float]:
    return [float(x) / 255 for x in css.strip("rgba()").split(",")[:3]]


@pytest.mark.parametrize(("theme", "system"), [("dark", "light"), ("light", "dark")])
@pytest.mark.parametrize("illustrated", with_figures() or ["chapters/index.html"])
def test_a_figure_takes_the_ground_and_the_ink_of_the_page(visitor, illustrated, theme, system):
    page = opened(visitor, illustrated, theme, system)
    ground = rgb(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for image in page.locator(FIGURES).all():
        if not image.is_visible():
            continue
        seen, name = pixels(image), image.get_attribute("src")[:80]
        corners = seen[[2, 2, -3, -3], [2, -3, 2, -3]]
        assert contrast(corners, ground).max() < 1.1, name
        assert contrast(seen, ground).max() >= 7, name  # its letters
    for output in page.locator(OUTPUTS).all():
        text, own, _ = output.evaluate(COLOURS)
        assert own == "rgba(0, 0, 0, 0)" and contrast(rgb(text), ground) >= 4.5
    page.context.close()


def test_on_paper_a_figure_is_the_light_one(visitor):
    page = opened(visitor, "chapters/cone/depth_and_activation.html", "dark", "dark")
    page.emulate_media(media="print")
    scheme = "(image) => getComputedStyle(image).colorScheme"
    assert page.locator(FIGURES).first.evaluate(scheme) == "light"
    page.context.close()

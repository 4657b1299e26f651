"""What every page of the built book promises."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from built_book import BOOK, NOT_BUILT, PATIENCE, chapters
from playwright.sync_api import expect

from mgaplib.widgets import ConeExplorer

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
SHEET = {"width": 718, "height": 1000}  # A4 within margins of 1 cm
#: What does not go on over the end of a sheet.
WHOLE = ".bd-article :is(figure, table, .cell_input, div.math, .mgap-claim, .admonition)"
ON_PAPER = """(whole) => {
    const folds = [...document.querySelectorAll('article details:not([open])')];
    for (const fold of folds) fold.open = true;
    const unseen = 'mjx-assistive-mml, mjx-assistive-mml *'; // for screen readers, clipped to a pixel
    const cut = [...document.querySelectorAll(`article :not(${unseen})`)].filter(e => e.checkVisibility() && (
        e.getBoundingClientRect().right > innerWidth + 1
        || ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1
    ));
    const breaks = (e) => getComputedStyle(e).breakInside !== 'avoid';
    const split = [...document.querySelectorAll(whole)].filter(breaks);
    const names = [cut, split].map(all => all.map(e => e.tagName + '.' + e.className));
    for (const fold of folds) fold.open = false;
    return names;
}"""
WEIGHT = 2_000_000  # bytes of a page's own HTML, pictures and widget data, uncompressed
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
#: The bibliography's list is marked up by docutils: its role is not ours to mend.
RULES["rules"] = {"aria-required-children": {"enabled": False}}
#: Axe would ask for what style sheets import, but beside the page, where it is not: no error of the page.
RULES["preload"] = {"assets": ["media"]}


@pytest.fixture(scope="module")
def visit(visitor, address):
    """The page at an address, opened once for all that is asked of it."""
    visit = visitor(address, color_scheme="light")
    yield visit
    visit.page.context.close()


@pytest.fixture(scope="module")
def source(address):
    path = BOOK / address
    if not path.exists():
        pytest.fail(NOT_BUILT)
    return BeautifulSoup(path.read_bytes(), "html.parser")


def test_the_book_is_built():
    assert len(chapters()) > 1, NOT_BUILT


def test_the_themes_style_sheet_has_no_letters_of_an_icon_font():
    sheet = (BOOK / "_static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    assert ".bd-article" in sheet and ".fa-bars" not in sheet


def test_the_first_page_leads_to_the_first_chapter(visitor):
    page = visitor("chapters/index.html").page
    page.goto(page.url.replace("chapters/index.html", ""))
    page.wait_for_url("**/chapters/index.html")
    page.context.close()


def test_asks_no_other_host_and_logs_no_error(visit):
    assert visit.outside == [], "\n".join(visit.outside)
    assert visit.errors == [], "\n".join(visit.errors)


def test_fits_a_phone_without_sideways_scrolling(visit):
    visit.page.set_viewport_size(PHONE)
    wide, width, cut = visit.page.evaluate(
        """() => [[...document.querySelectorAll('article *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.tagName + '.' + e.className).slice(0, 5), document.documentElement.scrollWidth,
            [...document.querySelectorAll('.prev-next-area a')]
            .filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)]"""
    )
    visit.page.set_viewport_size(DESKTOP)  # before anything can fail: the page's other tests share it
    assert width <= PHONE["width"], wide
    assert cut == []  # of a link to the next page its arrow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_has_no_serious_accessibility_fault(visit, scheme):
    visit.page.emulate_media(color_scheme=scheme)
    visit.page.wait_for_function("s => document.documentElement.dataset.theme === s", arg=scheme)
    # The article is ours; the bars around it are the theme's.
    found = Axe().run(visit.page, context="article", options=RULES).response["violations"]
    faults = [
        f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:3]]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []


def test_every_picture_is_described(source):
    missing = [image.get("src") for image in source.select("article img") if not image.get("alt", "").strip()]
    assert missing == []


def test_no_table_of_a_cell_prints_five_digits_of_a_measurement(source):
    cells = [cell.get_text() for cell in source.select("article .cell_output table td")]
    numbers = re.findall(r"(?<![\w.])\d[\d,]*\.\d+(?![\w.])", "\n".join(cells))
    assert [one for one in numbers if len(re.sub("[,.]", "", one).lstrip("0")) >= 5] == []


def test_weighs_little(source, address):
    page = BOOK / address
    pictures = {
        (page.parent / image["src"].split("?")[0]).resolve()
        for image in source.select("article img[src]")
        if not image["src"].startswith("data:")  # it is part of the page
    }
    sizes = {page.name: page.stat().st_size, **{p.name: p.stat().st_size for p in map(Path, pictures)}}
    assert sum(sizes.values()) < WEIGHT, sizes


WORDS = [
    "tau", "temperature", "fairness", "cone effect", "recall", "modality gap", "RMG", "hubness", "retrieval",
    "threshold", "zero-shot", "several captions",
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_a_search_finds_the_pages_before_the_librarys_names(visitor, words):
    page = visitor(f"search.html?q={words.replace(' ', '+')}").page
    page.wait_for_function(
        "() => /finished|found/i.test(document.querySelector('#search-results p')?.textContent)"
    )
    found = page.eval_on_selector_all("#search-results li > a", "all => all.map(a => a.getAttribute('href'))")
    page.context.close()
    names = [k for k, address in enumerate(found) if "chapters/api" in address]
    assert found and not set(names) & set(range(3))
    if words == "modality gap":
        assert found[0].startswith("chapters/index.html")


def test_every_link_leads_to_a_page_and_a_place_on_it():
    """Of all pages, those of the library's code too; what a link sets in an explorer is no place."""
    places, astray = {}, []
    pages = [path for path in BOOK.rglob("*.html") if "_static" not in path.parts]
    texts = {path.resolve(): path.read_text(encoding="utf-8") for path in pages}
    for path, text in texts.items():
        for link in set(re.findall(r'<(?:a|img|link|script)\s[^>]*?(?:href|src)="([^"]+)"', text)):
            address, _, place = link.partition("#")
            if re.match(r"[a-z-]+:", link):
                continue
            address = unquote(address.partition("?")[0])
            target = (path.parent / address).resolve() if address else path
            if target not in places:
                places[target] = set(re.findall(r'\s(?:id|name)="([^"]+)"', texts.get(target, "")))
            if not target.exists() or (
                place and "=" not in place and target in texts and unquote(place) not in places[target]
            ):
                astray.append(f"{path.name}: {link}")
    assert len(pages) > 1, NOT_BUILT
    assert astray == []


def test_loads_what_it_needs_and_says_what_it_is_about(source, address):
    scripts = [script["src"] for script in source.select("script[src]")]
    assert any("mathjax" in script for script in scripts) == bool(source.select("article .math"))
    assert not [script for script in scripts if "fontawesome" in script or "searchindex" in script]
    about = source.select_one("meta[name=description]")["content"]
    assert len(about) > 40 and not re.search(r"[\\{}$]|\bnan\b", about)
    assert "widget-state+json" not in str(source).partition("</article>")[0]  # the words are painted first
    taught = [line for line in source.select("dl.py p") if "Taught in chapter" in line.get_text()]
    assert [line.get_text() for line in taught if not line.select("a[href^='../']")] == []
    code = "api/" not in address and bool(source.select("article .cell"))
    assert bool(source.select("a[href$='.ipynb']")) == code


def test_paper_cuts_nothing_and_keeps_things_whole(visit):
    visit.page.set_viewport_size(SHEET)
    visit.page.emulate_media(media="print")
    wide, broken = visit.page.evaluate(ON_PAPER, WHOLE)
    visit.page.emulate_media(media="screen")
    visit.page.set_viewport_size(DESKTOP)
    assert (wide, broken) == ([], [])


#: Of a slider with the focus, from above: the label's letters' end, the ring, the hint's letters' top.
RING = """(slider) => {
    const [box, style] = [slider.getBoundingClientRect(), getComputedStyle(slider)];
    const out = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
    const letters = (e) => {
        const [line, size] = [e.getBoundingClientRect(), parseFloat(getComputedStyle(e).fontSize)];
        return [(line.top + line.bottom - size) / 2, (line.top + line.bottom + size) / 2];
    };
    const [label, hint] = ['label', 'small'].map(name => slider.parentElement.querySelector(name));
    return [letters(label)[1], box.top - out, box.bottom + out, letters(hint)[0]];
}"""


def test_the_ring_of_a_slider_crosses_no_word(show):
    page = show(ConeExplorer())
    slider = page.locator(".mgap-slider:has(small) input").first
    slider.focus()
    page.keyboard.press("ArrowRight")  # the ring is for those who use keys
    label, top, bottom, hint = slider.evaluate(RING)
    assert label <= top < bottom <= hint


def test_an_old_address_of_the_library_opens_the_fold_and_shows_the_line_that_leads_on(visitor):
    page = visitor("chapters/api.html#mgaplib.metrics.gap_report").page
    line = page.locator("[id='mgaplib.metrics.gap_report']")
    expect(line).to_be_in_viewport()
    line.get_by_role("link").first.click()
    page.wait_for_url("**/api/metrics.html#mgaplib.metrics.gap_report")
    expect(page.locator("dt[id='mgaplib.metrics.gap_report']")).to_be_in_viewport()
    page.context.close()


def test_a_page_opened_as_a_file_is_alive(browser):
    """A reader without a server opens `_build/html/index.html` by a double click."""
    context = browser.new_context(viewport=DESKTOP)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(PATIENCE)
    page.goto((BOOK / "chapters/index.html").as_uri())
    explorer = page.locator(".static-widget .mgap").first
    gap = explorer.locator("[data-metric=gap]")
    before = gap.get_attribute("data-value")
    explorer.get_by_role("slider", name="Shift").press("End")
    expect(gap).not_to_have_attribute("data-value", before)
    assert wrong == [], "\n".join(wrong)
    context.close()

"""What every page of the built book promises."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from built_book import BOOK, NOT_BUILT, PATIENCE, chapters
from playwright.sync_api import expect

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
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
    wide, width = visit.page.evaluate(
        """() => [[...document.querySelectorAll('article *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.tagName + '.' + e.className).slice(0, 5), document.documentElement.scrollWidth]"""
    )
    visit.page.set_viewport_size(DESKTOP)  # before anything can fail: the page's other tests share it
    assert width <= PHONE["width"], wide


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


def test_weighs_little(source, address):
    page = BOOK / address
    pictures = {
        (page.parent / image["src"].split("?")[0]).resolve()
        for image in source.select("article img[src]")
        if not image["src"].startswith("data:")  # it is part of the page
    }
    sizes = {page.name: page.stat().st_size, **{p.name: p.stat().st_size for p in map(Path, pictures)}}
    assert sum(sizes.values()) < WEIGHT, sizes


@pytest.mark.parametrize(
    "words", ["tau", "temperature", "fairness", "cone effect", "recall", "modality gap", "RMG"]
)
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
        assert any("index.html" in address for address in found[:3])


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

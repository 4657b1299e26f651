"""The built book in a real browser: served on loopback, every other address blocked and written down."""

import importlib.util
import json
import sys

import pytest
from built_book import BOOK, NOT_BUILT, PATIENCE, ROOT, Visit, chapters, serve, widget_page
from ipywidgets import embed
from playwright.sync_api import expect, sync_playwright
from shown import DESKTOP

expect.set_options(timeout=PATIENCE)


def pytest_generate_tests(metafunc):
    if "address" in metafunc.fixturenames:
        metafunc.parametrize("address", chapters() or ["chapters/index.html"], scope="module")


@pytest.fixture(scope="session")
def site():
    """The address at which the built book is served."""
    if not (BOOK / "index.html").exists():
        pytest.fail(NOT_BUILT)
    with serve(BOOK) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """A Chromium: the one that make found, or else the one that tools/browser.py finds."""
    spec = importlib.util.spec_from_file_location("browser_tool", ROOT / "tools/browser.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    path = tool.find()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def visitor(browser, site):
    """Open pages with a given width, colour scheme and so on; each in a fresh profile."""

    def visit(address: str, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        visit = Visit(context.new_page(), site)
        visit.go(site + address)
        return visit

    return visit


@pytest.fixture
def show(tmp_path, browser):
    """Serve a page with some widgets and open it; nothing may fail on it and no other host be asked."""
    visits, servers = [], []

    def show_page(*widgets, errors=0, spoil=None, address="", **options):
        states = embed.dependency_state(list(widgets), drop_defaults=False)
        if spoil:
            spoil(states[widgets[0].model_id])
        widget_page(tmp_path, states, [widget.model_id for widget in widgets])
        servers.append(serve(tmp_path))
        site = servers[-1].__enter__()
        context = browser.new_context(**{**DESKTOP, **options})
        context.clock.install()  # so that a test can let time pass at once
        visits.append((Visit(context.new_page(), site), errors))
        return visits[-1][0].go(site + address)

    yield show_page
    for visit, errors in visits:
        assert (visit.outside, len(visit.errors)) == ([], errors), visit.errors
        visit.page.context.close()
    for server in servers:
        server.__exit__(None, None, None)


def pytest_terminal_summary(terminalreporter):
    """Print the pages' measures, which their test leaves in its report, whichever process it ran in."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    told = [dict(report.user_properties).get("page_measures") for report in reports]
    rows = {
        address: {int(k): v for k, v in found.items()}
        for address, found in map(json.loads, filter(None, told))
    }
    if rows:
        sys.path.insert(0, str(ROOT / "tools"))
        import page_measures

        terminalreporter.section("pages, measured in px and counts")
        terminalreporter.write_line(page_measures.table(rows))

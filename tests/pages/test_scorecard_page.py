"""The scorecard in a real browser: counts, filters, cards on a phone, the whole table without scripts."""

import json
from collections import Counter

import pytest
from built_book import BOOK, PATIENCE
from playwright.sync_api import expect

ADDRESS = "chapters/scorecard.html"
ROWS = "table.scorecard > tbody > tr"


@pytest.fixture(scope="module")
def claims():
    return json.loads((BOOK / "scorecard.json").read_text())["claims"]


@pytest.fixture
def page(visitor):
    visit = visitor(ADDRESS)
    yield visit.page
    assert visit.errors == [] and visit.outside == []
    visit.page.context.close()


def shown(page) -> list[str]:
    return [row.split()[0] for row in page.locator(f"{ROWS}:visible").all_inner_texts()]


def choice(page, name: str):
    return page.locator(f".scorecard-filters select[name={name}]")


def test_every_claim_has_a_row_and_a_count(page, claims):
    assert shown(page) == [row["id"] for row in claims]
    last = page.locator("table.scorecard-counts > tbody > tr").last.locator("td, th").all_inner_texts()
    found = Counter(row["verdict"] for row in claims)
    expected = [found[verdict] for verdict in ("holds", "partly", "fails", "not tested here")]
    assert last == ["all", *map(str, expected), str(len(claims))]


def test_three_filters_work_together_and_say_how_many_they_leave(page, claims):
    choice(page, "part").select_option("dynamics")
    choice(page, "source").select_option("yaras2025")
    choice(page, "verdict").select_option("fails")
    left = [
        row["id"]
        for row in claims
        if row["chapter"].startswith("chapters/dynamics/")
        and (row["source"], row["verdict"]) == ("yaras2025", "fails")
    ]
    assert 0 < len(left) < len(claims)
    assert shown(page) == left
    status = page.locator(".scorecard-filters output")
    expect(status).to_have_text(f"{len(left)} of {len(claims)} claims")
    page.get_by_role("button", name="show all").click()
    expect(status).to_have_text(f"{len(claims)} of {len(claims)} claims")
    assert len(shown(page)) == len(claims)


def test_each_choice_leaves_its_own_claims(page, claims):
    kinds = {
        "part": lambda row: ([*row["chapter"].split("/")[1:-1], "start"])[0],
        "source": lambda row: row["source"],
        "verdict": lambda row: row["verdict"].split()[0],
    }
    for name, kind in kinds.items():
        select = choice(page, name)
        values = select.locator("option").evaluate_all("all => all.map(one => one.value).filter(Boolean)")
        assert {kind(row) for row in claims} <= set(values)
        for value in values:
            select.select_option(value)
            assert shown(page) == [row["id"] for row in claims if kind(row) == value]
        select.select_option("")


def test_the_keyboard_alone_filters(page, claims):
    choice(page, "part").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(choice(page, "verdict")).to_be_focused()
    page.keyboard.press("h")  # the first letter chooses "holds"
    assert shown(page) == [row["id"] for row in claims if row["verdict"] == "holds"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # show all
    expect(page.locator(f"{ROWS}:visible")).to_have_count(len(claims))


def test_without_scripts_the_whole_table_stands(browser, site, claims):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(site + ADDRESS)
    expect(page.locator(f"{ROWS}:visible")).to_have_count(len(claims))
    expect(page.locator(".scorecard-filters")).to_be_hidden()
    context.close()


def test_on_a_phone_each_claim_is_a_card_that_names_its_columns(visitor, claims):
    page = visitor(ADDRESS, viewport={"width": 390, "height": 844}).page
    row = page.locator(ROWS).first
    cells = [cell.bounding_box() for cell in row.locator("td").all()]
    assert all(upper["y"] < lower["y"] for upper, lower in zip(cells, cells[1:], strict=False))
    assert all(box["x"] >= 0 and box["width"] > 250 and box["x"] + box["width"] <= 390 for box in cells)
    for name in ("paper", "here", "data", "seeds", "verdict"):
        expect(row.get_by_text(f"{name}:", exact=True)).to_be_visible()
    choice(page, "verdict").select_option("partly")
    assert shown(page) == [one["id"] for one in claims if one["verdict"] == "partly"]
    page.context.close()


def test_the_verdict_is_in_sight_on_a_desktop(page):
    table = page.locator("table.scorecard")
    inside, room = table.evaluate("t => [t.scrollWidth, t.parentElement.clientWidth]")
    assert inside <= room + 1


def test_no_other_page_loads_the_filters():
    assert "scorecard-filters" in (BOOK / ADDRESS).read_text(encoding="utf-8")
    assert "scorecard-filters" not in (BOOK / "chapters/index.html").read_text(encoding="utf-8")

"""The scorecard in a real browser: tables, filters, cards on a phone, the whole tables without scripts."""

import json
import re

import jsonschema
import pytest
from built_book import BOOK, PATIENCE, ROOT
from playwright.sync_api import expect

ADDRESS = "chapters/scorecard.html"
ROWS = "table.scorecard > tbody > tr"
SECTIONS = ["liang2022", "yaras2025", "field", "questions", "slips"]


def section(row) -> str:
    return row["source"] if row["kind"] == "claim" else row["kind"] + "s"


def slug(words) -> str:
    return re.sub("[^a-z0-9]+", "-", words.lower())


@pytest.fixture(scope="module")
def claims():
    """The rows in the order of the page: table by table."""
    rows = json.loads((BOOK / "scorecard.json").read_text())["claims"]
    return sorted(rows, key=lambda row: SECTIONS.index(section(row)))


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


def test_the_file_keeps_to_its_schema():
    card = json.loads((BOOK / "scorecard.json").read_text())
    jsonschema.validate(card, json.loads((ROOT / "docs/scorecard.schema.json").read_text()))


def test_every_claim_has_a_row_with_where_it_is_printed_and_its_checks(page, claims):
    assert shown(page) == [row["id"] for row in claims]
    for row, text in zip(claims, page.locator(ROWS).all_inner_texts(), strict=True):
        told = " ".join(text.split())
        words = [row["where"], row["status"], *(f"{one['answer']}: {one['words']}" for one in row["checks"])]
        assert [one for one in words if " ".join(one.split()) not in told] == []


def test_no_row_is_counted(page):
    assert page.locator("table.scorecard-counts").count() == 0


def test_what_changed_is_listed_with_its_reason(page):
    changes = json.loads((BOOK / "scorecard.json").read_text())["changes"]
    listed = page.locator("table.scorecard-changes > tbody > tr")
    assert [row.split()[0] for row in listed.all_inner_texts()] == [row["id"] for row in changes["verdicts"]]


def test_three_filters_work_together_and_say_how_many_they_leave(page, claims):
    row = next(row for row in claims if row["chapter"].startswith("chapters/dynamics/"))
    choice(page, "part").select_option("dynamics")
    choice(page, "kind").select_option(section(row))
    choice(page, "verdict").select_option(slug(row["status"]))
    left = [
        one["id"]
        for one in claims
        if one["chapter"].startswith("chapters/dynamics/")
        and (section(one), one["status"]) == (section(row), row["status"])
    ]
    assert 0 < len(left) < len(claims)
    assert shown(page) == left
    expect(page.locator("table.scorecard:visible")).to_have_count(1)
    status = page.locator(".scorecard-filters output")
    expect(status).to_have_text(f"{len(left)} of {len(claims)} rows")
    page.get_by_role("button", name="show all").click()
    expect(status).to_have_text(f"{len(claims)} of {len(claims)} rows")
    assert len(shown(page)) == len(claims)


def test_each_choice_leaves_its_own_claims(page, claims):
    kinds = {
        "part": lambda row: ([*row["chapter"].split("/")[1:-1], "start"])[0],
        "kind": section,
        "verdict": lambda row: slug(row["status"]),
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
    assert shown(page) == [row["id"] for row in claims if row["status"] == "holds"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # show all
    expect(page.locator(f"{ROWS}:visible")).to_have_count(len(claims))


def test_without_scripts_the_whole_tables_stand(browser, site, claims):
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
    cells = [cell.bounding_box() for cell in row.locator("> td").all()]
    assert all(upper["y"] < lower["y"] for upper, lower in zip(cells, cells[1:], strict=False))
    assert all(box["x"] >= 0 and box["width"] > 250 and box["x"] + box["width"] <= 390 for box in cells)
    for name in ("paper", "here", "checks", "data", "verdict"):
        expect(row.get_by_text(f"{name}:", exact=True)).to_be_visible()
    choice(page, "verdict").select_option("partly")
    assert shown(page) == [one["id"] for one in claims if one["status"] == "partly"]
    page.context.close()


def test_the_verdict_is_in_sight_on_a_desktop(page):
    for table in page.locator("table.scorecard").all():
        inside, room = table.evaluate("t => [t.scrollWidth, t.parentElement.clientWidth]")
        assert inside <= room + 1


def test_no_other_page_loads_the_filters():
    assert "scorecard-filters" in (BOOK / ADDRESS).read_text(encoding="utf-8")
    assert "scorecard-filters" not in (BOOK / "chapters/index.html").read_text(encoding="utf-8")

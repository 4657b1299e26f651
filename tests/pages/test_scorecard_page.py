"""The scorecard in a real browser: its picture, the lists that unfold, filters, addresses, no scripts."""

import json
import re

import jsonschema
import pytest
from built_book import BOOK, PATIENCE, ROOT
from playwright.sync_api import expect

ADDRESS = "chapters/scorecard.html"
ROWS = "details.mgap-row"
CELLS = ".mgap-picture a"
SECTIONS = ["liang2022", "yaras2025", "field", "questions", "slips"]
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


def section(row) -> str:
    return row["source"] if row["kind"] == "claim" else row["kind"] + "s"


def slug(words) -> str:
    return re.sub("[^a-z0-9]+", "-", words.lower())


def part(row) -> str:
    return ([*row["chapter"].split("/")[1:-1], "start"])[0]


@pytest.fixture(scope="module")
def claims():
    """The rows in the order of the page: list by list."""
    rows = json.loads((BOOK / "scorecard.json").read_text())["claims"]
    return sorted(rows, key=lambda row: SECTIONS.index(section(row)))


@pytest.fixture
def page(visitor):
    visit = visitor(ADDRESS)
    yield visit.page
    assert visit.errors == [] and visit.outside == []
    visit.page.context.close()


def shown(page) -> list[str]:
    return page.locator(f"{ROWS}:visible .mgap-id strong").all_inner_texts()


def choice(page, name: str):
    return page.locator(f".scorecard-filters select[name={name}]")


def test_the_file_keeps_to_its_schema_which_lies_beside_it():
    card = json.loads((BOOK / "scorecard.json").read_text())
    schema = json.loads((BOOK / "scorecard.schema.json").read_text())
    assert schema == json.loads((ROOT / "docs/scorecard.schema.json").read_text())
    jsonschema.validate(card, schema)


def test_every_claim_is_a_cell_with_its_letter_and_a_line_with_its_verdict(page, claims):
    assert shown(page) == [row["id"] for row in claims]
    cells = page.locator(CELLS).evaluate_all(
        "all => all.map(a => [a.querySelector('strong').innerText, a.querySelector('.mgap-letter').innerText,"
        " a.textContent])"
    )
    assert sorted(cell[0] for cell in cells) == sorted(row["id"] for row in claims)
    status = {row["id"]: row["status"] for row in claims}
    letters = {}
    for id, letter, words in cells:
        assert words.endswith(status[id])  # for those who see no colours
        assert letters.setdefault(letter, status[id]) == status[id]  # one letter, one verdict
    verdicts = page.locator(f"{ROWS} .mgap-verdict").all_inner_texts()
    assert [text.split(" (")[0] for text in verdicts] == [row["status"] for row in claims]


def test_a_cell_unfolds_its_claim_and_the_address_keeps_it(page, claims):
    row = next(row for row in claims if 0 < len(row["checks"]) <= 6 and row["note"])
    page.locator(f"{CELLS}[href='#{row['link'].split('#')[1]}']").click()
    opened = page.locator(f"{ROWS}[open]")
    expect(opened).to_have_count(1)
    expect(opened).to_be_in_viewport()
    told = " ".join(opened.inner_text().split())
    words = [str(row["paper"]), str(row["here"]), row["note"], *(check["words"] for check in row["checks"])]
    assert [one for one in words if " ".join(one.split()) not in told] == []
    page.reload()
    expect(opened).to_have_count(1)
    opened.locator("summary").click()
    page.wait_for_function("() => location.hash === ''")


def test_more_than_six_checks_unfold_under_their_count(page, claims):
    many = [row for row in claims if len(row["checks"]) > 6]
    assert "F6" in [row["id"] for row in many]
    assert page.locator(f"{ROWS} .mgap-more").count() == len(many)
    for row in many:
        found = page.locator(f"{ROWS}:has([id='{row['link'].split('#')[1]}'])")
        found.locator("summary").first.click()
        head, lines = found.locator(".mgap-more > summary"), found.locator(".mgap-more li")
        given = [check["answer"] for check in row["checks"]]
        assert re.findall(r"\d+", head.inner_text())[0] == str(len(given))
        if len(set(given)) == 1:
            assert head.inner_text() == f"{len(given)} checks, all {given[0]}"
        expect(lines.first).to_be_hidden()
        head.click()
        assert [line.split(":")[0] for line in lines.all_inner_texts()] == given
        expect(lines.last).to_be_visible()


def test_each_claim_leads_to_its_own_place_on_its_chapters_page(page, claims):
    places = {row["chapter"]: set() for row in claims}
    for chapter, found in places.items():
        html = (BOOK / f"{chapter}.html").read_text(encoding="utf-8")
        found |= set(re.findall(r'class="mgap-claim" id="([\w-]+)"', html))
    links = page.locator(f"{ROWS} dd a[href*='#claim-']").evaluate_all("all => all.map(a => a.href)")
    assert [link.split("/", 3)[3] for link in links] == [row["link"] for row in claims]
    assert [row["id"] for row in claims if row["link"].split("#")[1] not in places[row["chapter"]]] == []


def test_what_changed_is_listed_with_its_reason(page):
    changes = json.loads((BOOK / "scorecard.json").read_text())["changes"]
    page.get_by_text("Verdicts that are not those of release 0.1").click()
    listed = page.locator("table.scorecard-changes > tbody > tr")
    assert [row.split()[0] for row in listed.all_inner_texts()] == [row["id"] for row in changes["verdicts"]]


def test_three_filters_work_together_and_the_address_keeps_them(page, claims):
    row = next(row for row in claims if part(row) == "dynamics")
    chosen = {"part": "dynamics", "kind": section(row), "verdict": slug(row["status"])}
    for name, value in chosen.items():
        choice(page, name).select_option(value)
    left = [
        one["id"]
        for one in claims
        if (part(one), section(one), one["status"]) == ("dynamics", section(row), row["status"])
    ]
    assert 0 < len(left) < len(claims)
    page.reload()
    assert shown(page) == left
    assert page.locator(".mgap-picture li:not(.mgap-out) > a").count() == len(left)
    status = page.locator(".scorecard-filters output")
    expect(status).to_have_text(f"{len(left)} of {len(claims)} claims")
    page.get_by_role("button", name="show all").click()
    expect(status).to_have_text(f"{len(claims)} of {len(claims)} claims")
    assert "?" not in page.url
    # A claim that the choices hide is shown when its cell is clicked.
    choice(page, "part").select_option("dynamics")
    hidden = next(one for one in claims if part(one) != "dynamics")
    page.locator(f"{CELLS}[href='#{hidden['link'].split('#')[1]}']").click()
    expect(page.locator(f"{ROWS}[open]")).to_have_count(1)
    expect(status).to_have_text(f"{len(claims)} of {len(claims)} claims")


def test_each_choice_leaves_its_own_claims(page, claims):
    kinds = {"part": part, "kind": section, "verdict": lambda row: slug(row["status"])}
    for name, kind in kinds.items():
        select = choice(page, name)
        values = select.locator("option").evaluate_all("all => all.map(one => one.value).filter(Boolean)")
        assert {kind(row) for row in claims} == set(values)
        for value in values:
            select.select_option(value)
            assert shown(page) == [row["id"] for row in claims if kind(row) == value]
        select.select_option("")


def test_the_keyboard_alone_filters_and_unfolds(page, claims):
    choice(page, "part").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(choice(page, "verdict")).to_be_focused()
    page.keyboard.press("h")  # the first letter chooses "holds"
    assert shown(page) == [row["id"] for row in claims if row["status"] == "holds"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # show all
    expect(page.locator(f"{ROWS}:visible")).to_have_count(len(claims))
    page.locator(f"{ROWS} summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{ROWS}[open]")).to_have_count(1)


def test_without_scripts_every_claim_stands_and_unfolds(browser, site, claims):
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(site + ADDRESS)
    expect(page.locator(f"{ROWS}:visible")).to_have_count(len(claims))
    expect(page.locator(".scorecard-filters")).to_be_hidden()
    page.locator(CELLS).first.click()
    expect(page.locator(f"{ROWS}[open]")).to_have_count(1)
    context.close()


def test_a_phone_shows_it_all_in_a_column_of_its_width(visitor, claims):
    page = visitor(ADDRESS, **PHONE).page
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.mgap-picture a *, details.mgap-row summary *')]
            .filter(e => e.getClientRects().length)
            .map(e => [e.textContent, e.getBoundingClientRect().left, e.getBoundingClientRect().right])"""
    )
    assert [box for box in boxes if box[1] < 0 or box[2] > PHONE["viewport"]["width"]] == []
    assert page.evaluate("document.documentElement.scrollHeight") < 30_000
    choice(page, "verdict").select_option("partly")
    assert shown(page) == [one["id"] for one in claims if one["status"] == "partly"]
    page.context.close()


@pytest.mark.parametrize("options", [{}, PHONE])
def test_no_id_breaks_inside_a_word(visitor, options):
    page = visitor(ADDRESS, **options).page
    broken = page.evaluate(
        """() => [...document.querySelectorAll('.mgap-picture strong, .mgap-id strong')].filter(id =>
            [...id.childNodes].some(piece => {
                const range = document.createRange();
                range.selectNodeContents(piece);
                return piece.nodeType === 3 && new Set([...range.getClientRects()].map(r => r.top)).size > 1;
            })).map(id => id.textContent)"""
    )
    assert broken == []
    page.context.close()


def test_no_other_page_loads_the_filters():
    assert "scorecard-filters" in (BOOK / ADDRESS).read_text(encoding="utf-8")
    assert "scorecard-filters" not in (BOOK / "chapters/index.html").read_text(encoding="utf-8")

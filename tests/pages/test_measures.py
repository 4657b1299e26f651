"""How tall each page is, where it begins to show something, and what is cut: no page may get worse."""

import json
import sys

import pytest
from built_book import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import page_measures  # noqa: E402

ALLOWED = json.loads(page_measures.ALLOWED.read_text(encoding="utf-8"))


def test_keeps_within_its_bounds(visitor, address, record_property):
    visit = visitor(address, color_scheme="light", reduced_motion="reduce")
    found = page_measures.measure(visit.page)
    visit.page.context.close()
    record_property("page_measures", json.dumps([address, found]))  # for the table at the end of the run
    assert page_measures.over(address, found, ALLOWED) == []


PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<style>body, pre, figure { margin: 0; padding: 0 }
pre { overflow-x: auto; font: 10px monospace }</style><body><article><div style="height: 1000px"></div>
<figure><img alt="" src="data:," style="width: 500px; height: 10px"></figure>
<div style="overflow-x: auto; width: 300px"><table style="width: 600px"><tr><td>1</td></tr></table></div>
<div class="cell_input"><pre>short
%s</pre></div>
<details><div class="cell_input"><pre>folded</pre></div></details></article>"""


def test_what_is_cut_and_what_scrolls_is_seen(browser):
    page = browser.new_page()
    page.set_content(PAGE % ("x" * 300))
    found = page_measures.measure(page)
    page.close()
    assert [found[width]["cut"] for width in (390, 768, 1280)] == [1, 0, 0]  # the picture of 500 px
    assert {width["sideways"] for width in found.values()} == {1}
    assert {(width["code_open"], width["code_cut"]) for width in found.values()} == {(2, 1)}
    assert found[1280]["first"] == 1000 and found[1280]["height"] > 1000


def measures(**values):
    least = {"height": 1000, "first": 100, "code_open": 0, "code_cut": 0, "cut": 0, "sideways": 0}
    return {width: {**least, **values} for width in page_measures.WIDTHS}


def test_a_page_over_a_bound_is_named_and_one_that_was_over_may_not_get_worse():
    now = measures(height=13_400, cut=2)
    assert page_measures.over("a.html", measures(first=None), {}) == []
    assert "a.html at 1280 px: height is 13400, 12000 at most" in page_measures.over("a.html", now, {})
    allowed = {"a.html": page_measures.rounded_up(now)}
    assert allowed["a.html"]["1280"]["height"] == 14_000
    assert page_measures.over("a.html", now, allowed) == []
    assert len(page_measures.over("a.html", measures(height=14_100, cut=3), allowed)) == 4
    assert page_measures.rounded_up(measures()) == {}


@pytest.mark.parametrize("name", ["height", "sideways"])
def test_the_table_has_a_line_for_each_page(name):
    lines = page_measures.table({"chapters/a.html": measures(), "chapters/b.html": measures()}).splitlines()
    assert name in lines[1] and [line.split()[0] for line in lines[2:]] == ["a.html", "b.html"]

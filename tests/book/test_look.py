"""The look of what a page shows: tables in one style, figures for two widths, the card of a page."""

import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb
from PIL import Image

from mgaplib.book import plots

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "_ext"))
import card  # noqa: E402
import tables  # noqa: E402


def styled(frame) -> BeautifulSoup:
    return BeautifulSoup(tables.TABLE.sub(lambda m: tables.house_style(m[0]), frame.to_html()), "html.parser")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("0.85", True), ("-1.2e-05", True), ("0.85 ± 0.02", True), ("0.56 (0.21-1.06)", True), ("74°", True)]
    + [("1,664", True), ("", True), ("–", True), ("nan", True), ("< 0.1 %", True)]
    + [("0 to 2", False), ("CLIP", False), ("3 models", False), ("R@1", False), ("2026-11-26", False)],
)
def test_what_reads_as_a_number_is_one(text, is_one):
    assert tables.is_number(text) is is_one


@pytest.mark.parametrize("kind", ["frame", "styler"])
def test_numbers_stand_right_under_their_heads_and_no_head_is_empty(kind):
    frame = pd.DataFrame({"gap": ["0.85 ± 0.02", "–"], "of": ["CLIP", "CLOOB"]}, index=["a", "b"])
    frame.index.name = "model"
    soup = styled(frame if kind == "frame" else frame.style)
    assert [head.get_text(strip=True) for head in soup.thead.find_all("th")] == ["model", "gap", "of"]
    assert {cell.get_text(strip=True) for cell in soup.select(".num")} == {"gap", "0.85 ± 0.02", "–"}
    assert len(soup.select("tbody tr")) == 2


def written(rows: list[tuple[str, list[str]]]) -> BeautifulSoup:
    """A table as a page's own text has it; each row is its cells' tag and words, the first one the heads."""
    lines = ["<tr>" + "".join(f"<{tag}><p>{cell}</p></{tag}>" for cell in row) + "</tr>" for tag, row in rows]
    text = f'<table class="table"><thead>{lines[0]}</thead><tbody>{"".join(lines[1:])}</tbody></table>'
    return BeautifulSoup(tables.WRITTEN.sub(lambda m: tables.written(m[0]), text), "html.parser")


def test_a_table_that_a_phone_has_no_room_for_becomes_cards_whose_cells_know_their_heads():
    columns = ["gap", "share of the gap", "recall at one", "recall at ten", "hubness", "effective rank"]
    frame = pd.DataFrame([["0.85 ± 0.02"] * 5 + [""]], columns=columns, index=["CLIP"])
    frame.index.name = "model"
    table = styled(frame).table
    assert "mgap-cards" in table["class"] and table["role"] == "table"
    name, *cells = table.tbody.tr.find_all(["th", "td"])
    assert (name["role"], name["data-head"]) == ("rowheader", "model")
    assert [cell["data-head"] for cell in cells] == columns
    assert {cell["role"] for cell in cells} == {"cell"}  # a phone's cards are a table to a screen reader
    assert [cell.has_attr("data-empty") for cell in cells] == [False] * 5 + [True]


def test_a_table_that_fits_stays_a_table():
    assert "mgap-cards" not in styled(pd.DataFrame({"gap": ["0.85"], "recall": ["0.3"]})).table["class"]


def test_two_rows_of_heads_are_one_on_a_card():
    columns = pd.MultiIndex.from_product(
        [["pictures", "captions"], ["gap", "recall at one", "recall at ten"]]
    )
    frame = pd.DataFrame([["0.85 ± 0.02"] * 6], columns=columns)
    cells = styled(frame).tbody.find_all("td")
    assert [cell["data-head"] for cell in cells][2:4] == ["pictures, recall at ten", "captions, gap"]


def test_a_written_table_of_three_columns_becomes_cards_and_one_of_two_stays():
    three = written([("th", ["you want", "call", ""]), ("td", ["a gap", "gap", "see there"])])
    assert [cell.get("data-head") for cell in three.tbody.find_all("td")] == ["you want", "call", None]
    two = written([("th", ["word", "meaning"]), ("td", ["gap", "how far two centroids lie apart"])])
    assert not two.select(".mgap-cards, [data-head]")


def test_a_table_whose_rows_differ_in_length_is_left_alone():
    uneven = written([("th", ["one", "two", "three"]), ("td", ["1", "2", "3"]), ("td", ["1"])])
    assert not uneven.select(".mgap-cards, [role]")


def test_a_narrow_figure_stacks_its_panels_and_the_wide_one_comes_back():
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    for ax in axes:
        ax.plot([0, 1])
    figure.draw_without_rendering()
    before = [ax.get_position().bounds for ax in axes]
    with plots.narrow(figure) as changed:
        figure.draw_without_rendering()
        tops = [ax.get_position().y1 for ax in axes]
        assert changed and figure.get_size_inches()[0] == 3.9 and tops == sorted(tops, reverse=True)
        assert all(label.get_visible() for label in axes[2].get_yticklabels())  # it shares no axis's side now
    figure.draw_without_rendering()
    assert figure.get_size_inches().tolist() == [9, 3]
    np.testing.assert_allclose([ax.get_position().bounds for ax in axes], before, atol=1e-6)
    assert not axes[2].yaxis.get_tick_params()["labelleft"]
    plt.close(figure)


def test_a_narrow_figure_stays_as_it_is_and_panels_over_several_places_are_not_moved():
    figure = plt.figure(figsize=(3, 2))
    with plots.narrow(figure) as changed:
        assert not changed
    wide, axes = plt.subplot_mosaic("aab;ccc", figsize=(8, 4))
    places = {name: ax.get_subplotspec() for name, ax in axes.items()}
    with plots.narrow(wide) as changed:
        assert changed and {name: ax.get_subplotspec() for name, ax in axes.items()} == places
    plt.close("all")


def test_five_panels_stand_two_in_a_row_and_the_right_one_shares_its_labels():
    figure, axes = plt.subplots(1, 5, figsize=(9, 2), sharey=True, layout="constrained")
    with plots.narrow(figure):
        assert {ax.get_subplotspec().get_gridspec().get_geometry() for ax in axes} == {(3, 2)}
        shown = [ax.yaxis.get_tick_params()["labelleft"] for ax in axes]
        assert shown == [True, False, True, False, True] and figure.get_size_inches().tolist() == [3.9, 6]
    plt.close(figure)


def test_rows_of_pictures_stay_rows():
    figure, axes = plt.subplots(2, 5, figsize=(7.8, 4))
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax in axes[:, 1:].flat:  # the first of a row has words
        ax.imshow(np.zeros((2, 2, 3)))
    with plots.narrow(figure):
        assert axes[1, 4].get_subplotspec().get_gridspec().get_geometry() == (2, 5)
        assert figure.get_size_inches().tolist() == [3.9, 2]
    plt.close(figure)


def lighter(colour: str) -> str:
    """Return a colour as letters have it on a dark page."""
    by = float(re.search(r'\[id\^="text"\]\{filter:brightness\((.+?)\)', plots.DARK)[1])
    return "#" + "".join(f"{min(round(by * int(colour[i : i + 2], 16)), 255):02x}" for i in (1, 3, 5))


def contrast(a, b):
    """Return the contrast of two colours as WCAG 2 defines it."""

    def light(colour):
        c = np.array(to_rgb(colour))
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((light(a), light(b)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_carries_on_a_light_and_on_a_dark_page():
    used = {
        plots.IMAGE,
        plots.TEXT,
        plots.PAPER,
        *plots.OTHERS,
        *(colour for colour, _ in plots.LOOKS.values()),
    }
    for colour in used:
        assert contrast(colour, "#ffffff") >= 3, colour
        on_dark = plots.INK if colour == "#333333" else colour
        assert contrast(on_dark, "#121212") >= 3, colour
        assert contrast(lighter(on_dark), "#121212") >= 4.5, colour  # a label of this colour


def test_a_figure_brings_what_a_dark_page_asks_for_and_draws_both_modalities_apart():
    svg = plots.for_dark("<svg><style>*{}</style><style/></svg>")
    assert svg.count(plots.DARK) == 1 and svg.startswith("<svg><style>*{}@media screen")
    with pytest.raises(ValueError, match="saved as SVG"):
        plots.for_dark("<svg/>")
    images, texts = plots.plot_pairs(np.zeros((3, 2)), np.ones((3, 2))).collections[1:]
    assert len(images.get_paths()[0].vertices) != len(texts.get_paths()[0].vertices)
    plt.close("all")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_card_has_the_size_that_networks_take(tmp_path, kind):
    figure, ax = plt.subplots()
    ax.plot([0, 1])
    figure.savefig(tmp_path / f"picture.{kind}")
    plt.close(figure)
    card.draw(tmp_path / f"picture.{kind}", "A title that is long " * 5, "The book", tmp_path / "card.png")
    image = Image.open(tmp_path / "card.png")
    assert image.size == card.SIZE and (tmp_path / "card.png").stat().st_size < 300_000
    assert (
        len(image.convert("RGB").crop((50, card.HEAD, 1150, 560)).getcolors(2000)) > 1
    )  # the picture is there


def test_an_arm_looks_the_same_whatever_its_setting_and_no_two_families_alike():
    assert plots.look("TS S3") == plots.look("TS A0") != plots.look("FLT 0.04")
    assert plots.look("Hard Swap Feature 0.1") != plots.look("HS 0.1")
    arms = [
        "Baseline",
        "FLT",
        "TS",
        "Softplus",
        "Scale 2",
        "SLRT",
        "HS 1",
        "SS 0.05",
        "Hard Swap Feature",
        "Remove",
    ]
    assert len({tuple(plots.look(arm).values()) for arm in arms}) == len(arms)
    with pytest.raises(ValueError, match="Baseline"):
        plots.look("baseline")


def test_each_name_gets_a_colour_of_its_own_and_a_known_one_its_own():
    names = ["fixed 0.01", "mine", "learned from 0.07", "learned from 0.01", "theirs"]
    found = plots.colours(names)
    assert found[0] == plots.look("FLT")["color"] and found[2] == plots.look("Baseline")["color"]
    assert len(set(found)) == len(names)
    assert len(plots.colours([f"run {k}" for k in range(20)])) == 20

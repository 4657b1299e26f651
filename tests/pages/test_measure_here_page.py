"""The page that measures a reader's own files: nothing leaves it, and what it says can be kept."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from built_book import PATIENCE
from playwright.sync_api import expect
from shown import PHONE, Shown
from test_measure_engine import npy, several_captions

from mgaplib import metrics
from mgaplib.embeddings import NAMES, load_embeddings
from mgaplib.pairs import Pairs
from mgaplib.report import MeasureHere, measure

PAGE = "chapters/practice/measure_here.html"
RNG = np.random.default_rng(0)
MEANING = RNG.normal(size=(60, 16))
IMAGES, TEXTS = MEANING + 2 * np.eye(16)[0], MEANING + RNG.normal(size=(60, 16)) - 2 * np.eye(16)[0]
PAIRS = Pairs(IMAGES, TEXTS)


def file(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


FILES = [file("images.npy", npy(IMAGES)), file("texts.npy", npy(TEXTS))]


class Bench(Shown):
    """The widget, with files in the reader's hand."""

    def __init__(self, page):
        super().__init__(page, "mgap-measure")

    def choose(self, *files):
        self.root.locator("input[type=file]").set_input_files(files)

    def finish(self):
        """Wait for the explorer, which comes last."""
        expect(self.root.locator(".mgap-explorer canvas").first).to_be_visible()
        self.settle()

    @property
    def error(self):
        return self.root.get_by_role("alert").first

    def reading(self) -> list[str]:
        return self.root.locator(".mgap-reading li").all_inner_texts()


@pytest.fixture
def bench(show):
    return Bench(show(MeasureHere({"drawn pairs": PAIRS}, name="here")))


def test_two_files_are_measured_and_shown(bench):
    bench.choose(*FILES)
    bench.finish()
    table = metrics.gap_report(PAIRS).value
    found = bench.root.locator(".mgap-results > .mgap-numbers [data-metric]")
    seen = found.evaluate_all(
        "all => Object.fromEntries(all.map(e => [e.dataset.metric, Number(e.dataset.value)]))"
    )
    assert seen == pytest.approx({name: table[name] for name in seen}, abs=1e-5) and len(seen) == 8
    assert f"The gap is {table.modality_gap:.2f} long" in bench.reading()[2]
    expect(bench.root.locator(".mgap-what")).to_contain_text("60 pairs of 16 dimensions")
    assert bench.root.locator(".mgap-explorer").get_by_role("slider", name="Shift").count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_published_embeddings_go_through_files_and_worker_to_the_librarys_numbers(bench, name):
    loaded = load_embeddings(name)
    bench.choose(file("images.npy", npy(loaded.images)), file("texts.npy", npy(loaded.texts)))
    expect(bench.root.locator(".mgap-reading li").first).to_be_visible()
    with bench.page.expect_download() as told:
        bench.root.get_by_role("button", name="JSON").click()
    found = json.loads(Path(told.value.path()).read_text("utf-8"))["metrics"]
    table = metrics.gap_report(loaded.images, loaded.texts).value
    assert found == pytest.approx({metric: table[metric] for metric in found}, abs=1e-5)
    assert len(found) == 19 and found["modality_gap"] > 0


def test_files_can_be_dropped_and_swapped(bench):
    bench.page.evaluate(
        """([images, texts]) => {
          const held = new DataTransfer();
          for (const [name, text] of [["b.npy", images], ["a.npy", texts]])
            held.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
          const drop = new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true });
          document.querySelector(".mgap-drop").dispatchEvent(drop);
        }""",
        [base64.b64encode(one["buffer"]).decode() for one in FILES],
    )
    bench.finish()
    expect(bench.root.locator(".mgap-what")).to_contain_text("b.npy and a.npy")
    bench.root.get_by_role("button", name="Swap").click()
    bench.finish()
    expect(bench.root.locator(".mgap-what")).to_contain_text("a.npy and b.npy")


def test_a_bad_file_is_said_and_a_good_one_afterwards_is_measured(bench):
    bench.choose(FILES[0], file("texts.npy", npy(TEXTS.astype(int))))
    expect(bench.error).to_contain_text("texts.npy holds whole numbers")
    expect(bench.root.get_by_role("button", name="Cancel")).to_be_hidden()
    bench.choose(*FILES)
    bench.finish()
    expect(bench.error).to_be_empty()


def test_equal_rows_are_grouped_and_said(bench):
    images, texts = several_captions()
    bench.choose(file("images.npy", npy(images)), file("texts.npy", npy(texts)))
    bench.finish()
    expect(bench.root.locator(".mgap-what")).to_contain_text("40 images and 120 texts in 40 groups")
    assert "finds one of its texts first" in bench.reading()[4]


def test_more_than_a_page_measures_is_drawn_and_said(bench):
    n = 5100
    images = RNG.normal(size=(n, 4)).astype("f4")
    images[:9] = images[0]  # a few that are equal are no groups
    bench.choose(file("images.npy", npy(images + 1)), file("texts.npy", npy(images - 1)))
    expect(bench.root.locator(".mgap-what")).to_contain_text("5,000 of their 5,100 pairs were drawn")
    twice = np.repeat(RNG.normal(size=(n // 2, 4)), 2, axis=0)
    bench.choose(file("images.npy", npy(twice)), file("texts.npy", npy(images)))
    expect(bench.error).to_contain_text("a draw of rows would tear apart")


def test_it_can_be_cancelled(bench):
    big = RNG.normal(size=(4000, 256)).astype("f4")
    bench.choose(file("images.npy", npy(big)), file("texts.npy", npy(-big)))
    bench.root.get_by_role("button", name="Cancel").click()
    expect(bench.root.get_by_role("status").first).to_contain_text("Cancelled")
    expect(bench.root.get_by_role("progressbar")).to_be_hidden()
    assert not bench.root.locator(".mgap-reading li").count()


def test_the_rate_chooses_the_threshold(bench):
    bench.root.get_by_role("button", name="drawn pairs").click()
    bench.finish()
    first = bench.reading()[6]
    bench.root.get_by_role("combobox").select_option("0.1")
    assert bench.reading()[6] != first
    assert re.search(
        r"10 %|9\.\d %|\d+\.\d %", bench.root.get_by_role("region", name="Thresholds").inner_text()
    )


def test_the_result_can_be_kept_as_json(bench):
    bench.choose(*FILES)
    bench.finish()
    with bench.page.expect_download() as told:
        bench.root.get_by_role("button", name="JSON").click()
    found = json.loads(Path(told.value.path()).read_text("utf-8"))
    assert found["metrics"]["modality_gap"] == pytest.approx(metrics.modality_gap(PAIRS), abs=1e-6)
    assert [line["words"] for line in found["reading"]][0].startswith("The pairing")


MOST_SAVED = 2_000_000  # of 600 pairs, which are the most


def saved(bench, path: Path) -> str:
    with bench.page.expect_download() as told:
        bench.root.get_by_role("button", name="Save as a page").click()
    told.value.save_as(path)
    return path.read_text("utf-8")


@pytest.fixture
def open_saved(browser):
    """Open a saved page as a file; it asks nobody for anything, and nothing goes wrong on it."""
    contexts, asked, wrong = [], [], []

    def open_it(path: Path, **options):
        contexts.append(browser.new_context(offline=True, reduced_motion="reduce", **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == [] and all(url.startswith(("file:", "blob:", "data:")) for url in asked), (wrong, asked)


def test_in_a_page_that_is_saved_the_explorer_lives(bench, open_saved, tmp_path):
    bench.choose(file("<b>&images.npy", npy(IMAGES)), FILES[1])
    bench.finish()
    bench.press("Shift", "ArrowRight", times=20)
    expect(bench.root.locator(".mgap-held")).to_contain_text("holds the explorer of 60 pairs, alive")
    saved(bench, tmp_path / "kept.html")
    page = open_saved(tmp_path / "kept.html")
    expect(page.get_by_role("heading", level=1)).to_contain_text("The modality gap of these embeddings is")
    expect(page.locator(".mgap-what")).to_contain_text("<b>&images.npy")
    assert page.locator(".mgap-reading li").all_inner_texts() == [said.strip() for said in bench.reading()]
    shift = page.get_by_role("slider", name="Shift")
    expect(shift).to_have_attribute("aria-valuetext", "0.20")  # where it was left
    gap = page.locator(".mgap-explorer [data-metric=gap]")
    expect(gap).to_have_text(bench.root.locator(".mgap-explorer [data-metric=gap]").inner_text())
    shift.press("Home")
    expect(shift).to_have_attribute("aria-valuetext", "−1.00")
    assert not page.locator("a, input[type=file], select, .mgap-buttons:has-text('Save')").count()
    assert page.locator("canvas").count() == 2 and not page.locator(".widget-picture").count()
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("options", [{}, {**PHONE, "color_scheme": "dark"}])
def test_a_page_of_the_most_pairs_is_small_fits_and_axe_finds_nothing(show, open_saved, tmp_path, options):
    bench = Bench(show(MeasureHere({"drawn pairs": PAIRS}), **options))
    rows = RNG.normal(size=(700, 16))
    more = rows + RNG.normal(size=rows.shape)
    bench.choose(file("images.npy", npy(rows + 1)), file("texts.npy", npy(more - 1)))
    bench.finish()
    expect(bench.root.locator(".mgap-held")).to_contain_text("one file of 1.")
    expect(bench.root.locator(".mgap-held")).to_contain_text("MB that opens without a network")
    assert len(saved(bench, tmp_path / "kept.html")) < MOST_SAVED
    page = open_saved(tmp_path / "kept.html", **options)
    expect(page.locator(".mgap-explorer canvas").first).to_be_visible()
    expect(page.locator(".mgap-explorer")).to_contain_text("600 of 700 pairs, drawn at random")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
    faults = Axe().run(page, options=rules).response["violations"]
    assert [fault["help"] for fault in faults] == []


def test_a_saved_page_without_scripts_shows_pictures(bench, browser, tmp_path):
    bench.choose(*FILES)
    bench.finish()
    saved(bench, tmp_path / "kept.html")
    page = browser.new_context(offline=True, java_script_enabled=False).new_page()
    page.goto((tmp_path / "kept.html").as_uri())
    expect(page.locator(".widget-picture img")).to_have_count(2)
    page.context.close()


# --- unequally many


@pytest.mark.parametrize("order", ["together", "in turn"])
def test_five_captions_an_image_are_noticed_in_either_order(bench, order):
    texts = np.repeat(MEANING, 5, axis=0) + RNG.normal(size=(300, 16)) - 2 * np.eye(16)[0]
    if order == "in turn":
        texts = texts.reshape(60, 5, 16).swapaxes(0, 1).reshape(300, 16)
    groups = np.repeat(np.arange(60), 5) if order == "together" else np.tile(np.arange(60), 5)
    bench.choose(FILES[0], file("texts.npy", npy(texts)))
    bench.finish()
    words = {
        "together": "read as 5 of one image after another",
        "in turn": "read as one of each image in turn",
    }
    what = bench.root.locator(".mgap-what")
    expect(what).to_contain_text("60 images and 300 texts of 16 dimensions. There are 5 texts for each image")
    expect(what).to_contain_text(words[order])
    expect(bench.root.get_by_text("--groups FILE -o report.html")).to_be_visible()
    with bench.page.expect_download() as told:
        bench.root.get_by_role("button", name="JSON").click()
    found = json.loads(Path(told.value.path()).read_text("utf-8"))["metrics"]
    table = metrics.gap_report(IMAGES, texts, groups=groups).value
    assert found == pytest.approx({metric: table[metric] for metric in found}, abs=1e-5) and len(found) == 19
    explorer = bench.root.locator(".mgap-explorer")
    expect(bench.root.locator(".mgap-held")).to_contain_text("the explorer of 60 images and 300 texts, alive")
    for way in ("image_to_text", "text_to_image"):  # all captions count there, too
        shown = explorer.locator(f"[data-metric=recall_{way}]").evaluate("e => Number(e.dataset.value)")
        assert shown == pytest.approx(table[f"recall_at_1 ({way.replace('_', ' ')})"], abs=1e-5)
    assert "find a text of theirs first among 300" in explorer.locator(".mgap-status").inner_text()


def test_of_many_captions_whole_images_are_drawn(bench):
    meaning = RNG.normal(size=(1500, 8))
    texts = np.repeat(meaning, 5, axis=0) + RNG.normal(size=(7500, 8))
    bench.choose(file("images.npy", npy(meaning + 1)), file("texts.npy", npy(texts - 1)))
    what = bench.root.locator(".mgap-what")
    expect(what).to_contain_text(
        "1,000 images and 5,000 texts of 8 dimensions. These of their "
        "1,500 images and 7,500 texts were drawn at random"
    )
    expect(what).to_contain_text("5 texts for each image")


@pytest.mark.parametrize("texts", [TEXTS[:43], RNG.normal(size=(180, 16)) - 2 * np.eye(16)[0]])
def test_what_has_no_partners_is_measured_for_what_needs_none(bench, open_saved, tmp_path, texts):
    """As many rows as makes no multiple, and a multiple that fits in no order."""
    bench.choose(FILES[0], file("texts.npy", npy(texts)))
    expect(bench.root.locator(".mgap-held")).to_contain_text("kB that opens without a network")
    expect(bench.root.locator(".mgap-what")).to_contain_text(
        "taken as unpaired: what needs pairs is left out"
    )
    expect(bench.root.locator(".mgap-what")).to_contain_text("--groups FILE")
    report = measure(IMAGES, texts)
    found = bench.numbers()
    assert found.pop("linear_separability") > 0.9  # of halves that the page draws
    assert found == pytest.approx({name: report.metrics.value[name] for name in found}, abs=1e-5)
    assert len(found) == 6 and bench.violations() == []
    assert not bench.root.locator(".mgap-explorer").count()
    assert "nan" not in bench.root.inner_text().lower() and "undefined" not in bench.root.inner_text()
    bench.root.get_by_role("combobox").select_option("0.1")
    saved(bench, tmp_path / "kept.html")
    page = open_saved(tmp_path / "kept.html")
    assert page.locator(".mgap-reading li").count() == len(bench.reading()) == 4


def test_a_name_of_a_file_is_never_read_as_html(bench):
    bench.choose(file("<img src=x onerror=alert(1)>.npy", npy(IMAGES)), FILES[1])
    bench.finish()
    assert not bench.root.locator("img").count()


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE, {"forced_colors": "active"}])
def test_it_fits_and_axe_finds_nothing(show, options):
    bench = Bench(show(MeasureHere({"drawn pairs": PAIRS}), **options))
    assert bench.violations() == []
    bench.root.get_by_role("button", name="drawn pairs").click()
    bench.finish()
    bench.root.locator("summary").press("Enter")
    assert bench.violations() == []
    assert bench.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_is_reached_by_keyboard(bench):
    bench.root.get_by_role("button", name="drawn pairs").press("Enter")
    bench.finish()
    bench.root.locator("input[type=file]").focus()
    reached = set()
    for _ in range(40):
        bench.page.keyboard.press("Tab")
        reached.add(
            bench.page.evaluate("document.activeElement.textContent.trim() || document.activeElement.type")
        )
    assert {"Try it: drawn pairs", "Save as a page", "Save as JSON", "range", "Every number"} <= reached


# --- in the book


ATTEMPTS = [
    "fetch('/index.html')",
    "new Promise((r, e) => { const x = new XMLHttpRequest(); x.onload = r; x.onerror = e;"
    " x.open('GET', '/'); x.send() })",
    "new Promise((r, e) => { const w = new WebSocket('ws://127.0.0.1:9'); w.onopen = r; w.onerror = e })",
    "new Promise((r, e) => { const i = new Image(); i.onload = r; i.onerror = e;"
    " i.src = 'http://127.0.0.1:9/a.png' })",
    "new Promise((r, e) => { const s = document.createElement('script'); s.onload = r; s.onerror = e;"
    " s.src = 'http://127.0.0.1:9/a.js'; document.head.append(s) })",
]


def test_nothing_leaves_the_books_page(browser, site):
    """From the moment that the page has loaded, the network hears nothing, and may hear nothing."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(site + PAGE, wait_until="networkidle")
    assert said == []  # the policy is in nobody's way
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    context.set_offline(True)
    bench = Bench(page)
    bench.choose(*FILES)
    bench.finish()
    bench.press("Shift", "ArrowRight", times=3)
    with page.expect_download():
        bench.root.get_by_role("button", name="JSON").click()
    icon = site + "_static/favicon.svg"  # which the browser fetches when it has nothing else to do
    assert [url for url in asked if not url.startswith("blob:") and url != icon] == [] and said == []
    context.set_offline(False)
    reached = []
    context.route("**/*", lambda route: (reached.append(route.request.url), route.abort()))
    for attempt in ATTEMPTS:
        assert page.evaluate(f"{attempt}.then(() => 'left', () => 'stayed')") == "stayed", attempt
    page.evaluate("navigator.sendBeacon('/beacon', 'rows')")
    page.wait_for_function("() => performance.now() > 0")
    assert [url for url in reached if url != icon] == []
    context.close()


def test_without_scripts_the_page_names_the_command_line(browser, site):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(site + PAGE)
    expect(page.locator(".widget-picture img")).to_be_visible()
    expect(page.get_by_text("python -m mgaplib report \\ images.npy texts.npy")).to_be_visible()
    page.context.close()


def test_the_examples_of_the_book_are_measured(visitor):
    visit = visitor(PAGE, reduced_motion="reduce")
    bench = Bench(visit.page)
    assert bench.root.locator(".mgap-try").count() == 2
    bench.root.locator(".mgap-try").nth(1).click()
    bench.finish()
    assert len(bench.reading()) >= 7 and visit.errors == []

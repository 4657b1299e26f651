"""The things to try beside each explorer of the book: a button sets it, and its sentence holds there."""

import re
from pathlib import Path

import pytest
from built_book import BOOK, NOT_BUILT, ROOT
from playwright.sync_api import expect
from shown import PHONE, Shown

READ = """root => Object.fromEntries([...root.querySelectorAll("[data-metric]")].map(e => {
  const part = e.closest("[data-run], [data-side]")?.dataset ?? {};
  return [[part.run ?? part.side, e.dataset.metric].filter(Boolean).join(": "), Number(e.dataset.value)];
}))"""


def lowest(found) -> float:
    """Where the visible sentence says that the loss is lowest, in gaps from here."""
    if "no other shift has a lower loss" in found["said"]:
        return 0.0
    at = re.search(r"lowest at shift (−?[\d.]+)", found["said"])[1].replace("−", "-")
    return float(at) - found["shift"]


def clip(found):
    trained, closed, hot = (
        found[name] for name in ("Where training left it", "Closed, at 0.01", "Closed, at 1")
    )
    assert abs(lowest(trained)) < 0.1 and abs(lowest(hot)) < 0.03
    assert closed["gap"] < 0.1 and closed["loss"] > trained["loss"] + 0.1
    assert closed["recall_image_to_text"] < trained["recall_image_to_text"]
    assert hot["recall_image_to_text"] == closed["recall_image_to_text"]


def landscape(found):
    clip(found)
    past = found["Past each other"]
    assert past["loss"] > max(found[name]["loss"] for name in ("Where training left it", "Closed, at 0.01"))
    assert 0.1 < lowest(found["At 0.1"]) < 0.45


def emoji(found):
    trained, closed, hot = found.values()
    assert trained["gap"] > 0.3 and closed["loss"] > trained["loss"] and 0 <= abs(lowest(hot)) < 0.1


def sizes(found):
    for one in found.values():
        assert one["sentence"].startswith(f"{one['zero_shot_accuracy']:.1%} of the sizes")


def cones(found):
    relu, tanh, linear = (one["mean_cosine"] for one in found.values())
    assert relu > 0.9 and tanh > linear + 0.1 and linear < 0.1


def six_pairs(found):
    cold, right, warm = found.values()
    assert (
        cold["loss"] == pytest.approx(cold["best_loss"]) and cold["best_elevation"] > 0 and cold["gap"] > 0.5
    )
    assert right["best_elevation"] == warm["best_elevation"] == 0


def starts(found):
    first, soon, last = ([one[f"{run} start: gap"] for run in ("random", "closed")] for one in found.values())
    assert first[1] < 0.3 * first[0] and soon[1] - first[1] > (last[1] - first[1]) / 2 and last[1] < last[0]


def temperatures(found):
    first, soon, last = (
        [one[f"{run}: gap"] for run in ("fixed 0.01", "learned", "fixed 0.1")] for one in found.values()
    )
    assert max(first) - min(first) < 1e-6 and min(first) > 1
    assert soon[0] > first[0] and max(soon[1:]) < first[0]
    assert last == sorted(last, reverse=True)


def models(found):
    def recalls(one, side):
        return (one[f"{side}: recall_image_to_text"] + one[f"{side}: recall_text_to_image"]) / 2

    wide, more, closed = found.values()
    assert (
        wide["left: gap"] > 2 * wide["right: gap"]
        and abs(recalls(wide, "left") - recalls(wide, "right")) < 0.05
    )
    assert more["left: gap"] > 2 * more["right: gap"] and recalls(more, "left") > recalls(more, "right") + 0.1
    clip_found, cyclip_found = (closed[f"{side}: recall_image_to_text"] for side in ("left", "right"))
    assert clip_found < wide["left: recall_image_to_text"] - 0.1 and cyclip_found > 0.6


HOLDS = {
    "index": clip, "dynamics/loss_landscape": landscape, "dynamics/emoji": emoji,
    "mitigation/zero_shot": sizes, "cone/depth_and_activation": cones, "dynamics/mismatched_pairs": six_pairs,
    "dynamics/starts_and_data": starts, "dynamics/training": temperatures, "practice/real_models": models,
}  # fmt: skip
#: Its comparisons are things to try of another make; test_dynamics_explorer_page keeps their word.
LIVE = {"dynamics/what_holds_it", "dynamics/gradient_flow"}


def test_no_page_with_an_explorer_is_left_out():
    shown = re.compile(r"^(?:Gap|Cone|Sphere|Atlas|Dynamics)Explorer\(|^TrainingScrubber\(", re.MULTILINE)
    chapters = ROOT / "chapters"
    with_one = {
        str(Path(path).relative_to(chapters).with_suffix(""))
        for path in chapters.rglob("*.md")
        if path.name != "api.md" and shown.search(path.read_text("utf-8"))
    }
    assert with_one == {*HOLDS, *LIVE}


@pytest.mark.parametrize("page", HOLDS)
def test_each_button_sets_the_explorer_and_its_sentence_holds(visitor, page):
    if not (BOOK / f"chapters/{page}.html").exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(f"chapters/{page}.html", reduced_motion="reduce")
    shown = Shown(visit.page, "mgap")
    found = {}
    for button in shown.root.get_by_role("group", name="Things to try").get_by_role("button").all():
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        shown.settle()
        sentence = shown.root.locator(".mgap-tried").inner_text()
        assert sentence.endswith(".") and sentence not in [one["sentence"] for one in found.values()]
        shift = shown.said("Shift") if shown.slider("Shift").count() else 0
        found[button.inner_text()] = {
            "sentence": sentence,
            "said": shown.root.locator(".mgap-status").first.inner_text(),
            "shift": float(shift),
            **shown.root.evaluate(READ),
        }
    assert len(found) >= 3
    HOLDS[page](found)
    assert (visit.outside, visit.errors) == ([], [])
    visit.page.context.close()


#: How tall a screen must be, in px of a phone's page, to hold a control and what answers it.
SPANS = """root => {
  const edges = of => of.getBoundingClientRect();
  const pictures = [...root.querySelectorAll("canvas")].map(e => edges(e).bottom).sort((a, b) => a - b);
  const [said, slider] = [".mgap-status", ".mgap-slider"].map(of => edges(root.querySelector(of)));
  const presets = root.querySelector(".mgap-buttons[aria-label=Comparisons]");
  if (!presets) return [Math.max(said.bottom, pictures[0]) - slider.top];
  return [pictures[0] - edges(presets).top, slider.bottom - said.top]; // its curves stand between
}"""


@pytest.mark.parametrize("page", [*HOLDS, *LIVE])
def test_control_and_answer_share_a_phones_screen(visitor, page):
    if not (BOOK / f"chapters/{page}.html").exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(f"chapters/{page}.html", **PHONE, reduced_motion="reduce")
    shown = Shown(visit.page, "mgap")
    assert max(shown.root.evaluate(SPANS)) < 780
    for button in shown.root.locator(".mgap-try").all():
        button.click()
        shown.settle()
        assert max(shown.root.evaluate(SPANS)) < 780, button.inner_text()
    visit.page.context.close()


#: Notes what is written on each canvas; `touching()` tells which words lie on one another.
WRITTEN = """() => {
  const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
  const written = new Map();
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    written.set(this.canvas, []);
    return clearRect.apply(this, area);
  };
  CanvasRenderingContext2D.prototype.fillText = function (words, x, y) {
    const wide = this.measureText(words).width;
    const left = x - { left: 0, start: 0, center: wide / 2, right: wide, end: wide }[this.textAlign];
    if (!this.getTransform().b) written.get(this.canvas)?.push({ words, left, right: left + wide, y });
    return fillText.call(this, words, x, y);
  };
  window.touching = () => [...written.values()].flatMap(all => all.flatMap((a, k) => all.slice(k + 1)
    .filter(b => a.left < b.right + 1 && b.left < a.right + 1 && Math.abs(a.y - b.y) < 9)
    .map(b => `${a.words} | ${b.words}`)));
}"""


@pytest.mark.parametrize("page", [*HOLDS, *LIVE])
def test_no_words_of_a_phones_pictures_touch(visitor, page):
    if not (BOOK / f"chapters/{page}.html").exists():
        pytest.fail(NOT_BUILT)
    visit = visitor(f"chapters/{page}.html", **PHONE, reduced_motion="reduce")
    shown = Shown(visit.page, "mgap")
    visit.page.evaluate(WRITTEN)
    for key in ("Home", "End"):
        for slider in shown.root.get_by_role("slider").all():
            slider.press(key)
        shown.root.evaluate("root => void root.dispatchEvent(new Event('themechange'))")  # all is drawn anew
        shown.settle()
        assert visit.page.evaluate("touching()") == []
    visit.page.context.close()

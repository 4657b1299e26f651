"""Time one move of the GapExplorer's slider in a real browser, with 500 pairs of 512 dimensions.

`python benchmarks/explorer.py` prints a JSON line: seconds from the slider's input event until every number
stands and both pictures are drawn, the median over a walk of the slider. The straightforward way computes the
numbers of the same settings in the same browser from the embeddings: shift, normalise, multiply, softmax. The
floor is one exp over the 250,000 cosines. The budget is 8 ms.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from ipywidgets import embed
from playwright.sync_api import Page, sync_playwright

from mgaplib.widgets import GapExplorer

ROOT = Path(__file__).parents[1]
SITE = "http://widgets.localhost/"  # answered by this script; no server, no other host
BUDGET = 0.008
KIND = "application/vnd.jupyter.widget-"

#: Moves the slider and returns the milliseconds of each move, with the loss that it led to.
MOVE = """async (stops) => {
  const slider = document.querySelector(".mgap input[type=range]");
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const moves = [];
  for (const stop of stops) {
    slider.value = stop;
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const handled = performance.now() - start;
    await drawn();
    const [refresh] = performance.getEntriesByName("mgap-explorer");
    const loss = Number(document.querySelector("[data-metric=loss]").dataset.value);
    moves.push({ milliseconds: handled + refresh.duration, loss });
  }
  return moves;
}"""

#: The same numbers from the embeddings themselves, the way one writes it first.
NAIVE = """({ images, texts, n, d, tau, shifts }) => {
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const [x, y] = [floats(images), floats(texts)];
  const gap = new Float64Array(d);
  for (let i = 0; i < n; i++) for (let k = 0; k < d; k++) gap[k] += (x[i * d + k] - y[i * d + k]) / n;
  const moved = (rows, by) => {
    const out = new Float32Array(n * d);
    for (let i = 0; i < n; i++) {
      let squares = 0;
      for (let k = 0; k < d; k++) {
        const value = rows[i * d + k] + by * gap[k];
        out[i * d + k] = value;
        squares += value * value;
      }
      const length = Math.sqrt(squares);
      for (let k = 0; k < d; k++) out[i * d + k] /= length;
    }
    return out;
  };
  const cosines = new Float32Array(n * n);
  const pass = (at) => {
    let [loss, hits] = [0, 0];
    for (let i = 0; i < n; i++) {
      let [sum, best] = [0, 0];
      for (let j = 0; j < n; j++) {
        const cosine = cosines[at(i, j)];
        sum += Math.exp((cosine - 1) / tau);
        if (cosine > cosines[at(i, best)]) best = j;
      }
      loss += Math.log(sum) - (cosines[at(i, i)] - 1) / tau;
      hits += best === i;
    }
    return [loss / n, hits / n];
  };
  return shifts.map((shift) => {
    const start = performance.now();
    const [a, b] = [moved(x, -shift), moved(y, shift)];
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let dot = 0;
        for (let k = 0; k < d; k++) dot += a[i * d + k] * b[j * d + k];
        cosines[i * n + j] = dot;
      }
    }
    const ways = [pass((i, j) => i * n + j), pass((i, j) => j * n + i)];
    return { milliseconds: performance.now() - start, loss: (ways[0][0] + ways[1][0]) / 2 };
  });
}"""

#: One exp over as many numbers as there are cosines.
FLOOR = """({ count, tau, runs }) => {
  const cosines = Float32Array.from({ length: count }, (_, k) => Math.sin(k) / 2);
  const weights = new Float32Array(count);
  return Array.from({ length: runs }, () => {
    const start = performance.now();
    for (let k = 0; k < count; k++) weights[k] = Math.exp((cosines[k] - 1) / tau);
    return { milliseconds: performance.now() - start };
  });
}"""


def drawn_pairs(n: int = 500, d: int = 512, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows of two modalities with shared content and a gap about as wide as CLIP's."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    sides = (shared + rng.normal(size=(n, d)) + rng.normal(0, 1, d) * 0.8 for _ in range(2))
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in sides)


def open_with(page: Page, widget) -> None:
    """Show a widget on a page of its own, as the built book shows it."""
    models = embed.dependency_state([widget], drop_defaults=False)
    state = json.dumps({"version_major": 2, "version_minor": 0, "state": models}).replace("</", "<\\/")
    view = json.dumps({"model_id": widget.model_id})
    html = (
        f'<!doctype html><meta charset="utf-8"><script type="{KIND}state+json">{state}</script>'
        '<script defer src="widget_host.js"></script>'
        f'<body><div><script type="{KIND}view+json">{view}</script></div></body>'
    )
    host = (ROOT / "mgaplib/widgets/widget_host.js").read_text(encoding="utf-8")

    def answer(route):
        if route.request.url.endswith("widget_host.js"):
            route.fulfill(body=host, content_type="text/javascript")
        else:
            route.fulfill(body=html, content_type="text/html")

    page.route("**/*", answer)
    page.goto(SITE)
    page.locator(".mgap input[type=range]").first.wait_for()


def median_seconds(moves: list[dict]) -> float:
    """Return the median of some times, the first few left out: the browser compiles during those."""
    rest = [move["milliseconds"] for move in moves[len(moves) // 5 :]]
    return float(np.median(rest)) / 1000


def measure(page: Page, n: int = 500, d: int = 512) -> dict:
    """Return the line of the report."""
    images, texts = drawn_pairs(n, d)
    explorer = GapExplorer(images, texts)
    open_with(page, explorer)
    stops = np.random.default_rng(1).integers(0, explorer.data["stops"], 100)
    low, high = explorer.data["shift_range"]
    shifts = low + stops * (high - low) / (explorer.data["stops"] - 1)
    moves = page.evaluate(MOVE, stops.tolist())
    sides = {
        name: base64.b64encode(x.tobytes()).decode() for name, x in (("images", images), ("texts", texts))
    }
    few = shifts[:5].tolist()
    naive = page.evaluate(NAIVE, {**sides, "n": n, "d": d, "tau": explorer.tau, "shifts": few})
    floor = page.evaluate(FLOOR, {"count": n * n, "tau": explorer.tau, "runs": 50})
    np.testing.assert_allclose([move["loss"] for move in naive], [m["loss"] for m in moves[:5]], atol=1e-3)
    ours, other, least = map(median_seconds, (moves, naive, floor))
    figures = {
        "ours_s": ours,
        "naive_s": other,
        "ratio": other / ours,
        "floor_s": least,
        "of_floor": ours / least,
    }
    name = f"explorer, one slider event, n={n}, d={d}"
    return {"name": name, **{k: float(f"{v:.4g}") for k, v in figures.items()}, "budget_s": BUDGET}


def main() -> None:
    """Print the line."""
    found = subprocess.run(
        [sys.executable, ROOT / "tools/browser.py"], stdout=subprocess.PIPE, text=True, check=True
    )
    with sync_playwright() as playwright:
        path = found.stdout.strip()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(json.dumps(measure(browser.new_page(viewport={"width": 1280, "height": 900}))), flush=True)
        browser.close()


if __name__ == "__main__":
    main()

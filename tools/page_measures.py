"""Called by hand, and by the page tests: how tall a page is, where it begins to show something, what is cut.

`python tools/page_measures.py` prints the table for the built book; `--write` makes today's values the bounds
of the pages that are still over one, so that none gets worse.
"""

import argparse
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = Path(__file__).with_suffix(".json")
WIDTHS = (390, 768, 1280)
NOT_PAGES = {"index.html", "genindex.html", "search.html", "py-modindex.html", "prf-prf.html"}
#: What a page may have at most, by width; what is not named has no bound.
BOUNDS = {
    390: {"cut": 0, "sideways": 0},
    768: {"cut": 0, "sideways": 0},
    1280: {"height": 12_000, "first": 900, "code_cut": 0, "cut": 0, "sideways": 0},
}
#: Fonts differ between machines, and with them where things stand: what is allowed is rounded up to these.
STEPS = {"height": 1000, "first": 250, "code_cut": 1, "cut": 1, "sideways": 1}
MEASURE = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def settle(page) -> None:
    """Wait until what a new width asks for has been drawn; where the browser draws no frame, five seconds."""
    page.evaluate(
        "() => new Promise(r => { setTimeout(() => requestAnimationFrame(() => r(null)), 250);"
        " setTimeout(() => r(null), 5000); })"
    )


def measure(page) -> dict[int, dict]:
    """Return the measures of an open page at each width; it keeps the last one."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        found[width] = page.evaluate(MEASURE)
    return found


def over(address: str, found: dict[int, dict], allowed: dict) -> list[str]:
    """Return in words what is over its bound, or over what is allowed to this page."""
    wrong = []
    for width, bounds in BOUNDS.items():
        for name, bound in bounds.items():
            most = max(bound, allowed.get(address, {}).get(str(width), {}).get(name, 0))
            if (value := found[width][name]) is not None and value > most:
                wrong.append(f"{address} at {width} px: {name} is {value}, {most} at most")
    return wrong


def rounded_up(found: dict[int, dict]) -> dict:
    """Return what is over a bound, rounded up, as the file of allowed values keeps it."""
    kept = {
        str(width): {
            name: -(-found[width][name] // STEPS[name]) * STEPS[name]
            for name, bound in bounds.items()
            if found[width][name] is not None and found[width][name] > bound
        }
        for width, bounds in BOUNDS.items()
    }
    return {width: values for width, values in kept.items() if values}


def table(rows: dict[str, dict]) -> str:
    """Return all pages' measures, a line each; heights in px."""
    names = list(next(iter(next(iter(rows.values())).values())))
    room = 10 * len(names)
    lines = [" " * 34 + "".join(f"{f'at {width} px':>{room}}" for width in WIDTHS)]
    lines.append(f"{'page':34}" + "".join(f"{name:>10}" for name in names) * len(WIDTHS))
    for address, found in sorted(rows.items()):
        values = "".join(f"{str(found[width][name]):>10}" for width in WIDTHS for name in names)
        lines.append(f"{address.removeprefix('chapters/'):34}" + values)
    return "\n".join(lines)


def pages(book: Path) -> list[str]:
    found = (path.relative_to(book) for path in book.glob("**/*.html"))
    return sorted(
        p.as_posix()
        for p in found
        if p.parts[0] not in {"_static", "_modules"} and p.as_posix() not in NOT_PAGES
    )


def main(argv: list[str] | None = None) -> int:
    from browser import find
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("book", nargs="?", type=Path, default=ROOT / "_build/html", help="the built pages")
    parser.add_argument(
        "--write", action="store_true", help="keep today's values as bounds where a page is over"
    )
    given = parser.parse_args(argv)
    rows = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for address in pages(given.book):
            page = chromium.new_page(color_scheme="light", reduced_motion="reduce")
            page.goto((given.book / address).resolve().as_uri(), wait_until="load")
            page.evaluate(
                "document.fonts.ready.then(() => window.MathJax?.startup?.promise).then(() => null)"
            )
            rows[address] = measure(page)
            page.close()
        chromium.close()
    print(table(rows))
    if given.write:
        allowed = {address: kept for address, found in rows.items() if (kept := rounded_up(found))}
        ALLOWED.write_text(json.dumps(allowed, indent=1) + "\n", encoding="utf-8")
        return 0
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8"))
    wrong = [words for address, found in rows.items() for words in over(address, found, allowed)]
    print("\n".join(wrong) or "every page is within its bounds")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())

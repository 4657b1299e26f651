"""Called by hand, as CONTRIBUTING says: take the README's picture of the built book's explorer anew.

make book && .venv/bin/python tools/readme_picture.py [FOLDER OF THE PAGES] [PICTURE]
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/pages"), str(ROOT / "tools")]

from browser import find  # noqa: E402
from built_book import BOOK, Visit, serve  # noqa: E402

PICTURE = ROOT / "docs/explorer.png"
LARGEST = 300_000  # bytes
COLOURS = 128  # enough for dots, lines and letters


def take(folder: Path) -> bytes:
    """Return a PNG of the explorer, half-way between the model's own gap and none."""
    with sync_playwright() as playwright, serve(folder) as site:
        chromium = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        context = chromium.new_context(
            viewport={"width": 1280, "height": 1200}, device_scale_factor=1.5, color_scheme="light"
        )
        page = Visit(context.new_page(), site).go(site + "chapters/index.html")
        explorer = page.locator(".static-widget").first
        shift = explorer.get_by_role("slider", name="Shift")
        low, high = (float(shift.get_attribute(name)) for name in ("min", "max"))
        shift.fill(str(round(low + 0.5 * (high - low), 3)))
        shift.blur()
        page.wait_for_timeout(500)  # the drawing waits for the next frame
        shot = explorer.screenshot()
        chromium.close()
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    small = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def main(folder: str = str(BOOK), picture: str = str(PICTURE)) -> None:
    png = take(Path(folder))
    if len(png) > LARGEST:
        raise SystemExit(f"the picture has {len(png)} bytes; {LARGEST} is the most that the README carries")
    Path(picture).parent.mkdir(exist_ok=True)
    Path(picture).write_bytes(png)
    print(f"{picture}: {len(png) / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])

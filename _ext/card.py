"""Called by twins.py: a page's card, for who shares its address: its title over its first picture."""

import io
import textwrap
from pathlib import Path

import matplotlib
import resvg_py
from PIL import Image, ImageDraw, ImageFont

SIZE = (1200, 630)  # pixels, which every network takes
MARGIN, HEAD = 50, 170
FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"


def opened(picture: Path) -> Image.Image:
    """Return a picture, drawn large if it is SVG, on white."""
    if picture.suffix == ".svg":
        text = picture.read_text(encoding="utf-8")
        drawn = resvg_py.svg_to_bytes(svg_string=text, width=SIZE[0], dpi=96, skip_system_fonts=True)
        image = Image.open(io.BytesIO(bytes(drawn)))
    else:
        image = Image.open(picture)
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def draw(picture: Path, title: str, book: str, target: Path) -> None:
    """Write the card as a PNG."""
    card = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(card)
    big = ImageFont.truetype(FONTS / "DejaVuSans-Bold.ttf", 46)
    small = ImageFont.truetype(FONTS / "DejaVuSans.ttf", 26)
    pen.multiline_text((MARGIN, 30), "\n".join(textwrap.wrap(title, 40)[:2]), fill="black", font=big)
    pen.text((MARGIN, SIZE[1] - 45), book, fill="#555555", font=small)
    image = opened(picture)
    image.thumbnail((SIZE[0] - 2 * MARGIN, SIZE[1] - HEAD - 60))
    card.paste(image, ((SIZE[0] - image.width) // 2, HEAD))
    target.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(128).save(target, optimize=True)

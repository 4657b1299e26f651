"""Anti-aliased pictures of one shape each, drawn many at a time."""

import numpy as np

PALETTE = {
    "red": (0.86, 0.10, 0.12),
    "green": (0.10, 0.62, 0.18),
    "blue": (0.10, 0.25, 0.85),
    "yellow": (0.93, 0.83, 0.10),
    "purple": (0.50, 0.12, 0.62),
    "orange": (0.95, 0.50, 0.05),
    "cyan": (0.10, 0.75, 0.80),
    "brown": (0.45, 0.27, 0.10),
}
SIZES = {"small": 0.22, "medium": 0.32, "large": 0.44}  # radius; the picture spans -1 to 1
_ROWS, _COLUMNS = {"top": -0.48, "": 0.0, "bottom": 0.48}, {"left": -0.48, "": 0.0, "right": 0.48}
POSITIONS = {
    f"{row} {column}".strip() or "centre": (x, y)
    for row, y in _ROWS.items()
    for column, x in _COLUMNS.items()
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
STYLES = ("plain", "noise", "outline", "inverted", "grey")


def render(drawn: dict[str, np.ndarray], size: int, style: str, rng: np.random.Generator) -> np.ndarray:
    """Return one picture, uint8, for each row of attribute values."""
    n = len(drawn["size"])
    f32 = np.float32
    # What no caption mentions: exact place, size, slant and colour, and the paper's grey.
    centre = np.array(list(POSITIONS.values()), f32)[drawn["position"]] + rng.uniform(
        -0.08, 0.08, (n, 2)
    ).astype(f32)
    radius = np.array(list(SIZES.values()), f32)[drawn["size"]] * rng.uniform(0.92, 1.08, n).astype(f32)
    slant = rng.uniform(-0.25, 0.25, n).astype(f32)
    colour = np.array(list(PALETTE.values()), f32)[drawn["colour"]] + rng.uniform(-0.06, 0.06, (n, 3)).astype(
        f32
    )
    paper = rng.uniform(0.75, 1.0, (n, 1)).astype(f32).repeat(3, axis=1)
    if style == "inverted":
        colour, paper = paper, colour
    images = np.empty((n, size, size, 3), np.uint8)
    for start in range(0, n, 256):  # blocks that fit the cache
        rows = slice(start, start + 256)
        ink = _ink(drawn["shape"][rows], centre[rows], radius[rows], slant[rows], size, style == "outline")[
            ..., None
        ]
        block = paper[rows, None, None] + ink * (colour - paper)[rows, None, None]
        if style == "noise":
            slope = rng.uniform(-0.2, 0.2, (len(block), 1, 1, 1)).astype(f32)
            block += slope * np.linspace(-1, 1, size, dtype=f32)[:, None]
            block += 0.08 * rng.standard_normal(block.shape, dtype=f32)
        if style == "grey":
            block = (block @ np.array([0.299, 0.587, 0.114], f32))[..., None].repeat(3, axis=-1)
        images[rows] = (block * 255 + 0.5).clip(0, 255)
    return images


def _ink(shapes, centre, radius, slant, size: int, outline: bool) -> np.ndarray:
    """Return each pixel's share under the shape: 1 inside, 0 outside, a ramp one pixel wide at the edge."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x, y = axis[None, None, :] - centre[:, 0, None, None], axis[None, :, None] - centre[:, 1, None, None]
    cos, sin = np.cos(slant)[:, None, None], np.sin(slant)[:, None, None]
    x, y = cos * x + sin * y, cos * y - sin * x
    distance = np.empty(x.shape, np.float32)
    for i, name in enumerate(SHAPES):
        at = shapes == i
        if at.any():
            distance[at] = _distance(name, x[at], y[at], radius[at, None, None])
    if outline:
        distance = np.abs(distance + 0.05) - 0.05
    return np.clip(0.5 - distance * (size / 2), 0, 1)


def _distance(name: str, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the signed distance to the shape's edge, negative inside; exact near straight edges."""
    if name == "circle":
        return np.hypot(x, y) - r
    if name == "ring":
        return np.abs(np.hypot(x, y) - 0.78 * r) - 0.22 * r
    ax, ay = np.abs(x), np.abs(y)
    if name == "square":
        return np.maximum(ax, ay) - 0.85 * r
    if name == "diamond":
        return (1.6 * ax + ay - r) / np.float32(np.hypot(1.6, 1))
    if name == "cross":
        return np.minimum(np.maximum(ax - 0.3 * r, ay - r), np.maximum(ax - r, ay - 0.3 * r))
    root3 = np.float32(np.sqrt(3))
    return np.maximum(y - 0.6 * r, (root3 * ax - y) / 2 - 0.5 * r)

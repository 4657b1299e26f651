"""What the GapExplorer sends to the browser: one cross-Gram and a few small tables."""

import io

import numpy as np

from mgaplib import plots
from mgaplib._retrieval import hit_chance
from mgaplib.landscape import ShiftLandscape

#: Where the shift slider stops: fractions of the gap, 0 as trained, about 0.5 closed.
SHIFTS = np.linspace(-1.0, 1.5, 251)
#: Where the loss curve is tabulated; the browser interpolates between them.
CURVE_SHIFTS = SHIFTS[::5]
#: Where the temperature slider stops: numbers one can say, about evenly spaced in their logarithm.
TAUS = (
    np.array(
        [
            5,
            6,
            7,
            8,
            *(m * ten for ten in (10, 100) for m in (1, 1.2, 1.5, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8)),
            1000,
        ]
    )
    / 1000
)
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone
_THUMBNAIL_COLUMNS = 25


class Matches:
    """How often a row's best match is the right one, as a function of the shift.

    Args:
        gram: Cosines of the rows with their candidates, unshifted.
        p: The rows' components along the gap's direction; the rows move against it.
        q: The candidates' components; they move along it.
        own: Index of each row's right candidate.
        length: Length of the gap.
    """

    def __init__(self, gram: np.ndarray, p: np.ndarray, q: np.ndarray, own: np.ndarray, length: float):
        self.gram, self.p, self.q, self.own, self.length = gram, p, q, own, length

    def chances(self, shift, rows: np.ndarray) -> np.ndarray:
        """Return, for some rows, the chance that the best match is the right one, ties in random order.

        The shift is one for all of them, or one for each.
        """
        t = np.reshape(np.multiply(shift, self.length), (-1, 1))
        p = self.p[rows, None]
        cosines = self.gram[rows] - t * self.q + (t * p - t * t)
        cosines /= np.sqrt(1 + 2 * t * self.q + t * t)
        cosines /= np.sqrt(1 - 2 * t * p + t * t)
        return hit_chance(cosines, cosines[np.arange(len(rows)), self.own[rows]], 1, _TIE)

    def share(self, shift: float) -> float:
        """Return the share of rows whose best match is the right one."""
        return float(self.chances(shift, np.arange(len(self.gram))).mean())

    def steps(self) -> dict:
        """Return the share at every shift: it is constant but for steps, each where some row's match changes.

        Rows are compared at neighbouring stops of the slider and each change is then located by bisection, so
        the result is exact at the stops; a row that changes and changes back between two of them is missed.
        """
        every = np.arange(len(self.gram))
        at_stops = np.stack([self.chances(shift, every) for shift in SHIFTS])
        stop, row = np.nonzero(np.diff(at_stops, axis=0))
        low, high = SHIFTS[stop], SHIFTS[stop + 1]
        for _ in range(24):  # from the stops' distance of 0.01 down to 1e-9
            middle = (low + high) / 2
            same = self.chances(middle, row) == at_stops[stop, row]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        order = np.argsort(high)
        change = (at_stops[stop + 1, row] - at_stops[stop, row])[order]
        values = at_stops[0].mean() + np.append(0, np.cumsum(change)) / len(every)
        at = np.append(SHIFTS[0], high[order])
        return {"count": len(at), "at": at.tobytes(), "value": values.tobytes()}


def across(land: ShiftLandscape) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities' coordinates along the first principal component orthogonal to the gap."""
    union = np.concatenate([land.images, land.texts]).astype(float)
    flat = union - np.outer(union @ land.direction, land.direction)
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    axis = vectors[:, -1]
    images, texts = np.split(flat @ (axis * np.sign(axis[np.argmax(np.abs(axis))])), 2)
    return images, texts


def places(land: ShiftLandscape, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities in the plane at a shift: along the gap, and across it."""
    t = shift * land.gap_length
    sides = across(land)
    images = np.stack([land.p - t, sides[0]], axis=1) / np.sqrt(1 - 2 * t * land.p + t * t)[:, None]
    texts = np.stack([land.q + t, sides[1]], axis=1) / np.sqrt(1 + 2 * t * land.q + t * t)[:, None]
    return images, texts


def atlas(thumbnails: np.ndarray) -> dict:
    """Return all thumbnails as one PNG, row by row."""
    from PIL import Image

    n, size = len(thumbnails), thumbnails.shape[1]
    rows = -(-n // _THUMBNAIL_COLUMNS)
    sheet = np.zeros((rows * _THUMBNAIL_COLUMNS, size, size, 3), np.uint8)
    sheet[:n] = thumbnails
    sheet = sheet.reshape(rows, _THUMBNAIL_COLUMNS, size, size, 3).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(sheet.reshape(rows * size, _THUMBNAIL_COLUMNS * size, 3)).save(file, "PNG", optimize=True)
    return {"columns": _THUMBNAIL_COLUMNS, "png": file.getvalue()}


def pack(land: ShiftLandscape, matches: dict[str, Matches]) -> dict:
    """Return the landscape as plain numbers and little-endian binary arrays."""
    gram = land.gram.astype(float)
    centre = (gram.max() + gram.min()) / 2
    step = max((gram.max() - gram.min()) / 65534, 1e-12)
    across_images, across_texts = across(land)
    drawn = ShiftLandscape(
        land.images, land.texts, dtype="float32"
    )  # twice as fast, and far finer than a pixel
    ways = "image_to_text", "text_to_image"
    curves = np.stack([drawn.loss(CURVE_SHIFTS, TAUS, direction=way).T for way in ways], axis=1)
    arrays = {
        "gram": np.rint((gram - centre) / step).astype("<i2"),
        "own": np.diag(gram).astype("<f8"),
        "p": land.p.astype("<f8"),
        "q": land.q.astype("<f8"),
        "across_images": across_images.astype("<f8"),
        "across_texts": across_texts.astype("<f8"),
        "squared_gaps": (land.modality_gap(SHIFTS) ** 2).astype("<f8"),
        "curves": curves.astype("<f4"),
    }
    return {
        "n": len(gram),
        "gap_length": land.gap_length,
        "gram_centre": float(centre),
        "gram_step": float(step),
        "shift_range": [float(SHIFTS[0]), float(SHIFTS[-1])],
        "stops": len(SHIFTS),
        "curve_stops": len(CURVE_SHIFTS),
        "taus": TAUS.tolist(),
        "colors": {"image": plots.IMAGE, "text": plots.TEXT},
        "steps": {name: match.steps() for name, match in matches.items()},
        **{name: array.tobytes() for name, array in arrays.items()},
    }

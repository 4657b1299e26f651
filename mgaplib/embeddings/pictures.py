"""Pictures from files as a viewer shows them: upright, in RGB, and deep greys with all of their range."""

from pathlib import Path

import numpy as np

from mgaplib.worlds import samples

#: Endings of the pictures that are looked for in a folder.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


class Pictures(samples.Pictures):
    """The pictures of some files as `upright` gives them; a slice opens its files, and nothing is kept."""

    def _open(self, path: Path):
        return upright(path)


def upright(path: str | Path):
    """Return a file's picture in RGB, turned as its camera was held; of an animation the first frame.

    Greys of more than 8 bits are scaled to 8 from the fewest bits that hold their largest value. A ValueError
    names what is no picture that can be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.fromarray(np.uint16([[0, 32768, 65535]])).save(Path(folder, "deep.png"))
        ...     np.asarray(upright(Path(folder, "deep.png")))[0, :, 0]
        array([  0, 128, 255], dtype=uint8)
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode[0] in "IF":  # 16 or 32 bits, or floats
                picture = Image.fromarray(_to_8_bits(np.asarray(picture)))
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no picture that can be read: {error}") from error


def _to_8_bits(grey: np.ndarray) -> np.ndarray:
    grey = grey.astype(float)
    low, high = min(grey.min(), 0.0), grey.max()
    if high > 1:
        high = 2.0 ** max(np.ceil(np.log2(high + 1)), 8) - 1
    return np.round((grey - low) * (255 / (max(high, 1.0) - low))).astype(np.uint8)

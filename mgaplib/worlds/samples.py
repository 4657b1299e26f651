"""Real pictures and real sentences that need no download: what scikit-learn and NumPy bring along."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def photographs(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return square crops of scikit-learn's two photographs, a temple and a flower, in turn.

    Args:
        n, size: How many crops, and the side of each in pixels.
        rng: Where the crops lie; each has a side of 96 to 320 pixels before it is resized.

    Raises:
        ValueError: If n or size is not positive.

    Example:
        >>> photographs(2, 64, np.random.default_rng(0)).shape
        (2, 64, 64, 3)

    Taught in chapter random_networks.
    """
    from PIL import Image
    from sklearn.datasets import load_sample_images

    _check(n, size)
    pictures = [Image.fromarray(picture) for picture in load_sample_images().images]
    crops = []
    for i in range(n):
        picture = pictures[i % len(pictures)]
        side = int(rng.integers(96, 321))
        left, top = (int(rng.integers(0, extent - side + 1)) for extent in picture.size)
        crops.append(np.asarray(picture.resize((size, size), box=(left, top, left + side, top + side))))
    return np.stack(crops)


def digits(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return n different handwritten digits of scikit-learn, enlarged from 8 pixels, grey in three channels.

    Args:
        n, size: How many, at most 1797, and the side of each in pixels.
        rng: Which ones.

    Raises:
        ValueError: If n or size is not positive, or there are not as many.

    Example:
        >>> digits(2, 64, np.random.default_rng(0)).shape
        (2, 64, 64, 3)

    Taught in chapter random_networks.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    _check(n, size)
    images = load_digits().images
    if n > len(images):
        raise ValueError(f"n is {n}; there are {len(images)} digits")
    grey = (images[rng.choice(len(images), n, replace=False)] * (255 / 16)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(g).convert("RGB").resize((size, size))) for g in grey])


def sentences(n: int) -> list[str]:
    """Return n English sentences: what NumPy's own documentation says first of each function.

    Args:
        n: How many.

    Raises:
        ValueError: If n is not positive, or NumPy has not as many.

    Example:
        >>> len(sentences(3))
        3

    Taught in chapter random_networks.
    """
    _check(n, 1)
    found = {}
    for name in sorted(np.__all__):
        for paragraph in (inspect.getdoc(getattr(np, name)) or "").split("\n\n"):
            sentence = " ".join(paragraph.split())
            if sentence.endswith(".") and 4 <= len(sentence.split()) <= 20 and "`" not in sentence:
                found[sentence] = None
                break
    if n > len(found):
        raise ValueError(f"n is {n}; NumPy's documentation gives {len(found)} sentences")
    return list(found)[:n]


def _check(n: int, size: int) -> None:
    if n < 1 or size < 1:
        raise ValueError(f"n is {n} and size {size}; both must be at least 1")


class Pictures(Sequence):
    """The pictures of some files as PIL images; a slice opens its files, and nothing is kept."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows):
        chosen = self.paths[rows]
        return [self._open(path) for path in chosen] if isinstance(chosen, list) else self._open(chosen)

    @staticmethod
    def _open(path: Path):
        from PIL import Image

        try:
            with Image.open(path) as file:
                return file.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} is no picture that can be read: {error}") from error

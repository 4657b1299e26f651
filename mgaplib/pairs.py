"""A set of pairs that was checked once, at the door: what is handed one goes straight to work."""

from dataclasses import dataclass

import numpy as np

from mgaplib import checks

_ROWS = 100  # of float32 added up before the sum goes on in float64


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Images and texts that were checked: finite unit rows of one shape, row i paired with row i, read-only.

    Every metric of pairs, the landscape, the corrections, thresholds, the report and the explorer take one of
    these in the place of `images, texts` and check nothing again. Make one where several numbers of the same
    embeddings are wanted.

    Args:
        images: Array or CPU tensor of n rows and d columns, one embedding a row.
        texts: Another of the same shape, row i paired with row i.

    Attributes:
        images: The images as unit rows, float32 or float64.
        texts: The texts as unit rows.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> from mgaplib import metrics
        >>> pairs = Pairs([[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> pairs
        Pairs of 2 rows and 2 columns, float64
        >>> metrics.modality_gap(pairs) == metrics.modality_gap(pairs.images, pairs.texts)
        True

    Taught in chapter notation.
    """

    images: np.ndarray
    texts: np.ndarray

    def __post_init__(self):
        self._keep(*checks.pairs(self.images, self.texts))

    def _keep(self, images: np.ndarray, texts: np.ndarray) -> None:
        for name, rows in (("images", images), ("texts", texts)):
            rows = rows.view()
            rows.flags.writeable = False
            object.__setattr__(self, name, rows)

    @classmethod
    def of(
        cls, images, texts=None, *, min_rows: int = 2, names: tuple[str, str] = ("images", "texts")
    ) -> "Pairs":
        """Return pairs as they are, or check arrays and make them pairs: the door of every paired function.

        `min_rows`, `names` and what is raised are as in `checks.pairs`; a TypeError also where `texts` are
        missing beside an array, or there beside `Pairs`.
        """
        if not isinstance(images, cls):
            if texts is None:
                raise TypeError(
                    f"{names[1]} is missing; pass it beside {names[0]}, or both in one mgaplib.pairs.Pairs"
                )
            return cls.trusted(*checks.pairs(images, texts, min_rows=min_rows, names=names))
        if texts is not None:
            raise TypeError(
                f"{names[0]} is a Pairs, which holds both sides; leave {names[1]} out, or pass two arrays"
            )
        if len(images) < min_rows:
            raise ValueError(f"{names[0]} has {len(images)} rows; at least {min_rows} are needed")
        return images

    @classmethod
    def trusted(cls, images: np.ndarray, texts: np.ndarray) -> "Pairs":
        """Return pairs of arrays whose maker vouches for them: unit rows of one shape; nothing is checked."""
        pairs = object.__new__(cls)
        pairs._keep(images, texts)
        return pairs

    def take(self, rows) -> "Pairs":
        """Return some of the pairs, by their indices, a slice or a mask."""
        return self.trusted(self.images[rows], self.texts[rows])

    @property
    def swapped(self) -> "Pairs":
        """The same pairs with the texts first, text to image, where a function goes from the first side."""
        return self.trusted(self.texts, self.images)

    @property
    def shape(self) -> tuple[int, int]:
        """How many pairs, in how many dimensions."""
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Pairs of {len(self)} rows and {self.shape[1]} columns, {self.images.dtype}"


def centroid(rows: np.ndarray) -> np.ndarray:
    """Return the mean row in float64: sums of a hundred rows as they are, and those added in float64.

    As fast as a mean in float32, and of unit rows within 1e-6 of one in float64.

    Args:
        rows: Floating array of n rows and d columns, at least one row.

    Example:
        >>> centroid(np.float32([[1, 0], [0, 1]]))
        array([0.5, 0.5])

    Taught in chapter notation.
    """
    n, d = rows.shape
    whole = n - n % _ROWS
    sums = rows[:whole].reshape(-1, _ROWS, d).sum(axis=1)
    return (sums.sum(axis=0, dtype=float) + rows[whole:].sum(axis=0)) / n

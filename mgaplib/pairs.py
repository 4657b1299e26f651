"""Images, texts and who belongs to whom, checked once at the door; what is handed one goes to work."""

import warnings
from dataclasses import dataclass

import numpy as np

from mgaplib import checks

_ROWS = 100  # of float32 added up before the sum goes on in float64
__all__ = ["EQUAL", "Pairs", "centroid"]

EQUAL = "equal"  #: In the place of groups; rows that are equal are one image, or one text.


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Images and texts that were checked, and who belongs to whom: finite unit rows, read-only.

    Row i belongs to row i, or the rows of one group belong to one another: five captions and their picture,
    three photographs and the one name they share. What takes `images, texts` takes one of these instead and
    checks nothing again; it counts any partner as right, and draws, splits and holds out whole groups.

    Args:
        images, texts: Arrays or CPU tensors of n and of m rows and d columns, one embedding a row.
        groups: Who belongs to whom. None for row i with row i, unless each row of one side comes with two or
            more of the other on average: then equal rows are one, and a warning says so. A label for each of
            n aligned rows; or a label a row of each side, `(of_images, of_texts)`; or for each of m texts the
            number of its image, from 0; or "equal" to take equal rows as one however few they are. Rows of
            one side and group that are equal are kept once.

    Attributes:
        images, texts: Unit rows, float32 or float64.
        groups: None where row i belongs to row i; else each image's and each text's group, numbered from 0.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or the groups do not.

    Example:
        >>> Pairs([[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
        Pairs of 2 rows and 2 columns, float64
        >>> texts = np.array([[1.0, 0.0], [0.1, 1.0], [0.2, 1.0]])
        >>> Pairs(np.eye(2), texts, groups=[0, 1, 1])  # the second image has two captions
        Pairs of 2 images and 3 texts in 2 groups, 2 columns, float64

    Taught in chapter notation.
    """

    images: np.ndarray
    texts: np.ndarray
    groups: object = None

    def __post_init__(self):
        made = Pairs.of(self.images, self.texts, groups=self.groups, notice=True)
        self._keep(made.images, made.texts, made.groups, made.rows)

    def _keep(self, images, texts, groups, rows) -> None:
        for name, side in (("images", images), ("texts", texts)):
            side = side.view()
            side.flags.writeable = False
            object.__setattr__(self, name, side)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "_rows", rows)

    @classmethod
    def of(
        cls,
        images,
        texts=None,
        *,
        groups=None,
        paired: bool = True,
        notice: bool = False,
        min_rows: int = 2,
        names: tuple[str, str] = ("images", "texts"),
    ) -> "Pairs":
        """Return pairs as they are, or check arrays and make them pairs: the door of every paired function.

        `groups` is as in `Pairs`, and with `notice` so is None; `min_rows`, `names` and what is raised are as
        in `checks.embeddings`. A TypeError also where `texts` are missing beside an array, or there beside
        `Pairs`. What needs no partners passes `paired=False`; then any numbers of rows may meet.
        """
        if isinstance(images, cls):
            if texts is not None or groups is not None:
                what = "both sides" if groups is None else "its groups"
                raise TypeError(
                    f"{names[0]} is a Pairs, which holds {what}; leave "
                    f"{names[1] if groups is None else 'groups'} out, or pass two arrays"
                )
            if len(images) < min_rows:
                has = f"{names[0]} has {len(images)} rows"
                if images.groups is not None:
                    has = f"{names[0]} and {names[1]} are of {len(images)} groups"
                raise ValueError(f"{has}; at least {min_rows} are needed")
            if paired and not len(images.partners[0]):
                raise ValueError(
                    f"no row of {names[0]} belongs to one of {names[1]}, and this needs pairs; "
                    "say with groups= who belongs to whom"
                )
            return images
        if texts is None:
            raise TypeError(
                f"{names[1]} is missing; pass it beside {names[0]}, or both in one mgaplib.pairs.Pairs"
            )
        few = min_rows if groups is None else 1
        x, y = (
            checks.embeddings(side, name, min_rows=few)
            for side, name in zip((images, texts), names, strict=True)
        )
        if not paired:
            _same_columns(x, y, names)
        if x.shape[1] != y.shape[1] or (groups is None and paired and len(x) != len(y)):
            raise ValueError(
                f"{names[0]} has shape {x.shape} and {names[1]} {y.shape}; row i of one is paired with row i "
                "of the other, so pass as many rows and columns of each, or say with groups= which rows "
                "belong together"
            )
        if groups is None and notice and len(x) == len(y):
            groups = noticed(x, y, names)
        if groups is None and len(x) == len(y):
            found = cls.trusted(x, y)
        elif groups is None:
            found = cls.unpaired(x, y)
        else:
            found = cls._grouped(x, y, relation(groups, x, y, names))
        return cls.of(found, paired=paired, min_rows=min_rows, names=names)

    @classmethod
    def trusted(cls, images: np.ndarray, texts: np.ndarray, groups=None, rows=None) -> "Pairs":
        """Return pairs of arrays whose maker vouches for them: unit rows, numbered groups."""
        pairs = object.__new__(cls)
        pairs._keep(images, texts, groups, rows)
        return pairs

    @classmethod
    def unpaired(
        cls, images, texts, *, min_rows: int = 2, names: tuple[str, str] = ("images", "texts")
    ) -> "Pairs":
        """Return two sets of which no row belongs to any of the other: what the gap and the cones need.

        `images` and `texts` are arrays of n and of m rows; the rest, and what is raised, is as in `of`.
        """
        both = [
            checks.embeddings(z, name, min_rows=min_rows)
            for z, name in zip((images, texts), names, strict=True)
        ]
        _same_columns(*both, names)
        n, m = map(len, both)
        return cls.trusted(*both, (np.arange(n), n + np.arange(m)))

    @classmethod
    def _grouped(cls, images, texts, groups) -> "Pairs":
        """Return the relation of numbered groups, a row that repeats within its group kept once."""
        sides, kept = [], []
        for side, codes in ((images, groups[0]), (texts, groups[1])):
            rows = np.arange(len(side))
            if len(np.unique(codes)) < len(codes):
                rows = np.sort(np.unique(codes * len(side) + twins(side), return_index=True)[1])
            sides.append(side if len(rows) == len(side) else side[rows])
            kept.append(rows)
        groups = tuple(codes[rows] for codes, rows in zip(groups, kept, strict=True))
        straight = np.array_equal(*groups) and np.array_equal(groups[0], np.arange(len(groups[0])))
        return cls.trusted(*sides, None if straight else groups, tuple(kept))

    def take(self, which) -> "Pairs":
        """Return some of the pairs, or whole groups, by their numbers, a slice or a mask."""
        if self.groups is None:
            rows = None if self._rows is None else tuple(rows[which] for rows in self._rows)
            return self.trusted(
                self.images[which], self.texts[which], None, rows or (self.rows[0][which],) * 2
            )
        keep = np.zeros(len(self), bool)
        keep[which] = True
        number = np.cumsum(keep) - 1
        rows = [np.flatnonzero(keep[codes]) for codes in self.groups]
        return self.trusted(
            self.images[rows[0]],
            self.texts[rows[1]],
            tuple(number[codes[r]] for codes, r in zip(self.groups, rows, strict=True)),
            tuple(mine[r] for mine, r in zip(self.rows, rows, strict=True)),
        )

    def one_each(self) -> "Pairs":
        """Return the first image and the first text of each group that has both, row i beside row i."""
        if self.groups is None:
            return self
        (a, first_images), (b, first_texts) = (np.unique(codes, return_index=True) for codes in self.groups)
        rows = first_images[np.isin(a, b)], first_texts[np.isin(b, a)]
        kept = tuple(mine[r] for mine, r in zip(self.rows, rows, strict=True))
        return self.trusted(self.images[rows[0]], self.texts[rows[1]], None, kept)

    @property
    def swapped(self) -> "Pairs":
        """The same pairs with the texts first, text to image, where a function goes from the first side."""
        groups, rows = (None if both is None else both[::-1] for both in (self.groups, self._rows))
        return self.trusted(self.texts, self.images, groups, rows)

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Which of the rows that came in the images and the texts are; some are drawn, some were repeats."""
        return self._rows or (np.arange(len(self.images)), np.arange(len(self.texts)))

    @property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Each image's and each text's group, numbered from 0; its row where row i belongs to row i."""
        return self.groups or (np.arange(len(self.images)),) * 2

    @property
    def partners(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the image and of the text of every pair."""
        if self.groups is None:
            return self.codes
        return belonging(*self.groups)

    @property
    def shape(self) -> tuple[int, int]:
        """How many pairs, or groups, in how many dimensions."""
        return len(self), self.images.shape[1]

    def __len__(self) -> int:
        return len(self.images) if self.groups is None else 1 + max(codes.max() for codes in self.groups)

    def __repr__(self) -> str:
        n, (m, d) = len(self.images), self.texts.shape
        if self.groups is None:
            return f"Pairs of {n} rows and {d} columns, {self.images.dtype}"
        together = f"in {len(self)} groups" if len(self.partners[0]) else "without partners"
        return f"Pairs of {n} images and {m} texts {together}, {d} columns, {self.images.dtype}"


def _same_columns(x: np.ndarray, y: np.ndarray, names: tuple[str, str]) -> None:
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{names[0]} have {x.shape[1]} columns and {names[1]} {y.shape[1]}; pass one space's"
        )


def belonging(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of all pairs of rows of one group, of two sides that are given by their groups.

    Example:
        >>> belonging(np.array([0, 1]), np.array([1, 1, 0]))
        (array([0, 1, 1]), array([2, 0, 1]))
    """
    order = np.argsort(second, kind="stable")
    start = np.searchsorted(second[order], first, side="left")
    count = np.searchsorted(second[order], first, side="right") - start
    rows = np.repeat(np.arange(len(first)), count)
    return rows, order[start[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)]


def group_sums(rows: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Return the sum of each group's rows in float64, zeros for a group that has none.

    Example:
        >>> group_sums(np.eye(2), np.array([0, 0]), 2)
        array([[1., 1.],
               [0., 0.]])
    """
    order = np.argsort(codes, kind="stable")
    there, start = np.unique(codes[order], return_index=True)
    sums = np.zeros((groups, rows.shape[1]))
    sums[there] = np.add.reduceat(rows[order].astype(float, copy=False), start, axis=0)
    return sums


def twins(rows: np.ndarray) -> np.ndarray:
    """Return for each row the number of the first row that is equal to it; a mapped array is read once.

    Example:
        >>> twins(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
        array([0, 1, 0])
    """
    hashes = checks.each_row(rows, lambda block: np.array([hash(row.tobytes()) for row in block]))
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    return first[which]


def noticed(images: np.ndarray, texts: np.ndarray, names=("images", "texts"), *, say: bool = True):
    """Return the groups of aligned rows if a row of one side comes with two or more of the other on average.

    Else None: a side of one row only is a broken encoder's, a set that is there twice no group either.
    """
    n = len(images)
    for side, name, other in zip((images, texts), names, reversed(names), strict=True):
        glance = checks.each_row(side, lambda block: block[:, 0].copy())
        if 2 * len(np.unique(glance)) > n:  # one column clears most
            continue
        same = twins(side)
        distinct = len(np.unique(same))
        if 2 * distinct > n or distinct == 1:
            continue
        partners = twins(texts if side is images else images)
        if len(np.unique(same * n + partners)) >= 2 * distinct:  # else whole pairs are there twice
            if say:
                warnings.warn(
                    f"{name} holds {distinct} different rows, {n} in all: equal ones are taken as one, with "
                    f"all the {other} beside them; pass groups=range({n}) if each stands alone",
                    stacklevel=4,
                )
            return same
    return None


def relation(groups, images: np.ndarray, texts: np.ndarray, names=("images", "texts")):
    """Return each image's and each text's group, numbered by their first rows; `groups` is as in `Pairs`."""
    n, m = len(images), len(texts)
    if isinstance(groups, str):
        checks.known(groups, (EQUAL,), "groups")
        if n != m:
            raise ValueError(
                f"groups is 'equal', but {names[0]} has {n} rows and {names[1]} {m}; pass labels"
            )
        same = twins(images)
        groups = same if len(np.unique(same)) < n else twins(texts)
    groups = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if len(groups) == 2 and all(np.ndim(side) == 1 for side in groups):
        sides = [np.asarray(side) for side in groups]
    elif n == m:
        sides = [np.asarray(groups)] * 2
    else:
        sides = [np.arange(n), np.asarray(groups)]
        numbers = sides[1]
        if len(numbers) == m and (numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= n):
            raise ValueError(
                f"groups has {m} entries beside {n} rows of {names[0]}; pass for each of {names[1]} the "
                f"number of its row, 0 to {n - 1}, or two sequences of labels"
            )
    for side, rows, name in zip(sides, (n, m), names, strict=True):
        if side.shape != (rows,):
            count = " x ".join(map(str, side.shape))
            raise ValueError(
                f"groups has {count} labels for the {rows} rows of {name}; pass a label a row: one sequence "
                f"where rows are aligned, or (labels of {names[0]}, labels of {names[1]})"
            )
        # What equals nothing: NaN, NaT, and pandas' NA, which does not say so.
        missing = np.array([label is None or str(label == label) != "True" for label in side.tolist()])
        if missing.any():
            raise ValueError(
                f"groups has no label for row {int(np.argmax(missing))} of {name}; give each row one"
            )
    try:
        _, first, codes = np.unique(np.concatenate(sides), return_index=True, return_inverse=True)
    except TypeError as error:
        raise TypeError("groups holds labels of different types; pass all numbers or all texts") from error
    codes = np.argsort(np.argsort(first))[codes.ravel()]
    return codes[:n], codes[n:]


def centroid(rows: np.ndarray) -> np.ndarray:
    """Return the mean row in float64: sums of a hundred rows as they are, and those added in float64.

    As fast as a mean in float32, and of unit rows within 1e-6 of one in float64.

    Example:
        >>> centroid(np.float32([[1, 0], [0, 1]]))
        array([0.5, 0.5])

    Taught in chapter notation.
    """
    n, d = rows.shape
    whole = n - n % _ROWS
    sums = rows[:whole].reshape(-1, _ROWS, d).sum(axis=1)
    return (sums.sum(axis=0, dtype=float) + rows[whole:].sum(axis=0)) / n

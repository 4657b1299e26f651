"""Search images and texts in one index: a mean for every role, fusion of both, and a file to keep them in."""

import io
from pathlib import Path

import numpy as np

from mgaplib import checks
from mgaplib.corrections.means import unit_rows
from mgaplib.output import write_whole

_FORMAT = 1  # of a saved corrector


class Corrector:
    """The mean of each role, to be subtracted before vectors of different roles are compared.

    A role is what a vector is *for*: the images and the texts of the index, and the queries, which are texts
    too but phrased otherwise. With the roles "image" and "text" alone it does what `corrections.Centring`
    does; any number of modalities can be named.

    Args:
        means: For each role, the mean of its unit vectors: d numbers.

    Raises:
        TypeError, ValueError: If means or, in a method, vectors make no sense (`mgaplib.checks`), they
            differ in columns, there are none, or a role is unknown.

    Example:
        >>> corrector = Corrector.fit(image=np.array([[1.0, 0.2], [1.0, -0.2]]), text=np.eye(2))
        >>> corrector.transform(np.array([[1.0, 0.2]]), "image")
        array([[0., 1.]])

    Source: Li et al. 2025 (GR-CLIP). Taught in chapter mixed_search.
    """

    def __init__(self, means: dict[str, np.ndarray]):
        if not means:
            raise ValueError("no role is given; pass some, as in Corrector.fit(image=images, text=texts)")
        self.means = {}
        for role, mean in means.items():
            mean = np.asarray(mean)
            if mean.dtype.kind != "f":
                raise TypeError(f"the mean of {role!r} holds {mean.dtype}; means are floating point")
            if mean.ndim != 1 or not np.isfinite(mean).all():
                raise ValueError(f"the mean of {role!r} has shape {mean.shape}; pass d finite numbers")
            self.means[str(role)] = mean.astype(float)
        lengths = {len(mean) for mean in self.means.values()}
        if len(lengths) > 1:
            raise ValueError(f"the roles have {sorted(lengths)} columns; embed them with one model")
        self.dimensions = lengths.pop()

    def __repr__(self) -> str:
        return f"Corrector of {self.dimensions} dimensions for the roles {', '.join(self.means)}"

    @classmethod
    def fit(cls, **calibration) -> "Corrector":
        """Return the corrector of calibration embeddings; they need be neither paired nor equally many.

        Args:
            **calibration: For each role, an array of d columns: `image=`, `text=`, `query=`, or any name.
        """
        return cls(
            {
                role: checks.embeddings(rows, role).mean(axis=0, dtype=float)
                for role, rows in calibration.items()
            }
        )

    def transform(self, rows, role: str) -> np.ndarray:
        """Return vectors of one role, their role's mean subtracted, of unit length and in their precision.

        Args:
            rows: Array of one or more rows and d columns.
            role: One of the roles fitted.
        """
        rows = self._rows(rows, role)
        return unit_rows(rows - self.means[role], role).astype(rows.dtype, copy=False)

    def fuse(self, weight: float = 0.5, **rows) -> np.ndarray:
        """Return one vector for each document that has both an image and a text.

        `a t + (1 - a) i` minus the same mixture of the means, scaled to unit length.

        Args:
            weight: The share a of the second, from 0 to 1; another is a ValueError.
            **rows: Two arrays of n rows, under the names of their roles: `image=images, text=texts`.
        """
        if len(rows) != 2:
            raise ValueError(f"fuse joins two roles, not {len(rows)}; pass image=images, text=texts")
        weight = checks.within(weight, "weight", 0, 1, "it is the share of the second role, from 0 to 1")
        (first, x), (second, y) = ((role, self._rows(values, role)) for role, values in rows.items())
        if x.shape != y.shape:
            raise ValueError(
                f"{first} has shape {x.shape} and {second} {y.shape}; pass both of each document"
            )
        mean = (1 - weight) * self.means[first] + weight * self.means[second]
        fused = unit_rows((1 - weight) * x + weight * y - mean, f"{first} and {second}")
        return fused.astype(x.dtype, copy=False)

    def save(self, path: str | Path) -> None:
        """Write the means to a .npz file, whole or not at all.

        Args:
            path: The file; it must end in .npz.

        Raises:
            ValueError: If the name ends otherwise.
            FileNotFoundError: If its folder does not exist.
        """
        if Path(path).suffix != ".npz":
            raise ValueError(f"{path} does not end in .npz, which is what a corrector is saved as")
        file = io.BytesIO()
        np.savez(
            file, format=np.array(_FORMAT), **{f"mean_{role}": mean for role, mean in self.means.items()}
        )
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "Corrector":
        """Return a saved corrector; the file holds numbers only, so loading it runs no code.

        Args:
            path: A file that `save` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, pickled, or no corrector's.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no file {str(path)!r}; save a corrector there first") from None
        except Exception as error:  # numpy's reader may fail anywhere, and advises to unpickle
            raise ValueError(f"{path} is no saved corrector, or it is damaged; save it again") from error
        if found.pop("format", None) != _FORMAT or not all(name.startswith("mean_") for name in found):
            raise ValueError(f"{path} is no corrector that this version can read")
        return cls({name.removeprefix("mean_"): mean for name, mean in found.items()})

    def _rows(self, rows, role: str) -> np.ndarray:
        checks.known(role, self.means, "role")
        rows = checks.embeddings(rows, role, min_rows=1)
        if rows.shape[1] != self.dimensions:
            raise ValueError(f"{role} has {rows.shape[1]} columns; it was fitted on {self.dimensions}")
        return rows

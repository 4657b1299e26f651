"""Search images and texts in one index: means and scores of each role, fusion of both, a file for them."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from mgaplib import checks
from mgaplib.corrections.hubness import ScoreCalibration
from mgaplib.corrections.means import Correction, unit_rows
from mgaplib.corrections.trials import made
from mgaplib.output import write_whole
from mgaplib.pairs import Pairs

_FORMAT = 1  # of a saved corrector
_SCORES, _MOVES = "scores_", "moves_"
_ROLES = {"image": None, "text": None}.keys()
_OF_ALL = "of_all"  # the name of the hash of all that is saved
BOTH = "both"  #: The kind of a document that has an image and a text.


class Corrector:
    """What makes vectors of different roles comparable: the mean of each, and what their scores mean.

    A role is what a vector is *for*: the images and the texts of the index, and the queries, texts too but
    phrased otherwise. Calibrated scores take one more coordinate, which `documents` and `queries` add.

    Args:
        means: For each role, the mean of its unit vectors: d numbers.
        scores: A fitted calibration of the scores of vectors so moved, of `mgaplib.corrections`, or None.
        moves: A fitted correction of `corrections` that moves image and text in place of the means, or None.

    Raises:
        TypeError, ValueError: If means or, in a method, vectors make no sense (`mgaplib.checks`), they
            differ in columns, there are none, or a role is unknown.

    Example:
        >>> corrector = Corrector.fit(image=np.array([[1.0, 0.2], [1.0, -0.2]]), text=np.eye(2))
        >>> corrector.transform(np.array([[1.0, 0.2]]), "image")
        array([[0., 1.]])

    Source: Li et al. 2025 (GR-CLIP). Taught in chapter mixed_search.
    """

    def __init__(
        self,
        means: dict[str, np.ndarray],
        scores: ScoreCalibration | None = None,
        moves: Correction | None = None,
    ):
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
        self.scores, self.moves = scores, moves
        if moves is not None and self.means.keys() != _ROLES:
            raise ValueError(f"moves is for image and text alone, not for {', '.join(self.means)}")

    def __repr__(self) -> str:
        moves = "" if self.moves is None else f", moved by {self.moves}"
        scores = "" if self.scores is None else f", scores by {self.scores}"
        roles = ", ".join(self.means)
        return f"Corrector of {self.dimensions} dimensions for the roles {roles}{moves}{scores}"

    @classmethod
    def fit(
        cls,
        *,
        method: str | None = None,
        groups=None,
        centre: bool = True,
        scores: ScoreCalibration | None = None,
        paired: bool = False,
        **calibration,
    ) -> "Corrector":
        """Return the corrector of calibration embeddings; they need be neither paired nor equally many.

        Args:
            method: What `corrections.try_corrections` calls by this name, of vectors or of scores, for the
                roles "image" and "text" alone; the other options are then its own. None for the means.
            groups: With a method, who belongs to whom; see `pairs.Pairs`.
            centre: Whether to subtract the means; calibrated scores alone may do as well.
            scores: What calibrates the scores, such as `corrections.Modality()`.
            paired: Whether row i of all roles belong together; then fused documents are calibrated, too.
            **calibration: For each role, an array of d columns: `image=`, `text=`, `query=`, or any name.
        """
        if method is not None:
            return cls._by(method, groups, calibration)
        if groups is not None:
            raise ValueError("groups are for a method; the means of the roles need to know of no partners")
        rows = {role: checks.embeddings(z, role) for role, z in calibration.items()}
        found = cls({role: z.mean(axis=0, dtype=float) * bool(centre) for role, z in rows.items()})
        if scores is not None:
            moved = {role: found.transform(z, role) for role, z in rows.items()}
            if paired and {"image", "text"} <= rows.keys():
                moved[BOTH] = found.fuse(image=rows["image"], text=rows["text"])
            found.scores = replace(scores).fit(paired=paired, **moved)
        return found

    @classmethod
    def _by(cls, method: str, groups, calibration: dict) -> "Corrector":
        if calibration.keys() != _ROLES:
            raise ValueError("a method is for two roles: pass image=images, text=texts, or leave method out")
        pairs = Pairs.of(
            calibration["image"], calibration["text"], groups=groups, paired=False, names=("image", "text")
        )
        way = made(method, pairs)
        if isinstance(way, ScoreCalibration):
            pairs = pairs.one_each()
            return cls.fit(scores=way, centre=False, paired=True, image=pairs.images, text=pairs.texts)
        way.fit(pairs)
        return cls({"image": way.image_mean_, "text": way.text_mean_}, moves=way)

    def documents(self, rows, kind: str, role: str) -> np.ndarray:
        """Return documents of one kind as an inner-product index wants them, for the queries of one role.

        Args:
            rows: Array of one or more rows and d columns; of kind "both", what `fuse` returns.
            kind: One of the roles fitted, or "both".
            role: The queries' role; with calibrated scores another role needs other rows.
        """
        if kind == BOTH and BOTH not in self.means:
            moved = self._columns(rows, kind)
            if self.scores is not None and self.scores.by_modality and BOTH not in self.scores.references_:
                raise ValueError("scores of fused documents are not calibrated; fit with paired=True")
        else:
            moved = self.transform(rows, kind)
        return moved if self.scores is None else self.scores.documents(moved, kind, role)

    def queries(self, rows, role: str) -> np.ndarray:
        """Return queries of one role as an index of `documents` wants them."""
        moved = self.transform(rows, role)
        return moved if self.scores is None else self.scores.queries(moved)

    def transform(self, rows, role: str) -> np.ndarray:
        """Return vectors of one role, their mean subtracted, of unit length and in their precision."""
        rows = self._rows(rows, role)
        if self.moves is not None:
            return (self.moves.transform_images if role == "image" else self.moves.transform_texts)(rows)
        return unit_rows(rows - self.means[role], role).astype(rows.dtype, copy=False)

    def fuse(self, weight: float = 0.5, **rows) -> np.ndarray:
        """Return one vector for each document that has both an image and a text.

        It is `a t + (1 - a) i`, scaled to unit length, of t and i less their means or moved by the method.

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
        moved = (self._moved(rows, role) for rows, role in ((x, first), (y, second)))
        fused = unit_rows(np.tensordot((1 - weight, weight), list(moved), axes=1), f"{first} and {second}")
        return fused.astype(x.dtype, copy=False)

    def save(self, path: str | Path) -> None:
        """Write it to a .npz file, whole or not at all.

        Raises:
            ValueError: If the file's name does not end in .npz.
            FileNotFoundError: If its folder does not exist.
        """
        write_arrays(path, self.arrays(), "a corrector")

    @classmethod
    def load(cls, path: str | Path) -> "Corrector":
        """Return a saved corrector; the file holds numbers only, so loading it runs no code.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, pickled, or no corrector's.
        """
        return cls.from_arrays(read_arrays(path, "corrector"), path)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all there is to it as plain arrays, for a file; `from_arrays` takes them back."""
        found = {"format": np.array(_FORMAT)} | {f"mean_{role}": mean for role, mean in self.means.items()}
        for prefix, part in ((_SCORES, self.scores), (_MOVES, self.moves)):
            found |= {} if part is None else {prefix + name: z for name, z in part.arrays().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], path: str | Path = "this") -> "Corrector":
        """Return what `arrays` was called of; a ValueError names the path if they are no corrector's."""
        means, scores, moves = (
            {name.removeprefix(prefix): z for name, z in arrays.items() if name.startswith(prefix)}
            for prefix in ("mean_", _SCORES, _MOVES)
        )
        if arrays.get("format") != _FORMAT or len(means) + len(scores) + len(moves) + 1 != len(arrays):
            raise ValueError(f"{path} is no corrector that this version can read")
        return cls(
            means,
            ScoreCalibration.from_arrays(scores) if scores else None,
            Correction.from_arrays(moves) if moves else None,
        )

    def _moved(self, rows: np.ndarray, role: str) -> np.ndarray:
        """Return where rows go before they are scaled to unit length again."""
        if self.moves is None:
            return rows - self.means[role]
        move = self.moves._move_images if role == "image" else self.moves._move_texts
        return move(rows.astype(float, copy=False))

    def _rows(self, rows, role: str) -> np.ndarray:
        checks.known(role, self.means, "role")
        return self._columns(rows, role)

    def _columns(self, rows, role: str) -> np.ndarray:
        rows = checks.embeddings(rows, role, min_rows=1)
        if rows.shape[1] != self.dimensions:
            raise ValueError(f"{role} has {rows.shape[1]} columns; it was fitted on {self.dimensions}")
        return rows


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray], what: str) -> None:
    """Write arrays to a .npz file, whole or not at all."""
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path} does not end in .npz, which is what {what} is saved as")
    file = io.BytesIO()
    np.savez(file, **arrays, **{_OF_ALL: _of_all(arrays)})
    write_whole(path, file.getvalue())


def read_arrays(path: str | Path, what: str) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz file; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {str(path)!r}; save the {what} there first") from None
    except Exception as error:  # numpy's reader may fail anywhere, and advises to unpickle
        raise ValueError(f"{path} is no saved {what}, or it is damaged; save it again") from error
    said = arrays.pop(_OF_ALL, None)
    if said is not None and not np.array_equal(said, _of_all(arrays)):
        why = "its parts are not of one save"
        raise ValueError(f"{path} is no saved {what}, or it is damaged ({why}); save it again")
    return arrays


def _of_all(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return a hash of all arrays, by which parts of two saves are told from one."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(found.digest(), np.uint8)

"""Close the gap after training: eight ways to move embeddings, each fitted on a calibration split.

As in scikit-learn, fitted attributes end in an underscore. All but ReAlign are one affine map for each
modality, then a scaling of the rows to unit length; they differ in what the map may do and must know.
"""

import json
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs

_TINY = 1e-6  # a moved row shorter than this is rounding error: it has no direction


@dataclass(kw_only=True, eq=False)
class Correction:
    """What all corrections share; use one of the classes of `mgaplib.corrections`.

    Attributes:
        paired: Whether `fit` needs pairs; if not, images and texts may be unrelated and of different number.

    Taught in chapter post_hoc.
    """

    paired: ClassVar[bool] = False

    def fit(self, images, texts=None, *, groups=None):
        """Learn the correction from calibration embeddings and return it.

        Args:
            images, texts: Arrays of d columns, row i paired with row i if the class is `paired`; or `Pairs`.
            groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.

        Raises:
            TypeError, ValueError: If the embeddings make no sense, or a parameter makes no sense.
        """
        self._check_parameters()
        pairs = Pairs.of(images, texts, groups=groups, paired=self.paired)
        x, y = (rows.astype(float, copy=False) for rows in (pairs.images, pairs.texts))
        self.n_features_in_ = x.shape[1]
        self.image_mean_, self.text_mean_ = x.mean(axis=0), y.mean(axis=0)
        self.gap_ = self.image_mean_ - self.text_mean_
        if self.paired and pairs.groups is not None:
            x, y = (rows[own] for rows, own in zip((x, y), pairs.partners, strict=True))
        self._learn(x, y)
        return self

    def transform(self, images, texts=None) -> tuple[np.ndarray, np.ndarray]:
        """Return both modalities, corrected; see `transform_images`."""
        if isinstance(images, Pairs):
            pairs = Pairs.of(images, texts, paired=False, min_rows=1)
            return self._transform(pairs.images, "images", True), self._transform(pairs.texts, "texts", True)
        return self.transform_images(images), self.transform_texts(texts)

    def fit_transform(self, images, texts=None, *, groups=None) -> tuple[np.ndarray, np.ndarray]:
        """Fit on the embeddings and return them corrected: in-sample, which flatters (see the chapter)."""
        return self.fit(images, texts, groups=groups).transform(images, texts)

    def transform_images(self, images) -> np.ndarray:
        """Return the images corrected, in their own precision.

        Args:
            images: Array of one or more rows and as many columns as the calibration embeddings.

        Raises:
            TypeError, ValueError: If the embeddings make no sense, a row is moved to the origin, or `fit` was
                not called (then scikit-learn's NotFittedError).
        """
        return self._transform(images, "images")

    def transform_texts(self, texts) -> np.ndarray:
        """Return the texts corrected; see `transform_images`."""
        return self._transform(texts, "texts")

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters, as scikit-learn's `clone` expects."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all there is to it as plain arrays, for a file; `from_arrays` takes them back."""
        self._check_fitted()
        about = {"way": type(self).__name__, "parameters": self.get_params()}
        learnt = {name: np.asarray(value) for name, value in vars(self).items() if name.endswith("_")}
        return {"about": np.array(json.dumps(about)), **learnt}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Correction":
        """Return what `arrays` was called of; a ValueError if the arrays are no correction's."""
        kinds, found = [cls], None
        for kind in kinds:
            kinds += kind.__subclasses__()
        try:
            about = json.loads(str(arrays["about"]))
            found = {kind.__name__: kind for kind in kinds}[about["way"]](**about["parameters"])
            for name in arrays.keys() - {"about"}:
                setattr(found, name, arrays[name] if arrays[name].ndim else arrays[name].item())
            found._check_parameters()
            found._check_fitted()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError("these arrays are no correction of vectors; save it again") from error
        return found

    def _check_fitted(self) -> None:
        if not hasattr(self, "n_features_in_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"call {type(self).__name__}.fit(images, texts) first, on a calibration set")

    def _transform(self, rows, name: str, checked: bool = False) -> np.ndarray:
        self._check_fitted()
        rows = rows if checked else checks.embeddings(rows, name, min_rows=1)
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"{name} have {rows.shape[1]} columns; the correction was fitted on {self.n_features_in_}"
            )
        move = self._move_images if name == "images" else self._move_texts
        return self._finish(move(rows.astype(float, copy=False)), name).astype(rows.dtype, copy=False)

    def _check_parameters(self) -> None:
        pass

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        pass

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return x - self.image_mean_

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return y - self.text_mean_

    def _finish(self, moved: np.ndarray, name: str) -> np.ndarray:
        return unit_rows(moved, name)


def unit_rows(moved: np.ndarray, name: str) -> np.ndarray:
    """Return moved rows scaled to unit length; one at the origin, where no direction is left, is refused."""
    norms = np.linalg.norm(moved, axis=1)
    if not norms.min() > _TINY:
        row = int(np.argmin(norms))
        raise ValueError(f"the correction moves row {row} of {name} to the origin; drop it or shift less")
    return moved / norms[:, None]


SIDES = ("both", "images", "texts")  #: Which modality a shift moves.


@dataclass(kw_only=True, eq=False)
class Shift(Correction):
    """Move one or both modalities along the gap: `x - s g` and `y + s g`.

    Args:
        amount: Share of the gap to close; 1 closes it (up to what renormalising brings back).
        side: "both" moves each modality half the way, "images" or "texts" moves that one alone.
        renormalize: Whether to scale the moved rows to unit length. If not, compare them by inner product.

    Example:
        >>> images, texts = np.array([[1.0, 0.2], [1.0, -0.2]]), np.array([[0.2, 1.0], [-0.2, 1.0]])
        >>> Shift(renormalize=False).fit(images, texts).transform_images(images).round(3)
        array([[0.49 , 0.686],
               [0.49 , 0.294]])

    Source: Liang et al. 2022, section 4.2. Taught in chapter post_hoc.
    """

    amount: float = 1.0
    side: str = "both"
    renormalize: bool = True

    def _check_parameters(self) -> None:
        checks.known(self.side, SIDES, "side")
        checks.number(self.amount, "amount", "pass a finite share of the gap, 1 closes it")

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        self.direction_ = self.gap_

    def _step(self, side: str) -> np.ndarray:
        share = 0.5 if self.side == "both" else float(self.side == side)
        return share * self.amount * self.direction_

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return x - self._step("images")

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return y + self._step("texts")

    def _finish(self, moved: np.ndarray, name: str) -> np.ndarray:
        return unit_rows(moved, name) if self.renormalize else moved


@dataclass(kw_only=True, eq=False)
class ProjectedShift(Shift):
    """Shift along the part of the gap in which the searched modality does not vary.

    What the gap shares with the principal components of the searched modality is left out, so the shift adds
    nearly the same number to all of a query's scores. The gap does not close: the shared part stays.

    Args:
        amount, side, renormalize: As in `Shift`, of the projected gap; the queries move by default.
        searched: The modality that is searched: "texts" for image queries, "images" for text queries.
        variance: Share of the searched modality's variance whose components are spared.

    Example:
        >>> images = np.array([[1.0, 0.0, 0.2], [1.0, 0.0, -0.2]])
        >>> texts = np.array([[0.3, 1.0, 0.0], [-0.3, 1.0, 0.0]])
        >>> ProjectedShift().fit(images, texts).direction_.round(3)  # texts vary in the first column
        array([ 0.   , -0.958,  0.   ])

    Source: Chowers et al. 2026 (the query moves, the components are the retrieved modality's).
    Taught in chapter post_hoc.
    """

    side: str = "images"
    searched: str = "texts"
    variance: float = 0.95

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checks.known(self.searched, SIDES[1:], "searched modality")
        checks.within(self.variance, "variance", 1e-12, 1, "pass a share above 0 and at most 1")

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        centred = x - self.image_mean_ if self.searched == "images" else y - self.text_mean_
        _, sigma, components = np.linalg.svd(centred, full_matrices=False)
        explained = np.cumsum(sigma**2) / (np.sum(sigma**2) or 1.0)
        # Rounding may keep the last sum a hair below the share asked for.
        kept = components[: int(np.searchsorted(explained, self.variance - 1e-12)) + 1]
        self.components_ = kept
        self.direction_ = self.gap_ - kept.T @ (kept @ self.gap_)


@dataclass(kw_only=True, eq=False)
class Centring(Correction):
    """Subtract each modality's own mean: both centroids move to the origin.

    Example:
        >>> images, texts = np.array([[1.0, 0.2], [1.0, -0.2]]), np.array([[0.2, 1.0], [-0.2, 1.0]])
        >>> Centring().fit_transform(images, texts)[0]
        array([[ 0.,  1.],
               [ 0., -1.]])

    Source: Zhang et al. 2024 ("collapse"); Li et al. 2025 (GR-CLIP). Taught in chapter post_hoc.
    """


@dataclass(kw_only=True, eq=False)
class ReAlign(Correction):
    """Carry the texts to the images' mean and total variance; the images stay as they are.

    Two steps: `y' = unit(m_x + s (y - m_y))`, where s is the square root of the ratio of the total variances;
    then, since scaling to unit length moves the mean again, `y'' = unit(y' - m_y' + m_x)`.

    Example:
        >>> images, texts = np.array([[1.0, 0.2], [1.0, -0.2]]), np.array([[1.0, 0.2], [-1.0, 0.2]])
        >>> ReAlign().fit_transform(images, texts)[1].round(3)
        array([[1., 0.],
               [1., 0.]])

    Source: Yu et al. 2026, section 4. Taught in chapter post_hoc.
    """

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        spread = y.var(axis=0).sum()
        if not spread > 1e-12:  # of unit rows: the rest is rounding
            raise ValueError("texts are all the same; their variance cannot be scaled: pass different texts")
        self.scale_ = float(np.sqrt(x.var(axis=0).sum() / spread))
        self.drift_ = self._first_step(y).mean(axis=0) - self.image_mean_

    def _first_step(self, y: np.ndarray) -> np.ndarray:
        return unit_rows(self.image_mean_ + self.scale_ * (y - self.text_mean_), "texts")

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return x

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return self._first_step(y) - self.drift_

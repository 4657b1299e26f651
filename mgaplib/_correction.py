"""What every correction of the gap shares: fit on a calibration split, transform each modality by itself."""

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from mgaplib import _checks

_TINY = 1e-6  # a moved row shorter than this is rounding error: it has no direction


@dataclass(kw_only=True, eq=False)
class Correction:
    """What all corrections share; use one of the classes of `mgaplib.corrections`.

    Attributes:
        paired: Whether `fit` needs pairs; if not, images and texts may be unrelated and of different number.

    Taught in chapter post_hoc.
    """

    paired: ClassVar[bool] = False

    def fit(self, images, texts):
        """Learn the correction from calibration embeddings and return it.

        Args:
            images: Array of n rows and d columns.
            texts: Array of d columns, and paired with the images row by row if the class is `paired`.

        Raises:
            TypeError: If the embeddings hold no floating-point numbers.
            ValueError: If they are malformed, do not match, or a parameter makes no sense.
        """
        self._check_parameters()
        if self.paired:
            x, y = _checks.pairs(images, texts)
        else:
            x, y = _checks.embeddings(images, "images"), _checks.embeddings(texts, "texts")
            if x.shape[1] != y.shape[1]:
                raise ValueError(f"images have {x.shape[1]} columns and texts {y.shape[1]}; pass one space's")
        x, y = x.astype(float, copy=False), y.astype(float, copy=False)
        self.n_features_in_ = x.shape[1]
        self.image_mean_, self.text_mean_ = x.mean(axis=0), y.mean(axis=0)
        self.gap_ = self.image_mean_ - self.text_mean_
        self._learn(x, y)
        return self

    def transform(self, images, texts) -> tuple[np.ndarray, np.ndarray]:
        """Return both modalities, corrected; see `transform_images`."""
        return self.transform_images(images), self.transform_texts(texts)

    def fit_transform(self, images, texts) -> tuple[np.ndarray, np.ndarray]:
        """Fit on the embeddings and return them corrected: in-sample, which flatters (see the chapter)."""
        return self.fit(images, texts).transform(images, texts)

    def transform_images(self, images) -> np.ndarray:
        """Return the images corrected, in their own precision.

        Args:
            images: Array of one or more rows and as many columns as the calibration embeddings.

        Raises:
            TypeError: If they hold no floating-point numbers.
            ValueError: If they are malformed, a row is moved to the origin, or `fit` was not called (then
                scikit-learn's NotFittedError).
        """
        return self._transform(images, "images", self._move_images)

    def transform_texts(self, texts) -> np.ndarray:
        """Return the texts corrected; see `transform_images`."""
        return self._transform(texts, "texts", self._move_texts)

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters, as scikit-learn's `clone` expects."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _transform(self, rows, name: str, move) -> np.ndarray:
        if not hasattr(self, "n_features_in_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(
                f"call {type(self).__name__}.fit(images, texts) first, on a calibration split"
            )
        rows = _checks.embeddings(rows, name, min_rows=1)
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"{name} have {rows.shape[1]} columns; the correction was fitted on {self.n_features_in_}"
            )
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
    """Return moved rows scaled to unit length.

    Raises:
        ValueError: If a row was moved to the origin, where no direction is left.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0]]), "images")
        array([[0.6, 0.8]])

    Taught in chapter post_hoc.
    """
    norms = np.linalg.norm(moved, axis=1)
    if not norms.min() > _TINY:
        row = int(np.argmin(norms))
        raise ValueError(
            f"the correction moves row {row} of {name} to the origin; drop that row or shift less"
        )
    return moved / norms[:, None]

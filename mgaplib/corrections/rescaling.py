"""Corrections that use more than the two means: coordinates, covariances, or the pairing itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mgaplib import checks
from mgaplib.corrections.means import Correction


@dataclass(kw_only=True, eq=False)
class Standardisation(Correction):
    """Give every coordinate of each modality mean 0 and standard deviation 1.

    The only correction here, with `DropDimensions`, whose result depends on the choice of axes.

    Example:
        >>> images, texts = np.array([[1.0, 0.2], [1.0, -0.2]]), np.array([[0.2, 1.0], [-0.2, 1.0]])
        >>> Standardisation().fit_transform(images, texts)[1]
        array([[ 1.,  0.],
               [-1.,  0.]])

    Source: batch normalisation, which An et al. 2025 (I0T) train on each encoder's output. Their released
    "standardization" after training subtracts the mean only: that is `Centring`. Taught in chapter post_hoc.
    """

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        # A coordinate that does not vary stays as it is: its spread is rounding error, not a scale.
        spreads = x.std(axis=0), y.std(axis=0)
        self.image_scale_, self.text_scale_ = (np.where(s > 1e-9, s, 1.0) for s in spreads)

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) / self.image_scale_

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return (y - self.text_mean_) / self.text_scale_


@dataclass(kw_only=True, eq=False)
class Whitening(Correction):
    """Make each modality's covariance the identity: equal variance in all directions, no correlations.

    The symmetric inverse root of the covariance is used, the whitening that moves points least.

    Args:
        shrinkage: Weight from 0 to 1 of an even covariance in the estimate, which has no inverse root where
            the calibration rows are fewer than the columns; None for Ledoit and Wolf's weight.

    Example:
        >>> rows = np.random.default_rng(0).standard_normal((2, 500, 3)) * [1.0, 1.0, 0.1] + 1.0
        >>> white = Whitening(shrinkage=0.0).fit(*rows)
        >>> np.allclose(white.image_root_ @ white.image_root_ @ white.image_covariance_, np.eye(3))
        True

    Source: Kessy et al. 2018 (ZCA); Ledoit and Wolf 2004 for the weight. Taught in chapter post_hoc.
    """

    shrinkage: float | None = None

    def _check_parameters(self) -> None:
        if self.shrinkage is not None:
            cure = "pass a weight from 0 to 1, or None to estimate it"
            checks.within(self.shrinkage, "shrinkage", 0, 1, cure)

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        self.image_covariance_, self.image_root_ = self._inverse_root(x - self.image_mean_, "images")
        self.text_covariance_, self.text_root_ = self._inverse_root(y - self.text_mean_, "texts")

    def _inverse_root(self, centred: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        n, d = centred.shape
        covariance, weight = centred.T @ centred / n, self.shrinkage
        level, squares = np.trace(covariance) / d, np.sum(covariance**2)
        # How unsure the entries are, of how far they are from a ball's. Own code: with sklearn.covariance's
        # import `mgaplib report` on 500 pairs takes 3.9 s CPU, not 2.9; its bound is 3.
        if weight is None:
            unsure = (np.sum(np.sum(centred**2, axis=1) ** 2) / n - squares) / n
            apart = squares - d * level**2
            weight = min(unsure / apart, 1.0) if apart > 0 else 0.0
        covariance *= 1 - weight
        covariance.flat[:: d + 1] += weight * level
        values, vectors = np.linalg.eigh(covariance)
        if not values[0] > 1e-10 * values[-1]:
            size = f"{n} calibration rows, {d} columns"
            cure = "pass more rows, or a shrinkage above 0"
            raise ValueError(f"the covariance of {name} has no inverse ({size}); {cure}")
        return covariance, (vectors / np.sqrt(values)) @ vectors.T

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return (x - self.image_mean_) @ self.image_root_

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return (y - self.text_mean_) @ self.text_root_


@dataclass(kw_only=True, eq=False)
class Procrustes(Correction):
    """Centre both modalities and rotate the texts so that pairs come as close as a rotation can bring them.

    It reads which text belongs to which image. With fewer calibration pairs than columns it brings them
    almost together and turns the rest of the space at random: judge it on other pairs.

    Args:
        ridge: Price, in mean squared distance of a pair, of turning all directions by a right angle; it pulls
            the rotation towards none. 0 for the plain rotation.
        centre: Whether to centre first; if not, the rotation must carry the gap as well.

    Example:
        >>> texts = np.array([[1.0, 0.0], [0.6, 0.8], [-0.6, 0.8]])
        >>> quarter_turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
        >>> Procrustes(centre=False).fit(texts @ quarter_turn, texts).rotation_.round(6) + 0.0
        array([[ 0.,  1.],
               [-1.,  0.]])

    Source: Liang et al. 2022, section 4.4 (not centred, to start a training with a closed gap).
    Taught in chapter post_hoc.
    """

    paired: ClassVar[bool] = True
    ridge: float = 0.0
    centre: bool = True

    def _check_parameters(self) -> None:
        checks.within(self.ridge, "ridge", 0, 1e30, "pass 0 or a positive number")

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        n, d = x.shape
        if self.centre:
            x, y = x - self.image_mean_, y - self.text_mean_
        # Minimising mean |x - y R|^2 + ridge |R - I|^2 / 2d is maximising tr R'(Y'X / n + ridge I / 2d).
        matched = y.T @ x / n
        matched.flat[:: d + 1] += self.ridge / (2 * d)
        left, _, right = np.linalg.svd(matched)
        self.rotation_ = left @ right

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return x - self.image_mean_ if self.centre else x

    def _move_texts(self, y: np.ndarray) -> np.ndarray:
        return (y - self.text_mean_ if self.centre else y) @ self.rotation_


@dataclass(kw_only=True, eq=False)
class DropDimensions(Correction):
    """Set the coordinates that carry most of the gap to zero, which for cosines is to leave them out.

    Args:
        k: How many coordinates to drop, fewer than there are.

    Example:
        >>> images = np.array([[0.8, 0.6, 0.0], [0.8, 0.0, 0.6]])
        >>> DropDimensions(k=1).fit_transform(images, np.eye(3)[1:])[0]
        array([[0., 1., 0.],
               [0., 0., 1.]])

    Source: Schrodi et al. 2025. Taught in chapter post_hoc.
    """

    k: int = 3

    def _check_parameters(self) -> None:
        checks.whole(self.k, "k", 0, None, "pass how many coordinates to drop, 0 or more")

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        d = x.shape[1]
        if self.k >= d:
            raise ValueError(f"k is {self.k} of {d} columns; drop fewer than there are")
        # Stable, so that equal coordinates are dropped from the left on every machine.
        self.dropped_ = np.argsort(-np.abs(self.gap_), kind="stable")[: int(self.k)]
        self.kept_ = np.ones(d)
        self.kept_[self.dropped_] = 0.0

    def _move_images(self, x: np.ndarray) -> np.ndarray:
        return x * self.kept_

    _move_texts = _move_images

"""A handful of pairs on the unit sphere: why one wrong caption is enough to open the gap."""

import numpy as np

from mgaplib import checks, metrics
from mgaplib.pairs import Pairs


def points(polar, azimuth) -> np.ndarray:
    """Return unit vectors of three-dimensional space, one a row.

    Args:
        polar, azimuth: Degrees from the north pole, and along the equator: one number or one a point.

    Raises:
        ValueError: If an angle is not finite.

    Example:
        >>> points([0, 90], 0).round(3).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    Taught in chapter mismatched_pairs.
    """
    theta, phi = np.broadcast_arrays(np.radians(polar), np.radians(azimuth))
    if not (np.isfinite(theta).all() and np.isfinite(phi).all()):
        raise ValueError("polar and azimuth are angles in degrees; one of them is not finite")
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def six_pairs(
    elevation: float, *, spacing: float = 20.0, mismatched: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return six images on the equator and their texts, lifted off it by one common angle.

    The azimuths are -1, 0, ..., 4 times the spacing.

    Args:
        elevation: How far the texts lie from the images' equator, in degrees; positive is down.
        spacing: Angle between neighbours in degrees: 20 in the authors' code, 15 in the paper's text.
        mismatched: Whether the texts of the first two images change places, as two wrong captions would.

    Raises:
        ValueError: If an angle is not finite, or the texts would pass a pole.

    Example:
        >>> images, texts = six_pairs(30.0)
        >>> (images[0] @ texts[1]).round(3) == np.cos(np.radians(30)).round(3)
        np.True_

    Source: Liang et al. 2022, section 4.3, Figure 3 (e-g), as run by the released notebook.
    Taught in chapter mismatched_pairs.
    """
    elevation = checks.within(elevation, "elevation", -90, 90, "pass degrees; the poles are at -90 and 90")
    spacing = checks.number(spacing, "spacing", "pass the degrees between neighbours, such as 20")
    azimuth = spacing * np.arange(-1, 5)
    of_texts = azimuth[[1, 0, 2, 3, 4, 5]] if mismatched else azimuth
    return points(90.0, azimuth), points(90.0 + elevation, of_texts)


def nine_pairs(height: float, *, mismatched: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return nine images on a circle of latitude and their texts on its mirror image.

    Eight points are evenly spaced and the ninth lies close to the fourth.

    Args:
        height: Height of the images' circle above the equator, from -1 to 1; the texts' lies at minus it.
        mismatched: Whether these two near neighbours swap texts.

    Raises:
        ValueError: If the height is outside [-1, 1].

    Example:
        >>> images, texts = nine_pairs(0.5)
        >>> images.mean(axis=0)[2] - texts.mean(axis=0)[2]
        np.float64(1.0)

    Source: Liang et al. 2022, the notebook `mismatched_simulation`. Taught in chapter mismatched_pairs.
    """
    height = checks.within(height, "height", -1, 1, "the unit sphere lies between -1 and 1")
    azimuth = np.array([0, 180, 90, 270, 45, -45, 135, 225, 1.53 * 180])
    of_texts = azimuth[[0, 1, 2, 8, 4, 5, 6, 7, 3]] if mismatched else azimuth
    polar = np.degrees(np.arccos(height))
    return points(polar, azimuth), points(180.0 - polar, of_texts)


def loss_curve(pairs, positions, tau: float) -> np.ndarray:
    """Return the loss of an arrangement at each of its positions.

    Args:
        pairs: What gives images and texts for a position, such as `six_pairs`.
        positions: The positions, such as elevations in degrees.
        tau: Temperature.

    Raises:
        ValueError: If the temperature or a position makes no sense.

    Example:
        >>> loss_curve(six_pairs, [0.0, 78.0], 0.01).round(4)
        array([2.0142, 0.8096])

    Source: Liang et al. 2022, Figure 3 (f, g). Taught in chapter mismatched_pairs.
    """
    # At a pole all texts are one point; that row i belongs to row i is known all the same.
    found = [metrics.contrastive_loss(Pairs.of(*pairs(position)), None, tau) for position in positions]
    return np.array(found)

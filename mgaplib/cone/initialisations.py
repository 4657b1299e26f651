"""What several random initialisations of one network make of the same inputs."""

import numpy as np

from mgaplib import checks


def initialisation_share(features) -> float:
    """Return the share of the features' variance that the random initialisation decides.

    It is Var[E[h | weights]] / Var[h], each summed over coordinates first. All initialisations saw the same
    inputs, so only what an input does not do in all alike is noise of their means, taken off as in a two-way
    analysis of variance. 0: all are one function; 1: each maps all inputs to one value; estimates can be < 0.

    Args:
        features: Array of shape (initialisations, inputs, coordinates), two or more of each of the first two.

    Raises:
        ValueError: If the shape is another, or no feature varies.

    Example:
        >>> means = np.array([[0.0], [2.0]])  # two initialisations, each one point
        >>> float(initialisation_share(np.repeat(means[:, None], 3, axis=1)))
        1.0

    Source: Liang et al. (2022), Theorem 2. Taught in chapter many_initialisations.
    """
    h = _check(features)
    if not np.ptp(h, axis=(0, 1)).any():
        raise ValueError("features are the same for all initialisations and inputs; no variance to share")
    seeds, n, _ = h.shape
    own = h - h.mean(axis=1, keepdims=True)  # each initialisation's features about their mean
    within = np.square(own).sum() / (seeds * (n - 1))
    alone = np.square(own - own.mean(axis=0)).sum() / ((seeds - 1) * (n - 1))
    between = h.mean(axis=1).var(axis=0, ddof=1).sum() - alone / n
    return between / (between + within)


def describe_cones(features, components: int = 50) -> dict[str, list[float]]:
    """Return how far apart, and how wide, the cones of several initialisations are.

    Args:
        features: Array of shape (initialisations, inputs, coordinates); every row is scaled to unit length.
        components: How many singular values to return.

    Returns:
        A dict of plain lists. `singular_values`: the largest of all rows together, centred. `distance`:
        between every two means. For each initialisation, `width`: its rows' root mean square distance from
        their mean; `own`: the share of them nearer to the mean of its other rows than to another one's mean.

    Raises:
        ValueError: If the shape is another, or a row is zero.

    Example:
        >>> axes = np.repeat(np.eye(3)[:, None], 4, axis=1)  # three initialisations, each one point
        >>> round(describe_cones(axes)["distance"][0], 3)
        1.414

    Source: Liang et al. (2022), figure 2c and supplementary figure 7. Taught in chapter many_initialisations.
    """
    h = _check(features)
    lengths = np.linalg.norm(h, axis=2, keepdims=True)
    if not lengths.all():
        raise ValueError("features holds a zero row, which has no direction")
    h = h / lengths
    seeds, n, d = h.shape
    centres = h.mean(axis=1)
    rows = h.reshape(-1, d)
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[:components]
    width = np.sqrt(np.square(h - centres[:, None]).sum(axis=2).mean(axis=1))
    upper = np.triu_indices(seeds, 1)
    distance = np.linalg.norm(centres[upper[0]] - centres[upper[1]], axis=1)
    own = []
    for s in range(seeds):
        others = np.linalg.norm(h[s][:, None] - np.delete(centres, s, axis=0), axis=2).min(axis=1)
        left_out = (n * centres[s] - h[s]) / (n - 1)  # the mean of the other rows
        own.append(float((np.linalg.norm(h[s] - left_out, axis=1) < others).mean()))
    return {
        "singular_values": singular.tolist(),
        "width": width.tolist(),
        "distance": distance.tolist(),
        "own": own,
    }


def _check(features) -> np.ndarray:
    h = checks.array(features, "features").astype(np.float64)
    if h.ndim != 3 or h.shape[0] < 2 or h.shape[1] < 2:
        raise ValueError(
            f"features has shape {h.shape}; pass (initialisations, inputs, coordinates) with at least two "
            "initialisations and two inputs"
        )
    if not np.isfinite(h).all():
        raise ValueError("features has a NaN or infinite value; drop that input from all initialisations")
    return h

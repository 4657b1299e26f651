"""One zero-shot task: pictures against classes, both moved along the task's own gap."""

import importlib

import numpy as np

from mgaplib import checks
from mgaplib.landscape import shift_number

#: The shifts of Liang et al.'s released sweep: absolute distances, of which each modality goes half.
DELTAS = tuple(np.arange(-5, 5, 0.25).tolist())


def task_gap(images, classes) -> np.ndarray:
    """Return the mean picture minus the mean class embedding, d numbers: the gap of one task.

    Args:
        images, classes: Arrays of n rows and of one row a class, d columns each.

    Raises:
        TypeError, ValueError: If the embeddings make no sense (`mgaplib.checks`), or they have the same mean.

    Example:
        >>> task_gap([[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])
        array([ 1., -1.])

    Source: Liang et al. 2022, appendix B.1. Taught in chapter zero_shot.
    """
    x, c = both(images, classes)
    gap = x.mean(axis=0) - c.mean(axis=0)
    if np.linalg.norm(gap) < 1e-6:
        raise ValueError("images and classes have the same mean: there is no gap to move along")
    return gap


def scores(images, classes, delta: float = 0.0, gap=None) -> np.ndarray:
    """Return the cosine of each picture (rows) with each class (columns), both shifted along the gap.

    Args:
        images, classes: Arrays of n rows and of one row a class, d columns each.
        delta: How far: pictures go by `-delta / 2`, classes by `+delta / 2`, in absolute distance.
        gap: Along what, d numbers; this task's own gap if None.

    Raises:
        TypeError, ValueError: If the embeddings make no sense, or the shift moves a row onto the origin.

    Example:
        >>> scores([[0.6, 0.8], [0.8, 0.6]], [[1.0, 0.0]]).ravel()
        array([0.6, 0.8])

    Source: Liang et al. 2022, released code; lambda is delta over twice the gap. Taught in chapter zero_shot.
    """
    x, c = shifted(images, classes, delta, gap)
    return x @ c.T


def handicap(classes, gap, delta: float) -> np.ndarray:
    """Return what an image-only shift adds to the score of each class, the same for every picture.

    The shift x' = unit(x - delta u), with u the gap's direction, turns the score x.t into (x.t - delta u.t)
    over a length that all classes of the picture share.

    Args:
        classes: Array with one row a class.
        gap: The gap, one number a column; only its direction counts.
        delta: How far the images move towards the texts; negative widens the gap.

    Raises:
        TypeError, ValueError: If the embeddings, the gap or delta make no sense.

    Example:
        >>> handicap(np.eye(2), np.array([3.0, 0.0]), 0.5)
        array([-0.5, -0. ])

    Taught in chapter fairness.
    """
    rows = checks.embeddings(classes, "classes", min_rows=1).astype(float, copy=False)
    direction = unit_vector(gap, rows.shape[1])
    if not np.isfinite(delta):
        raise ValueError(f"delta is {delta!r}; pass a finite distance")
    return -float(delta) * (rows @ direction)


def predict(images, classes, delta: float = 0.0, gap=None, *, images_only: bool = False) -> np.ndarray:
    """Return the index of each picture's nearest class.

    Args:
        images, classes, delta, gap: As in `scores`.
        images_only: Whether the images go the whole `delta` and the classes stay, as in Liang et al. 2022,
            section 5.2, which is applied as a `handicap`. It needs a gap, measured on other pairs.

    Raises:
        TypeError, ValueError: If the embeddings make no sense; see `mgaplib.checks`.

    Example:
        >>> images = [[0.8, 0.6], [0.6, 0.8]]
        >>> predict(images, np.eye(2)), predict(images, np.eye(2), 0.5, [1.0, -1.0], images_only=True)
        (array([0, 1]), array([1, 1]))

    Taught in chapter zero_shot.
    """
    if not images_only:
        return scores(images, classes, delta, gap).argmax(axis=1)
    x, c = both(images, classes)
    if gap is None and delta != 0:
        raise ValueError(f"delta is {delta!r} but there is no gap to move along; pass gap, of other pairs")
    return (x @ c.T if gap is None else x @ c.T + handicap(c, gap, delta)).argmax(axis=1)


def accuracy(images, labels, classes, delta: float = 0.0, gap=None) -> float:
    """Return the share of pictures whose nearest class is their own.

    Args:
        images, classes, delta, gap: As in `scores`.
        labels: The index of each picture's class, n integers.

    Raises:
        TypeError, ValueError: If the embeddings or labels make no sense; see `mgaplib.checks`.

    Example:
        >>> accuracy([[1.0, 0.1], [0.1, 1.0]], [0, 0], np.eye(2))
        0.5

    Taught in chapter zero_shot.
    """
    return float(np.mean(predict(images, classes, delta, gap) == checked_labels(labels, images, classes)))


def roc_auc(images, labels, classes, delta: float = 0.0, gap=None, *, tau: float = 0.01) -> float:
    """Return the area under the ROC curve of two classes, scored by the softmax of cosine over temperature.

    Args:
        images, delta, gap: As in `scores`.
        labels: 0 or 1 for each picture; both must occur.
        classes: Array of two rows and d columns; the second is the one to be found.
        tau: Temperature; the paper's is 1/100.

    Raises:
        TypeError, ValueError: If embeddings or labels make no sense, or there are not two classes and labels.

    Example:
        >>> roc_auc([[1.0, 0.1], [0.1, 1.0], [0.6, 0.8]], [0, 1, 1], np.eye(2))
        1.0

    Source: Liang et al. 2022, table 1 (Hateful Memes). Taught in chapter zero_shot.
    """
    from scipy.special import expit
    from sklearn.metrics import roc_auc_score

    labels = checked_labels(labels, images, classes)
    if len(classes) != 2 or len(set(labels.tolist())) != 2:
        raise ValueError(
            f"a ROC curve needs two classes and pictures of both; there are {len(classes)} classes and "
            f"labels {sorted(set(labels.tolist()))}"
        )
    cosines = scores(images, classes, delta, gap)
    return float(roc_auc_score(labels, expit((cosines[:, 1] - cosines[:, 0]) / checks.temperature(tau))))


def gini(predicted, n_classes: int) -> float:
    """Return how unevenly the predictions fall on the classes: 0 if alike, nearly 1 if all on one.

    Args:
        predicted, n_classes: The predicted class of each picture, and how many classes there are.

    Raises:
        TypeError, ValueError: If the predictions are no integers below `n_classes`, or there is none.

    Example:
        >>> gini([0, 1, 2, 3], 4), gini([0, 0, 0, 0], 4)
        (0.0, 0.75)

    Source: Sato 2026, the Gini coefficient of the counts. Taught in chapter zero_shot_why.
    """
    predicted = checked_labels(predicted, predicted, range(n_classes), "predicted")
    counts = np.sort(np.bincount(predicted, minlength=n_classes))
    ranks = np.arange(1, len(counts) + 1)
    return float((2 * ranks - len(counts) - 1) @ counts / (len(counts) * counts.sum()))


METRICS = {"accuracy": accuracy, "roc_auc": roc_auc}


def sweep(images, labels, classes, deltas=DELTAS, *, gap=None, metric: str = "accuracy"):
    """Return the metric at every shift, as a DataFrame: delta, distance, the metric, and Gini.

    The distance is the length of the task's gap that is left, negative once the means have passed each other.

    Args:
        images, labels, classes, gap: As in `accuracy`.
        deltas: The shifts; the paper's forty by default.
        metric: "accuracy" or "roc_auc".

    Raises:
        TypeError, ValueError: If embeddings or labels make no sense, there is no shift, or no such metric.

    Example:
        >>> table = sweep([[1.0, 0.1], [1.0, -0.1]], [0, 1], [[0.0, 1.0], [0.1, -1.0]], [0, 0.5])
        >>> table.columns.tolist()
        ['delta', 'distance', 'accuracy', 'gini']

    Source: Liang et al. 2022, supplementary figure 10. Taught in chapter zero_shot.
    """
    import pandas as pd

    judge = METRICS[checks.known(metric, METRICS, "metric")]
    if np.size(deltas) == 0:
        raise ValueError("deltas is empty; pass at least one shift, 0 for none")
    images, classes = both(images, classes)
    gap = task_gap(images, classes) if gap is None else gap
    unit, rows = unit_vector(gap, classes.shape[1]), []
    for delta in map(float, np.atleast_1d(deltas)):
        x, c = shifted(images, classes, delta, gap)
        left = x.mean(axis=0) - c.mean(axis=0)
        rows.append(
            {
                "delta": delta,
                "distance": float(np.linalg.norm(left) * (-1 if left @ unit < 0 else 1)),
                metric: judge(x, labels, c),
                "gini": gini(predict(x, c), len(c)),
            }
        )
    return pd.DataFrame(rows)


def shifted(images, classes, delta: float, gap=None) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows of pictures and classes, moved towards each other by half of delta each."""
    x, c = both(images, classes)
    half = shift_number(delta, "delta") / 2
    if not half:
        return x, c
    step = half * unit_vector(task_gap(x, c) if gap is None else gap, x.shape[1])
    x = checks.embeddings(x - step, "shifted images", min_rows=1)
    return x, checks.embeddings(c + step, "shifted classes", min_rows=1)


def both(images, classes) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures and classes as unit rows of float64."""
    x = checks.embeddings(images, "images", min_rows=1).astype(float)
    c = checks.embeddings(classes, "classes", min_rows=1).astype(float)
    if x.shape[1] != c.shape[1]:
        raise ValueError(
            f"images have {x.shape[1]} columns and classes {c.shape[1]}; embed both with the same model"
        )
    return x, c


def unit_vector(gap, d: int) -> np.ndarray:
    """Return the direction of a gap of d numbers."""
    vector = checks.array(gap, "gap").astype(float)
    if vector.shape != (d,) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(
            f"gap has shape {vector.shape}; pass one vector of {d} finite numbers, not all zero, such as "
            "metrics.gap_vector of the model's images and texts"
        )
    return vector / np.linalg.norm(vector)


def checked_labels(labels, images, classes, name: str = "labels") -> np.ndarray:
    """Return labels as integers, one for each picture, each the index of a class."""
    labels = checks.array(labels, name)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} hold {labels.dtype}; pass integers, the index of each picture's class")
    if labels.shape != (len(images),) or not labels.size:
        raise ValueError(f"{name} has shape {labels.shape}; pass one for each of the {len(images)} pictures")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(f"{name} go from {labels.min()} to {labels.max()}; there are {len(classes)} classes")
    return labels


def needs(module: str):
    """Return a module of an extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module.split('.')[0]}: pip install mgaplib[fairness]") from error

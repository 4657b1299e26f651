"""Zero-shot classification, and what a shift along the task's own gap does to it.

Each picture gets the class whose prompt has the highest cosine. Choosing the shift and testing it needs
statsmodels (`pip install mgaplib[zeroshot]`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mgaplib import checks, output
from mgaplib.tasks.benchmarks import BENCHMARKS, Benchmark, load_benchmark
from mgaplib.tasks.task import (
    DELTAS,
    METRICS,
    accuracy,
    gini,
    handicap,
    needs,
    predict,
    roc_auc,
    scores,
    sweep,
    task_gap,
)

__all__ = [
    "BENCHMARKS", "DELTAS", "Benchmark", "Choice", "accuracy", "benchmark_table", "choose_shift",
    "class_embeddings", "encode", "gini", "handicap", "load_benchmark", "mcnemar", "predict", "prompts",
    "roc_auc", "scores", "sweep", "task_gap", "two_proportions",
]  # fmt: skip


def prompts(classes: Sequence[str], template: str = "a photo of a {}.") -> list[str]:
    """Return one prompt a class.

    Args:
        classes: Names of the classes.
        template: A text with one place for the name, `{}`.

    Raises:
        ValueError: If there is no class, or the template has no such place.

    Example:
        >>> prompts(["cat", "dog"])
        ['a photo of a cat.', 'a photo of a dog.']

    Taught in chapter zero_shot.
    """
    if isinstance(classes, str) or not len(classes):
        raise ValueError(f"classes is {classes!r}; pass a list of at least one name")
    if template.count("{}") != 1:
        raise ValueError(f"template is {template!r}; it needs one {{}} where the class's name goes")
    return [template.replace("{}", str(name)) for name in classes]


def class_embeddings(
    clip, classes: Sequence[str], templates: str | Sequence[str] = "a photo of a {}."
) -> np.ndarray:
    """Return one unit-length embedding a class: the mean over its prompts, scaled to unit length again.

    Args:
        clip: A `mgaplib.models.Clip`, or anything with its `encode_texts`.
        classes: Names of the classes.
        templates: One template or several (an ensemble), each with one `{}`.

    Raises:
        ValueError: If there is no class or no template, or a template has no place for the name.

    Example:
        >>> from mgaplib.models import load_clip
        >>> colours = class_embeddings(load_clip("MiniCLIP-24"), ["red", "blue"], ["a {}", "a {} ring"])
        >>> colours.shape
        (2, 128)

    Source: Radford et al. 2021, section 3.1.4 (ensembles). Taught in chapter zero_shot.
    """
    templates = [templates] if isinstance(templates, str) else list(templates)
    if not templates:
        raise ValueError("templates is empty; pass at least one, such as 'a photo of a {}.'")
    rows = np.mean([clip.encode_texts(prompts(classes, template)) for template in templates], axis=0)
    return checks.embeddings(rows, "class embeddings", min_rows=1)


def encode(clip, dataset, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and labels of a data set of (PIL picture, label), a batch in memory at a time.

    Args:
        clip: A `mgaplib.models.Clip`, or anything with its `encode_images`.
        dataset: A map-style data set, such as torchvision's.
        batch_size: Pictures held and encoded at a time.

    Raises:
        TypeError: If its pictures are no PIL pictures.
        ValueError: If the data set is empty or the batch size below 1.

    Example:
        >>> encode(None, [])
        Traceback (most recent call last):
        ValueError: dataset is empty; there is nothing to encode

    Taught in chapter zero_shot.
    """
    if len(dataset) == 0:
        raise ValueError("dataset is empty; there is nothing to encode")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    rows, labels = [], []
    for start in output.bar(range(0, len(dataset), batch_size), "encode data set"):
        pictures, names = zip(
            *(dataset[i] for i in range(start, min(start + batch_size, len(dataset)))), strict=True
        )
        if not hasattr(pictures[0], "convert"):
            raise TypeError(
                f"dataset gives {type(pictures[0]).__name__}; pass PIL pictures: drop its transform"
            )
        rows.append(clip.encode_images([picture.convert("RGB") for picture in pictures]))
        labels += [int(name) for name in names]
    return np.concatenate(rows), np.array(labels)


def benchmark_table(clip, datasets, deltas=DELTAS, *, seed: int = 0):
    """Return the paper's table of zero-shot tasks with ours beside it, for any model.

    A row is a task. "paper" and "paper, best shift" are what table 1 prints. "here" is the metric on a random
    half of the pictures; "chosen on the other half" the same after the shift that was best on the other half,
    with McNemar's p-value (NaN for ROC-AUC); "chosen on itself" what choosing on the same half would claim.

    Args:
        clip: A `mgaplib.models.Clip`; the paper's is `models.load_clip("ViT-B-16", "openai")`.
        datasets: For names of `BENCHMARKS`, data sets of (PIL picture, label), as `load_benchmark` gives.
        deltas: The shifts; the paper's forty by default.
        seed: Seed of the halves.

    Raises:
        ImportError: If statsmodels is missing.
        ValueError: If a name is unknown (the nearest are named), a data set is empty or has other labels.

    Example:
        >>> benchmark_table(None, {"CIFAR": []})
        Traceback (most recent call last):
        ValueError: unknown benchmark 'CIFAR'; did you mean 'CIFAR10' or 'CIFAR100'?

    Source: Liang et al. 2022, table 1. Taught in chapter zero_shot.
    """
    import pandas as pd

    for name in datasets:
        checks.known(name, BENCHMARKS, "benchmark")
    rows = {}
    for name, dataset in datasets.items():
        task = BENCHMARKS[name]
        images, labels = encode(clip, dataset)
        classes = class_embeddings(clip, task.classes_of(dataset), task.template)
        half = np.random.default_rng(seed).permutation(len(labels)) < len(labels) // 2
        valid, test = (images[half], labels[half]), (images[~half], labels[~half])
        found = choose_shift(valid, test, classes, deltas, metric=task.metric)
        rows[name] = {
            "metric": task.metric,
            "n": len(test[1]),
            "paper": task.original,
            "paper, best shift": task.modified,
            "here": found.before,
            "chosen on the other half": found.after,
            "p": found.p_value,
            "chosen on itself": found.best_on_test,
        }
    return pd.DataFrame(rows).T


class Choice(NamedTuple):
    """What a chosen shift does to pictures it was not chosen on; made by `choose_shift`.

    `delta` is the shift that was best on the validation pictures. `before` and `after` are the metric on the
    `n` test pictures, unshifted and at that shift, `p_value` McNemar's for the two (NaN for ROC-AUC). Of the
    test pictures, `lost` were right before and wrong after, and `won` the other way round. `best_on_test`,
    `best_delta` and `best_p_value` are what one claims who chooses the shift on the test pictures.

    Taught in chapter zero_shot.
    """

    delta: float
    before: float
    after: float
    p_value: float
    lost: int
    won: int
    best_on_test: float
    best_delta: float
    best_p_value: float
    n: int


def choose_shift(validation, test, classes, deltas=DELTAS, *, metric: str = "accuracy") -> Choice:
    """Choose the shift on validation pictures, and measure on test pictures what it brings.

    The gap is the validation pictures' as well. Of equally good shifts the smallest is chosen.

    Args:
        validation, test: Each a pair of embeddings (n rows, d columns) and labels, of different pictures.
        classes: Array of one row a class and d columns.
        deltas: The shifts to choose from.
        metric: "accuracy" or "roc_auc".

    Raises:
        ImportError: If statsmodels is missing.
        TypeError, ValueError: As in `sweep`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(200, 8)), rng.integers(0, 4, 200)
        >>> found = choose_shift((x[:100], y[:100]), (x[100:], y[100:]), rng.normal(size=(4, 8)))
        >>> found.best_on_test >= found.before
        True

    Taught in chapter zero_shot.
    """
    (x, x_labels), (z, z_labels) = validation, test
    gap = task_gap(x, classes)
    on_validation = sweep(x, x_labels, classes, deltas, gap=gap, metric=metric)
    on_test = sweep(z, z_labels, classes, deltas, gap=gap, metric=metric)
    judge = METRICS[metric]
    delta, best = (_best(table, metric) for table in (on_validation, on_test))
    before = judge(z, z_labels, classes)
    right = [predict(z, classes, d, gap) == np.asarray(z_labels) for d in (0.0, delta, best)]
    p_value, best_p_value = (
        (mcnemar(right[0], after) for after in right[1:]) if metric == "accuracy" else (np.nan, np.nan)
    )
    return Choice(
        delta=delta,
        before=before,
        after=judge(z, z_labels, classes, delta, gap),
        p_value=p_value,
        lost=int((right[0] & ~right[1]).sum()),
        won=int((~right[0] & right[1]).sum()),
        best_on_test=float(on_test[metric].max()),
        best_delta=best,
        best_p_value=best_p_value,
        n=len(z),
    )


def mcnemar(before, after) -> float:
    """Return the two-sided p-value of McNemar's exact test: is `after` right more often on the same pictures?

    Args:
        before, after: Whether each picture was right, n booleans, of either classifier.

    Raises:
        ImportError: If statsmodels is missing.
        TypeError, ValueError: If they are no booleans, or their shapes differ.

    Example:
        >>> mcnemar([True] * 6 + [False] * 6, [True] * 6 + [True] * 6)
        0.03125

    Taught in chapter zero_shot.
    """
    tables = needs("statsmodels.stats.contingency_tables")
    before, after = np.asarray(before), np.asarray(after)
    if before.dtype != bool or after.dtype != bool:
        raise TypeError("before and after must be booleans: whether each picture was right")
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(
            f"before and after have shapes {before.shape} and {after.shape}; pass one entry a picture in each"
        )
    table = [
        [(before & after).sum(), (before & ~after).sum()],
        [(~before & after).sum(), (~before & ~after).sum()],
    ]
    return float(min(tables.mcnemar(table, exact=True).pvalue, 1.0))


def two_proportions(first: float, second: float, n: int) -> float:
    """Return the p-value of the test that takes two accuracies on the same n pictures for independent.

    It is the chi-square test of the paper's supplementary table 5: the samples are paired, so McNemar's test
    is the one to use where the pictures are at hand. Accuracy times n is not rounded, as in the paper.

    Args:
        first, second, n: Two accuracies, and the number of pictures behind each.

    Raises:
        ImportError: If statsmodels is missing.
        ValueError: If an accuracy is not in [0, 1] or n is below 1.

    Example:
        >>> round(two_proportions(0.6705, 0.6776, 60_000), 4)
        0.0087

    Source: Liang et al. 2022, supplementary table 5. Taught in chapter zero_shot.
    """
    test = needs("statsmodels.stats.proportion").proportions_ztest
    if not (0 <= first <= 1 and 0 <= second <= 1 and n >= 1):
        raise ValueError(
            f"first, second and n are {first!r}, {second!r} and {n!r}; pass two shares and a count"
        )
    if first == second:
        return 1.0  # where both are 0 or 1, the test would divide by zero
    return float(test(np.array([first * n, second * n]), [n, n])[1])


def _best(table, metric: str) -> float:
    """Return the shift of the highest metric; of several the one nearest to none."""
    top = table[table[metric] >= table[metric].max() - 1e-12]
    return float(top.loc[top.delta.abs().idxmin(), "delta"])

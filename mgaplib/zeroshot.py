"""Zero-shot classification, and what a shift along the task's own gap does to it.

Each picture gets the class whose prompt has the highest cosine. Liang et al. 2022 move pictures and prompts
towards each other, or apart, along the gap between *this task's* pictures and prompts, and look at the
accuracy. Choosing the shift and testing it needs statsmodels (`pip install mgaplib[zeroshot]`).
"""

from collections.abc import Sequence

import numpy as np

from mgaplib import _checks, _progress
from mgaplib._chosen import Choice, choose_shift, mcnemar, two_proportions
from mgaplib._photo_tasks import BENCHMARKS, Benchmark, load_benchmark
from mgaplib._task import DELTAS, accuracy, gini, predict, roc_auc, scores, sweep, task_gap

__all__ = [
    "BENCHMARKS",
    "DELTAS",
    "Benchmark",
    "Choice",
    "accuracy",
    "benchmark_table",
    "choose_shift",
    "class_embeddings",
    "encode",
    "gini",
    "load_benchmark",
    "mcnemar",
    "predict",
    "prompts",
    "roc_auc",
    "scores",
    "sweep",
    "task_gap",
    "two_proportions",
]


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
        clip: A `mgaplib.clip.Clip`, or anything with its `encode_texts`.
        classes: Names of the classes.
        templates: One template or several (an ensemble), each with one `{}`.

    Raises:
        ValueError: If there is no class or no template, or a template has no place for the name.

    Source: Radford et al. 2021, section 3.1.4 (ensembles).

    Example:
        >>> from mgaplib import clip
        >>> colours = class_embeddings(clip.load_clip("MiniCLIP-24"), ["red", "blue"], ["a {}", "a {} ring"])
        >>> colours.shape
        (2, 128)

    Taught in chapter zero_shot.
    """
    templates = [templates] if isinstance(templates, str) else list(templates)
    if not templates:
        raise ValueError("templates is empty; pass at least one, such as 'a photo of a {}.'")
    rows = np.mean([clip.encode_texts(prompts(classes, template)) for template in templates], axis=0)
    return _checks.embeddings(rows, "class embeddings", min_rows=1)


def encode(clip, dataset, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings and labels of a data set of (PIL picture, label), a batch in memory at a time.

    Args:
        clip: A `mgaplib.clip.Clip`, or anything with its `encode_images`.
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
    for start in _progress.bar(range(0, len(dataset), batch_size), "encode data set"):
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
    with its p-value by McNemar's test; "chosen on itself" what choosing on the same half would have claimed.
    For ROC-AUC there is no such test, and the p-value is NaN.

    Args:
        clip: A `mgaplib.clip.Clip`; the paper's is `clip.load_clip("ViT-B-16", "openai")`.
        datasets: For names of `BENCHMARKS`, data sets of (PIL picture, label), as `load_benchmark` gives.
        deltas: The shifts; the paper's forty by default.
        seed: Seed of the halves.

    Raises:
        ImportError: If statsmodels is missing.
        ValueError: If a name is unknown (the nearest are named), a data set is empty or has other labels.

    Source: Liang et al. 2022, table 1.

    Example:
        >>> benchmark_table(None, {"CIFAR": []})
        Traceback (most recent call last):
        ValueError: unknown benchmark 'CIFAR'; did you mean 'CIFAR10' or 'CIFAR100'?

    Taught in chapter zero_shot.
    """
    import pandas as pd

    for name in datasets:
        _checks.known(name, BENCHMARKS, "benchmark")
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

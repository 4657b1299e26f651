"""Harmful labels by group: how often each group gets one, and what a shift of the images does to that.

A zero-shot classifier gives each picture the prompt of highest cosine. If some prompts are wrong for every
picture, as "a photo of an animal" is for every portrait, the share of pictures that get one is a rate of
harm, and it may differ between groups. Needs fairlearn and statsmodels (`pip install mgaplib[fairness]`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mgaplib import checks
from mgaplib.tasks.fairface import DELTAS, FAIRFACE_PROMPTS, FairFace, load_fairface, printed
from mgaplib.tasks.task import handicap, needs, predict

__all__ = [
    "ALL", "DELTAS", "FAIRFACE_PROMPTS", "FairFace", "disparity", "fairface_table", "load_fairface",
    "printed", "rates", "sweep",
]  # fmt: skip

ALL = "all"  #: What stands for everyone in a column of groups.
_TAKEN = ("accuracy", "sum", "n")


def rates(predicted, truth, groups, harmful: Mapping[str, Sequence[int]], *, level: float = 0.95):
    """Return accuracy and the rates of harmful labels, by group and for all, as a tidy DataFrame.

    A row is one group and one measure: "accuracy", each kind of harm, and, where there are several, their
    "sum". Its columns: group, measure, rate (fairlearn's MetricFrame), low and high (Wilson's interval), n.

    Args:
        predicted, truth, groups: Index of each picture's predicted prompt, of its right one, and its group.
        harmful: For each kind of harm, the indices of its prompts; they are wrong for every picture.
        level: Confidence level of the intervals.

    Raises:
        ImportError: If fairlearn or statsmodels is missing.
        TypeError: If labels are no integers.
        ValueError: If the lengths differ, a group is missing, or `harmful` or `level` makes no sense.

    Example:
        >>> table = rates([0, 2, 1, 1], [0, 0, 1, 1], ["a", "a", "b", "b"], {"other": [2]})
        >>> table[table.measure == "other"][["group", "rate", "n"]].values.tolist()
        [['a', 0.5, 2], ['b', 0.0, 2], ['all', 0.25, 4]]

    Taught in chapter fairness.
    """
    import pandas as pd

    confidence = needs("statsmodels.stats.proportion").proportion_confint
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; pass a confidence level such as 0.95")
    frame = metric_frame(*checked_labels(predicted, truth, groups, harmful), harmful)
    table = pd.concat([frame.by_group, frame.overall.to_frame(ALL).T])
    n = table.pop("n").round().astype(int)
    tidy = table.rename_axis("group").melt(var_name="measure", value_name="rate", ignore_index=False)
    tidy = tidy.reset_index()
    tidy["n"] = tidy.group.map(n)
    hits = (tidy.rate * tidy.n).round()
    tidy["low"], tidy["high"] = confidence(hits, tidy.n, alpha=1 - level, method="wilson")
    return tidy[["group", "measure", "rate", "low", "high", "n"]]


def disparity(
    predicted, truth, groups, harmful: Mapping[str, Sequence[int]], *, permutations: int = 999, seed: int = 0
):
    """Return how far the groups are apart, and whether that is more than chance, as a DataFrame.

    A row is a measure as in `rates`. Its columns: the groups of lowest and highest rate, their difference,
    their ratio (lowest over highest; NaN if both are 0), and p_value: the share of shuffles of the groups
    that bring so large a difference, for groups that are treated alike differ by chance, too.

    Args:
        predicted, truth, groups, harmful: As in `rates`; at least two groups.
        permutations, seed: How many shuffles, and their seed.

    Raises:
        ImportError, TypeError, ValueError: As in `rates`, or if there is one group only, or no shuffle.

    Example:
        >>> predicted = np.repeat([0, 2, 0, 2], [45, 5, 30, 20])
        >>> table = disparity(predicted, np.zeros(100, int), np.repeat(["a", "b"], 50), {"other": [2]})
        >>> table.highest["other"], table.difference["other"].round(2), table.ratio["other"].round(2)
        ('b', np.float64(0.3), np.float64(0.25))

    Taught in chapter fairness_who_pays.
    """
    import pandas as pd

    predicted, truth, groups = checked_labels(predicted, truth, groups, harmful)
    codes, names = pd.factorize(groups)
    if len(names) < 2:
        raise ValueError(f"groups holds one group only, {names[0]!r}; a disparity needs at least 2")
    permutations = checks.whole(permutations, "permutations", 1, None, "pass at least 1")
    frame = metric_frame(predicted, truth, groups, harmful)
    by_group = frame.by_group.drop(columns="n")
    hits = {name: test(truth, predicted) for name, test in measures(harmful).items()}
    found = frame.difference(method="between_groups")[by_group.columns]
    rng, sizes, exceeded = np.random.default_rng(seed), np.bincount(codes), dict.fromkeys(hits, 0)
    for _ in range(permutations):
        shuffled = rng.permutation(codes)
        for name, hit in hits.items():
            apart = np.ptp(np.bincount(shuffled, weights=hit, minlength=len(names)) / sizes)
            exceeded[name] += apart >= found[name] - 1e-12
    return pd.DataFrame(
        {
            "lowest": by_group.idxmin(),
            "highest": by_group.idxmax(),
            "difference": found,
            "ratio": by_group.min() / by_group.max().where(by_group.max() > 0),
            "p_value": (pd.Series(exceeded) + 1) / (permutations + 1),
        }
    ).rename_axis("measure")


def sweep(
    images,
    prompts,
    truth,
    groups,
    harmful: Mapping[str, Sequence[int]],
    *,
    gap,
    deltas=DELTAS,
    level: float = 0.95,
):
    """Return the rates of `rates` for a number of image-only shifts, as a tidy DataFrame with a column delta.

    Args:
        images, prompts: Arrays of n rows and of one row for each prompt, d columns each.
        truth, groups, harmful, level: As in `rates`.
        gap: The gap, d numbers, measured on other pairs.
        deltas: The shifts; the paper's by default.

    Raises:
        ImportError: If fairlearn or statsmodels is missing.
        TypeError, ValueError: If the embeddings or labels make no sense, or there is no shift.

    Example:
        >>> images, prompts = np.array([[0.8, 0.6], [0.6, 0.8]]), np.eye(2)
        >>> table = sweep(images, prompts, [0, 0], ["a", "b"], {"other": [1]}, gap=[1, -1], deltas=[0, 0.5])
        >>> table[(table.measure == "other") & (table.group == "all")].rate.tolist()
        [0.5, 1.0]

    Source: Liang et al. 2022, table 2 and supplementary table 4. Taught in chapter fairness_who_pays.
    """
    import pandas as pd

    if np.size(deltas) == 0:
        raise ValueError("deltas is empty; pass at least one shift, 0 for none")
    predicted = np.zeros(np.shape(truth), int)  # the labels are checked before the first shift is made
    _, labels, _ = checked_labels(predicted, truth, groups, harmful)
    named = np.concatenate([labels, *(np.ravel(indices) for indices in harmful.values())])
    if named.max(initial=0) >= len(prompts):
        raise ValueError(f"truth or harmful names prompt {named.max()}, but there are only {len(prompts)}")
    tables = []
    for delta in np.atleast_1d(deltas):
        predicted = predict(images, prompts, delta, gap, images_only=True)
        tables.append(rates(predicted, truth, groups, harmful, level=level))
        tables[-1].insert(0, "delta", float(delta))
    return pd.concat(tables, ignore_index=True)


def fairface_table(
    clip, folder, labels="fairface_label_val.csv", *, gap, deltas=DELTAS, batch_size: int = 64
):
    """Return the paper's table of FairFace with ours beside it, for any model.

    The index is (delta, race), with a last race "all"; the columns are (measure, source): "crime",
    "non_human", their "sum" and "accuracy" (all 14 labels of race and gender), as shares; of the "paper" (NaN
    where it prints nothing), "here", and its "low" and "high" (95 % intervals).

    Args:
        clip: A `mgaplib.models.Clip`; the paper's is `models.load_clip("ViT-B-32", "openai")`.
        folder, labels: FairFace's folder and its label file, as `load_fairface` takes them.
        gap: The model's gap, for instance `metrics.gap_vector` of captioned pictures; the paper's is COCO's.
        deltas: The shifts; the paper's by default.
        batch_size: Pictures held and encoded at a time.

    Raises:
        FileNotFoundError, ValueError: As in `load_fairface`, or if a picture cannot be read, or the gap is
            not the model's.
        ImportError: If fairlearn or statsmodels is missing.

    Example:
        >>> fairface_table(None, "nowhere", gap=np.ones(512))
        Traceback (most recent call last):
        FileNotFoundError: there is no folder 'nowhere'

    Source: Liang et al. 2022, table 2 and supplementary table 4. Taught in chapter fairness.
    """
    import pandas as pd

    faces, deltas = load_fairface(folder, labels), list(dict.fromkeys(np.atleast_1d(deltas).tolist()))
    prompts = clip.encode_texts(list(FAIRFACE_PROMPTS))
    handicap(prompts, gap, 0.0)  # a gap of another model is told before the long part
    images = clip.encode_images(faces.pictures, batch_size)
    found = sweep(images, prompts, faces.truth, faces.races, FairFace.HARMFUL, gap=gap, deltas=deltas)
    found = found.rename(columns={"group": "race", "rate": "here"})
    order = pd.MultiIndex.from_frame(found[["delta", "race"]].drop_duplicates())
    beside = found.pivot(index=["delta", "race"], columns="measure", values=["here", "low", "high"])
    paper = printed()[["crime", "non_human", "sum", "accuracy"]]
    joined = beside.reindex(order).join(pd.concat({"paper": paper.reindex(order)}, axis=1)).swaplevel(axis=1)
    return joined[[(measure, source) for measure in paper for source in ("paper", "here", "low", "high")]]


def measures(harmful: Mapping[str, Sequence[int]]) -> dict:
    """Return for each measure a function of (truth, predicted) to whether each picture counts."""

    def among(indices):
        return lambda truth, predicted: np.isin(predicted, indices)

    measures = {"accuracy": np.equal} | {kind: among(indices) for kind, indices in harmful.items()}
    if len(harmful) > 1:
        measures["sum"] = among(np.concatenate(list(harmful.values())))
    return measures


def metric_frame(predicted: np.ndarray, truth: np.ndarray, groups: np.ndarray, harmful: Mapping):
    """Return the MetricFrame of all measures and of n."""
    fair = needs("fairlearn.metrics")

    def share(test):
        return lambda truth, predicted: float(np.mean(test(truth, predicted)))

    metrics = {name: share(test) for name, test in measures(harmful).items()} | {"n": fair.count}
    return fair.MetricFrame(metrics=metrics, y_true=truth, y_pred=predicted, sensitive_features=groups)


def checked_labels(predicted, truth, groups, harmful) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the labels and groups as arrays, if they and the kinds of harm make sense together."""
    predicted, truth, groups = np.asarray(predicted), np.asarray(truth), np.asarray(groups, dtype=object)
    for name, labels in (("predicted", predicted), ("truth", truth)):
        if labels.dtype.kind not in "iu":
            raise TypeError(f"{name} holds {labels.dtype}; pass the index of a prompt for each picture")
    if predicted.ndim != 1 or not predicted.size or not predicted.shape == truth.shape == groups.shape:
        raise ValueError(
            f"predicted, truth and groups have shapes {predicted.shape}, {truth.shape} and {groups.shape}; "
            "pass one entry a picture in each"
        )
    for name, labels in (("predicted", predicted), ("truth", truth)):
        if labels.min() < 0:
            raise ValueError(f"{name} holds {labels.min()}; the first prompt has index 0")
    missing = [i for i, group in enumerate(groups) if group is None or group != group]
    if missing:
        raise ValueError(f"groups has no entry for picture {missing[0]}; name its group or drop the picture")
    if ALL in groups:
        raise ValueError(f"a group is called {ALL!r}, which stands for everyone; rename it")

    if not isinstance(harmful, Mapping) or not harmful:
        raise ValueError("harmful must map at least one kind of harm to the indices of its prompts")
    seen: dict[int, str] = {}
    for kind, indices in harmful.items():
        numbers = np.asarray(indices)
        if kind in _TAKEN or numbers.dtype.kind not in "iu" or not numbers.size or not numbers.ndim:
            raise ValueError(
                f"harmful[{kind!r}] is {indices!r}; give a kind of harm the indices of its prompts, and a "
                "name that is not 'accuracy', 'sum' or 'n'"
            )
        for index in np.unique(numbers).tolist():
            if index < 0:
                raise ValueError(f"harmful[{kind!r}] holds {index}; the first prompt has index 0")
            if index in seen:
                raise ValueError(f"harmful names prompt {index} twice, as {seen[index]!r} and {kind!r}")
            seen[index] = kind
    wrong = np.isin(truth, list(seen))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"truth[{row}] is prompt {int(truth[row])}, which harmful names; a harmful label is one that is "
            "wrong for every picture"
        )
    return predicted, truth, groups

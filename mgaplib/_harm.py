"""Labels, groups and harmful prompts: checked, and counted by fairlearn's MetricFrame."""

import importlib
from collections.abc import Mapping, Sequence

import numpy as np

ALL = "all"  #: What stands for everyone in a column of groups.
_TAKEN = ("accuracy", "sum", "n")


def measures(harmful: Mapping[str, Sequence[int]]) -> dict:
    """Return for each measure a function of (truth, predicted) to whether each picture counts."""

    def among(indices):
        return lambda truth, predicted: np.isin(predicted, indices)

    measures = {"accuracy": lambda truth, predicted: np.equal(truth, predicted)}
    measures |= {kind: among(np.asarray(indices)) for kind, indices in harmful.items()}
    if len(harmful) > 1:
        measures["sum"] = among(np.concatenate([np.asarray(i) for i in harmful.values()]))
    return measures


def metric_frame(predicted: np.ndarray, truth: np.ndarray, groups: np.ndarray, harmful: Mapping):
    """Return the MetricFrame of all measures and of n."""
    fair = needs("fairlearn.metrics")

    def share(test):
        return lambda truth, predicted: float(np.mean(test(truth, predicted)))

    metrics = {name: share(test) for name, test in measures(harmful).items()}
    return fair.MetricFrame(
        metrics=metrics | {"n": fair.count}, y_true=truth, y_pred=predicted, sensitive_features=groups
    )


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
    _check_harmful(harmful, truth)
    return predicted, truth, groups


def _check_harmful(harmful, truth: np.ndarray) -> None:
    if not isinstance(harmful, Mapping) or not harmful:
        raise ValueError("harmful must map at least one kind of harm to the indices of its prompts")
    seen: dict[int, str] = {}
    for kind, indices in harmful.items():
        if kind in _TAKEN or np.asarray(indices).dtype.kind not in "iu" or np.size(indices) == 0:
            raise ValueError(
                f"harmful[{kind!r}] is {indices!r}; give a kind of harm the indices of its prompts, and a "
                "name that is not 'accuracy', 'sum' or 'n'"
            )
        for index in np.unique(indices).tolist():
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


def needs(module: str):
    """Return a module of the extra `fairness`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module.split('.')[0]}: pip install mgaplib[fairness]") from error

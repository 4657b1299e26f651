"""Every public function gives the same answer for the same rows, in whatever form people hold them."""

import copy
import importlib
import inspect
import pkgutil

import numpy as np
import pandas as pd
import pytest
import torch

import mgaplib
from mgaplib import cone, corrections, search

RNG = np.random.default_rng(0)
MEANING = RNG.normal(size=(40, 6))
OFFSET = 2 * np.eye(6)[0]
X = MEANING + 0.2 * RNG.normal(size=(40, 6)) + OFFSET
Y = MEANING + 0.2 * RNG.normal(size=(40, 6)) - OFFSET

#: The rows that an argument of each of these names is given.
ROWS = {
    "images": X, "texts": Y, "queries": Y, "candidates": X, "documents": X, "x": X, "rows": X, "image": X,
    "text": Y,
    "inputs": X, "features": X, "classes": Y[:2], "class_embeddings": Y[:2], "prompts": Y[:5],
    "gram": np.corrcoef(np.concatenate([X, Y])),
}  # fmt: skip
GAP = X.mean(axis=0) - Y.mean(axis=0)
LABELS = np.arange(40) % 2
#: What else a function needs before it can be called, made afresh for each call.
OTHERS = {
    "tau": lambda: 0.1, "lam": lambda: 0.2, "delta": lambda: 0.1, "beta": lambda: 5.0, "gamma": lambda: 0.1,
    "noise": lambda: 0.1, "rng": lambda: np.random.default_rng(0), "times": lambda: [0.0, 1.0],
    "depth": lambda: 2, "activation": lambda: "relu", "role": lambda: "image", "kind": lambda: "image",
    "gap": lambda: torch.tensor(GAP, requires_grad=True),
    "labels": lambda: LABELS, "truth": lambda: LABELS, "groups": lambda: LABELS % 2,
    "harmful": lambda: {"crime": [3]}, "k": lambda: 1, "false_positive_rate": lambda: 0.1,
    "validation": lambda: (X, LABELS), "test": lambda: (X, LABELS), "deltas": lambda: (0.0, 0.2),
}  # fmt: skip
#: Where arguments of these names are no embeddings, or the caller vouches for them.
ELSEWHERE = (
    "models.", "worlds.", "training.losses", "training.swapping", "training.temperature", "GapMonitor",
    "Pairs.take", "trusted", "Pairs.of", "centroid", "Flow",
    "Embeddings", "Cosines", "read_pairs", "Report", "zeroshot.prompts",
    "class_embeddings", "Correction.", "initialisation_share", "describe_cones", "checks.", "Benchmark",
    "fairface_table", "choose_shift", "fuse", "tower_layers", ".learn", ".extend", ".penalties",
)  # fmt: skip

FORMS = {
    "tensor": torch.tensor,
    "tensor with a gradient": lambda a: torch.tensor(a, requires_grad=True),
    "data frame": pd.DataFrame,
    "data frame with a shuffled index": lambda a: pd.DataFrame(a, index=np.arange(len(a))[::-1]),
    "data frame of one column": lambda a: pd.DataFrame({"embedding": list(a)}),
    "series": lambda a: pd.Series(list(a), index=np.arange(len(a))[::-1]),
    "list of lists": lambda a: a.tolist(),
    "list of arrays": list,
    "list of tensors": lambda a: list(torch.tensor(a, requires_grad=True)),
    "tuple of tensors of one row": lambda a: torch.tensor(a).split(1),
    "array of objects": lambda a: pd.Series(list(a)).to_numpy(),
    "Fortran order": np.asfortranarray,
    "nullable data frame": lambda a: pd.DataFrame(a).convert_dtypes(convert_integer=False),
}


def instances():
    corrector = search.Corrector.fit(image=X, text=Y)
    yield "Corrector", corrector
    yield "MixedIndex", lambda: search.MixedIndex(corrector).add(X, "image")
    yield "Threshold", search.calibrate(Y, X, 0.1)
    for name in corrections.__all__:
        if inspect.isclass(getattr(corrections, name)) and name != "Correction":
            yield name, getattr(corrections, name)().fit(X, Y)


MADE = dict(instances())


def public():
    """Every function and method of the library that takes embeddings, by name."""
    names = [part.name for part in pkgutil.iter_modules(mgaplib.__path__) if not part.name.startswith("_")]
    places = [importlib.import_module(f"mgaplib.{name}") for name in names]
    for place in places:
        for name in getattr(place, "__all__", [n for n in vars(place) if not n.startswith("_")]):
            found, label = getattr(place, name), f"{place.__name__.removeprefix('mgaplib.')}.{name}"
            if inspect.ismodule(found) and found.__name__.startswith(f"{place.__name__}."):
                places.append(found)
            elif inspect.isclass(found) and found.__module__.startswith("mgaplib"):
                for method, function in inspect.getmembers(found, inspect.isroutine):
                    if method == "__init__" or not method.startswith("_"):
                        yield f"{label}.{method}", found, method, function
            elif inspect.isfunction(found) and found.__module__.startswith("mgaplib"):
                yield label, None, None, found


def taking_rows():
    seen = set()
    for label, owner, method, function in public():
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:
            continue
        takes = [name for name in parameters if name in ROWS]
        if (
            takes
            and not any(part in f"{label}" for part in ELSEWHERE)
            and (owner, method, function) not in seen
        ):
            seen.add((owner, method, function))
            yield pytest.param(owner, method, function, id=label)


def called(owner, method, function, form):
    parameters = inspect.signature(function).parameters
    given = {}
    for name, parameter in parameters.items():
        if name in ROWS:
            given[name] = form(ROWS[name]) if form else ROWS[name]
        elif parameter.default is parameter.empty and name in OTHERS or name in ("labels", "gap"):
            given[name] = OTHERS[name]()
    if method == "__init__":
        return owner(**given)
    if owner is not None and not inspect.ismethod(function):
        made = MADE[owner.__name__] if owner.__name__ in MADE else owner()
        made = made() if inspect.isfunction(made) else copy.deepcopy(made)  # a fit changes it
        return getattr(made, method)(**given)
    return function(**given)


def numbers(result):
    """What an answer holds, as arrays of floats."""
    if isinstance(result, pd.DataFrame):
        result = result.drop(columns="microseconds", errors="ignore").select_dtypes("number").to_numpy()
    if inspect.isgenerator(result):
        result = tuple(result)
    if isinstance(result, dict):
        return [part for value in result.values() for part in numbers(value)]
    if isinstance(result, tuple | list):
        return [part for value in result for part in numbers(value)]
    if isinstance(result, int | float | np.ndarray | np.number):
        array = np.asarray(result)
        return [array.astype(float)] if array.dtype.kind in "biuf" else []
    if result is None or isinstance(result, str):
        return []
    if isinstance(result, search.MixedIndex):
        return numbers(result.search(Y, "text", k=5))
    if hasattr(result, "metrics"):  # a widget, an accumulator, a report
        return numbers(result.metrics() if callable(result.metrics) else result.metrics)
    return [part for _, value in sorted(getattr(result, "__dict__", {}).items()) for part in numbers(value)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("owner", "method", "function"), list(taking_rows()))
def test_the_same_rows_in_every_form_give_the_same_answer(owner, method, function):
    wanted = numbers(called(owner, method, function, None))
    assert wanted
    for name, form in FORMS.items():
        found = numbers(called(owner, method, function, form))
        assert len(found) == len(wanted), name
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4, err_msg=name)


def test_an_index_is_fused_of_rows_in_any_form():
    wanted = MADE["Corrector"].fuse(image=X, text=Y)
    for form in FORMS.values():
        np.testing.assert_allclose(MADE["Corrector"].fuse(image=form(X), text=form(Y)), wanted)


def test_features_of_several_initialisations_may_be_tensors():
    features = RNG.normal(size=(3, 5, 6))
    for form in (lambda a: torch.tensor(a, requires_grad=True), lambda a: [torch.tensor(part) for part in a]):
        assert cone.initialisation_share(form(features)) == cone.initialisation_share(features)

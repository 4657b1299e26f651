"""What every public function checks once, at the door."""

import difflib
from collections.abc import Iterable

import numpy as np

_TINY = 1e-10  #: Rows shorter than this may have lost entries to underflow when squared.


def embeddings(values, name: str, *, min_rows: int = 2, normalize: bool = True) -> np.ndarray:
    """Return `values` as a finite 2-D floating array, its rows scaled to unit length.

    Args:
        values: An array or CPU tensor, one embedding a row. It is never changed in place.
        name: The argument's name, for the error.
        min_rows: The fewest rows that make sense to the caller.
        normalize: Whether to scale the rows to unit length.

    Raises:
        TypeError: If the values are not floating-point numbers.
        ValueError: If the shape, a value or a row makes no sense; the message names the cure.
    """
    if hasattr(values, "detach"):  # a torch tensor, told apart without importing torch
        values = values.detach().cpu()
        if not values.is_floating_point():
            raise TypeError(
                f"{name} holds {values.dtype}; embeddings are floating point: call {name}.float()"
            )
        values = (values.float() if values.element_size() < 4 else values).numpy()
    array = _array(values, name)
    if array.dtype.kind in "biu":
        cure = name if isinstance(values, np.ndarray) else f"numpy.asarray({name})"
        raise TypeError(
            f"{name} holds {array.dtype}; embeddings are floating point: pass {cure}.astype('float32')"
        )
    if array.dtype.kind != "f":
        raise TypeError(
            f"{name} is of type {type(values).__name__} and holds {array.dtype}; pass a 2-D array of floats"
        )
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; pass a 2-D array, one embedding a row")
    if len(array) < min_rows:
        raise ValueError(f"{name} has {len(array)} rows; at least {min_rows} are needed")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", array, array))
    # A NaN or infinite value shows in its row's length, so ordinary input is read only once here.
    if not (np.isfinite(norms).all() and norms.min() > _TINY):
        return _unusual(array, name, normalize)
    return array / norms[:, None] if normalize else array


def _array(values, name: str) -> np.ndarray:
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} is sparse; pass {name}.toarray()")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; drop their rows from both modalities")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} has rows of different lengths; pass a 2-D array of floats") from error


def _unusual(array: np.ndarray, name: str, normalize: bool) -> np.ndarray:
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{name} has a NaN or infinite value in row {int(np.argmin(finite))} "
            f"({int((~finite).sum())} such rows); drop those rows from both modalities"
        )
    if not normalize:
        return array
    # The largest entry is divided out first: squares of float32 values below 1e-19 underflow.
    peak = np.abs(array).max(axis=1, keepdims=True, initial=0)
    if not peak.all():
        row = int(np.argmin(peak))
        raise ValueError(f"{name} has a zero row ({row}), with no direction; drop it from both modalities")
    array = array / peak
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def pairs(
    images, texts, *, min_rows: int = 2, normalize: bool = True, names: tuple[str, str] = ("images", "texts")
) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities checked by `embeddings` and of one shape, row i paired with row i.

    `names` is what the caller calls the two arguments; the rest, and what is raised, is as in `embeddings`.
    """
    x = embeddings(images, names[0], min_rows=min_rows, normalize=normalize)
    y = embeddings(texts, names[1], min_rows=min_rows, normalize=normalize)
    if x.shape != y.shape:
        raise ValueError(
            f"{names[0]} has shape {x.shape} and {names[1]} {y.shape}; row i of one is paired with row i "
            "of the other, so pass as many rows and columns of each"
        )
    return x, y


def number(value, name: str, cure: str) -> float:
    """Return `value` as a float; ValueError, which says to pass `cure`, if it is no finite number."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = np.nan
    if not np.isfinite(found):
        raise ValueError(f"{name} is {value!r:.60}; {cure}")
    return found


def within(value, name: str, low: float, high: float, cure: str) -> float:
    """Return `value` as a float; ValueError, as in `number`, if it is no number from `low` to `high`."""
    found = number(value, name, cure)
    if not low <= found <= high:
        raise ValueError(f"{name} is {value!r:.60}; {cure}")
    return found


def whole(value, name: str, low: int, high: int | None, cure: str) -> int:
    """Return `value` as an int; ValueError, as in `number`, if it is no whole number from `low` to `high`."""
    found = within(value, name, low, np.inf if high is None else high, cure)
    if found != int(found):
        raise ValueError(f"{name} is {value!r:.60}; {cure}")
    return int(value)


def temperature(tau: float, name: str = "tau") -> float:
    """Return `tau` as a float; ValueError unless it is positive and finite: below 1e-30 logits overflow."""
    return within(tau, name, 1e-30, 1e30, "a temperature is a positive number such as 0.01 (CLIP's 1/100)")


def known(name: str, options: Iterable[str], what: str) -> str:
    """Return `name` if it is one of the options; else ValueError, which names the nearest of them."""
    options = list(options)
    if name in options:
        return name
    near = difflib.get_close_matches(str(name), options, n=3, cutoff=0.4) or options
    raise ValueError(f"unknown {what} {name!r}; did you mean {' or '.join(map(repr, near))}?")

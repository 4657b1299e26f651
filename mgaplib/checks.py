"""What every public function does once, at the door: make rows of what it was given, and check them."""

import contextlib
import difflib
import math
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

_TINY = 1e-10  #: Rows shorter than this may have lost entries to underflow when squared.
_BLOCK = 4096  # rows looked at together: what is checked may be a file larger than memory


def embeddings(values, name: str, *, min_rows: int = 2, normalize: bool = True) -> np.ndarray:
    """Return `values` as a finite 2-D floating array, its rows scaled to unit length.

    Args:
        values: One embedding a row, in any of the forms that `rows` takes. It is never changed in place.
        name, min_rows: The argument's name, for the error; the fewest rows that make sense to the caller.
        normalize: Whether to scale the rows to unit length.

    Raises:
        TypeError: If the values are not floating-point numbers.
        ValueError: If the shape, a value or a row makes no sense; the message names the cure.
    """
    array = rows(values, name)
    norms = looked_at(array, name, min_rows=min_rows, directions=normalize)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if not normalize:
        return array
    if _usual(norms):
        return array / norms[:, None]
    # The largest entry is divided out first: squares of float32 values below 1e-19 underflow.
    array = array / np.abs(array).max(axis=1, keepdims=True)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def rows(values, name: str) -> np.ndarray:
    """Return `values` as a 2-D floating array of the same rows; no number in it is looked at yet.

    It takes arrays, mapped files too; tensors, also bfloat16 ones, on a GPU, or with a gradient; data frames
    and tables, of a column a dimension or of one column of vectors; series and lists of vectors, of tensors,
    or of tensors of one row each. `name` is the argument's, for the error.

    Raises:
        TypeError: If the values are not floating-point numbers.
        ValueError: If a row is missing or of another length, which is named, or these are no rows.
    """
    found = array(values, name)
    if found.dtype.name == "bfloat16":  # JAX's; NumPy itself has none
        found = found.astype(np.float32)
    if found.dtype == object and found.ndim:  # numbers with a None among them, say
        with contextlib.suppress(TypeError, ValueError):
            found = found.astype(float)
    if found.dtype.kind in "biu":
        cure = _decoding(name, found)
        raise TypeError(f"{name} holds {found.dtype}; embeddings are floating point: {cure}")
    if isinstance(values, str | Path):
        raise TypeError(f"{name} is a name, {str(values)!r:.60}; read it, with embeddings.read_embeddings")
    if found.dtype.kind != "f":
        raise TypeError(
            f"{name} is of type {type(values).__name__} and holds {found.dtype}; pass a 2-D array of floats"
        )
    if found.ndim != 2 or not found.shape[1] and len(found):
        raise ValueError(f"{name} has shape {found.shape}; pass a 2-D array, one embedding a row")
    return found


def array(values, name: str) -> np.ndarray:
    """Return `values` as an array, whatever holds them and of whatever shape; `rows` says what and raises."""
    if hasattr(values, "detach"):  # a torch tensor, told apart without importing torch
        if "strided" not in str(values.layout):
            raise TypeError(f"{name} is sparse; pass {name}.to_dense()")
        try:
            values = values.detach().cpu()
            short = values.is_floating_point() and values.element_size() < 4  # NumPy has no bfloat16
            return (values.float() if short else values).numpy()
        except (RuntimeError, TypeError) as error:  # nested, masked, quantized, without data
            raise TypeError(
                f"{name} is no plain tensor ({str(error).partition('.')[0] or type(values).__name__}); pass "
                "a dense one of floats: dequantized, without padding, its data loaded"
            ) from error
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} is sparse; pass {name}.toarray()")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; drop their rows from both modalities")
    if hasattr(values, "to_pandas"):  # Arrow's and Polars' tables and columns
        values = values.to_pandas()
    if hasattr(values, "iloc") and values.ndim == 2:
        return _frame(values, name)
    if not isinstance(values, list | tuple) or not any(map(np.ndim, values)):
        values = np.asarray(values)
        if values.dtype != object or values.ndim != 1:
            return values
    return _stacked(values, name)


def _frame(frame, name: str) -> np.ndarray:
    """Return a data frame's rows, whether its columns are dimensions or one of them holds vectors."""
    frame = frame.infer_objects()
    kinds = frame.dtypes
    if len(kinds) == 1 and kinds.iloc[0].kind != "f":
        return array(frame.iloc[:, 0], name)
    others = [f"{column!r} ({kind})" for column, kind in kinds.items() if kind.kind not in "f"]
    if not others:
        widest = max(getattr(kind, "subtype", kind).itemsize for kind in kinds)
        return frame.to_numpy(f"f{widest}", na_value=np.nan)
    if all(kind.kind in "biu" for kind in kinds):
        return frame.to_numpy()
    others[3:] = ["..."] * (len(others) > 3)
    raise TypeError(
        f"{name} has columns that are no floats, {', '.join(others)}; leave them out, or pass the one column "
        f"that holds the vectors, as in {name}['embedding']"
    )


def _stacked(vectors: Sequence, name: str) -> np.ndarray:
    """Return vectors, of whatever kind each is, as the rows of one array."""
    found = []
    for row, vector in enumerate(vectors):
        if np.ndim(vector) == 0:
            cure = "parse it first" if isinstance(vector, str | bytes) else "drop it from both modalities"
            raise TypeError(f"{name} has no vector in row {row} but {vector!r:.40}; {cure}")
        vector = np.asarray(vector) if isinstance(vector, list | tuple) else array(vector, name)
        found.append(vector[0] if vector.ndim == 2 and len(vector) == 1 else vector)
        if found[row].shape != found[0].shape:
            raise ValueError(
                f"{name} has rows of different lengths, of shape {found[0].shape} first and "
                f"{found[row].shape} in row {row}; pass one model's vectors, and join batches with "
                "numpy.concatenate"
            )
    return np.stack(found) if found else np.empty((0, 0))


def _decoding(name: str, codes: np.ndarray) -> str:
    """Say how whole numbers become the floats that they stand for."""
    if codes.dtype == bool:
        return f"for bits, pass numpy.where({name}, 1.0, -1.0)"
    words = (
        "undo the coding with its own scale and offset, "
        f"(numpy.asarray({name}, 'float32') - offset) * scale, often one of each a column; without the "
        "offset every angle is wrong"
    )
    if codes.dtype.itemsize > 1:
        return words
    packed = name if codes.dtype == np.uint8 else f"({name} + numpy.int16(128)).astype('uint8')"
    return f"{words}; if it is packed bits, pass numpy.unpackbits({packed}, axis=1) * 2.0 - 1"


def looked_at(array: np.ndarray, name: str, *, min_rows: int = 2, directions: bool = True) -> np.ndarray:
    """Return the lengths of the rows that `rows` returned, looked at block by block.

    A ValueError where there are too few, one is not finite or, for `directions`, one is zero.
    """
    if len(array) < min_rows:
        raise ValueError(f"{name} has {len(array)} rows; at least {min_rows} are needed")
    norms = each_row(array, lambda block: np.sqrt(np.einsum("ij,ij->i", block, block)))
    # A NaN or infinite value shows in its row's length, so ordinary input is read only once here.
    if _usual(norms):
        return norms
    finite = each_row(array, lambda block: np.isfinite(block).all(axis=1))
    if not finite.all():
        raise ValueError(
            f"{name} has a NaN or infinite value in row {int(np.argmin(finite))} "
            f"({int((~finite).sum())} such rows); drop those rows from both modalities"
        )
    peak = each_row(array, lambda block: np.abs(block).max(axis=1, initial=0))
    if directions and not peak.all():
        row = int(np.argmin(peak))
        raise ValueError(f"{name} has a zero row ({row}), with no direction; drop it from both modalities")
    return norms


def _usual(norms: np.ndarray) -> bool:
    return bool(np.isfinite(norms).all() and norms.min(initial=1) > _TINY)


def each_row(array: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what a function makes of each row, given them block by block; no more of a file is held."""
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(array), _BLOCK):
            block = array[start : start + _BLOCK]
            found.append(function(block.astype(np.float32) if block.dtype == np.float16 else block))
            _release(array)
    return np.concatenate(found) if found else np.empty(0)


def drawn(array: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return chosen rows of an array, read bit by bit, so that of a mapped file no more stays in memory."""
    found = np.empty((len(chosen), *array.shape[1:]), array.dtype)
    for start in range(0, len(chosen), 64):  # the system maps some 64 kB around each of them
        found[start : start + 64] = array[chosen[start : start + 64]]
        _release(array)
    return found


def _release(array) -> None:
    """Let the pages go that were read of a file mapped to be read only; they count as memory until then."""
    while array is not None and not isinstance(array, mmap.mmap):
        if getattr(array, "mode", "r") != "r":
            return
        array = getattr(array, "base", None)
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)


def pairs(images, texts, *, min_rows: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return both modalities checked by `embeddings` and of one shape, row i paired with row i."""
    x, y = (embeddings(z, name, min_rows=min_rows) for z, name in ((images, "images"), (texts, "texts")))
    if x.shape != y.shape:
        cure = "row i of one is paired with row i of the other, so pass as many rows and columns of each"
        raise ValueError(f"images has shape {x.shape} and texts {y.shape}; {cure}")
    return x, y


def number(value, name: str, cure: str) -> float:
    """Return `value` as a float; ValueError, which says to pass `cure`, if it is no finite number."""
    return within(value, name, -np.inf, np.inf, cure)


def within(value, name: str, low: float, high: float, cure: str) -> float:
    """Return `value` as a float; ValueError, as in `number`, if it is no number from `low` to `high`."""
    try:
        found = np.nan if isinstance(value, (str, bytes)) else float(value)  # callers keep what they passed
    except (TypeError, ValueError, OverflowError):
        found = np.nan
    if not (np.isfinite(found) and low <= found <= high):
        raise ValueError(f"{name} is {value!r:.60}; {cure}")
    return found


def whole(value, name: str, low: int, high: int | None, cure: str) -> int:
    """Return `value` as an int; ValueError, as in `number`, if it is no whole number from `low` to `high`."""
    found = within(value, name, low, np.inf if high is None else high, cure)
    if found != int(found):
        raise ValueError(f"{name} is {value!r:.60}; {cure}")
    return int(value)


def temperature(tau: float, name: str = "tau") -> float:
    """Return `tau` as a float; ValueError unless positive and no 1/tau or logarithm of it, as above 3."""
    cure = "a temperature is a positive number such as 0.01 (CLIP's 1/100)"
    tau = within(tau, name, 1e-30, np.inf, cure)  # below that logits overflow
    if tau > 3:
        raise ValueError(
            f"{name} is {tau:g}, too high for a temperature; if it is 1/tau, pass {1 / tau:.3g}, and if it "
            f"is logit_scale, the logarithm of 1/tau, pass {math.exp(-tau):.3g}"
        )
    return tau


@contextlib.contextmanager
def memory(cure: str) -> Iterator[None]:
    """Say what to do where memory is full; a function's decorator, too. The outermost has the word."""
    try:
        yield
    except MemoryError as error:
        first = error.__cause__ or error
        raise MemoryError(f"{first if str(first) else 'memory is full'}; {cure}") from first


def known(name: str, options: Iterable[str], what: str) -> str:
    """Return `name` if it is one of the options; else ValueError, which names the nearest of them."""
    options = list(options)
    if name in options:
        return name
    near = difflib.get_close_matches(str(name), options, n=3, cutoff=0.4) or options
    raise ValueError(f"unknown {what} {name!r}; did you mean {' or '.join(map(repr, near))}?")

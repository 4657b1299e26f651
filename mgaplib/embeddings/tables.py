"""What a table holds: which columns are embeddings, of which modality, and how they are written.

A column may hold a vector a row, as lists, tensors or text; or one number, and then numbered columns of one
name, such as `img_0` to `img_511`, are one array.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mgaplib import checks

#: The modalities by the words that name them, alone or within a longer name such as `img_features`.
MODALITIES = {
    "image": "image images img imgs picture pictures photo photos vision visual x".split(),
    "video": "video videos".split(),
    "audio": "audio audios sound sounds speech".split(),
    "code": "code codes".split(),
    "protein": "protein proteins".split(),
    "text": "text texts txt txts caption captions sentence sentences title titles y".split(),
}
_VECTOR = re.compile(r"\s*(?:\w+\()?\[\s*[-+.\d]")  # a list of numbers that was written as text


def sides(names: list[str]) -> list[str]:
    """Return which two of some names are those of the two modalities, pictures before texts.

    Raises:
        ValueError: If they name not two modalities, or one of them twice.

    Example:
        >>> sides(["txt_emb", "key", "image_features"])
        ['image_features', 'txt_emb']
    """
    spelt = {name: re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in names}
    words = {name: set(re.findall("^[a-z]$|[a-z]{2,}", spelt[name])) for name in names}
    found = [[name for name in names if words[name].intersection(known)] for known in MODALITIES.values()]
    found = [which for which in found if which]
    if len(found) == 2 and all(len(which) == 1 for which in found):
        return [which[0] for which in found]
    raise ValueError(f"of {', '.join(names)}, it is not clear which two are the modalities")


def separator(line: str) -> str:
    """Return what separates the cells of a table's first line: a tab, a semicolon, a comma or a space."""
    outside = re.sub('"[^"]*"', "", line.strip())
    return next((by for by in "\t;, " if by in outside), ",")


def of_arrow(schema, column: Callable, path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return the arrays of a table of Arrow's, each as a function that reads it; `column` reads a column."""

    def read(name: str) -> np.ndarray:
        found = column(name)
        return matrix(found, name) if kind(found.type) == "vectors" else _of_series(found.to_pandas(), name)

    kinds = {field.name: kind(field.type) for field in schema}
    for name in [name for name, found in kinds.items() if found == "text"]:
        first = next(iter(column(name).slice(0, 1).to_pylist()), None) or ""
        kinds[name] = "vectors" if _VECTOR.match(first) else ""
    return _of_table(kinds, read, path, [f"{field.name} ({field.type})" for field in schema])


def kind(type) -> str:
    """Return what a column of an Arrow type holds: "vectors", "f" (floats), "i" (integers), "text" or ""."""
    import pyarrow.types as of

    type = getattr(type, "storage_type", type)  # a tensor's
    if of.is_list(type) or of.is_large_list(type) or of.is_fixed_size_list(type):
        return "vectors" if kind(type.value_type) in ("f", "i") else ""
    if of.is_string(type) or of.is_large_string(type):
        return "text"
    if of.is_floating(type):
        return "f"
    return "i" if of.is_integer(type) else ""


def of_pandas(frame, path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return the arrays of a data frame, each as a function that makes it."""
    frame.columns = frame.columns.astype(str)

    def kind(column) -> str:
        first = next(iter(column.dropna()), None)
        if isinstance(first, list) or (isinstance(first, str) and _VECTOR.match(first)):
            return "vectors"
        return {"f": "f", "i": "i", "u": "i"}.get(column.dtype.kind, "")

    kinds = {name: kind(frame[name]) for name in frame}
    said = [f"{name} ({frame[name].dtype})" for name in frame]
    return _of_table(kinds, lambda name: _of_series(frame[name], name), path, said)


def _of_table(kinds: dict[str, str], read: Callable, path: Path, said: list[str]) -> dict:
    """Return a table's arrays: each column of vectors, and numbered columns of numbers joined to one."""
    arrays = {name: lambda name=name: read(name) for name, kind in kinds.items() if kind == "vectors"}
    numbered: dict[str, list] = {}
    for name, kind in kinds.items():
        whole = re.fullmatch(r"(.*?)[ _.\-]*(\d+)", name)
        if kind in ("f", "i") and whole:
            numbered.setdefault(whole[1] or path.stem, []).append((int(whole[2]), name))
    if not arrays and not numbered and set(kinds.values()) == {"f"}:
        numbered[path.stem] = list(enumerate(kinds))
    for name, members in numbered.items():
        columns = [column for _, column in sorted(members)]
        if len(columns) > 1 and (not arrays or any(kinds[column] == "f" for column in columns)):
            arrays[name] = lambda columns=columns: _joined(columns, kinds, read)
    if not arrays:
        raise ValueError(f"{path} holds no array of embeddings; its columns are {', '.join(said[:8])}")
    return arrays


def _joined(columns: list[str], kinds: dict[str, str], read: Callable) -> np.ndarray:
    found = [read(name) for name in columns]
    floats = any(kinds[name] == "f" for name in columns)
    for name, values in zip(columns, found, strict=True):
        if kinds[name] == "i" and floats and len(set(values.tolist())) > 1:
            raise ValueError(
                f"column {name} holds whole numbers among columns of floats, as an index does; leave it out"
            )
    return np.stack(found, axis=1)


def _of_series(values, name: str) -> np.ndarray:
    """Return a column of numbers, of vectors, or of vectors that were written as text."""
    if values.dtype.kind in "fiu":
        return values.to_numpy()
    rows = list(values)
    for row, text in enumerate(rows):
        if isinstance(text, str):
            inside = text[text.find("[") + 1 : text.rfind("]")]
            try:
                rows[row] = np.array(re.split(r"[\s,;]+", inside.strip()), float)
            except ValueError as error:
                why = "; it was shortened when it was printed, so save the vectors anew" * ("..." in text)
                raise ValueError(f"column {name} has no vector in row {row} but {text!r:.40}{why}") from error
    return checks.array(rows, f"column {name}")


def matrix(column, name: str) -> np.ndarray:
    """Return a column of Arrow's, of lists or tensors, as a matrix, without a Python object for each row.

    A ValueError if it has no rows, a row is missing, or one is of another length; the row is named.
    """
    import pyarrow.compute as pc

    column = column.cast(getattr(column.type, "storage_type", column.type))
    if not len(column):
        raise ValueError(f"column {name} has no rows")
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(
            f"column {name} has no vector in row {row} ({column.null_count} empty rows); drop those rows "
            "from both modalities"
        )
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    if (lengths != lengths[0]).any():
        row = int(np.argmax(lengths != lengths[0]))
        raise ValueError(
            f"column {name} holds lists of different lengths, {lengths[0]} numbers first and "
            f"{lengths[row]} in row {row}"
        )
    parts = [part.flatten().to_numpy(zero_copy_only=False) for part in getattr(column, "chunks", [column])]
    return np.concatenate(parts).reshape(len(column), -1)

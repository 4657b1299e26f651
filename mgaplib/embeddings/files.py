"""Read embeddings from the files that people have: one reader a format, one rule for what a table holds.

A file ends in one of `SUFFIXES`, all but .safetensors also with .gz behind it; none is ever unpickled.
`FILE::NAME` picks one array of several.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mgaplib import checks
from mgaplib.embeddings.tables import of_arrow, of_pandas, separator, sides

#: How files of known kinds begin.
BEGINNINGS = {
    b"\x93NUMPY": "a .npy file", b"PK\x03\x04": "a zip archive, as .npz and torch's files are",
    b"PAR1": "a .parquet file", b"ARROW1": "a .feather file", b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "packed by gzip, so its name must end in .gz", b"<": "a web page",
    b"\x80": "a pickle, which can run code when loaded",
    b"version https://git-lfs": "a pointer of Git LFS in its place; run git lfs pull",
}  # fmt: skip


def read_embeddings(path: str | Path) -> np.ndarray:
    """Return the embeddings of one modality as the file holds them; a .npy file is mapped.

    Args:
        path: The file, or `FILE::NAME` if it holds several arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If it holds no floating-point numbers.
        ValueError: If it is damaged, needs unpickling, or holds no such array; the file is named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "images.npy"), np.eye(3))
        ...     read_embeddings(Path(folder, "images.npy")).shape
        (3, 3)

    Taught in chapter your_embeddings.
    """
    file, _, name = str(path).partition("::")
    arrays = _arrays(Path(file))
    if not name and len(arrays) > 1:
        raise ValueError(f"{file} holds {', '.join(arrays)}; name one, as in {file}::{next(iter(arrays))}")
    return _checked(file, arrays, _named(file, name, arrays) if name else next(iter(arrays)))


def read_pairs(
    images: str | Path, texts: str | Path | None = None, *, aligned: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings of both modalities, row i of one paired with row i of the other.

    Args:
        images: The file of the images; or, with no other, one that holds both under names such as `images`
            and `texts`, or as an array of shape (2, n, d).
        texts: The file of the texts.
        aligned: Whether both must have as many rows; groups may say who belongs to whom, or nobody does.

    Raises:
        FileNotFoundError, TypeError, ValueError: As in `read_embeddings`, or if a modality is missing, or the
            two do not match.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "pairs.npz"), images=np.eye(3), texts=-np.eye(3))
        ...     read_pairs(Path(folder, "pairs.npz"))[1][0]
        array([-1., -0., -0.])

    Taught in chapter your_embeddings.
    """
    x, y = _both(str(images)) if texts is None else map(read_embeddings, (images, texts))
    if x.shape[aligned ^ 1 :] != y.shape[aligned ^ 1 :]:
        cure = "row i of one is paired with row i of the other, so pass as many rows and columns of each"
        raise ValueError(f"{images} has shape {x.shape} and {texts or images} {y.shape}; {cure}")
    return x, y


def read_labels(path: str | Path) -> np.ndarray:
    """Return a label for each row of embeddings, which says who belongs to whom.

    Args:
        path: A text file of one label a line, a .npy file of one dimension, or a column of a table, as
            `FILE.csv::COLUMN`; the commas of a .tsv file are tabs.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no UTF-8, has no such column, or a row has no label; the line is named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "groups.txt").write_text("a.jpg\\na.jpg\\nb.jpg\\n")
        ...     read_labels(Path(folder, "groups.txt")).tolist()
        ['a.jpg', 'a.jpg', 'b.jpg']

    Taught in chapter your_embeddings.
    """
    file, _, name = str(path).partition("::")
    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {file!r}")
    if file.lower().endswith(".npy"):
        labels = _guarded(Path(file), lambda: np.load(file, allow_pickle=False))
        if labels.ndim != 1:
            raise ValueError(f"{file} has shape {labels.shape}; labels are one a row, of one dimension")
        return labels
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            if not name:
                found, start = [line.strip() for line in lines], 1
            else:
                by = "\t" if file.lower().endswith(".tsv") else ","
                table = csv.DictReader(lines, delimiter=by, strict=True)
                name = _named(file, name, table.fieldnames or ())
                found, start = [(row[name] or "").strip() for row in table], 2
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} is no text in UTF-8 of one label a line: {error}") from error
    if "" in found:
        raise ValueError(f"line {found.index('') + start} of {file} has no label; give each row one")
    return np.array(found)


def _both(file: str) -> list[np.ndarray]:
    """Return both modalities of one file."""
    if "::" in file:
        raise ValueError(f"{file} names one array; name the other modality's in the same way too")
    arrays = _arrays(Path(file))
    if len(arrays) == 1:
        both = next(iter(arrays.values()))()
        if both.ndim != 3 or len(both) != 2:
            raise ValueError(
                f"{file} holds one array of shape {both.shape}, so one modality is missing: name its "
                "file too, or pass a file that holds both, as images and texts or of shape (2, n, d)"
            )
        arrays = {"images": lambda: both[0], "texts": lambda: both[1]}
    try:
        found = sides(list(arrays))
    except ValueError:  # numbers of the pictures, say, lie beside their embeddings
        tables = [name for name, read in arrays.items() if (a := read()).ndim == 2 and a.dtype.kind == "f"]
        try:
            found = sides(tables)
        except ValueError as error:
            first, second = (tables + list(arrays))[:2]
            raise ValueError(f"{file}: {error}; name both, as in {file}::{first} {file}::{second}") from error
    return [_checked(file, arrays, name) for name in found]


def _arrays(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return what a file holds: a name for each array, and a function that reads it."""
    packed = path.suffix.lower() == ".gz"
    suffix = (Path(path.stem) if packed else path).suffix.lower()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; pass a file that ends in {', '.join(SUFFIXES)}")
    if suffix not in SUFFIXES or (packed and suffix == ".safetensors"):
        cure = "; if you trust it, load it with torch or pickle, and numpy.save a plain array of floats"
        raise ValueError(
            f"{path} ends in {path.suffix or 'nothing'!r}; {', '.join(SUFFIXES)} can be read"
            + cure * (suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"))
        )
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}"))[:5] if path.parent.is_dir() else []
        if str(path).startswith(("http:", "https:", "s3:", "gs:", "hf:")):
            raise FileNotFoundError(f"{path} is an address; download the file first")
        beside = f"; its folder has {', '.join(near)}" if near else ""
        raise FileNotFoundError(f"there is no file {str(path)!r}{beside}")
    begins, read = _READERS[suffix]
    with (gzip.open if packed else open)(path, "rb") as file:
        start = _guarded(path, lambda: file.read(64))
    if not re.match(begins, start, re.DOTALL):
        what = [what for first, what in BEGINNINGS.items() if start.lstrip().startswith(first)]
        what = what or ["of another kind" if start else "empty"]
        raise ValueError(f"{path} is no {suffix} file but {what[0]}")
    source = io.BytesIO(_guarded(path, lambda: gzip.open(path).read())) if packed else path
    arrays = _guarded(path, lambda: read(source, path))
    if not arrays:
        raise ValueError(f"{path} holds no array of embeddings")
    return arrays


def _guarded(path: Path, read: Callable):
    """Return what a format's own library reads."""
    try:
        return read()
    except ImportError as error:
        cure = "install it with pip install mgaplib[files]"
        raise ImportError(f"to read {path.name} needs {error.name}; {cure}") from error
    except Exception as error:  # a damaged file may fail anywhere in its format's reader
        if isinstance(error, MemoryError):
            raise MemoryError(f"{path} does not fit into memory; save it as .npy, which is mapped") from error
        if getattr(error, "errno", None) or str(error).startswith(str(path)):
            raise  # that is no damage, or has been said
        if "pickle" in str(error) or "Python objects" in str(error):
            raise ValueError(
                f"{path} holds pickled Python objects, which can run code when loaded; "
                "save a plain array of floats with numpy.save"
            ) from error
        raise ValueError(f"{path} is damaged: {str(error).strip()}") from error


def _npy(source, path: Path) -> dict:
    found = np.load(source, mmap_mode="r" if source is path else None, allow_pickle=False)
    return {path.stem: lambda: found}


def _npz(source, path: Path) -> dict:
    def read(name: str) -> np.ndarray:
        with np.load(source, allow_pickle=False) as archive:
            return archive[name]

    with np.load(source, allow_pickle=False) as archive:
        names = archive.files
    return {name: lambda name=name: _guarded(path, lambda: read(name)) for name in names}


def _safetensors(source, path: Path) -> dict:
    from safetensors import safe_open

    def read(name: str) -> np.ndarray:
        with safe_open(path, framework="np") as file:
            if file.get_slice(name).get_dtype() != "BF16":
                return file.get_tensor(name)
        with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
            return file.get_tensor(name).float().numpy()

    with safe_open(path, framework="np") as file:
        return {name: lambda name=name: _guarded(path, lambda: read(name)) for name in file.keys()}


def _hdf5(source, path: Path) -> dict:
    import h5py

    def read(name: str) -> np.ndarray:
        with h5py.File(source, "r") as file:
            return file[name][()]

    names = []
    with h5py.File(source, "r") as file:
        file.visititems(lambda name, item: names.append(name) if getattr(item, "ndim", 0) > 1 else None)
    return {name: lambda name=name: _guarded(path, lambda: read(name)) for name in names}


def _parquet(source, path: Path) -> dict:
    import pyarrow.parquet as pq

    def column(name: str):
        return _guarded(path, lambda: pq.read_table(source, columns=[name])[name])

    return of_arrow(pq.read_schema(source), column, path)


def _feather(source, path: Path) -> dict:
    import pyarrow as pa

    source = pa.memory_map(str(path)) if source is path else pa.py_buffer(source.getvalue())
    try:
        table = pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid:  # as datasets of Hugging Face are kept
        table = pa.ipc.open_stream(source).read_all()
    return of_arrow(table.schema, table.column, path)


def _csv(source, path: Path) -> dict:
    import pandas as pd

    with source if source is not path else open(path, "rb") as file:
        first, second = (file.readline().decode("utf-8-sig") for _ in range(2))
        file.seek(0)
        by = separator(first)
        cells = first.strip().split(by)
        numbered = cells == [*map(str, range(len(cells)))]
        header = 0 if numbered or any(not re.fullmatch(r"[-+\d.,eE]+", cell) for cell in cells) else None
        decimal = "," if by != "," and "," in second and "." not in second else "."
        frame = pd.read_csv(file, sep=by, decimal=decimal, header=header, encoding="utf-8-sig")
    return of_pandas(frame, path)


def _jsonl(source, path: Path) -> dict:
    import pandas as pd

    rows = []
    with source if source is not path else open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                rows += [json.loads(line)] if line.strip() else []
            except ValueError as error:
                raise ValueError(f"{path}: line {number} is no JSON: {error}") from error
    return of_pandas(pd.DataFrame({path.stem: rows} if rows and isinstance(rows[0], list) else rows), path)


_TEXT = rb"(?!PK\x03|PAR1|ARROW1|version https)[^<\0\x80\x1f\x89\x93]"
#: For each ending, how such a file begins and what reads it.
_READERS = {
    ".npy": (b"\x93NUMPY", _npy), ".npz": (b"PK", _npz), ".parquet": (b"PAR1", _parquet),
    ".safetensors": (rb".{8}\{", _safetensors), ".feather": (b"ARROW1", _feather),
    ".arrow": (b"ARROW1|\xff{4}", _feather), ".csv": (_TEXT, _csv), ".tsv": (_TEXT, _csv),
    ".jsonl": (rb"(\xef\xbb\xbf)?\s*[\[{]", _jsonl), ".h5": (b"\x89HDF", _hdf5), ".hdf5": (b"\x89HDF", _hdf5),
}  # fmt: skip
SUFFIXES = tuple(_READERS)


def _named(file: str, name: str, arrays) -> str:
    try:
        return checks.known(name, arrays, "array")
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _checked(file: str, arrays: dict, name: str) -> np.ndarray:
    """Return an array of a file, once it is known to hold embeddings."""
    try:
        array = arrays[name]()
        checks.looked_at(checks.rows(array, name), name)
    except (TypeError, ValueError) as error:
        if str(error).startswith(file):
            raise
        raise type(error)(f"{file}: {error}") from error
    return array

"""Read embeddings from the files that people have, and write a file whole or not at all.

A file is .npy, .npz, .parquet or .safetensors; none is ever unpickled. `FILE::NAME` picks one array of
several.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mgaplib import checks

SUFFIXES = (".npy", ".npz", ".parquet", ".safetensors")
#: What the two modalities are called in a file that holds both.
IMAGE_NAMES = ("images", "image", "image_embedding", "image_embeddings", "image_embeds", "img_emb", "x")
TEXT_NAMES = ("texts", "text", "text_embedding", "text_embeddings", "text_embeds", "text_emb", "y")


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


def read_pairs(images: str | Path, texts: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings of both modalities, row i of one paired with row i of the other.

    Args:
        images: The file of the images; or, with no other, one that holds both under names such as `images`
            and `texts`, or as an array of shape (2, n, d).
        texts: The file of the texts.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a file holds no floating-point numbers.
        ValueError: If a file is damaged, lacks a modality, or the two do not match.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "pairs.npz"), images=np.eye(3), texts=-np.eye(3))
        ...     read_pairs(Path(folder, "pairs.npz"))[1][0]
        array([-1., -0., -0.])

    Taught in chapter your_embeddings.
    """
    if texts is not None:
        x, y = read_embeddings(images), read_embeddings(texts)
    else:
        file = str(images)
        if "::" in file:
            raise ValueError(f"{file} names one array; name the other modality's in the same way too")
        arrays = _arrays(Path(file))
        found = [next((n for n in names if n in arrays), None) for names in (IMAGE_NAMES, TEXT_NAMES)]
        if len(arrays) == 1:
            both = _guarded(Path(file), next(iter(arrays.values())))
            if both.ndim != 3 or len(both) != 2:
                raise ValueError(
                    f"{file} holds one array of shape {both.shape}, so one modality is missing: name its "
                    "file too, or pass a file that holds both, as images and texts or of shape (2, n, d)"
                )
            arrays, found = {"images": lambda: both[0], "texts": lambda: both[1]}, ["images", "texts"]
        if None in found:
            raise ValueError(
                f"{file} holds {', '.join(arrays)}; save both modalities under the names images and texts"
            )
        x, y = (_checked(file, arrays, name) for name in found)
    if x.shape != y.shape:
        raise ValueError(
            f"{images} has shape {x.shape} and {texts or images} {y.shape}; row i of one is paired with "
            "row i of the other, so pass as many rows and columns of each"
        )
    return x, y


def _arrays(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """Return what a file holds: a name for each array, and a function that reads it."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; pass a file that ends in {', '.join(SUFFIXES)}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix or 'nothing'!r}; {', '.join(SUFFIXES)} can be read")
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}"))[:5] if path.parent.is_dir() else []
        raise FileNotFoundError(
            f"there is no file {str(path)!r}" + (f"; its folder has {', '.join(near)}" if near else "")
        )
    reader = {".npy": _npy, ".npz": _npz, ".parquet": _parquet, ".safetensors": _safetensors}[path.suffix]
    arrays = _guarded(path, lambda: reader(path))
    if not arrays:
        raise ValueError(f"{path} holds no array of embeddings")
    return arrays


def _guarded(path: Path, read: Callable):
    try:
        return read()
    except ImportError as error:
        raise ImportError(
            f"{path.suffix} files need {error.name}; install it with pip install mgaplib[files]"
        ) from error
    except Exception as error:  # a damaged file may fail anywhere in its format's reader
        if "pickle" in str(error) or "Python objects" in str(error):
            raise ValueError(
                f"{path} holds pickled Python objects, which can run code when loaded; "
                "save a plain array of floats with numpy.save"
            ) from error
        raise ValueError(f"{path} is damaged or not what its name says: {error}") from error


def _npy(path: Path) -> dict:
    with open(path, "rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("it does not begin as a .npy file does")
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return {path.stem: lambda: mapped}


def _npz(path: Path) -> dict:
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files

    def read(name: str) -> np.ndarray:
        with np.load(path, allow_pickle=False) as archive:
            return archive[name]

    return {name: lambda name=name: read(name) for name in names}


def _parquet(path: Path) -> dict:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mgaplib.embeddings.shards import _matrix

    def read(name: str) -> np.ndarray:
        column = pq.read_table(path, columns=[name])[name].combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            column = column.cast(pa.list_(column.type.value_type))
        return _matrix(column, name)

    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    columns = [field.name for field in pq.read_schema(path) if any(kind(field.type) for kind in lists)]
    return {name: lambda name=name: read(name) for name in columns}


def _safetensors(path: Path) -> dict:
    from safetensors import SafetensorError, safe_open

    def read(name: str) -> np.ndarray:
        with safe_open(path, framework="np") as file:
            if file.get_slice(name).get_dtype() != "BF16":
                return file.get_tensor(name)
        with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
            return file.get_tensor(name).float().numpy()

    try:
        with safe_open(path, framework="np") as file:
            return {name: lambda name=name: read(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _named(file: str, name: str, arrays: dict) -> str:
    try:
        return checks.known(name, arrays, "array")
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _checked(file: str, arrays: dict, name: str) -> np.ndarray:
    """Return an array of a file, once it is known to hold embeddings."""
    array = _guarded(Path(file), arrays[name])
    try:
        checks.embeddings(array, name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{file}: {error}") from error
    return array

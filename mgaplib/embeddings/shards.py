"""Read embeddings from the shards that people have on disk, and measure them with any number of workers."""

import re
from pathlib import Path

import numpy as np

from mgaplib.embeddings.tables import kind, matrix, sides
from mgaplib.metrics.streaming import GapAccumulator


def find_shards(folder: str | Path) -> list[tuple[str, str]]:
    """Return the shards of a folder, each as the file of its images and the file of its texts.

    Three layouts are known: `img_emb_*.npy` beside `text_emb_*.npy`, the same in the folders `img_emb` and
    `text_emb` (as clip-retrieval writes them), and `*.parquet` with columns such as `image_embedding` and
    `text_embedding`, where both are the same file.

    Raises:
        FileNotFoundError: If the folder does not exist or holds no shards.
        ValueError: If a shard of one modality has no partner.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("img_emb_0.npy", "text_emb_0.npy"):
        ...         np.save(Path(folder, name), np.eye(4))
        ...     [tuple(Path(p).name for p in shard) for shard in find_shards(folder)]
        [('img_emb_0.npy', 'text_emb_0.npy')]

    Taught in chapter at_scale.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    images = _by_number([*folder.glob("img_emb_*.npy"), *folder.glob("img_emb/img_emb_*.npy")])
    texts = _by_number([*folder.glob("text_emb_*.npy"), *folder.glob("text_emb/text_emb_*.npy")])
    if images or texts:
        alone = sorted(images.keys() ^ texts.keys())
        if alone:
            raise ValueError(f"shard {alone[0]} of {str(folder)!r} has images or texts, but not both")
        return [(str(images[number]), str(texts[number])) for number in sorted(images)]
    parquet = sorted(folder.glob("*.parquet"))
    if not parquet:
        raise FileNotFoundError(
            f"{str(folder)!r} holds neither img_emb_*.npy with text_emb_*.npy nor *.parquet"
        )
    return [(str(path), str(path)) for path in parquet]


def _by_number(paths: list[Path]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in paths:
        number = re.search(r"(\d+)$", path.stem)
        if number is None:
            raise ValueError(f"{str(path)!r} ends in no number, by which images find their texts; rename it")
        other = found.setdefault(int(number[1]), path)
        if other != path:
            raise ValueError(f"{str(other)!r} and {str(path)!r} are both shard {int(number[1])}; keep one")
    return found


def measure_shard(shard: tuple[str, str], tau: float | None = None, block_size: int = 50) -> GapAccumulator:
    """Return the accumulator of one shard; a .npy file is mapped, never held in memory.

    Args:
        shard: The file of the images and the file of the texts, as `find_shards` gives them.
        tau, block_size: As in `metrics.GapAccumulator`.

    Raises:
        ValueError: If a file is no plain array of embeddings, is truncated, or lacks a column; it is named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "img_emb_0.npy"), np.eye(4))
        ...     np.save(Path(folder, "text_emb_0.npy"), -np.eye(4))
        ...     measure_shard(find_shards(folder)[0]).n
        4

    Taught in chapter at_scale.
    """
    result = GapAccumulator(tau=tau, block_size=block_size)
    try:
        if shard[0].endswith(".parquet"):
            for images, texts in _parquet_batches(shard[0], block_size):
                result.update(images, texts)
        else:
            # Mapped, and never unpickled: a .npy file from elsewhere must not be able to run code.
            result.update(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in shard))
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"shard {' with '.join(dict.fromkeys(shard))}: {error}") from error
    return result


def _parquet_batches(path: str, block_size: int):
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        columns = sides([field.name for field in file.schema_arrow if kind(field.type) == "vectors"])
        size = max(4096 // block_size, 1) * block_size
        for batch in file.iter_batches(batch_size=size, columns=columns):
            yield tuple(matrix(batch.column(name), name) for name in columns)


def measure_shards(
    folder: str | Path, *, tau: float | None = None, block_size: int = 50, client=None
) -> GapAccumulator:
    """Return the accumulator of all shards of a folder, read by dask's workers and merged in a tree.

    Args:
        folder: Where the shards lie; every worker must see it under this name.
        tau, block_size: As in `measure_shard`.
        client: A `distributed.Client` of a cluster; threads of this process if None. A shard whose worker
            dies is measured again by another.

    Raises:
        FileNotFoundError, ValueError: As in `find_shards` and `measure_shard`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(3):
        ...         np.save(Path(folder, f"img_emb_{i}.npy"), np.eye(4))
        ...         np.save(Path(folder, f"text_emb_{i}.npy"), -np.eye(4))
        ...     measure_shards(folder).metrics()["alignment"]
        4.0

    Taught in chapter at_scale.
    """
    import dask

    parts = [dask.delayed(measure_shard)(shard, tau, block_size) for shard in find_shards(folder)]
    while len(parts) > 1:  # a tree, so that no worker holds more than two accumulators at once
        parts = [dask.delayed(_joined)(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
    if client is None:
        return parts[0].compute(scheduler="threads")
    return client.compute(parts[0]).result()


def _joined(first: GapAccumulator, second: GapAccumulator | None = None) -> GapAccumulator:
    # A fresh sum: dask may need a part again when a worker dies, so the parts stay as they are.
    total = GapAccumulator(tau=first.tau, block_size=first.block_size).merge(first)
    return total if second is None else total.merge(second)

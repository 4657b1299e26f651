"""Embed a folder of pictures with a table of captions through any open_clip model."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mgaplib.worlds.samples import Pictures

TABLE = "captions.csv"
_THUMBNAIL = 32  # pixels a side, for the explorer


class Folder(NamedTuple):
    """A folder's embedded pairs: images, texts, captions, thumbnails and the model's temperature."""

    images: np.ndarray
    texts: np.ndarray
    captions: list[str]
    thumbnails: np.ndarray
    tau: float


def embed_folder(folder: str | Path, model: str, pretrained: str | None = None) -> Folder:
    """Return the pairs of a folder, embedded.

    Args:
        folder: Holds the pictures and `captions.csv`, a table with the columns `image` (a file name) and
            `caption`.
        model: An architecture of open_clip, as `models.load_clip` takes it.
        pretrained: Its weights: a tag of open_clip or the path of a checkpoint; random ones if None.

    Raises:
        FileNotFoundError: If the folder, the table, a picture or a checkpoint is missing.
        ValueError: If the table lacks a column, a picture cannot be read, or the model is unknown.
        OSError: If the weights cannot be downloaded.

    Example:
        >>> embed_folder("nowhere", "ViT-B-32")
        Traceback (most recent call last):
        FileNotFoundError: there is no folder 'nowhere'

    Taught in chapter your_embeddings.
    """
    names, captions = read_captions(folder)
    pictures = _Thumbnailed([Path(folder, name) for name in names])
    from mgaplib.models.clip import load_clip  # torch takes seconds: bad tables are told before

    try:
        clip = load_clip(model, pretrained)
    except (FileNotFoundError, ValueError):
        raise
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"the weights {pretrained!r} of {model} cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
    images = clip.encode_images(pictures)
    texts = clip.encode_texts(captions)
    return Folder(images, texts, captions, np.stack(pictures.thumbnails), clip.tau)


def read_captions(folder: str | Path) -> tuple[list[str], list[str]]:
    """Return the file names and the captions that a folder's table pairs; every picture is there.

    Args:
        folder: Holds the pictures and `captions.csv`.

    Raises:
        FileNotFoundError: If the folder, the table or a picture is missing.
        ValueError: If the table lacks a column, is empty, or is not UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "captions.csv").write_text("image,caption\\na.png,a red ring\\n")
        ...     Path(folder, "a.png").touch()
        ...     read_captions(folder)
        (['a.png'], ['a red ring'])

    Taught in chapter your_embeddings.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    table = folder / TABLE
    if not table.is_file():
        raise FileNotFoundError(f"{folder} holds no {TABLE}; it needs one with the columns image and caption")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table} is no table in UTF-8: {error}") from error
    for column in ("image", "caption"):
        if column not in columns:
            raise ValueError(f"{table} has no column {column!r}; it has {', '.join(columns) or 'none'}")
    if not rows:
        raise ValueError(f"{table} has no rows")
    for number, row in enumerate(rows, start=2):
        if not row["image"] or row["caption"] is None:
            raise ValueError(f"line {number} of {table} lacks an image or a caption")
    missing = [row["image"] for row in rows if not (folder / row["image"]).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {len(missing)} of its pictures, {missing[0]} for one")
    return [row["image"] for row in rows], [row["caption"] for row in rows]


class _Thumbnailed(Pictures):
    """Pictures of which small copies are kept when a batch is opened."""

    def __init__(self, paths: list[Path]):
        super().__init__(paths)
        self.thumbnails = []

    def _open(self, path: Path):
        from PIL import ImageOps

        picture = super()._open(path)
        self.thumbnails.append(np.asarray(ImageOps.fit(picture, (_THUMBNAIL, _THUMBNAIL))))
        return picture

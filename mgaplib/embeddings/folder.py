"""Embed a folder of pictures and captions through any encoder."""

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mgaplib import checks
from mgaplib.embeddings.pictures import SUFFIXES, Pictures
from mgaplib.embeddings.tables import separator

#: The tables that are looked for, by their endings too: ours, Kaggle's, Hugging Face's, Flickr's own.
TABLES = ("captions.csv", "captions.tsv", "captions.txt", "captions.jsonl", "metadata.csv", "metadata.jsonl",
          "results.csv", "*.token.txt", "*.token")  # fmt: skip
_IMAGE = ("image", "image_name", "file_name", "filename", "image_path", "filepath", "path", "img")
_CAPTION = ("caption", "text", "comment", "sentence", "description", "title")
_THUMBNAIL = 32  # pixels a side, for the explorer


class Folder(NamedTuple):
    """A folder's embedded pairs.

    Args:
        images, texts: Arrays of n rows; a picture with several captions has as many rows.
        captions, thumbnails: The n captions, and the n pictures, small.
        tau: The encoder's temperature; CLIP's 0.01 where it says none.
        groups: For each pair what the table's column `group` says, else the picture's file name.
        too_long: How many captions are longer than the model reads; the rest of them is not seen.
    """

    images: np.ndarray
    texts: np.ndarray
    captions: list[str]
    thumbnails: np.ndarray
    tau: float
    groups: list[str]
    too_long: int


def embed_folder(folder: str | Path, model, pretrained: str | None = None) -> Folder:
    """Return the pairs of a folder, embedded.

    Args:
        folder: Holds pictures and captions, as `read_captions` takes them.
        model: The name of one, as `models.load_encoder` takes it, or a `models.Encoder`.
        pretrained: An open_clip architecture's weights, a tag or a checkpoint's path; random ones if None.

    Raises:
        FileNotFoundError, ValueError: As in `read_captions`, if a picture cannot be read, the model or
            checkpoint cannot be found, or the model returns no row for each.
        ImportError, OSError: If the model's library is not installed, or its weights cannot be downloaded.
        TypeError: If the model embeds no pictures.

    Example:
        >>> embed_folder("nowhere", "ViT-B-32")
        Traceback (most recent call last):
        FileNotFoundError: there is no folder 'nowhere'

    Taught in chapter fairness.
    """
    names, captions, groups = _read(Path(folder))
    distinct = list(dict.fromkeys(names))
    pictures = _Thumbnailed([Path(folder, name) for name in distinct])
    encoder = _encoder(model, pretrained) if isinstance(model, str) else model
    row_of = {name: row for row, name in enumerate(distinct)}
    rows = [row_of[name] for name in names]
    images = _encoded(encoder.encode_images(pictures), len(distinct), "encode_images")[rows]
    texts = _encoded(encoder.encode_texts(captions), len(captions), "encode_texts")
    thumbnails = np.stack([pictures.thumbnails[path] for path in pictures.paths])[rows]
    tau, too_long = getattr(encoder, "tau", 0.01), _too_long(encoder, captions)
    return Folder(images, texts, captions, thumbnails, tau, groups, too_long)


def _encoder(name: str, pretrained: str | None):
    from mgaplib.models import load_encoder  # torch takes seconds: bad tables are told before

    try:
        return load_encoder(name, pretrained)
    except (FileNotFoundError, ValueError, ImportError):
        raise
    except (OSError, RuntimeError) as error:
        weights = f"the weights {pretrained!r} of {name}" if pretrained else name
        raise OSError(f"{weights} cannot be loaded: {str(error).splitlines()[0]}") from error


def _encoded(rows, count: int, call: str) -> np.ndarray:
    """Return what an encoder made of so many inputs, checked: it may be anybody's."""
    rows = checks.rows(rows, f"what {call} returned")
    if len(rows) != count:
        raise ValueError(f"{call} returned {len(rows)} rows for {count} inputs; it must return one for each")
    return rows


def _too_long(encoder, captions: list[str]) -> int:
    """Return how many captions would fill one place more than the model's context has."""
    if hasattr(encoder, "too_long"):
        return encoder.too_long(captions)
    if not hasattr(encoder, "tokenizer"):
        return 0
    length = encoder.context_length + 1
    padding = encoder.tokenizer([""], context_length=length)[0, -1]
    return int((encoder.tokenizer(captions, context_length=length)[:, -1] != padding).sum())


def read_captions(folder: str | Path) -> tuple[list[str], list[str]]:
    """Return the file names and the captions of a folder's pairs; every picture is there.

    The captions are in a table, `captions.csv` or another of `TABLES`, with a column for the file name and
    one for the caption; or in Flickr's own list; or, without a table, beside each picture in a text file of
    the same name. A picture may have several captions. The pictures lie in the folder or in one below it.

    Raises:
        FileNotFoundError: If the folder, the captions or a picture is missing.
        ValueError: If the table lacks a column, is empty or no UTF-8, or has a bad line, which is named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "captions.csv").write_text("image,caption\\na.png,a red ring\\n")
        ...     Path(folder, "a.png").touch()
        ...     read_captions(folder)
        (['a.png'], ['a red ring'])

    Taught in chapter your_embeddings.
    """
    return _read(Path(folder))[:2]


def _read(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Return what `read_captions` does, and the group of each pair."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    found = [path for name in TABLES for path in sorted(folder.glob(name)) if path.is_file()]
    pairs = _of_table(found[0]) if found else _side_by_side(folder)
    for number, (name, caption, _) in pairs.items():
        if not name.strip() or not caption.strip():
            where = f"line {number} of {found[0]}" if found else name
            raise ValueError(f"{where} has no {'caption' if name.strip() else 'image'}; leave it out")
    names, captions, groups = map(list, zip(*pairs.values(), strict=True))
    # The pictures may lie one folder down, as Kaggle packs them.
    below = [place for place in sorted(folder.iterdir()) if (place / names[0]).is_file()] if found else []
    if below and not (folder / names[0]).is_file():
        names = [f"{below[0].name}/{name}" for name in names]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {len(missing)} of its pictures, {missing[0]} for one")
    return names, captions, groups


def _side_by_side(folder: Path) -> dict[int, tuple[str, str, str]]:
    """Return pictures with the text files that have their names, as web data sets are unpacked."""
    pictures = [path for path in sorted(folder.rglob("[!.]*")) if path.suffix.lower() in SUFFIXES]
    beside = {path: path.with_suffix(".txt") for path in pictures}
    alone = [path for path, text in beside.items() if not text.is_file()]
    if len(alone) == len(pictures):
        raise FileNotFoundError(
            f"{folder} holds no {TABLES[0]}; it needs one with the columns image and caption, or a text file "
            "beside each picture, 0001.txt beside 0001.jpg"
        )
    if alone:
        raise FileNotFoundError(f"{folder} lacks {len(alone)} captions: {beside[alone[0]].name} for one")
    return {
        row: (str(path.relative_to(folder)), " ".join(_text(text).split()), str(path))
        for row, (path, text) in enumerate(beside.items())
    }


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeError as error:
        raise ValueError(f"{path} is no table in UTF-8: {error}") from error


def _of_table(table: Path) -> dict[int, tuple[str, str, str]]:
    """Return what each line of a table pairs, by the line's number."""
    read = _json_cells if table.suffix == ".jsonl" else _csv_cells
    cells, names = read(_text(table), table)
    places = []
    for wanted in (_IMAGE, _CAPTION):
        place = next((names.index(name) for name in wanted if name in names), None)
        if place is None:
            raise ValueError(f"{table} has no column {wanted[0]!r}; it has {', '.join(names) or 'none'}")
        places.append(place)
    if not cells:
        raise ValueError(f"{table} has no rows")
    places.append(names.index("group") if "group" in names else places[0])
    return {line: tuple(row[place].strip() for place in places) for line, row in cells.items()}


def _json_cells(lines: str, table: Path) -> tuple[dict[int, list[str]], list[str]]:
    cells, names = {}, []
    for line, text in enumerate(lines.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            found = json.loads(text)
            names = names or list(found)
            cells[line] = ["" if found[name] is None else str(found[name]) for name in names]
        except (ValueError, TypeError, KeyError) as error:
            with_what = ", ".join(names) or "names"
            raise ValueError(f"line {line} of {table} is no JSON object with {with_what}") from error
    return cells, names


def _csv_cells(lines: str, table: Path) -> tuple[dict[int, list[str]], list[str]]:
    """Return the cells of each line, by its number, and the columns' names; a line is a row or is refused."""
    first = lines.partition("\n")[0]
    by = "|" if "|" in first else separator(first)
    bare = Path(first.split(by)[0].partition("#")[0]).suffix.lower() in SUFFIXES  # no line of names
    plain = by == "|" or (bare and by == "\t")  # as Flickr's lists are, where a quotation mark is one
    cells = {}
    reader = csv.reader(
        io.StringIO(lines, newline=""), delimiter=by, strict=True, skipinitialspace=by == "|",
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
    )  # fmt: skip
    line = 0
    try:
        for row in reader:
            if reader.line_num > line + 1:
                raise ValueError(
                    f"line {line + 1} of {table} opens a quotation that ends in line {reader.line_num}; put "
                    'each caption in one line, and write a quotation mark within a quoted one as ""'
                )
            line = reader.line_num
            if row:
                cells[line] = row
    except csv.Error as error:
        why = f"{error}; a quoted cell ends in a quotation mark"
        raise ValueError(f"line {line + 1} of {table} is no CSV: {why}") from error
    if not cells:
        return {}, []
    if bare:  # and each picture's captions have the numbers #0 to #4
        names = ["image", "caption"]
        cells = {line: [row[0].partition("#")[0], *row[1:]] for line, row in cells.items()}
    else:
        names = [name.strip().lower() for name in cells.pop(next(iter(cells)))]
    for line, row in cells.items():
        if len(row) != len(names):
            cure = f"; a caption that holds {by!r} goes in quotation marks" * (len(row) > len(names))
            raise ValueError(f"line {line} of {table} has {len(row)} cells for {len(names)} columns{cure}")
    return cells, names


class _Thumbnailed(Pictures):
    """Pictures of which small copies are kept when a batch is opened."""

    def __init__(self, paths: list[Path]):
        super().__init__(paths)
        self.thumbnails = {}

    def _open(self, path: Path):
        from PIL import ImageOps

        picture = super()._open(path)
        self.thumbnails[path] = np.asarray(ImageOps.fit(picture, (_THUMBNAIL, _THUMBNAIL)))
        return picture

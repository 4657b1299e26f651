"""An atlas of real models: the cosines of seventeen of them, as Humer et al. (2024) published them."""

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from mgaplib import checks
from mgaplib.embeddings.published import DRAWN, drawn, pinned
from mgaplib.metrics import embeddings_from_gram

_COMMIT = "b53dbb584fdb5f0a2a933437d5d3e5243096df58"
_URL = f"https://raw.githubusercontent.com/journalovi/2024-humer-amumo/{_COMMIT}/exported_data/"
_FILES = pinned(_URL, "humer2024")

N = 100  #: Pairs, or triplets, in each of the sets.
#: What the sets are, and whose their captions and pictures are.
DATASETS = {
    "coco": ("100 pictures of MSCOCO val2017 and the first caption of each", "captions: MSCOCO, CC BY 4.0"),
    "diffusiondb": ("100 prompts of DiffusionDB and what Stable Diffusion drew",
                    "prompts and pictures: DiffusionDB, CC0"),
    "audioset": ("100 animal sounds of AudioSet, their labels and their videos' thumbnails",
                 "labels: AudioSet, CC BY 4.0"),
}  # fmt: skip
_STARTS = {"coco": "MSCOCO-Val", "diffusiondb": "DiffusionDB", "audioset": "Triplet"}
_FOLDERS = {name: f"{start}_size-100" for name, start in _STARTS.items()}
_ABLATION = "MSCOCO-Val_size-100_CLOOB_ablation"
# The files of CLIP, CyCLIP, CLOOB and CLOOB-LAION on coco hold the same pairs in another order than the
# captions and the other thirteen. This one was found by matching the four's cosines to the others': caption
# i is their row _ORDER[i]. Each of the 100 rows then fits its own better than any other.
_ORDER = [
    63, 64, 97, 86, 90, 78, 45, 59, 62, 37, 83, 55, 10, 23, 4, 46, 58, 27, 31, 21, 99, 68, 8, 91, 1, 92,
    87, 70, 26, 69, 61, 20, 28, 12, 7, 16, 42, 14, 95, 9, 74, 84, 5, 41, 88, 33, 34, 98, 47, 3, 11, 50,
    73, 44, 72, 52, 60, 29, 53, 0, 6, 57, 89, 30, 76, 17, 19, 66, 93, 13, 38, 49, 25, 54, 39, 24, 32,
    75, 80, 51, 65, 82, 48, 79, 22, 77, 40, 67, 35, 96, 81, 94, 15, 85, 36, 2, 43, 71, 56, 18,
]  # fmt: skip
_REORDERED = {"clip/coco", "cyclip/coco", "cloob/coco", "cloob-laion/coco"}


@dataclass(frozen=True)
class Model:
    """A model of the atlas on one set of pairs, as far as its publishers and its authors say.

    Attributes:
        name, label: What `load` takes: the model, a slash, and the set of pairs; and what a figure calls it.
        loss: InfoNCE, InfoLOOB or CyCLIP's.
        retrieval: Whether it was trained with a modern Hopfield network's retrieval before the loss.
        tower: The image encoder.
        data, epochs: What it was trained on, and for how long; None where we found no word of it.
        sharpness: 1/tau after training, from its publishers' stored loss or their code; None if neither says.
        dataset: The set of pairs, a key of `DATASETS`.
        modalities: What the blocks of the matrix are, in their order.
        licence: Of the matrix, and of what was embedded.
        source: Where the numbers come from, in one sentence.
    """

    name: str
    label: str
    loss: str
    retrieval: bool
    tower: str
    data: str
    epochs: int | None
    sharpness: float | None
    dataset: str
    modalities: tuple[str, ...]
    licence: str
    source: str


def _model(name, label, *facts) -> Model:
    dataset = name.partition("/")[2]
    pairs, whose = DATASETS[dataset]
    modalities = ("image", "text", "audio") if dataset == "audioset" else ("image", "text")
    source = f"{pairs}, through {label}; cosines published by Humer et al. (2024)"
    return Model(name, label, *facts, dataset, modalities, f"matrix: MIT; {whose}", source)


def _all_models() -> Iterator[tuple[Model, str]]:
    """Go through every model and its file."""
    for dataset in DATASETS:
        for file, *facts in (
            ("CLIP", "CLIP", "InfoNCE", False, "RN50", "OpenAI's 400M", 32, 100.0),
            ("CyCLIP", "CyCLIP", "CyCLIP's", False, "RN50", "CC 3M", None, 100.0),
            ("CLOOB", "CLOOB", "InfoLOOB", True, "ResNet", "YFCC 15M", 28, 30.0),
            ("CLOOB_LAION400M", "CLOOB-LAION", "InfoLOOB", True, "ViT-B/16", "LAION 400M", 16, 30.0),
            ("ImageBind", "ImageBind", "InfoNCE", False, "ViT-H", "ImageBind's", None, None),
        ):  # fmt: skip
            # ImageBind alone hears, and is alone in having no file of diffusiondb.
            if dataset in ("coco", "audioset" if file == "ImageBind" else "diffusiondb"):
                model = _model(f"{facts[0].lower()}/{dataset}", *facts)
                yield model, f"{_FOLDERS[dataset]}/similarities/{file}.csv"
    for start, loss, retrieval in (
        ("clip", "InfoNCE", False), ("clip_infoLOOB", "InfoLOOB", False),
        ("cloob_infoNCE", "InfoNCE", True), ("cloob", "InfoLOOB", True),
    ):  # fmt: skip
        for data, epochs, learned in (("CC 3M", 31, 59.80), ("CC 3M", 128, 62.22), ("YFCC 15M", 28, 57.59)):
            short = data.split()[0]
            label = f"{loss}{' + Hopfield' if retrieval else ''} {short}{epochs}"
            name = label.lower().replace(" + ", "-").replace(" ", "-")
            sharpness = learned if start == "clip" else 30.0
            model = _model(f"{name}/coco", label, loss, retrieval, "RN50", data, epochs, sharpness)
            yield model, f"{_ABLATION}/similarities/{start}_rn50_{short.lower()}_epoch_{epochs}.csv"


_MATRICES = dict(_all_models())
_BY_NAME = {model.name: model for model in _MATRICES}
#: The twelve that differ in loss, retrieval, data and length only; names of `load`.
ABLATION = tuple(model.name for model, file in _MATRICES.items() if file.startswith(_ABLATION))


@dataclass(frozen=True, eq=False)
class Cosines:
    """The cosines of one model on one set of pairs, and embeddings that have them.

    Attributes:
        model: Which model, and on what.
        gram: Cosines of all rows: 100 of each of `model.modalities` in turn, each in the order of `captions`.
        embeddings: Rows of unit length with these cosines by modality, up to one rotation of all.
        stand_in: Whether drawn rows stand in for the published cosines, which were out of reach.
    """

    model: Model
    gram: np.ndarray
    embeddings: dict[str, np.ndarray]
    stand_in: bool

    @property
    def images(self) -> np.ndarray:
        """The images' rows."""
        return self.embeddings["image"]

    @property
    def texts(self) -> np.ndarray:
        """The texts' rows."""
        return self.embeddings["text"]

    @property
    def data(self) -> str:
        """The kind of data that a claim about them rests on."""
        return "simulation" if self.stand_in else "real"


def models():
    """Return the atlas as a DataFrame: a model on a set of pairs in each row, its name as the index.

    Example:
        >>> table = models()
        >>> len(table), table.loc["cyclip/coco", "loss"]
        (22, "CyCLIP's")

    Source: Humer et al. (2024); `sharpness` follows from their stored losses. Taught in chapter real_models.
    """
    import pandas as pd

    return pd.DataFrame([asdict(model) for model in _MATRICES]).set_index("name")


def load(name: str) -> Cosines:
    """Return one model's published cosines, checked, and embeddings that have them.

    The file is read from the folder that MGAPLIB_DATA names, else from the cache, else downloaded; its
    SHA-256 is checked. Where none can be reached, drawn embeddings take its place; a line of output says so.

    Args:
        name: A name of `models()`, such as clip/coco.

    Raises:
        ValueError: If the name is unknown, or the file holds no matrix of cosines; it is named.
        FileNotFoundError, OSError: If MGAPLIB_DATA names no folder, or no whole copy of a file can be had.

    Example:
        >>> load("clip")
        Traceback (most recent call last):
        ValueError: unknown model 'clip'; did you mean 'clip/coco' or 'cyclip/coco' or 'clip/diffusiondb'?

    Source: Humer et al. (2024), folder exported_data. Taught in chapter real_models.
    """
    model = _BY_NAME[checks.known(name, _BY_NAME, "model")]
    file = _MATRICES[model]
    content, reason = _FILES.read(file)
    if content is not None:
        gram = _checked(content, f"{_FILES.folder}/{file}", len(model.modalities))
        if name in _REORDERED:
            rows = np.concatenate([_ORDER, np.add(_ORDER, N)])
            gram = gram[np.ix_(rows, rows)]
        rows = np.concatenate(embeddings_from_gram(gram))
    else:
        print(f"Shown instead of {name}: {DRAWN}, no measurement of {model.label}, because {reason}.")
        place = list(_BY_NAME).index(name)
        sides = drawn(place, (N, 128), True, gap=0.2 + 0.7 * (place * 7 % 22) / 21)
        rows = np.concatenate([sides[i % 2] for i, _ in enumerate(model.modalities)])
        gram = rows.astype(float) @ rows.astype(float).T
    embeddings = dict(zip(model.modalities, np.split(rows, len(model.modalities)), strict=True))
    return Cosines(model, gram, embeddings, stand_in=content is None)


def captions(dataset: str) -> list[str]:
    """Return the 100 texts of coco, diffusiondb or audioset, in order; numbers where they cannot be had.

    Raises:
        ValueError, FileNotFoundError, OSError: As in `load`.

    Example:
        >>> captions("cocoa")
        Traceback (most recent call last):
        ValueError: unknown set of pairs 'cocoa'; did you mean 'coco'?

    Source: Humer et al. (2024), prompts.txt. Taught in chapter real_models.
    """
    file = f"{_FOLDERS[checks.known(dataset, DATASETS, 'set of pairs')]}/prompts.txt"
    content, reason = _FILES.read(file)
    if content is None:
        print(f"The pairs of {dataset} are numbered, their captions are not at hand, because {reason}.")
        return [f"pair {i}" for i in range(N)]
    lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    if len(lines) != N or not all(lines):
        raise ValueError(
            f"{_FILES.folder}/{file} holds {len(lines)} lines, {lines.count('')} of them empty; it should "
            f"hold {N} captions: replace the file"
        )
    return lines


def picture(number: int):
    """Return a picture of diffusiondb as a PIL image, 0 to 99 in the order of its captions; or None.

    None where it cannot be had. What DiffusionDB found indecent is blurred by its authors.

    Raises:
        ValueError: If there is no such pair, or the file holds no picture.
        FileNotFoundError, OSError: As in `load`.

    Example:
        >>> picture(100)
        Traceback (most recent call last):
        ValueError: number is 100; pass a whole number from 0 to 99

    Source: DiffusionDB (Wang et al. 2023), CC0. Taught in chapter real_models.
    """
    from PIL import Image

    number = checks.whole(number, "number", 0, N - 1, f"pass a whole number from 0 to {N - 1}")
    file = f"{_FOLDERS['diffusiondb']}/images/{number}.jpg"
    content, _ = _FILES.read(file)
    if content is None:
        return None
    try:
        return Image.open(io.BytesIO(content)).convert("RGB")
    except OSError as error:  # PIL's own error for what is no picture
        raise ValueError(f"{_FILES.folder}/{file} holds no picture; replace the file") from error


def _checked(content: bytes, file: str, blocks: int) -> np.ndarray:
    """Return a matrix of cosines read from a file, or say what is wrong with it."""
    rows = blocks * N
    try:
        gram = np.loadtxt(io.BytesIO(content), delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(f"{file} holds no table of numbers ({error}); replace the file") from error
    wrong = ""
    if gram.shape != (rows, rows):
        wrong = f"has {gram.shape[0]} rows and {gram.shape[1]} columns instead of {rows} each"
    elif not np.isfinite(gram).all():
        row, column = np.argwhere(~np.isfinite(gram))[0]
        wrong = f"holds {gram[row, column]} in row {row}, column {column}"
    elif not np.allclose(gram, gram.T, rtol=0, atol=1e-6):
        row, column = np.unravel_index(np.argmax(np.abs(gram - gram.T)), gram.shape)
        wrong = f"is not symmetric: rows {row} and {column} have two different cosines"
    elif not np.allclose(np.diag(gram), 1, rtol=0, atol=1e-5):
        row = int(np.argmax(np.abs(np.diag(gram) - 1)))
        wrong = f"gives row {row} the cosine {gram[row, row]:.6g} with itself instead of 1"
    elif (least := np.linalg.eigvalsh(gram)[0]) < -1e-6 * rows:
        wrong = f"has an eigenvalue of {least:.3g}: no vectors have these cosines"
    if wrong:
        raise ValueError(f"{file} {wrong}; it is no matrix of cosines, replace the file")
    return gram

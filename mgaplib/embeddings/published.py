"""Real embeddings of four contrastive models, as the first paper on the gap published them."""

import contextlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgaplib import checks
from mgaplib.download import Published

_COMMIT = "8e20cb24efa4c5f89aad694f2f65eb43ffc46d10"
_URL = f"https://raw.githubusercontent.com/Weixin-Liang/Modality-Gap/{_COMMIT}/Figure_1_Modality_Gap/"


def pinned(url: str, folder: str) -> Published:
    """Return the files that a list beside this module names, each behind its SHA-256."""
    lines = Path(__file__).with_name(f"{folder}.sha256").read_text(encoding="ascii").splitlines()
    return Published(url, folder, {file: value for value, file in (line.split("  ") for line in lines)})


_FILES = pinned(_URL, "liang2022")


@dataclass(frozen=True)
class _Model:
    label: str
    shape: tuple[int, int]
    modality: str
    pairs: str
    weights: str
    untrained: str = "with its default random weights"


_MODELS = {
    "clip": _Model("CLIP", (500, 512), "image", "the first 500 pictures of MSCOCO val2017, one caption each",
                   "ViT-B/16, OpenAI's weights"),
    "convirt": _Model("ConVIRT", (500, 512), "image", "500 chest X-rays of MIMIC-CXR and their reports",
                      "ResNet-50 and Bio_ClinicalBERT",
                      "with a random ResNet-50, though its text tower keeps the pretrained Bio_ClinicalBERT"),
    "videoclip": _Model("VideoCLIP", (100, 768), "video", "100 videos of MSR-VTT and all captions of each",
                        "the how2 model",
                        "with none of VideoCLIP's weights, though both its towers keep the pretrained BERT"),
    "clasp": _Model("CLASP", (99, 768), "protein", "99 proteins of UniProt and their descriptions",
                    "step 70000"),
}  # fmt: skip
NAMES = tuple(_MODELS)  #: What `load_embeddings` can load.


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Pairs of embeddings, row i of `images` paired with row i of `texts`.

    Attributes:
        images, texts: Arrays of n rows and d columns; `modalities` says what was embedded.
        name: The name given to `load_embeddings`.
        label: The model's name as its authors write it, with "(random)" for the one not trained on pairs.
        modalities: What the two arrays hold: image, video or protein, and text.
        source: Where the numbers come from, in one sentence.
        stand_in: Whether they stand in for the published ones, which were out of reach.
        data: What kind of data a claim about them rests on: real, miniclip or simulation.

    Taught in chapter index.
    """

    images: np.ndarray
    texts: np.ndarray
    name: str
    label: str
    modalities: tuple[str, str]
    source: str
    stand_in: bool
    data: str = "real"


def load_embeddings(name: str, trained: bool = True) -> Embeddings:
    """Return the published embeddings of one model, as float32 and with their rows as they were published.

    The file is read from the folder that MGAPLIB_DATA names, else from the cache (MGAPLIB_CACHE, or the
    user's own), else downloaded; its SHA-256 is checked. Where none can be reached, the book's own MiniCLIP
    takes its place, or drawn embeddings where torch is not installed, and a line of output says so.

    Args:
        name: clip, convirt, videoclip or clasp.
        trained: Whether to take the trained model or the one that its authors call random, in which
            ConVIRT's text tower and both of VideoCLIP's hold a pretrained BERT, as `source` says.

    Raises:
        ValueError: If the name is unknown.
        FileNotFoundError, OSError: If MGAPLIB_DATA names no folder, or no whole copy of a file can be had.

    Example:
        >>> load_embeddings("clipp")
        Traceback (most recent call last):
        ValueError: unknown model 'clipp'; did you mean 'clip' or 'clasp' or 'videoclip'?

    Source: Liang et al. (2022), figure 1 and the files released with it. Taught in chapter index.
    """
    model = _MODELS[checks.known(name, _MODELS, "model")]
    label = model.label + ("" if trained else " (random)")
    modalities = (model.modality, "text")
    content, reason = _FILES.read(f"features_{name}{'' if trained else '_random'}.npy")
    if content is None:
        images, texts, what, kind = stand_in(NAMES.index(name), model.shape, trained)
        print(f"Shown instead of {label}: {what}, no measurement of {label}, because {reason}.")
        source = f"{what}, in place of {label}"
        return Embeddings(images, texts, name, label, modalities, source, True, kind)
    images, texts = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float32, copy=False)
    weights = model.weights if trained else model.untrained
    source = f"{model.pairs}, through {model.label} ({weights}); published by Liang et al. (2022)"
    return Embeddings(images, texts, name, label, modalities, source, False)


MINICLIP = "MiniCLIP's embeddings of ShapeWorld pictures"
DRAWN = "a drawn stand-in"


def stand_in(seed: int, shape: tuple[int, int], trained: bool) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Return images, texts, what they are in words, and the kind of data that claims about them rest on."""
    if importlib.util.find_spec("torch") and importlib.util.find_spec("open_clip"):
        with contextlib.suppress(OSError):  # where no file can be kept, no model can
            return *miniclip(seed, shape[0], trained), MINICLIP, "miniclip"
    return *drawn(seed, shape, trained), DRAWN, "simulation"


def miniclip(seed: int, n: int, trained: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what the shared MiniCLIP, or one with random weights, makes of n held-out pairs."""
    from mgaplib.models import load_clip
    from mgaplib.training import competent
    from mgaplib.worlds import shapeworld

    model = competent.competent_miniclip() if trained else load_clip(competent.ARCHITECTURE, seed=seed)
    pairs = shapeworld.draw(n, seed=seed, split="val", size=model.image_size)
    return model.encode_images(pairs.images), model.encode_texts(pairs.captions)


def drawn(
    seed: int, shape: tuple[int, int], trained: bool, gap: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn embeddings of the published ones' shape: two cones whose axes are a gap apart.

    A row is a common direction, plus or minus half the gap, up to 1.4, plus content, which pairs share where
    the model is trained. The variances are CLIP's, rounded.
    """
    common, half_gap, shared, own = (0.34, 0.18, 0.15, 0.33) if trained else (0.35, 0.32, 0.0, 0.33)
    if gap is not None:
        common, half_gap = common + half_gap - gap**2 / 4, gap**2 / 4
    n, d = shape
    rng = np.random.default_rng([seed, trained])
    # Content fills 100 directions, about the effective rank of CLIP's; two more hold the cones' axes.
    basis = np.linalg.qr(rng.standard_normal((d, 102)))[0].T
    axes = [np.sqrt(common) * basis[0] + sign * np.sqrt(half_gap) * basis[1] for sign in (1, -1)]
    content = rng.standard_normal((3, n, 100)) / 10
    rows = np.array(axes)[:, None] + (np.sqrt(shared) * content[2] + np.sqrt(own) * content[:2]) @ basis[2:]
    return tuple((rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float32))

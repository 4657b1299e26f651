"""The zero-shot tasks of Liang et al.: their prompts, what the paper prints, and torchvision's data sets."""

import re
from dataclasses import dataclass
from pathlib import Path

from mgaplib import checks


@dataclass(frozen=True)
class Benchmark:
    """One task of the paper's table 1.

    Attributes:
        template: The paper's prompt, or its two prompts in full where there are no class names.
        metric: "accuracy" or "roc_auc".
        original, modified: What the paper prints without a shift, and for the best of its forty.
        classes: Names of the classes where the data set brings none that read well.
        whole: Accuracy on the whole data set, unshifted and shifted, and its size (supplementary table 5).

    Taught in chapter zero_shot.
    """

    template: str
    metric: str
    original: float
    modified: float
    classes: tuple[str, ...] | None = None
    whole: tuple[float, float, int] | None = None

    def classes_of(self, dataset) -> list[str]:
        """Return the class names of a data set as words."""
        if self.classes is not None:
            return list(self.classes)
        names = getattr(dataset, "classes", None)
        if not names:
            raise ValueError("dataset names no classes; give it an attribute `classes`, a name a label")
        return [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name)).replace("_", " ").lower() for name in names]


#: The tasks by name. The released code's default prompt is "a photo of a {}.", the paper's has no second "a".
BENCHMARKS = {
    "CIFAR10": Benchmark("a photo of {}.", "accuracy", 0.9013, 0.9081, whole=(0.9026, 0.9104, 60_000)),
    "CIFAR100": Benchmark("a photo of {}.", "accuracy", 0.6658, 0.6737, whole=(0.6705, 0.6776, 60_000)),
    "EuroSAT": Benchmark(
        "a centered satellite photo of {}.", "accuracy", 0.5410, 0.5645, whole=(0.5494, 0.5686, 27_000)
    ),
    "SVHN": Benchmark(
        'a street sign of the number: "{}".', "accuracy", 0.5389, 0.5396, classes=tuple("0123456789")
    ),
    "HatefulMemes": Benchmark("a {}.", "roc_auc", 0.5800, 0.5811, classes=("meme", "hatespeech meme")),
}


def load_benchmark(name: str, root: str | Path, *, download: bool = False):
    """Return a task's test pictures as a data set of (PIL picture, label).

    CIFAR10, CIFAR100, EuroSAT and SVHN are torchvision's. Hateful Memes may not be handed on: it is a folder
    of yours with two folders of pictures, `benign` and `hateful`.

    Args:
        name: A name of `BENCHMARKS`.
        root: Where the data set lies, or is to be put.
        download: Whether torchvision may download it; never for Hateful Memes.

    Raises:
        FileNotFoundError: If it is not there and `download` is not set.
        ImportError: If torchvision is missing.
        ValueError: If the name is unknown (the nearest are named), or the folder has other classes.

    Example:
        >>> load_benchmark("SVHM", "data")
        Traceback (most recent call last):
        ValueError: unknown benchmark 'SVHM'; did you mean 'SVHN'?

    Taught in chapter zero_shot.
    """
    checks.known(name, BENCHMARKS, "benchmark")
    from mgaplib.models.open_clip import ensure_torchvision

    ensure_torchvision()
    from torchvision import datasets

    root = Path(root)
    if name == "HatefulMemes":
        return _two_folders(datasets, root)
    options = {"SVHN": {"split": "test"}, "EuroSAT": {}}.get(name, {"train": False})
    try:
        return getattr(datasets, name)(str(root), download=download, **options)
    except RuntimeError as error:
        if download or "not found" not in str(error).lower():
            raise
        raise FileNotFoundError(
            f"there is no {name} in {str(root)!r}; pass download=True to fetch it, or the folder that has it"
        ) from error


def _two_folders(datasets, root: Path):
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {str(root)!r}; it should hold benign and hateful")
    found = datasets.ImageFolder(str(root))
    if found.classes != ["benign", "hateful"]:
        raise ValueError(f"{str(root)!r} holds the folders {found.classes}; it needs benign and hateful")
    return found

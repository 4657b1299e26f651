"""The tiny CLIP of this book: open_clip's own class in a small configuration."""

import contextlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from mgaplib import checks
from mgaplib.models.open_clip import PreprocessCfg, open_clip
from mgaplib.worlds import shapeworld


class WordTokenizer:
    """One token a word, for worlds with a vocabulary of a hundred words.

    0 pads, and the end-of-text id is the largest: CLIP's text tower reads its output there.

    Args:
        words: The vocabulary; its order gives the ids.
        context_length: Tokens a text is padded to, the two marks of start and end included.

    Raises:
        ValueError: If a word appears twice or the context is shorter than three tokens.

    Example:
        >>> tokenizer = WordTokenizer(["a", "circle", "red"], context_length=6)
        >>> tokenizer("A red circle.")
        tensor([[4, 1, 3, 2, 5, 0]])

    Taught in chapter training.
    """

    def __init__(self, words: Sequence[str], context_length: int = 16):
        if len(set(words)) != len(words):
            raise ValueError("words holds a word twice; each word needs one id")
        if context_length < 3:
            raise ValueError(f"context_length is {context_length}; start, one word and end need at least 3")
        self.words = list(words)
        self.context_length = context_length
        self._ids = {word: i + 1 for i, word in enumerate(self.words)}
        self.sot, self.eot = len(self.words) + 1, len(self.words) + 2
        self.vocab_size = self.eot + 1

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """Return token ids, a row a text, cut at the context; an unknown word is refused."""
        length = context_length or self.context_length
        texts = [texts] if isinstance(texts, str) else texts
        rows = torch.zeros(len(texts), length, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.sot, *map(self._id, re.findall(r"[a-z0-9'-]+", text.lower())), self.eot]
            if len(ids) > length:
                ids = [*ids[: length - 1], self.eot]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words of one row of ids, without padding and marks."""
        return " ".join(self.words[int(i) - 1] for i in ids if 0 < int(i) <= len(self.words))

    def _id(self, word: str) -> int:
        if word not in self._ids:
            checks.known(word, self.words, "word")
        return self._ids[word]


#: The tiny architectures of this book, by name; `mini_clip` takes the same options.
MINI = {"MiniCLIP": {"width": 48, "image_size": 32}, "MiniCLIP-24": {"width": 32, "image_size": 24}}


def mini_clip(
    *,
    width: int = 48,
    image_size: int = 32,
    patch_size: int = 8,
    layers: int = 2,
    text_layers: int = 1,
    embed_dim: int = 128,
    context_length: int = 16,
    tau: float = 0.07,
    words: Sequence[str] | None = None,
    seed: int = 0,
) -> open_clip.CLIP:
    """Return a real `open_clip.CLIP`, small enough to train in a page, with random weights.

    Args:
        width: Width of both towers; heads are 16 wide.
        image_size, patch_size: Side of a picture, and of a patch, in pixels.
        layers, text_layers: Blocks of the vision, and of the text transformer.
        embed_dim: Dimension of the shared space.
        context_length: Tokens a text.
        tau: The temperature it starts from.
        words: The vocabulary; ShapeWorld's if None.
        seed: Seed of the weights; torch's own generator is left as it was.

    Raises:
        ValueError: If width is no multiple of 16, image_size none of patch_size, or tau makes no sense.

    Example:
        >>> sum(p.numel() for p in mini_clip().parameters()) < 200_000
        True

    Taught in chapter training.
    """
    if width % 16:
        raise ValueError(f"width is {width}; heads are 16 wide, so pass a multiple of 16")
    if image_size % patch_size:
        raise ValueError(f"patch_size {patch_size} does not divide image_size {image_size}")
    options = dict(locals(), tau=checks.temperature(tau))
    options["words"] = list(words) if words is not None else shapeworld.vocabulary()
    return build(options, None, options.pop("seed"))[0]


def build(config: dict, image_size: int | None, seed: int) -> tuple[open_clip.CLIP, WordTokenizer]:
    """Return the model that a configuration describes, at another input size where one is given."""
    config = dict(config, **({"image_size": image_size} if image_size else {}))
    tokenizer, width = own_tokenizer(config), config["width"]
    with seeded(seed):
        model = open_clip.CLIP(
            embed_dim=config["embed_dim"],
            vision_cfg={
                "layers": config["layers"],
                "width": width,
                "head_width": 16,
                "patch_size": config["patch_size"],
                "image_size": config["image_size"],
            },
            text_cfg={
                "context_length": config["context_length"],
                "vocab_size": tokenizer.vocab_size,
                "width": width,
                "heads": width // 16,
                "layers": config["text_layers"],
            },
            init_logit_scale=float(-np.log(config["tau"])),
        )
    half = (0.5, 0.5, 0.5)
    preprocess = {"size": config["image_size"], "mean": half, "std": half}
    open_clip.model.set_model_preprocess_cfg(model, PreprocessCfg(**preprocess).__dict__)
    model.config = config  # what a checkpoint needs to be read without being told the architecture
    return model, tokenizer


def own_tokenizer(config: dict) -> WordTokenizer:
    """Return the tokenizer that a MiniCLIP was built with."""
    return WordTokenizer(config["words"], config["context_length"])


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block; leave its generator as it was outside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

"""A word-level tokenizer that is called as open_clip's are."""

import re
from collections.abc import Sequence

import torch

from mgaplib import _checks


class WordTokenizer:
    """One token a word, for worlds with a vocabulary of a hundred words.

    Ids are as CLIP's text tower wants them: 0 pads, and the end-of-text id is the largest, for the tower
    reads its output where the id is largest.

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
        """Return token ids, one row a text; a text that is too long is cut, as open_clip does.

        Raises:
            ValueError: If a word is not in the vocabulary; the message names the nearest words.
        """
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
            _checks.known(word, self.words, "word")
        return self._ids[word]

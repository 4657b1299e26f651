"""One vector index of images, texts and both: faiss, holding vectors that a corrector has made comparable."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mgaplib import checks
from mgaplib.output import write_whole
from mgaplib.search.corrector import Corrector


class Hits(NamedTuple):
    """What a search found, a row a query: the documents' numbers, their scores and their kinds."""

    documents: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray


class MixedIndex:
    """An exact faiss index by cosine over documents that are an image, a text, or both.

    Documents are numbered in the order in which they are added. `faiss` is the index itself, for what else
    faiss can do with it. Needs faiss (`pip install mgaplib[search]`).

    Args:
        corrector: What makes the roles comparable; its roles are the kinds of documents and queries.

    Raises:
        ImportError: If faiss is not installed.
        TypeError, ValueError: In a method, if vectors make no sense or a role is unknown, as in `Corrector`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> meaning, offset = rng.normal(size=(20, 8)), 3 * np.eye(8)[0]
        >>> index = MixedIndex(Corrector.fit(image=meaning + offset, text=meaning - offset))
        >>> index.add(meaning[:10] + offset, "image").add(meaning[10:] - offset, "text")
        20 documents: 10 image, 10 text
        >>> index.search(meaning[3:4] - offset, "text", k=1).documents
        array([[3]])

    Taught in chapter mixed_search.
    """

    def __init__(self, corrector: Corrector):
        self.corrector = corrector
        self.faiss = _faiss().IndexFlatIP(corrector.dimensions)
        self.kinds: list[str] = []

    def __len__(self) -> int:
        return len(self.kinds)

    def __repr__(self) -> str:
        counts = [f"{self.kinds.count(kind)} {kind}" for kind in dict.fromkeys(self.kinds)]
        return f"{len(self)} documents: {', '.join(counts)}"

    def add(self, rows, kind: str) -> "MixedIndex":
        """Add documents of one kind and return the index.

        Args:
            rows: Array of one or more rows and d columns, as the model gives them.
            kind: Their role in the corrector.
        """
        return self._add(self.corrector.transform(rows, kind), kind)

    def add_both(self, image, text, weight: float = 0.5) -> "MixedIndex":
        """Add documents that have both an image and a text, each as one fused vector, and return the index.

        Args:
            image: Array of n rows and d columns.
            text: Array of the same shape, row i of the same document.
            weight: The share of the text.
        """
        return self._add(self.corrector.fuse(weight, image=image, text=text), "both")

    def search(self, queries, role: str, k: int = 10) -> Hits:
        """Return each query's k best documents, best first.

        Args:
            queries: Array of one or more rows and d columns, as the model gives them.
            role: Their role in the corrector.
            k: How many, from 1 to the number of documents; another is a ValueError.
        """
        k = checks.whole(k, "k", 1, len(self), f"the index holds {len(self)} documents")
        queries = self.corrector.transform(queries, role)
        scores, documents = self.faiss.search(np.ascontiguousarray(queries, np.float32), k)
        return Hits(documents, scores, np.array(self.kinds)[documents])

    def save(self, folder: str | Path) -> None:
        """Write vectors, kinds and corrector into a folder, made if need be; each file whole or not at all.

        Args:
            folder: Where to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.corrector.save(folder / "corrector.npz")
        write_whole(folder / "vectors.faiss", _faiss().serialize_index(self.faiss).tobytes())
        write_whole(folder / "kinds.json", json.dumps(self.kinds).encode())

    @classmethod
    def load(cls, folder: str | Path) -> "MixedIndex":
        """Return a saved index.

        Args:
            folder: What `save` wrote.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If the files are damaged or do not belong together.
        """
        folder = Path(folder)
        found = cls(Corrector.load(folder / "corrector.npz"))
        try:
            content = np.frombuffer((folder / "vectors.faiss").read_bytes(), np.uint8)
            found.faiss = _faiss().deserialize_index(content)
            found.kinds = json.loads((folder / "kinds.json").read_text(encoding="utf-8"))
        except (RuntimeError, ValueError) as error:  # faiss's own errors are RuntimeErrors
            raise ValueError(f"index in {str(folder)!r} is damaged: {str(error).splitlines()[0]}") from error
        if (found.faiss.ntotal, found.faiss.d) != (len(found.kinds), found.corrector.dimensions):
            raise ValueError(f"the files in {str(folder)!r} do not belong together; save the index again")
        return found

    def _add(self, rows: np.ndarray, kind: str) -> "MixedIndex":
        self.faiss.add(np.ascontiguousarray(rows, np.float32))
        self.kinds += [kind] * len(rows)
        return self


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "a mixed index needs faiss: pip install mgaplib[search] (or pip install faiss-cpu)"
        ) from error
    return faiss

"""One vector index of images, texts and both: faiss, holding what a corrector has made comparable."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs
from mgaplib.search.corrector import BOTH, Corrector, read_arrays, write_arrays
from mgaplib.search.thresholds import PER, Threshold, of_pairs


class Hits(NamedTuple):
    """What a search found, a row a query: documents' numbers, scores, kinds, and whether each is a match."""

    documents: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray
    accepted: np.ndarray


class MixedIndex:
    """An exact faiss index by inner product over documents that are an image, a text, or both.

    Documents are numbered as they are added. If the corrector calibrates scores, each is stored once for each
    role of queries. `indexes` holds faiss's own, by that role. Needs faiss (`pip install mgaplib[search]`).

    Args:
        corrector: What makes the roles comparable; its roles are the kinds of documents and queries.
        roles: The roles that will search, all of the corrector's by default.

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

    Taught in chapter mixed_index.
    """

    def __init__(self, corrector: Corrector, roles: tuple[str, ...] | None = None):
        self.corrector = corrector
        roles = [checks.known(role, corrector.means, "role") for role in roles or corrector.means]
        make = _faiss().IndexFlatIP
        if corrector.scores is None:  # one serves all
            self.indexes = dict.fromkeys(roles, make(corrector.dimensions))
        else:
            self.indexes = {role: make(corrector.dimensions + 1) for role in roles}
        self.kinds: list[str] = []
        self.thresholds: dict[tuple[str, str], Threshold] = {}

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
        stored = {  # made before any is added: a refusal leaves all as they were
            index: self.corrector.documents(rows, kind, roles[0]) for index, roles in self._served().items()
        }
        for index, vectors in stored.items():
            index.add(np.ascontiguousarray(vectors, np.float32))
        self.kinds += [kind] * len(vectors)
        return self

    def add_both(self, image, text, weight: float = 0.5) -> "MixedIndex":
        """Add documents that have both an image and a text, each as one fused vector, and return the index.

        Args:
            image, text: Arrays of n rows and d columns, row i of the same document.
            weight: The share of the text.
        """
        return self.add(self.corrector.fuse(weight, image=image, text=text), BOTH)

    def search(self, queries, role: str, k: int = 10) -> Hits:
        """Return each query's k best documents, best first.

        Args:
            queries: Array of one or more rows and d columns, as the model gives them.
            role: Their role in the corrector.
            k: How many, from 1 to the number of documents; another is a ValueError.
        """
        k = checks.whole(k, "k", 1, len(self), f"the index holds {len(self)} documents")
        index = self.indexes[checks.known(role, self.indexes, "role")]
        rows = self.corrector.queries(queries, role)
        scores, documents = index.search(np.ascontiguousarray(rows, np.float32), k)
        kinds = np.array(self.kinds)[documents]
        least = {kind: self.thresholds[role, kind].value for r, kind in self.thresholds if r == role}
        accepted = np.ones(scores.shape, bool)
        for kind, value in least.items():
            accepted &= (kinds != kind) | (scores > value)
        return Hits(documents, scores, kinds, accepted)

    def calibrate(
        self,
        queries,
        documents,
        role: str,
        kind: str,
        false_positive_rate: float = 0.01,
        per: str = "pair",
        *,
        groups=None,
    ) -> "MixedIndex":
        """Learn which score is a match, for queries of one role and documents of one kind; return the index.

        Searches say of such a hit whether it is above the threshold, and of any other kind that it is.

        Args:
            queries, documents: Arrays of n rows and d columns, as the model gives them, document i the match
                of query i; sets of unequal size without groups are strangers altogether. Pass pairs that the
                corrector was not fitted on, if it calibrates scores.
            role, kind: The queries' role, and the documents'.
            false_positive_rate: The share of strangers that may pass.
            per: As in `search.calibrate`; "candidate" and "both" need scores that know the candidate.
            groups: Who belongs to whom, where row i does not belong to row i; see `pairs.Pairs`.
        """
        checks.known(per, PER, "unit of the false-positive rate")
        if per in ("candidate", "both") and not getattr(self.corrector.scores, "knows_candidates", False):
            raise ValueError(
                f"per is {per!r}, but no score here knows its candidate; fit the corrector with scores=NNN()"
            )
        names = "queries", "documents"
        pairs = Pairs.of(queries, documents, groups=groups, paired=False, notice=True, names=names)
        searched = Pairs.trusted(
            self.corrector.queries(pairs.images, role),
            self.corrector.documents(pairs.texts, kind, role),
            pairs.groups,
        )
        self.thresholds[role, kind] = of_pairs(searched, false_positive_rate, per)
        return self

    def save(self, path: str | Path) -> None:
        """Write vectors, kinds, corrector and thresholds into one .npz file, as `Corrector.save` does."""
        served = self._served()
        about = {
            "kinds": self.kinds,
            "roles": list(served.values()),
            "thresholds": [
                [*of, t.value, t.false_positive_rate, t.per, t.pool] for of, t in self.thresholds.items()
            ],
        }
        arrays = {f"corrector_{name}": z for name, z in self.corrector.arrays().items()}
        arrays |= {f"vectors_{i}": _faiss().serialize_index(index) for i, index in enumerate(served)}
        arrays |= {f"background_{i}": t.background for i, t in enumerate(self.thresholds.values())}
        write_arrays(path, {"about": np.array(json.dumps(about)), **arrays}, "an index")

    @classmethod
    def load(cls, path: str | Path) -> "MixedIndex":
        """Return a saved index; the file holds numbers only, and what is raised is as in `Corrector.load`."""
        arrays = read_arrays(path, "index")
        try:
            about = json.loads(str(arrays["about"]))
            part = {n.removeprefix("corrector_"): z for n, z in arrays.items() if n.startswith("corrector_")}
            found = cls(Corrector.from_arrays(part, path), sum(about["roles"], []))
            for i, roles in enumerate(about["roles"]):
                index = _faiss().deserialize_index(arrays[f"vectors_{i}"])
                if (index.ntotal, index.d) != (len(about["kinds"]), found.indexes[roles[0]].d):
                    raise ValueError("its vectors are not its documents'")
                found.indexes |= dict.fromkeys(roles, index)
            found.kinds = about["kinds"]
            for i, (role, kind, *values) in enumerate(about["thresholds"]):
                found.thresholds[role, kind] = Threshold(*values, arrays[f"background_{i}"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:  # RuntimeErrors are faiss's
            why = str(error).splitlines()[0]
            raise ValueError(f"{path} is no saved index, or it is damaged ({why}); save it again") from error
        return found

    def _served(self) -> dict:
        """Each faiss index once, with the roles that it serves."""
        served = {}
        for role, index in self.indexes.items():
            served.setdefault(index, []).append(role)
        return served


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "a mixed index needs faiss: pip install mgaplib[search] (or pip install faiss-cpu)"
        ) from error
    return faiss

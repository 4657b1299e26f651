"""Correct the scores, not the vectors: what a score means for this candidate and this pair of modalities.

All make of a document `(s c, b)`, its unit row times a number and one more coordinate, and of a query
`(q, 1)`. Their inner product is the calibrated score, so any index by inner product searches it exactly.
"""

import itertools
import json
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from mgaplib import checks
from mgaplib.pairs import Pairs

_COLUMNS = 512  # documents compared with the reference queries at once


@dataclass(kw_only=True, eq=False)
class ScoreCalibration:
    """What all calibrations of scores share; use one of its subclasses.

    Args:
        by_modality: Whether each score is then measured by the strangers' mean and spread of its pair of
            modalities, as in `Modality`: for one index of several modalities.

    Taught in chapter mixed_search.
    """

    by_modality: bool = False
    knows_candidates: ClassVar[bool] = False  #: Whether one candidate's scores move otherwise than another's.

    def fit(self, images=None, texts=None, /, *, paired: bool = False, **calibration) -> "ScoreCalibration":
        """Learn from calibration embeddings, none of which should be a document later, and return it.

        Args:
            images, texts: The roles "image" and "text" without their names; or `Pairs` and None.
            paired: Whether row i of every role belongs to row i of the others: partners are no strangers.
            **calibration: For each role, an array of d columns: `image=`, `text=`, `query=`, or any name.
                Each role's rows are reference queries, and stand for the documents of that kind.

        Raises:
            TypeError, ValueError: If the embeddings make no sense, or a parameter makes no sense for them.
        """
        if isinstance(images, Pairs):
            images = Pairs.of(images, texts).one_each()
            return self.learn({"image": images.images, "text": images.texts}, paired=True)
        given = {role: z for role, z in (("image", images), ("text", texts)) if z is not None}
        calibration = given | calibration
        if not calibration:
            raise ValueError("no role is given; pass some, as in fit(image=images, text=texts)")
        rows = {role: checks.embeddings(z, role) for role, z in calibration.items()}
        lengths, columns = zip(*(z.shape for z in rows.values()), strict=True)
        if len(set(columns)) > 1:
            raise ValueError(f"the roles have {list(columns)} columns; pass one space's")
        if paired and len(set(lengths)) > 1:
            cure = "of pairs each has as many, else leave paired=True out"
            raise ValueError(f"the roles have {list(lengths)} rows; {cure}")
        return self.learn(rows, paired)

    def learn(self, rows: dict[str, np.ndarray], paired: bool = False) -> "ScoreCalibration":
        """`fit` of unit rows that were checked before."""
        self._check_parameters(min(map(len, rows.values())))
        self.references_ = {role: z.astype(float, copy=False) for role, z in rows.items()}
        self.levels_ = {}  # for each role of queries and kind of documents: strangers' mean and spread
        for role, kind in itertools.product(rows, rows) if self.by_modality else ():
            self.levels_[role, kind] = self._level(role, kind, paired or role == kind)
        return self

    def documents(self, rows, kind: str, role: str) -> np.ndarray:
        """Return documents of one kind, (n, d), as rows of d + 1 numbers, for queries of one role only."""
        rows = self._rows(rows, kind)
        checks.known(role, self.references_, "role of queries")
        if self.by_modality:
            checks.known(kind, self.references_, "kind of documents")
        return self.extend(rows, kind, role)

    def extend(self, rows: np.ndarray, kind: str, role: str) -> np.ndarray:
        """`documents` of unit rows that were checked before."""
        mean, spread = self.levels_[role, kind] if self.by_modality else (0.0, 1.0)
        found = np.column_stack([rows, -self.penalties(rows, role) - mean]) / spread
        return found.astype(rows.dtype, copy=False)

    def penalties(self, rows: np.ndarray, role: str) -> np.ndarray:
        """Return what each of the rows' scores loses with the queries of a role, before `by_modality`."""
        if not self.knows_candidates:
            return np.zeros(len(rows))
        references, blocks = self.references_[role], range(0, len(rows), _COLUMNS)
        return np.concatenate([self._penalty(references @ rows[i : i + _COLUMNS].T) for i in blocks])

    def queries(self, rows) -> np.ndarray:
        """Return queries as rows of d + 1 numbers, the last a 1."""
        rows = self._rows(rows, "queries")
        return np.column_stack([rows, np.ones(len(rows), rows.dtype)])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all there is to it as plain arrays, for a file; `from_arrays` takes them back."""
        self._check_fitted()
        levels = [[*k, *v] for k, v in self.levels_.items()]
        about = {"way": type(self).__name__, "parameters": asdict(self), "levels": levels}
        references = {f"reference_{role}": z for role, z in self.references_.items()}
        return {"about": np.array(json.dumps(about)), **references}

    @staticmethod
    def from_arrays(arrays: dict[str, np.ndarray]) -> "ScoreCalibration":
        """Return what `arrays` was called of; a ValueError if the arrays are no calibration's."""
        try:
            about = json.loads(str(arrays["about"]))
            found = _WAYS[about["way"]](**about["parameters"])
            references = {name: z for name, z in arrays.items() if name != "about"}
            found.references_ = {name.removeprefix("reference_"): z for name, z in references.items()}
            found.levels_ = {(role, kind): (mean, spread) for role, kind, mean, spread in about["levels"]}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("these arrays are no calibration of scores; save it again") from error
        return found

    def _rows(self, rows, name: str) -> np.ndarray:
        self._check_fitted()
        rows = checks.embeddings(rows, name, min_rows=1)
        columns = next(iter(self.references_.values())).shape[1]
        if rows.shape[1] != columns:
            raise ValueError(f"{name} have {rows.shape[1]} columns; the scores were calibrated on {columns}")
        return rows

    def _check_fitted(self) -> None:
        if not hasattr(self, "references_"):
            from sklearn.exceptions import NotFittedError

            call = f"{type(self).__name__}().fit(image=..., text=...)"
            raise NotFittedError(f"call {call} first, on a calibration set")

    def _level(self, role: str, kind: str, apart: bool) -> tuple[float, float]:
        """Mean and spread of the scores of the calibration rows; `apart` leaves row i and row i out."""
        queries, candidates = self.references_[role], self.references_[kind]
        count = total = squares = 0.0
        for start in range(0, len(candidates), _COLUMNS):
            scores = queries @ candidates[start : start + _COLUMNS].T
            strangers = np.ones(scores.shape, bool)
            if apart:
                np.fill_diagonal(strangers[start:], False)
            scores = (scores - self._penalty(np.where(strangers, scores, -np.inf)))[strangers]
            count, total, squares = count + len(scores), total + scores.sum(), squares + np.sum(scores**2)
        mean = total / count
        spread = np.sqrt(max(squares / count - mean**2, 0))
        if not spread > 1e-9:
            raise ValueError(f"all scores of {role} with {kind} are the same; pass different rows")
        return float(mean), float(spread)

    def _check_parameters(self, references: int) -> None:
        pass

    def _penalty(self, scores: np.ndarray) -> np.ndarray:
        """What a document's scores lose; a row a reference query, -inf where it does not count."""
        return np.zeros(scores.shape[1])


@dataclass(kw_only=True, eq=False)
class Modality(ScoreCalibration):
    """Measure each score by the strangers' mean and spread of its pair of modalities: `(s - mean) / spread`.

    Two texts have other cosines than a text and an image, whatever they show. No vector moves, no pairs are
    needed, and within one modality no order changes.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 8))
        >>> scores = Modality().fit(image=x[:30] + 1, text=x[30:] - 1)
        >>> z = scores.queries(x[30:] - 1) @ scores.documents(x[:30] + 1, "image", role="text").T
        >>> round(float(abs(z.mean())), 6), round(float(z.std()), 6)
        (0.0, 1.0)

    Taught in chapter mixed_search.
    """

    by_modality: bool = True


@dataclass(kw_only=True, eq=False)
class NNN(ScoreCalibration):
    """Nearest neighbour normalisation: subtract from a candidate's scores what it scores with queries anyway.

    A *hub*, near many queries, loses `weight` times its mean score with its k nearest reference queries.
    These need no partners; from 50 to 100 of them on it pays.

    Args:
        k: How many of the nearest reference queries.
        weight: How much of their mean score is subtracted; `NNN.chosen` chooses both.
        by_modality: As in `ScoreCalibration`.

    Example:
        >>> x, y = np.random.default_rng(0).normal(size=(2, 300, 8))
        >>> hubs = NNN(k=5).fit(image=x[:100], text=y[:100])
        >>> hubs.documents(x[100:], "image", role="text").shape, hubs.queries(y[100:]).shape
        ((200, 9), (200, 9))

    Source: Chowdhury et al. 2024. Taught in chapter hubs.
    """

    knows_candidates: ClassVar[bool] = True
    k: int = 10
    weight: float = 0.75

    @classmethod
    def chosen(cls, images, texts=None, ks=(5, 10, 20), weights=(0.25, 0.5, 0.75, 1.0), **options) -> "NNN":
        """Return one, not fitted, whose k and weight have the best recall at 1 on calibration pairs.

        Every other pair is judged, with the rest as references, in both directions.

        Args:
            images, texts: Arrays of n rows and d columns, row i paired with row i; or `Pairs`.
            ks, weights: What to choose from; a k that half of the pairs do not allow is left out.
            **options: The other parameters.
        """
        pairs = Pairs.of(images, texts, min_rows=8)
        references, judged = pairs.take(slice(0, None, 2)), pairs.take(slice(1, None, 2))
        recall = {}
        for a, b in ((references, judged), (references.swapped, judged.swapped)):
            scores = (b.images @ b.texts.T).astype(float)
            nearest = -np.sort(-(a.images @ b.texts.T).astype(float), axis=0)
            for k in (k for k in ks if k < len(references)):
                for weight in weights:
                    best = (scores - weight * nearest[:k].mean(axis=0)).argmax(axis=1)
                    recall[k, weight] = recall.get((k, weight), 0) + np.mean(b.codes[1][best] == b.codes[0])
        k, weight = max(recall, key=recall.get) if recall else (1, min(weights))
        return cls(k=k, weight=weight, **options)

    def _check_parameters(self, references: int) -> None:
        cure = f"of {references} reference queries pass 1 to {references - 1}"
        checks.whole(self.k, "k", 1, references - 1, cure)
        checks.number(self.weight, "weight", "pass a finite number; 0 subtracts nothing")

    def _penalty(self, scores: np.ndarray) -> np.ndarray:
        return self.weight * np.partition(scores, -self.k, axis=0)[-self.k :].mean(axis=0)


@dataclass(kw_only=True, eq=False)
class CSLS(NNN):
    """Cross-domain similarity local scaling: `NNN` with a weight of one half, which ranks alike.

    CSLS also takes off the query's mean with its k nearest candidates, the same for all: left out here.

    Example:
        >>> CSLS().weight
        0.5

    Source: Conneau et al. 2018. Taught in chapter hubs.
    """

    weight: float = 0.5


@dataclass(kw_only=True, eq=False)
class QBNorm(ScoreCalibration):
    """Querybank normalisation: a candidate's score less the log of all it scores with the reference queries.

    `log(exp(beta s) / sum over references of exp(beta r)) / beta`, the inverted softmax. For the paper's
    gate, only a query whose first hit is some reference query's is normalised, search twice, with a 0 and
    with a 1 as the query's last coordinate.

    Args:
        beta: Inverse temperature; the paper's is 20.
        by_modality: As in `ScoreCalibration`.

    Example:
        >>> bank = QBNorm().fit(image=np.eye(4), text=np.eye(4))
        >>> bank.documents(np.eye(4), "image", role="text")[:, 4].round(3)
        array([-1., -1., -1., -1.])

    Source: Bogolin et al. 2022; Smith et al. 2017 for the inverted softmax. Taught in chapter hubs.
    """

    knows_candidates: ClassVar[bool] = True
    beta: float = 20.0

    def _check_parameters(self, references: int) -> None:
        checks.within(self.beta, "beta", 1e-6, 1e6, "pass a positive inverse temperature such as 20")

    def _penalty(self, scores: np.ndarray) -> np.ndarray:
        top = scores.max(axis=0)
        return top + np.log(np.exp(self.beta * (scores - top)).sum(axis=0)) / self.beta


_WAYS = {way.__name__: way for way in (Modality, NNN, CSLS, QBNorm)}

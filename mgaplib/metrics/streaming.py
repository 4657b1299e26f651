"""Measure the gap of embeddings that do not fit into memory, shard by shard, on one machine or many.

Every number is a function of counts, sums and second moments, so shards can be read in any order, by any
number of workers, and merged. Only the contrastive loss, a mean over batches, depends on how rows are cut.
"""

import numpy as np

from mgaplib import checks
from mgaplib.metrics.gap import squared_distances
from mgaplib.metrics.retrieval import batches, losses
from mgaplib.pairs import Pairs, group_sums

_ROWS = 4096  # rows held at once as float32: 8 MB at d = 512, whatever the size of a shard


class GapAccumulator:
    """Running sums of paired embeddings; memory O(d^2), whatever the number of pairs.

    Args:
        tau: Temperature of the contrastive loss over batches; None leaves the loss out, which costs the most.
        block_size: Pairs in such a batch, consecutive within one `update`; each batch is its own pool.

    Raises:
        ValueError: If tau is not positive, or the block size is below 2.

    Example:
        >>> x, y = np.eye(4), -np.eye(4)
        >>> parts = GapAccumulator().update(x[:1], y[:1]).merge(GapAccumulator().update(x[1:], y[1:]))
        >>> parts.metrics() == GapAccumulator().update(x, y).metrics()
        True

    Taught in chapter at_scale.
    """

    def __init__(self, *, tau: float | None = None, block_size: int = 50):
        self.tau = None if tau is None else checks.temperature(tau)
        self.block_size = checks.whole(block_size, "block_size", 2, None, "pass a whole number from 2 on")
        self.n = 0
        self._rows = np.zeros(2)  # of images and of texts: as many as pairs, where no groups were given
        self._alike = np.zeros((2, 2))  # sums over groups: |sum of its rows|^2 and (number of its rows)^2
        self._sums = 0.0  # of the rows, float64, one line a modality
        self._moments = 0.0  # X^T X and Y^T Y, float64
        self._apart = 0.0  # sum of the pairs' squared distances
        self._loss = np.zeros(2)  # sum over queries, images and texts
        self._queries = np.zeros(2)

    def update(self, images, texts, *, groups=None) -> "GapAccumulator":
        """Add pairs and return the accumulator; if they are refused, nothing of them has been added.

        Args:
            images, texts: Arrays of n rows and d columns, float16 to float64, row i paired with row i.
            groups: As in `pairs.Pairs`; a group must come whole, in one update, which is then held in memory.

        Raises:
            TypeError, ValueError: If the embeddings make no sense, or they have another d than before.
        """
        part = GapAccumulator(tau=self.tau, block_size=self.block_size)
        if groups is not None:
            part._add(Pairs.of(images, texts, groups=groups, min_rows=1))
            return self.merge(part)
        # Whole batches a slice, so that slicing leaves the batches as they are.
        step = max(_ROWS // self.block_size, 1) * self.block_size if self.tau is not None else _ROWS
        images, texts = checks.rows(images, "images"), checks.rows(texts, "texts")
        if images.shape != texts.shape:
            raise ValueError(
                f"images has shape {images.shape} and texts {texts.shape}; pass as many rows and "
                "columns of each, row i paired with row i"
            )
        for start in range(0, len(images), step):
            try:
                some = slice(start, start + step)
                part._add(Pairs.trusted(*checks.pairs(images[some], texts[some], min_rows=1)))
            except (TypeError, ValueError) as error:
                raise type(error)(f"{error} (counted from row {start})" if start else str(error)) from error
        return self.merge(part)

    def _add(self, pairs: Pairs) -> None:
        x, y = pairs.images, pairs.texts
        self._sums += np.stack([x.sum(axis=0, dtype=float), y.sum(axis=0, dtype=float)])
        self._moments += np.stack([x.T @ x, y.T @ y]).astype(float)
        self._rows += len(x), len(y)
        if pairs.groups is None:
            self._alike += len(x)  # unit rows, each alone
        else:
            for side, (rows, codes) in enumerate(zip((x, y), pairs.groups, strict=True)):
                self._alike[side] += (
                    np.sum(group_sums(rows, codes, len(pairs)) ** 2),
                    np.sum(np.bincount(codes) ** 2),
                )
        self.n += len(pairs.partners[0])
        self._apart += float(squared_distances(pairs).sum(dtype=float))
        if self.tau is not None:
            for batch in map(pairs.take, batches(len(pairs), self.block_size)):
                for way, values in enumerate(losses(batch, self.tau) if len(batch.partners[0]) else ()):
                    self._loss[way] += values.sum()
                    self._queries[way] += len(values)

    def merge(self, other: "GapAccumulator") -> "GapAccumulator":
        """Add another accumulator's pairs to this one and return it; the other is left as it is.

        A ValueError if the two have different d, tau or block size.
        """
        if (self.tau, self.block_size) != (other.tau, other.block_size):
            raise ValueError(
                f"merge joins accumulators of one tau and block_size, not {self.tau, self.block_size} "
                f"and {other.tau, other.block_size}"
            )
        if self.n and other.n and self._sums.shape != other._sums.shape:
            raise ValueError(
                f"the embeddings have {other._sums.shape[1]} columns, those before had {self._sums.shape[1]}"
            )
        for name in ("n", "_rows", "_alike", "_sums", "_moments", "_apart", "_loss", "_queries"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def metrics(self) -> dict[str, float]:
        """Return all pairs' metrics so far, as `mgaplib.metrics` names them; a ValueError below two pairs."""
        if self.n < 2:
            raise ValueError(f"{self.n} pairs have been added; at least 2 are needed")
        found = {
            **of_sums(self.n, self._sums, self._apart, self._rows, self._alike),
            "uniformity_w2": self._uniformity_w2(),
            "effective_rank (images)": _effective_rank(self._variances(0)),
            "effective_rank (texts)": _effective_rank(self._variances(1)),
        }
        if self._queries.all():
            found["contrastive_loss"] = float((self._loss / self._queries).mean())
        return found

    def gap_vector(self) -> np.ndarray:
        """Return the images' centroid minus the texts', d numbers; a ValueError before any pair."""
        if self.n == 0:
            raise ValueError("no pairs have been added")
        return self._sums[0] / self._rows[0] - self._sums[1] / self._rows[1]

    def _variances(self, modality: int) -> np.ndarray:
        mean, n = self._sums[modality] / self._rows[modality], self._rows[modality]
        return np.linalg.eigvalsh(self._moments[modality] / n - np.outer(mean, mean)).clip(min=0)

    def _uniformity_w2(self) -> float:
        both = self._sums.sum(axis=0) / self._rows.sum()
        values = np.linalg.eigvalsh(self._moments.sum(axis=0) / self._rows.sum() - np.outer(both, both))
        d = len(both)
        return -float(np.sqrt(max(2 - 2 * np.sqrt(values.clip(min=0)).sum() / np.sqrt(d), 0)))


def of_sums(n: int, sums: np.ndarray, apart: float, rows=None, alike=None) -> dict[str, float]:
    """Return what follows from both modalities' sums of unit rows and of the pairs' squared distances.

    With groups `rows` counts those of each modality, and `alike` holds for each the sum over groups of the
    squared length of its rows' sum and of their squared number.
    """
    rows, alike = (np.full(2, n), np.full((2, 2), n)) if rows is None else (rows, alike)
    means, others = sums / np.reshape(rows, (2, 1)), rows**2 - alike[:, 1]
    if not others.all():
        raise ValueError("all rows are of one group, so there are no strangers; add at least two groups")
    cosines = ((np.square(rows) * (means**2).sum(axis=1)) - alike[:, 0]) / others
    across = apart / n / 4
    within = (1 - cosines.mean()) / 2
    gap = float(np.linalg.norm(means[0] - means[1]))
    some = across + within > np.finfo(np.float32).eps  # a ratio of distances needs a distance
    return {
        "pairs": float(n),
        "modality_gap": gap,
        "relative_modality_gap": float(across / (across + within)) if some else float("nan"),
        "gap_share": min(gap**2 * n / apart, 1.0) if apart > 0 else float("nan"),  # all pairs coincide
        "alignment": apart / n,
        "mean_cosine (images)": float(cosines[0]),
        "mean_cosine (texts)": float(cosines[1]),
    }


def _effective_rank(variances: np.ndarray) -> float:
    total = variances.sum()
    if total <= np.finfo(np.float32).eps ** 2:
        return 0.0
    share = variances[variances > 0] / total
    return float(np.exp(-(share * np.log(share)).sum()))

"""Measure the gap of embeddings that do not fit into memory, shard by shard, on one machine or many.

Every number here is a function of counts, sums and second moments, so shards can be read in any order, by any
number of workers, and merged: the result is the in-memory metric of all rows together. Only the contrastive
loss depends on how the rows are cut: it is the mean over batches.
"""

import numpy as np

from mgaplib import checks

_ROWS = 4096  # rows held at once as float32: 8 MB at d = 512, whatever the size of a shard


class GapAccumulator:
    """Running sums of paired embeddings; memory O(d^2), whatever the number of pairs.

    Args:
        tau: Temperature of the contrastive loss over batches; None leaves the loss out, which costs the most.
        block_size: Pairs in such a batch, consecutive within one `update`; each batch is its own pool.

    Raises:
        ValueError: If tau is not positive, or the block size is below 2.

    Example:
        >>> whole = GapAccumulator().update(np.eye(4), -np.eye(4))
        >>> halves = GapAccumulator().update(np.eye(4)[:2], -np.eye(4)[:2])
        >>> rest = GapAccumulator().update(np.eye(4)[2:], -np.eye(4)[2:])
        >>> whole.metrics() == halves.merge(rest).metrics()
        True

    Taught in chapter at_scale.
    """

    def __init__(self, *, tau: float | None = None, block_size: int = 50):
        self.tau = None if tau is None else checks.temperature(tau)
        self.block_size = checks.whole(block_size, "block_size", 2, None, "pass a whole number from 2 on")
        self.n = 0
        self._sums = 0.0  # of the rows, float64, one line a modality
        self._moments = 0.0  # X^T X and Y^T Y, float64
        self._apart = 0.0  # sum of the pairs' squared distances
        self._loss = 0.0  # sum over pairs
        self._loss_pairs = 0

    def update(self, images, texts) -> "GapAccumulator":
        """Add pairs and return the accumulator; if they are refused, nothing of them has been added.

        Args:
            images: Array of n rows and d columns, float16 to float64.
            texts: Array of the same shape, row i paired with row i.

        Raises:
            TypeError, ValueError: If the embeddings make no sense, or they have another d than before.
        """
        part = GapAccumulator(tau=self.tau, block_size=self.block_size)
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
                part._add(images[start : start + step], texts[start : start + step])
            except (TypeError, ValueError) as error:
                raise type(error)(f"{error} (counted from row {start})" if start else str(error)) from error
        return self.merge(part)

    def _add(self, images, texts) -> None:
        x, y = checks.pairs(images, texts, min_rows=1)
        self._sums += np.stack([x.sum(axis=0, dtype=float), y.sum(axis=0, dtype=float)])
        self._moments += np.stack([x.T @ x, y.T @ y]).astype(float)
        self.n += len(x)
        apart = x - y
        self._apart += float(np.einsum("ij,ij->i", apart, apart).sum(dtype=float))
        if self.tau is not None:
            self._add_loss(x, y)

    def _add_loss(self, x: np.ndarray, y: np.ndarray) -> None:
        from mgaplib.metrics.retrieval import contrastive_loss

        for start in range(0, len(x), self.block_size):
            batch = slice(start, start + self.block_size)
            pairs = len(x[batch])
            if pairs > 1:  # a single pair has nothing to be told apart from: its loss is 0
                self._loss += pairs * contrastive_loss(x[batch], y[batch], self.tau)
            self._loss_pairs += pairs

    def merge(self, other: "GapAccumulator") -> "GapAccumulator":
        """Add another accumulator's pairs to this one and return it; the other is left as it is.

        Raises:
            ValueError: If the two have different d, tau or block size.
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
        for name in ("n", "_sums", "_moments", "_apart", "_loss", "_loss_pairs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def metrics(self) -> dict[str, float]:
        """Return the metrics of all pairs so far, by the names they have in `mgaplib.metrics`.

        Raises:
            ValueError: If there are fewer than two pairs.
        """
        if self.n < 2:
            raise ValueError(f"{self.n} pairs have been added; at least 2 are needed")
        found = {
            **of_sums(self.n, self._sums, self._apart),
            "uniformity_w2": self._uniformity_w2(self._sums / self.n),
            "effective_rank (images)": _effective_rank(self._variances(0)),
            "effective_rank (texts)": _effective_rank(self._variances(1)),
        }
        if self._loss_pairs:
            found["contrastive_loss"] = self._loss / self._loss_pairs
        return found

    def gap_vector(self) -> np.ndarray:
        """Return the images' centroid minus the texts', d numbers.

        Raises:
            ValueError: If no pairs have been added.
        """
        if self.n == 0:
            raise ValueError("no pairs have been added")
        return (self._sums[0] - self._sums[1]) / self.n

    def _variances(self, modality: int) -> np.ndarray:
        mean = self._sums[modality] / self.n
        return np.linalg.eigvalsh(self._moments[modality] / self.n - np.outer(mean, mean)).clip(min=0)

    def _uniformity_w2(self, means: np.ndarray) -> float:
        both = means.mean(axis=0)
        values = np.linalg.eigvalsh(self._moments.sum(axis=0) / (2 * self.n) - np.outer(both, both))
        d = len(both)
        return -float(np.sqrt(max(2 - 2 * np.sqrt(values.clip(min=0)).sum() / np.sqrt(d), 0)))


def of_sums(n: int, sums: np.ndarray, apart: float) -> dict[str, float]:
    """Return what follows from both modalities' sums of unit rows and of the pairs' squared distances."""
    means = sums / n
    cosines = (n * (means**2).sum(axis=1) - 1) / (n - 1)
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

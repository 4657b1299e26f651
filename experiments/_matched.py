"""Which pairs are matched: the pair's cosine leads all its rivals of the batch, in both directions."""

import numpy as np

from mgaplib import metrics
from mgaplib.training.loop import TrainingPairs, embed

BATCH = 128
_TIE = 1e-6  # a repeated caption is a tie, which is no lead


def margins(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return each pair's lead over its nearest rival, the smaller one of the two directions."""
    cosines = images.astype(float) @ texts.astype(float).T
    own = np.diagonal(cosines)
    rivals = np.where(np.eye(len(own), dtype=bool), -np.inf, cosines)
    return own - np.maximum(rivals.max(axis=0), rivals.max(axis=1))


def matched(model, pairs: TrainingPairs, name: str, batches: int = 4) -> dict[str, float]:
    """Return what training sees of these pairs, in consecutive batches of 128, as they are ordered.

    The mean recall at 1 of both directions (ties count in expectation), the share of pairs with a positive
    margin, the least margin of any pair, and the gap of all pairs together.
    """
    images, texts = embed(model, pairs.first(batches * BATCH))
    parts = [slice(i, i + BATCH) for i in range(0, len(images), BATCH)]
    both = [(images[part], texts[part]) for part in parts]
    recall = [(metrics.recall_at_k(x, y) + metrics.recall_at_k(y, x)) / 2 for x, y in both]
    lead = np.concatenate([margins(x, y) for x, y in both])
    return {
        f"{name}_gap": metrics.modality_gap(images, texts),
        f"{name}_recall_in_batch": float(np.mean(recall)),
        f"{name}_matched": float((lead > _TIE).mean()),
        f"{name}_least_margin": float(lead.min()),
    }


def columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Return measurements over the recorded steps, one list a quantity."""
    return {f"{name}_at": [row[name] for row in rows] for name in rows[0]}

"""E8 and F1: training from random weights, and from the same weights with the gap closed by a rotation."""

import _record
import numpy as np
import torch
from _setting import ABOUT, curve, final, fit, fresh, world

from mgaplib import metrics, models


def close_gap(model, pairs) -> float:
    """Turn the text tower's output onto the pictures' (orthogonal Procrustes); return what is left."""
    wrapped = models.wrap(model)
    images, texts = wrapped.encode_images(pairs.images[:500]), wrapped.encode_texts(pairs.captions[:500])
    u, _, vt = np.linalg.svd(texts.T @ images)
    with torch.no_grad():
        model.text_projection.copy_(model.text_projection @ torch.from_numpy(u @ vt))
    return metrics.modality_gap(images, wrapped.encode_texts(pairs.captions[:500]))


def run(start: str, seed: int) -> dict:
    model = fresh(seed)
    closed = close_gap(model, world(seed)) if start == "procrustes" else None
    history = fit(model, seed, temperature="learned", tau=0.01, record_every=25)
    return {**final(history), "gap_closed_to": closed, **curve(history, "gap", "tau", "loss")}


if __name__ == "__main__":
    arms = [{"start": "random"}, {"start": "procrustes"}]
    about = (
        f"{ABOUT}; tau learned from 0.01 as in the paper's code; the start as it is, "
        "or closed by Procrustes on 500 pairs."
    )
    _record.main(__file__, about, arms, run)

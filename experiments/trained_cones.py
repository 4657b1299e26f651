"""E4b: eleven separately trained models, one cone each?"""

import _record
import numpy as np
from _setting import ABOUT, fit, fresh, held_out, world

from mgaplib import metrics, models

MODELS, SHOWN = 11, 48


def run(temperature: str, tau: float, seed: int) -> dict:
    embedded = {"image": [], "text": []}
    for i in range(MODELS):  # other weights, the same pairs in the same order
        model = fresh(seed + i)
        fit(model, 0, data=world(0), validation=held_out(0), temperature=temperature, tau=tau)
        wrapped = models.wrap(model)
        embedded["image"].append(wrapped.encode_images(held_out(0).images))
        embedded["text"].append(wrapped.encode_texts(held_out(0).captions))
    return {k: v for what, models in embedded.items() for k, v in _cones(what, np.array(models)).items()}


def _cones(what: str, models: np.ndarray) -> dict:
    """Return the width of each model's cone, the cosines between cones' axes, and a picture of them."""
    axes = models.mean(axis=1)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    between = (axes @ axes.T)[np.triu_indices(len(axes), 1)]
    every = models.reshape(-1, models.shape[2])
    _, singular, directions = np.linalg.svd(every - every.mean(axis=0), full_matrices=False)
    plane = (models[:, :SHOWN] - every.mean(axis=0)) @ directions[:2].T
    nearest = (every @ axes.T).argmax(axis=1) == np.arange(len(models)).repeat(models.shape[1])
    return {
        f"{what}_within": [metrics.mean_cosine(m) for m in models],
        f"{what}_between": between.tolist(),
        f"{what}_own_axis_nearest": float(nearest.mean()),
        f"{what}_singular": singular[:20].tolist(),
        f"{what}_plane": plane.round(3).tolist(),
    }


if __name__ == "__main__":
    arms = [{"temperature": "fixed", "tau": 0.01}]
    about = (
        f"{ABOUT}; {MODELS} models trained from other weights on the same pairs, "
        "their held-out embeddings compared."
    )
    _record.main(__file__, about, arms, run, seeds=[0])

"""How well the two modalities can be told apart, by a classifier and by their scores alone."""

import numpy as np

from mgaplib import _checks


def linear_separability(images, texts, seed: int = 0) -> float:
    """Return the held-out accuracy of a linear classifier that tells images from texts.

    Half of the pairs, drawn with the seed, train a logistic regression and the others test it, so that both
    halves are balanced: 0.5 means mixed, 1 means that a plane parts the modalities.

    Args:
        images: Array of n rows and d columns, at least 4 rows.
        texts: Array of the same shape, row i paired with row i.
        seed: Seed of the split.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed or their shapes differ.

    Source: Fahim et al. 2024.

    Example:
        >>> linear_separability(np.eye(8), -np.eye(8) - 1)
        1.0

    Taught in chapter notation.
    """
    from sklearn.linear_model import LogisticRegression

    images, texts = _checks.pairs(images, texts, min_rows=4)
    seed = _checks.whole(seed, "seed", 0, None, "pass a whole number from 0 on")
    order = np.random.default_rng(seed).permutation(len(images))
    train, test = order[: len(order) // 2], order[len(order) // 2 :]
    fit_on = np.concatenate([images[train], texts[train]]).astype(float)
    centre = fit_on.mean(axis=0)
    # One scale for all columns: a narrow cone is regularised like a wide one, and a rotation changes nothing.
    spread = np.sqrt(np.mean((fit_on - centre) ** 2)) or 1.0
    label = np.repeat([0, 1], [len(train), len(train)])
    classifier = LogisticRegression(max_iter=1000).fit((fit_on - centre) / spread, label)
    held_out = (np.concatenate([images[test], texts[test]]) - centre) / spread
    return float(classifier.score(held_out, np.repeat([0, 1], [len(test), len(test)])))


def score_gap(images, texts) -> float:
    """Return how far scores within a modality lie from scores across: why one threshold cannot serve both.

    The Wasserstein distance, in units of cosine, of the cosines of different rows of one modality to the
    cosines of unpaired rows of both; the mean over the modalities. 0 means that a score tells nothing about
    the candidate's modality. All n^2 cosines are sorted.

    Args:
        images: Array of n rows and d columns.
        texts: Array of the same shape, row i paired with row i.

    Raises:
        TypeError: If the embeddings hold no floating-point numbers.
        ValueError: If they are malformed or their shapes differ.

    Source: This book's own; Wasserstein's distance of two sorted samples.

    Example:
        >>> round(score_gap(np.eye(3), -np.ones((3, 3))), 4)  # within: 0 or 1; across: -1 / sqrt(3)
        1.0774

    Taught in chapter notation.
    """
    images, texts = _checks.pairs(images, texts)
    across = _sorted_off_diagonal(images @ texts.T)
    within = (_sorted_off_diagonal(x @ x.T) for x in (images, texts))
    return float(np.mean([np.mean(np.abs(w - across), dtype=float) for w in within]))


def _sorted_off_diagonal(scores: np.ndarray) -> np.ndarray:
    n = len(scores)
    # A row of n + 1 entries, its last cut off, starts at each diagonal entry.
    return np.sort(scores.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:], axis=None)

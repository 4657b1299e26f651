"""What is shown where the published embeddings are out of reach: MiniCLIP's, or drawn ones without torch."""

import importlib.util

import numpy as np

MINICLIP = "MiniCLIP's embeddings of ShapeWorld pictures"
DRAWN = "a drawn stand-in"


def stand_in(seed: int, shape: tuple[int, int], trained: bool) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Return images and texts, what they are in words, and the kind of data that claims about them rest on.

    Args:
        seed: Another seed gives other pairs, and other random weights.
        shape: Rows and columns of the published file; MiniCLIP has its own number of columns.
        trained: Whether it stands in for a trained model.
    """
    if importlib.util.find_spec("torch") and importlib.util.find_spec("open_clip"):
        return *miniclip(seed, shape[0], trained), MINICLIP, "miniclip"
    return *drawn(seed, shape, trained), DRAWN, "simulation"


def miniclip(seed: int, n: int, trained: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what the shared MiniCLIP, or one with random weights, makes of n held-out pairs."""
    from mgaplib import clip, miniclip, shapeworld

    model = miniclip.competent() if trained else clip.load_clip(miniclip.ARCHITECTURE, seed=seed)
    pairs = shapeworld.draw(n, seed=seed, split="val", size=model.image_size)
    return model.encode_images(pairs.images), model.encode_texts(pairs.captions)


def drawn(seed: int, shape: tuple[int, int], trained: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn embeddings of the published ones' shape: two cones whose axes are a gap apart.

    A row is a common direction, plus or minus half the gap, plus content: shared by the pair where the model
    is trained, its own where it is not. The variances are CLIP's, rounded.
    """
    common, half_gap, shared, own = (0.34, 0.18, 0.15, 0.33) if trained else (0.35, 0.32, 0.0, 0.33)
    n, d = shape
    rng = np.random.default_rng([seed, trained])
    # Content fills 100 directions, about the effective rank of CLIP's; two more hold the cones' axes.
    basis = np.linalg.qr(rng.standard_normal((d, 102)))[0].T
    axis = [np.sqrt(common) * basis[0] + sign * np.sqrt(half_gap) * basis[1] for sign in (1, -1)]
    content = [rng.standard_normal((n, 100)) / 10 for _ in range(3)]
    rows = [
        a + (np.sqrt(shared) * content[2] + np.sqrt(own) * c) @ basis[2:]
        for a, c in zip(axis, content[:2], strict=True)
    ]
    images, texts = [(r / np.linalg.norm(r, axis=1, keepdims=True)).astype(np.float32) for r in rows]
    return images, texts

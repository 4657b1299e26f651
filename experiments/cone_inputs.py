"""How alike the inputs are before any network: their own mean cosines, beside which a cone is to be read.

About 2 minutes on one core. Read by the chapter random_networks.
"""

import numpy as np
import torch
from _inputs import MEAN, STD, encoder, pictures, texts
from _record import main

from mgaplib import metrics

N = 48


def run(what: str, inputs: str, size: int, seed: int) -> dict[str, float]:
    """Measure pictures of `size` pixels or texts of `size` tokens, raw and as a random ViT-B/32 sees them."""
    return _pictures(inputs, size, seed) if what == "picture" else _texts(inputs, size, seed)


def _pictures(inputs: str, size: int, seed: int) -> dict[str, float]:
    centred = pictures(inputs, N, size, seed)
    out = {"raw": _cosine(centred * STD + MEAN), "centred": _cosine(centred)}
    if size % 32:
        return out
    visual = encoder("ViT-B-32", size, 32, seed).model.visual
    patches = visual.conv1(centred).flatten(2)  # n, width, patches
    sequence = visual._embeds(centred)
    return {
        **out,
        "patches": _cosine(patches),
        "sequence": _cosine(sequence),
        "read": _cosine(sequence[:, 0]),
    }


def _texts(inputs: str, size: int, seed: int) -> dict[str, float]:
    both = encoder("ViT-B-32", 32, size, seed)
    tokens = texts(inputs, N, size, seed, both.tokenizer)
    end = tokens.argmax(dim=1)  # open_clip reads the token of the highest id: the last, in a sentence
    embedded = both.model.token_embedding(tokens)
    placed = embedded + both.model.positional_embedding
    place = torch.arange(size)
    inside = (place <= end[:, None]).float()[..., None] if inputs != "noise" else torch.ones(N, size, 1)
    words = inside * ((place != 0) & (place != end[:, None])).float()[..., None]
    return {
        "words": _cosine((embedded * words).sum(dim=1)),
        "tokens": _cosine((embedded * inside).sum(dim=1)),
        "sequence": _cosine(placed * inside),
        "read": _cosine(placed[torch.arange(N), end]),
    }


def _cosine(x: torch.Tensor) -> float:
    return metrics.mean_cosine(np.asarray(x.flatten(1), dtype=np.float64))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(
        __file__,
        f"Mean cosines of {N} inputs themselves. Pictures: pixels from 0 to 1; with CLIP's centring; "
        "after ViT-B/32's random patch layer; the whole sequence with class token and positions; the "
        "class token alone. Texts: sums of the random embeddings of their words; of all their tokens; "
        "the sequence with positions; the token that is read.",
        [
            {"what": "picture", "inputs": kind, "size": size}
            for kind in ("photographs", "digits", "shapes", "noise")
            for size in (24, 32, 64, 224)
        ]
        + [
            {"what": "text", "inputs": kind, "size": size}
            for kind in ("sentences", "captions", "noise", "ended noise")
            for size in (32, 77)
        ],
        run,
    )

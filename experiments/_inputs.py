"""What the control arms of the cone feed to their encoders: pictures and texts of several kinds."""

from functools import lru_cache

import numpy as np
import torch

from mgaplib import models
from mgaplib.worlds import samples, shapeworld

VOCABULARY, SENTENCES = 49408, 150
MEAN, STD = (  # of CLIP's pixels
    torch.tensor(v).view(1, 3, 1, 1)
    for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
)
TEXT_OF = {  # the text that goes with a kind of picture, where two towers are compared
    "photographs": "sentences",
    "shapes": "captions",
    "digits": "sentences",
    "noise": "noise",
}


@lru_cache(maxsize=1)
def encoder(name: str, size: int, context: int, seed: int) -> models.Clip:
    """Return an open_clip model with random weights."""
    return models.load_clip(name, image_size=size, context_length=context, seed=seed, device="cpu")


def pictures(kind: str, n: int, size: int, seed: int) -> torch.Tensor:
    """Return pictures centred and scaled as for CLIP; noise is normal, as in the paper."""
    if kind == "noise":
        return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))
    if kind == "shapes":
        images = shapeworld.draw(n, size=size, seed=seed).images
    else:
        images = getattr(samples, kind)(n, size, np.random.default_rng(seed))
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def texts(kind: str, n: int, context: int, seed: int, tokenizer) -> torch.Tensor:
    """Return token ids. "ended noise" is noise that starts and ends as a sentence of full length does."""
    if kind.endswith("noise"):
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(0, VOCABULARY, (n, context), generator=generator)
        if kind == "ended noise":
            tokens = tokens.clamp(max=VOCABULARY - 3)
            tokens[:, 0], tokens[:, -1] = VOCABULARY - 2, VOCABULARY - 1
        return tokens
    if kind == "captions":
        return tokenizer(list(shapeworld.draw(n, size=16, seed=seed).captions))
    chosen = np.random.default_rng(seed).choice(SENTENCES, n, replace=False)
    return tokenizer([samples.sentences(SENTENCES)[i] for i in chosen])

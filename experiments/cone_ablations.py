"""What makes the cone of a random transformer: mean cosine by depth with one part after the other taken out.

About 8 minutes on one core. Read by the chapter random_networks.
"""

import copy

import numpy as np
import torch
from _inputs import encoder, pictures, texts
from _record import main

from mgaplib import cone, metrics

CONTEXT, NUMBER = 32, {64: 48, 224: 24}  # inputs, by the size of the pictures


def run(tower: str, inputs: str, size: int, parts: str, seed: int) -> dict:
    """Take parts out of a tower; `parts` names them, joined by " + ", or is "full"."""
    full, n = encoder("ViT-B-32", size, CONTEXT, seed), NUMBER[size]
    if tower == "image":
        network, fed = copy.deepcopy(full.model.visual), pictures(inputs, n, size, seed)
        read, last = torch.zeros(n, dtype=torch.long), torch.full((n,), 10_000)
        forward = type(network).forward
    else:
        network, fed = copy.deepcopy(full.model), texts(inputs, n, CONTEXT, seed, full.tokenizer)
        network.visual = None
        read = last = fed.argmax(dim=1)  # open_clip reads the highest id; no token sees those behind it
        forward = type(network).encode_text
    for part in parts.split(" + "):
        network = TAKE_OUT[part](network, tower) or network
    states: list[torch.Tensor] = []
    blocks = network.transformer.resblocks
    blocks[0].register_forward_pre_hook(lambda _block, given: states.append(given[0]))
    for block in blocks:
        block.register_forward_hook(lambda _block, _given, out: states.append(out))
    embedding = forward(network, fed).numpy()
    seen = (torch.arange(states[0].shape[1]) <= last[:, None])[..., None]
    return {
        "read": [_cosine(state[torch.arange(n), read].numpy()) for state in states],
        "mean_token": [_cosine((state * seen).sum(dim=1).numpy()) for state in states],
        "embedding": _cosine(embedding),
        "lowest": float(np.min(_unit(embedding) @ _unit(embedding).T)),
    }


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _cosine(x: np.ndarray) -> float | None:
    """Return the mean cosine; None where the token that is read is zero."""
    return None if np.linalg.norm(x, axis=1).min() < 1e-9 else metrics.mean_cosine(x)


def _gelu(network, _tower):
    for block in network.transformer.resblocks:
        block.mlp.gelu = torch.nn.Identity()


def _mlps(network, _tower):
    for block in network.transformer.resblocks:
        block.mlp.c_proj.weight.zero_()
        block.mlp.c_proj.bias.zero_()


def _attention(network, _tower):
    for block in network.transformer.resblocks:
        block.attn.out_proj.weight.zero_()
        block.attn.out_proj.bias.zero_()


def _biases(network, _tower):
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            value.zero_()


def _norms(network, _tower):
    return cone.without_norms(network)


def _positions(network, _tower):
    network.positional_embedding.zero_()


def _token(network, tower):
    """Zero the token that is common to all inputs: the class token, or the texts' first and last."""
    if tower == "image":
        network.class_embedding.zero_()
    else:
        network.token_embedding.weight[-2:] = 0


TAKE_OUT = {
    "full": lambda _network, _tower: None,
    "GELU": _gelu,
    "MLPs": _mlps,
    "attention": _attention,
    "biases": _biases,
    "norms": _norms,
    "positions": _positions,
    "token": _token,
}
ALL = (
    "full",
    "GELU",
    "MLPs",
    "attention",
    "biases",
    "norms",
    "norms + biases",
    "positions",
    "token",
    "positions + token",
    "positions + token + MLPs",
    "positions + token + GELU",
    "positions + token + biases",
    "positions + token + biases + GELU",
)
FEW = ("full", "GELU", "MLPs", "positions + token", "positions + token + MLPs")
ARMS = (
    ("image", "photographs", 64, ALL),
    ("image", "noise", 64, FEW),
    ("image", "photographs", 224, FEW),
    ("image", "noise", 224, FEW),
    ("text", "sentences", 64, ALL),
    ("text", "noise", 64, FEW),
    ("text", "ended noise", 64, FEW),
)

if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(
        __file__,
        "Mean cosine before each block, after the last and of the embedding, in the two towers of "
        "CLIP ViT-B/32 with random weights: 48 inputs at 64 pixels or 24 at 224, 32 tokens. read: the "
        "token that becomes the embedding; mean_token: the sum of the tokens that it sees. GELU, "
        "norms: made the identity; the other parts are zeroed. token: the class token, or the texts' "
        "first and last. The noise of the text tower is read at its highest id, as open_clip does; "
        "ended noise has a first and a last token as sentences have.",
        [
            {"tower": tower, "inputs": inputs, "size": size, "parts": parts}
            for tower, inputs, size, some in ARMS
            for parts in some
        ],
        run,
    )

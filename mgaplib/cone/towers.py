"""What a tower of a CLIP holds layer by layer: whether depth narrows the cone or opens it."""

import numpy as np

from mgaplib import checks


def tower_layers(clip, inputs, tower: str, batch_size: int = 128) -> list[np.ndarray]:
    """Return what a tower holds of each input: before its first block, after each, and at last the embedding.

    Of each input it is the state of the token that the tower reads in the end, its class token or the end of
    the text; the mean of all where it reads them all. The towers share no space before the last.

    Args:
        clip: A `models.Clip` whose tower is a transformer of open_clip's.
        inputs: Pictures or texts, as its `encode_images` or `encode_texts` takes them.
        tower: "image" or "text".
        batch_size: Inputs encoded at a time.

    Raises:
        ValueError: If the tower is unknown, or no transformer of open_clip's.

    Example:
        >>> from mgaplib import models
        >>> layers = tower_layers(models.load_clip("MiniCLIP-24"), ["a red circle", "a blue square"], "text")
        >>> [layer.shape for layer in layers]
        [(2, 32), (2, 32), (2, 128)]

    Taught in chapter depth_and_activation.
    """
    checks.known(tower, ("image", "text"), "tower")
    model = clip.model
    part = model.visual if tower == "image" else model if hasattr(model, "transformer") else model.text
    blocks = getattr(getattr(part, "transformer", None), "resblocks", None)
    if blocks is None:
        what = f"the {tower} tower of {clip.name}"
        raise ValueError(f"{what} is no transformer of open_clip's; pass a ViT's, say")
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if tower == "text" and not hasattr(inputs, "argmax"):
        inputs = clip.tokenizer(list(inputs))
    held = [[] for _ in range(len(blocks) + 1)]

    def keep(layer: int, states) -> None:
        states = states if part.transformer.batch_first else states.transpose(0, 1)
        done = sum(map(len, held[layer]))
        if tower == "image":
            read = states[:, 0] if part.pool_type == "tok" else states.mean(dim=1)
        else:
            read = _read(states, inputs[done : done + len(states)].to(states.device), part)
        held[layer].append(read.float().cpu().numpy())

    hooks = [blocks[0].register_forward_pre_hook(lambda block, given: keep(0, given[0]))]
    for i, block in enumerate(blocks, start=1):
        hooks.append(block.register_forward_hook(lambda block, given, states, i=i: keep(i, states)))
    encode = clip.encode_images if tower == "image" else clip.encode_texts
    try:
        last = encode(inputs, batch_size=batch_size, normalize=False)
    finally:
        for hook in hooks:
            hook.remove()
    return [*map(np.concatenate, held), last]


def _read(states, ids, part):
    """Return the state of each text's token that the tower reads."""
    from mgaplib.models.open_clip import open_clip

    kind = getattr(part, "pool_type", None) or getattr(part, "text_pool_type", "argmax")
    read = open_clip.transformer.text_global_pool(states, ids, kind, getattr(part, "eos_id", None))
    return read.mean(dim=1) if read.ndim == 3 else read

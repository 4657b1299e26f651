"""The states of a tower, layer by layer: as running it by hand gives them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mgaplib import cone, models
from mgaplib.worlds import shapeworld

WORLD = shapeworld.draw(7, size=16)


@pytest.fixture(scope="module")
def clip():
    model = models.mini_clip(width=16, image_size=16, layers=3, text_layers=2, embed_dim=12)
    return models.wrap(model)


def by_hand(clip, tower):
    """Run a tower's own layers one after another."""
    model = clip.model
    with torch.no_grad():
        if tower == "image":
            visual = model.visual
            x = visual.conv1(clip.pixels(WORLD.images)).flatten(2).transpose(1, 2)
            x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
            x = visual.ln_pre(x + visual.positional_embedding)
            states = [x[:, 0]]
            for block in visual.transformer.resblocks:
                x = block(x)
                states.append(x[:, 0])
            return [*states, visual.ln_post(x[:, 0]) @ visual.proj]
        ids = clip.tokenizer(WORLD.captions)
        at = torch.arange(len(ids)), ids.argmax(dim=1)
        x = model.token_embedding(ids) + model.positional_embedding
        states = [x[at]]
        for block in model.transformer.resblocks:
            x = block(x, attn_mask=model.attn_mask)
            states.append(x[at])
        return [*states, model.ln_final(x)[at] @ model.text_projection]


@pytest.mark.parametrize("tower", ["image", "text"])
def test_each_layer_is_as_by_hand(clip, tower):
    inputs = WORLD.images if tower == "image" else WORLD.captions
    wanted = by_hand(clip, tower)
    for batch_size in (2, 7):
        found = cone.tower_layers(clip, inputs, tower, batch_size)
        assert len(found) == len(wanted) == (5 if tower == "image" else 4)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    if tower == "text":
        again = cone.tower_layers(clip, clip.tokenizer(inputs), tower)
        np.testing.assert_allclose(again[1], wanted[1], atol=1e-5)


def test_the_model_is_left_as_it_was(clip):
    cone.tower_layers(clip, WORLD.images, "image")
    with pytest.raises(ValueError, match="images has shape"):
        cone.tower_layers(clip, WORLD.images[0, 0], "image")
    for module in clip.model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_towers_without_such_layers_are_refused(clip):
    bare = SimpleNamespace(name="RN50", model=SimpleNamespace(visual=torch.nn.Identity(), text=None))
    with pytest.raises(ValueError, match="the image tower of RN50 is no transformer"):
        cone.tower_layers(bare, WORLD.images, "image")
    with pytest.raises(ValueError, match="did you mean 'text'"):
        cone.tower_layers(clip, WORLD.captions, "texts")

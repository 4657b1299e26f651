import numpy as np
import pytest
import torch

from mgaplib import metrics, models, training
from mgaplib.models import open_clip
from mgaplib.training import losses
from mgaplib.worlds import shapeworld


def unit_pairs(n: int = 12, d: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, n, d)))
    images, texts = torch.nn.functional.normalize(rows, dim=-1)
    return images, texts


def test_terms_equal_the_metrics():
    x, y = unit_pairs()
    assert float(losses.alignment_term(x, y)) == pytest.approx(metrics.alignment(x, y))
    assert float(losses.uniformity_term(x)) == pytest.approx(metrics.uniformity(x))
    assert float(losses.uniformity_term(y, t=3.0)) == pytest.approx(metrics.uniformity(y, t=3.0))


def test_cross_uniformity_against_a_loop():
    x, y = unit_pairs()
    weights = [
        torch.exp(-2 * (a - b).pow(2).sum()) for i, a in enumerate(x) for j, b in enumerate(y) if i != j
    ]
    torch.testing.assert_close(losses.cross_uniformity_term(x, y), torch.log(torch.stack(weights).mean()))


def test_gradients_against_finite_differences():
    x, y = unit_pairs(6, 4)
    loss = losses.SpreadLoss(open_clip.ClipLoss(), alignment=0.7, uniformity=0.5, cross_uniformity=0.3)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, 5.0), (x.requires_grad_(), y.requires_grad_()))


def test_without_weights_it_is_the_wrapped_loss():
    x, y = unit_pairs()
    plain = open_clip.ClipLoss()
    torch.testing.assert_close(losses.SpreadLoss(plain)(x, y, 10.0), plain(x, y, 10.0))
    parts = losses.SpreadLoss(plain, alignment=2.0, uniformity=1.0)(x, y, logit_scale=10.0, output_dict=True)
    assert set(parts) == {"contrastive_loss", "alignment_loss", "uniformity_loss"}
    total = losses.SpreadLoss(plain, alignment=2.0, uniformity=1.0)(x, y, 10.0)
    torch.testing.assert_close(sum(parts.values()), total)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_make_no_sense(weight):
    with pytest.raises(ValueError, match="uniformity"):
        losses.SpreadLoss(open_clip.ClipLoss(), uniformity=weight)


@pytest.mark.parametrize("term", [losses.alignment_term, losses.cross_uniformity_term])
def test_pairs_that_do_not_fit_are_refused(term):
    x, y = unit_pairs()
    with pytest.raises(ValueError, match=r"shapes differ: .*\(12, 5\).*\(11, 5\)"):
        term(x, y[:11])
    with pytest.raises(
        ValueError, match="texts has a row \\(0\\) of length 2; .*normalize\\(texts, dim=-1\\)"
    ):
        term(x, 2 * y)
    with pytest.raises(TypeError, match="images holds torch.int64"):
        term(torch.eye(5, dtype=torch.int64), torch.eye(5))


@pytest.mark.parametrize(
    ("x", "t", "match"),
    [
        (torch.ones(4), 2.0, "x has shape \\(4,\\)"),
        (torch.eye(1), 2.0, "x has shape \\(1, 1\\); pass a matrix of 2 or more rows"),
        (3 * torch.eye(4), 2.0, "x has a row \\(0\\) of length 3"),
        (torch.eye(4), -1.0, "t is -1"),
        (torch.eye(4), float("inf"), "t is inf"),
    ],
)
def test_uniformity_of_what_has_none_is_refused(x, t, match):
    with pytest.raises(ValueError, match=match):
        losses.uniformity_term(x, t)


def test_unit_rows_of_half_precision_are_unit_rows():
    x, y = (rows.half() for rows in unit_pairs())
    assert float(losses.alignment_term(x, y)) == pytest.approx(
        float(losses.alignment_term(*unit_pairs())), rel=0.01
    )


def test_a_shared_encoder_is_one_and_learns_from_both_towers():
    model = models.mini_clip(width=16, image_size=16, layers=1, text_layers=1)
    before = sum(p.numel() for p in model.parameters())
    shared = losses.share_encoder(model)
    assert shared is model
    tower = sum(p.numel() for p in model.visual.transformer.parameters()) + model.visual.proj.numel()
    assert sum(p.numel() for p in model.parameters()) == before - tower
    world = shapeworld.draw(64, size=16)
    training.train(model, world, training.TrainConfig(steps=2, batch_size=32))
    assert model.text_projection is model.visual.proj
    tokens = models.wrap(model).tokenizer(world.captions)
    model.encode_text(tokens).sum().backward()
    assert all(p.grad is not None for p in model.visual.transformer.parameters())


def test_towers_that_cannot_be_shared():
    with pytest.raises(ValueError, match="the towers differ: 2 layers of width 48 for images, 1 of 48"):
        losses.share_encoder(models.mini_clip())
    with pytest.raises(ValueError, match="vision transformer"):
        losses.share_encoder(models.load_clip("RN50", image_size=64).model)

import math

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


def slow_contrast(anchors, others, scale: float, leave_one_out: bool) -> float:
    """Return minus the mean over anchors of log exp(own) / sum exp(other), summed in plain Python."""
    total = 0.0
    for i, a in enumerate(anchors.tolist()):
        scores = [math.exp(scale * sum(p * q for p, q in zip(a, b, strict=True))) for b in others.tolist()]
        total -= math.log(scores[i] / sum(s for j, s in enumerate(scores) if j != i or not leave_one_out))
    return total / len(anchors)


def slow_retrieved(states, stored, beta: float) -> torch.Tensor:
    """Return, for each state z, U softmax(beta U^T z) at unit length, with the patterns as columns of U."""
    u, rows = stored.T, []
    for z in states:
        weights = torch.exp(beta * (u.T @ z))
        row = u @ (weights / weights.sum())
        rows.append(row / row.norm())
    return torch.stack(rows)


@pytest.mark.parametrize("leave_one_out", [True, False])
@pytest.mark.parametrize("beta", [None, 0.7, 8.0])
def test_cloob_and_its_parts_against_the_papers_sums(beta, leave_one_out):
    x, y = unit_pairs()
    first, second = ((x, y), (y, x))
    if beta is not None:  # U stores the images, V the texts
        first = slow_retrieved(x, x, beta), slow_retrieved(y, x, beta)
        second = slow_retrieved(y, y, beta), slow_retrieved(x, y, beta)
    expected = sum(slow_contrast(a, b, 30.0, leave_one_out) for a, b in (first, second)) / 2
    loss = losses.CLOOBLoss(beta=beta, leave_one_out=leave_one_out)
    assert float(loss(x, y, 30.0)) == pytest.approx(expected, abs=1e-9)
    assert float(loss(x, y, 30.0, output_dict=True)["contrastive_loss"]) == float(loss(x, y, 30.0))
    assert float(loss(x, y, 30.0, torch.tensor(-10.0))) == pytest.approx(expected, abs=1e-9)  # a bias cancels


def test_without_both_parts_cloob_is_clip_and_infonce_is_the_softplus_of_infoloob():
    x, y = unit_pairs()
    plain = losses.CLOOBLoss(beta=None, leave_one_out=False)
    torch.testing.assert_close(plain(x, y, 20.0), open_clip.ClipLoss()(x, y, 20.0))
    logits = 20 * x @ y.T
    left_out = logits.masked_fill(torch.eye(len(x), dtype=torch.bool), -math.inf)
    one = [m.logsumexp(dim=1) - logits.diagonal() for m in (left_out, logits)]
    torch.testing.assert_close(torch.nn.functional.softplus(one[0]), one[1])  # -ln a/(a+b), -ln a/b


def test_infoloob_where_it_is_known():
    n = 5
    same, loss = torch.ones(n, 2) / math.sqrt(2), losses.CLOOBLoss(beta=None)
    assert float(loss(same, same, 7.0)) == pytest.approx(math.log(n - 1))  # all candidates alike
    assert float(loss(torch.eye(n), torch.eye(n), 7.0)) == pytest.approx(math.log(n - 1) - 7)
    x, y = unit_pairs(n)
    assert float(losses.CLOOBLoss(beta=0.0)(x, y, 7.0)) == pytest.approx(math.log(n - 1))  # one mean for all


def test_cloob_knows_no_axes_and_no_order():
    x, y = unit_pairs(9, 6)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).standard_normal((6, 6))))[0]
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    loss = losses.CLOOBLoss()
    for a, b in ((x @ turn, y @ turn), (x[order], y[order]), (y, x)):
        torch.testing.assert_close(loss(a, b, 30.0), loss(x, y, 30.0))


def test_gradients_of_cloob_against_finite_differences():
    x, y = (torch.nn.Parameter(rows) for rows in unit_pairs(6, 4))
    assert torch.autograd.gradcheck(lambda a, b: losses.CLOOBLoss()(a, b, 5.0), (x, y))


def test_consistencies_against_the_papers_sums():
    x, y = unit_pairs()
    n = range(len(x))
    within = sum((x[j] @ x[k] - y[k] @ y[j]) ** 2 for j in n for k in n) / len(x)
    across = sum((x[j] @ y[k] - x[k] @ y[j]) ** 2 for j in n for k in n) / len(x)
    torch.testing.assert_close(losses.in_modal_term(x, y), within)
    torch.testing.assert_close(losses.cross_modal_term(x, y), across)
    cyclip = losses.SpreadLoss(open_clip.ClipLoss(), in_modal=0.25, cross_modal=0.25)
    torch.testing.assert_close(cyclip(x, y, 14.3), open_clip.ClipLoss()(x, y, 14.3) + (within + across) / 4)


def test_consistencies_vanish_where_one_side_is_a_rotation_of_the_other():
    x, _ = unit_pairs(10, 4)
    rng = np.random.default_rng(2)
    turn = torch.linalg.qr(torch.from_numpy(rng.standard_normal((4, 4))))[0]
    assert float(losses.in_modal_term(x, x @ turn)) == pytest.approx(0, abs=1e-12)
    assert float(losses.cross_modal_term(x, x)) == pytest.approx(0, abs=1e-12)
    assert float(losses.cross_modal_term(x, x @ turn)) > 0.01


def test_siglip_against_a_loop_over_pairs():
    x, y = unit_pairs()
    scale, bias = 10.0, torch.tensor(-10.0)
    total = 0.0
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            match = 1 if i == j else -1
            total += math.log(1 + math.exp(-match * (scale * float(a @ b) + float(bias))))
    assert float(losses.SigLIPLoss()(x, y, scale, bias)) == pytest.approx(total / len(x))
    assert set(losses.SigLIPLoss()(x, y, scale, bias, output_dict=True)) == {"contrastive_loss"}


def test_a_sigmoid_without_a_bias_is_refused_with_the_cure():
    x, y = unit_pairs()
    with pytest.raises(ValueError, match=r"no logit_bias.*add_logit_bias\(model\)"):
        losses.SigLIPLoss()(x, y, 10.0)
    with pytest.raises(TypeError, match="model is a Linear; pass an open_clip model"):
        losses.add_logit_bias(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="bias is nan"):
        losses.add_logit_bias(models.mini_clip(), float("nan"))


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_a_retrieval_that_makes_no_sense_is_refused(beta):
    with pytest.raises(ValueError, match="beta is"):
        losses.CLOOBLoss(beta=beta)


def test_one_pair_alone_has_no_stranger():
    x, y = unit_pairs(1)
    with pytest.raises(ValueError, match="the batch has 1 pair"):
        losses.CLOOBLoss(beta=None)(x, y, 1.0)


def test_the_bias_is_learned_and_kept(tmp_path):
    model = losses.add_logit_bias(models.mini_clip(width=16, image_size=16, layers=1))
    world = shapeworld.draw(64, size=16)
    config = training.TrainConfig(steps=3, batch_size=32, tau=0.1)
    file = tmp_path / "sig.pt"
    training.train(model, world, config, loss=losses.SigLIPLoss(), checkpoint=file)
    assert model.logit_bias.item() != -10
    again = models.load_clip(str(file)).model
    assert again.logit_bias.item() == model.logit_bias.item()
    more = losses.add_logit_bias(models.mini_clip(width=16, image_size=16, layers=1))
    config = training.TrainConfig(steps=4, batch_size=32, tau=0.1)
    history = training.train(more, world, config, loss=losses.SigLIPLoss(), checkpoint=file, resume=True)
    assert history.final["step"] == 4


def test_a_model_that_answers_with_a_dict_trains_alike():
    runs = []
    for output_dict in (False, True):
        model = losses.add_logit_bias(models.mini_clip(width=16, image_size=16, layers=1))
        model.output_dict = output_dict
        config = training.TrainConfig(steps=2, batch_size=32, tau=0.1)
        runs.append(training.train(model, shapeworld.draw(64, size=16), config, loss=losses.SigLIPLoss()))
    assert runs[0].records == runs[1].records

"""Temperature control: schedules, parametrisations, parameter groups, and open_clip's own training loop."""

import copy
import logging
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import models
from mgaplib.models import open_clip
from mgaplib.training import TrainConfig, temperature
from mgaplib.training.temperature import Inward
from mgaplib.worlds import shapeworld

TAUS = st.floats(0.01, 1.0)
TINY = {"width": 16, "image_size": 16, "layers": 1, "embed_dim": 16}
STEPS = 4


def tau_of(model) -> float:
    return float(1 / model.logit_scale.detach().exp())


def model_at(tau: float):
    return models.mini_clip(**TINY, tau=tau)


def adamw(model, lr=0.01):
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)


def open_clip_epoch(model, optimizer, scheduler, loss=None, accum_freq=1) -> None:
    """Run one epoch of open_clip's own training loop, unchanged."""
    from open_clip_train.train import train_one_epoch

    model.output_dict = True
    pairs = shapeworld.draw(8 * STEPS * accum_freq, size=16).to_torch(models.wrap(model))
    loader = torch.utils.data.DataLoader(pairs, batch_size=8)
    loader.num_batches, loader.num_samples = STEPS * accum_freq, len(pairs)
    args = SimpleNamespace(
        device="cpu", precision="fp32", accum_freq=accum_freq, skip_scheduler=False, distill=False,
        grad_clip_norm=1.0, horovod=False, batch_size=8, world_size=1, rank=0, local_rank=0,
        log_every_n_steps=1, wandb=False, log_local=False,
    )  # fmt: skip
    data = {"train": SimpleNamespace(set_epoch=lambda epoch: None, dataloader=loader)}
    train_one_epoch(model, data, loss or open_clip.ClipLoss(), 0, optimizer, None, scheduler, None, args)


def open_clip_scheduler(optimizer, lr=0.01):
    from open_clip_train.scheduler import cosine_lr

    return cosine_lr(optimizer, lr, 2, STEPS)


# Fixed and scheduled


def test_fix_stops_learning_at_tau():
    model = model_at(0.07)
    temperature.fix(model, 0.04)
    assert tau_of(model) == pytest.approx(0.04)
    open_clip_epoch(model, optimizer := adamw(model), open_clip_scheduler(optimizer))
    assert tau_of(model) == pytest.approx(0.04)
    assert model.logit_scale.grad is None


@pytest.mark.parametrize(
    "name, start, end", [("S0", 0.01, 0.02), ("S1", 0.01, 0.03), ("S2", 0.01, 0.04), ("S3", 0.01, 0.05)]
)
def test_the_papers_linear_schedules(name, start, end):
    schedule = temperature.SCHEDULES[name]
    assert [schedule(t) for t in (0, 0.5, 1)] == pytest.approx([start, (start + end) / 2, end])


@pytest.mark.parametrize("name, high", [("A0", 0.02), ("A1", 0.04)])
def test_the_papers_alternations_start_low_and_reach_high(name, high):
    schedule = temperature.SCHEDULES[name]
    values = [schedule(i / 1000) for i in range(1001)]
    assert (values[0], min(values), max(values)) == pytest.approx((0.01, 0.01, high))


@given(TAUS, TAUS, st.floats(0, 1), st.integers(1, 9))
def test_an_alternation_repeats_and_stays_between(low, high, done, cycles):
    schedule = temperature.alternating(low, high, cycles)
    assert min(low, high) - 1e-12 <= schedule(done) <= max(low, high) + 1e-12
    assert schedule((done + 1) / cycles) == pytest.approx(schedule(done / cycles), abs=1e-9)


def test_a_scheduler_is_a_function_of_the_step_alone():
    first, second = model_at(0.07), model_at(0.07)
    whole = temperature.scheduled(first, "S3", steps=11)
    resumed = temperature.scheduled(second, "S3", steps=11)
    for step in range(8):
        whole(step)
    assert resumed(7) == whole(7) == pytest.approx(tau_of(second))
    assert [whole(step) for step in (0, 10, 99)] == pytest.approx([0.01, 0.05, 0.05])


def test_one_step_is_a_schedule_too():
    assert temperature.scheduled(model_at(0.07), "S3", steps=1)(0) == pytest.approx(0.01)


def test_open_clips_loop_follows_a_schedule_beside_its_own_learning_rate():
    model = model_at(0.07)
    rates, optimizer = [], adamw(model)
    own = open_clip_scheduler(optimizer)
    scheduler = temperature.scheduled(model, "S3", STEPS, also=lambda step: rates.append(own(step)))
    open_clip_epoch(model, optimizer, scheduler)
    assert tau_of(model) == pytest.approx(0.05)
    assert rates == pytest.approx([0.005, 0.01, 0.01, 0.005])


# Re-parametrisations


@pytest.mark.parametrize("by, scale", [("softplus", 1), ("exp", 1), ("exp", 2), ("exp", 10)])
@pytest.mark.parametrize("tau", [0.01, 0.07, 0.9])
def test_a_parametrisation_keeps_the_temperature(by, scale, tau):
    model = model_at(tau)
    temperature.reparametrize(model, by, scale)
    assert tau_of(model) == pytest.approx(tau, rel=1e-5)


@pytest.mark.parametrize("by, scale", [("softplus", 1), ("exp", 2), ("exp", 10)])
def test_a_parametrisation_has_the_papers_formula_and_gradient(by, scale):
    model = model_at(0.07).double()
    temperature.reparametrize(model, by, scale)
    nu = model.parametrizations.logit_scale.original
    assert torch.autograd.gradcheck(lambda v: model.parametrizations.logit_scale[0](v).exp(), nu)
    value = nu.item()
    paper = math.log1p(math.exp(value)) if by == "softplus" else math.exp(value / scale)
    assert model.logit_scale.exp().item() == pytest.approx(paper)


@pytest.mark.parametrize("by, scale", [("softplus", 1), ("exp", 10)])
def test_the_loss_gradient_is_that_of_finite_differences(by, scale):
    model = model_at(0.07).double()
    temperature.reparametrize(model, by, scale)
    nu = model.parametrizations.logit_scale.original
    pixels, tokens = shapeworld.draw(6, size=16).to_torch(models.wrap(model))[:]

    def loss():
        return open_clip.ClipLoss()(*model(pixels.double(), tokens))

    loss().backward()
    with torch.no_grad():
        ends = []
        for step in (1e-4, -2e-4):
            nu += step
            ends.append(float(loss()))
    assert float(nu.grad) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5)


@pytest.mark.parametrize("nu, at", [(1e6, 100.0), (-1e3, 1.0)])
@pytest.mark.parametrize("by", ["softplus", "exp"])
def test_the_clamp_is_inside_the_parametrisation(by, nu, at):
    model = model_at(0.07)
    temperature.reparametrize(model, by)
    with torch.no_grad():
        model.parametrizations.logit_scale.original.fill_(nu)
    assert float(model.logit_scale.detach().exp()) == pytest.approx(at, rel=1e-5)


def test_open_clips_own_clamp_does_nothing_to_a_parametrised_scale():
    model = model_at(0.07)
    temperature.reparametrize(model, max_scale=1000.0)
    with torch.no_grad():
        model.parametrizations.logit_scale.original.fill_(500.0)
        model.logit_scale.clamp_(0, math.log(100))  # what its loop does after each step
    assert float(model.logit_scale.detach().exp()) == pytest.approx(500, rel=1e-5)


@pytest.mark.parametrize(
    "x, grad, expected",
    [(3.0, 1.0, 1.0), (3.0, -1.0, 0.0), (-1.0, -1.0, -1.0), (-1.0, 1.0, 0.0), (1.0, -1.0, -1.0)],
)
def test_outside_the_range_only_the_gradient_that_leads_back_counts(x, grad, expected):
    value = torch.tensor(x, requires_grad=True)
    Inward.apply(value, 0.0, 2.0).backward(torch.tensor(grad))
    assert float(value.grad) == expected


def test_a_temperature_beyond_the_clamp_comes_back():
    model = model_at(0.07)
    temperature.reparametrize(model, "exp", 10)
    nu = model.parametrizations.logit_scale.original
    with torch.no_grad():
        nu.fill_(10 * math.log(100) + 0.05)
    optimizer = torch.optim.SGD([nu], lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        model.logit_scale.exp().backward()
        optimizer.step()
    assert tau_of(model) > 0.0101


@pytest.mark.parametrize("by, scale", [("softplus", 1), ("exp", 10)])
def test_a_checkpoint_of_a_parametrised_model_loads_anywhere(by, scale, tmp_path):
    model = model_at(0.07)
    temperature.reparametrize(model, by, scale)
    open_clip_epoch(model, optimizer := adamw(model), open_clip_scheduler(optimizer))
    plain = temperature.plain_state_dict(model)
    assert "logit_scale" not in model.state_dict() and "logit_scale" in plain
    torch.save({"state_dict": plain}, tmp_path / "model.pt")
    other = model_at(0.5)
    open_clip.load_checkpoint(other, str(tmp_path / "model.pt"))
    assert tau_of(other) == pytest.approx(tau_of(model))
    temperature.restore(model)
    assert model.state_dict().keys() == other.state_dict().keys()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key])
    temperature.reparametrize(other, by, scale)  # resuming: load, then re-parametrise
    assert tau_of(other) == pytest.approx(tau_of(model))


def test_restoring_a_plain_model_changes_nothing():
    model = model_at(0.07)
    before = model.logit_scale
    temperature.restore(model)
    assert model.logit_scale is before
    assert temperature.plain_state_dict(model).keys() == model.state_dict().keys()


def test_a_wrapped_model_is_looked_into():
    model = torch.nn.DataParallel(model_at(0.07))
    temperature.reparametrize(model, "exp", 2)
    assert not any(key.startswith("module.") for key in temperature.plain_state_dict(model))
    temperature.restore(model)
    temperature.fix(model, 0.02)
    assert tau_of(model.module) == pytest.approx(0.02)


@settings(max_examples=20, deadline=None)
@given(TAUS, st.sampled_from([("softplus", 1), ("exp", 3)]))
def test_reparametrise_and_restore_is_the_identity(tau, kind):
    model = torch.nn.Module()
    model.logit_scale = torch.nn.Parameter(torch.tensor(-math.log(tau)))
    temperature.reparametrize(model, *kind)
    temperature.restore(model)
    assert isinstance(model.logit_scale, torch.nn.Parameter)
    assert tau_of(model) == pytest.approx(tau, rel=1e-4)


# A smaller learning rate


def test_the_temperature_gets_a_group_of_its_own():
    model = model_at(0.07)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim < 2], "lr": 0.5, "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if p.ndim >= 2], "lr": 0.5, "weight_decay": 0.1},
    ]
    slow = temperature.slow_groups(groups, model, 0.1)
    assert slow[-1]["params"] == [model.logit_scale]
    assert [g["lr"] for g in slow] == pytest.approx([0.5, 0.5, 0.05])
    assert slow[-1]["weight_decay"] == 0.0
    assert sum(len(g["params"]) for g in slow) == len(list(model.parameters()))
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))  # the input is left alone


def test_open_clips_scheduler_keeps_the_ratio():
    model = model_at(0.07)
    optimizer = adamw(model)
    scheduler = temperature.slow_down(optimizer, model, 0.1, also=open_clip_scheduler(optimizer))
    open_clip_epoch(model, optimizer, scheduler)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates[-1] == pytest.approx(0.1 * rates[0]) and rates[0] == pytest.approx(0.005)


def test_pytorchs_schedulers_keep_the_ratio_by_themselves():
    model = model_at(0.07)
    optimizer = adamw(model)
    temperature.slow_down(optimizer, model, 0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.005, 0.0005])


def test_a_factor_of_zero_freezes_the_temperature_and_nothing_else():
    model = model_at(0.07)
    before = copy.deepcopy(model.state_dict())
    optimizer = adamw(model)
    scheduler = temperature.slow_down(optimizer, model, 0.0, also=open_clip_scheduler(optimizer))
    open_clip_epoch(model, optimizer, scheduler)
    assert tau_of(model) == pytest.approx(0.07)
    assert not torch.equal(before["visual.proj"], model.state_dict()["visual.proj"])


def test_under_adam_a_divided_nu_is_a_slower_temperature():
    """Adam's step does not know the gradient's scale, so exp(nu / 10) moves tau as a rate of a tenth does."""
    divided, slow = model_at(0.07), model_at(0.07)
    temperature.reparametrize(divided, "exp", 10)
    one = torch.optim.Adam(divided.parameters(), lr=0.01, eps=1e-12)
    two = torch.optim.Adam(slow.parameters(), lr=0.01, eps=1e-12)
    open_clip_epoch(divided, one, open_clip_scheduler(one))
    open_clip_epoch(slow, two, temperature.slow_down(two, slow, 0.1, also=open_clip_scheduler(two)))
    assert tau_of(divided) == pytest.approx(tau_of(slow), rel=1e-5)
    assert tau_of(slow) != pytest.approx(0.07, rel=1e-5)


# open_clip's training loop


def test_an_exp_parametrisation_of_scale_one_trains_as_open_clip_does(caplog):
    plain, parametrised = model_at(0.07), model_at(0.07)
    temperature.reparametrize(parametrised, "exp", 1.0)
    with caplog.at_level(logging.INFO):
        for model in (plain, parametrised):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            open_clip_epoch(model, optimizer, open_clip_scheduler(optimizer, 0.1))
    assert sum("Logit Scale" in record.message for record in caplog.records) == 2 * STEPS
    for key, value in temperature.plain_state_dict(parametrised).items():
        torch.testing.assert_close(value, plain.state_dict()[key])


@pytest.mark.parametrize("by, scale", [("softplus", 1), ("exp", 2)])
def test_open_clips_gradient_accumulation_runs_with_a_parametrisation(by, scale):
    model = model_at(0.07)
    temperature.reparametrize(model, by, scale)
    optimizer = adamw(model)
    open_clip_epoch(model, optimizer, open_clip_scheduler(optimizer), accum_freq=2)
    assert tau_of(model) != pytest.approx(0.07, rel=1e-6)


# Bad input


@pytest.mark.parametrize("tau", [0.0, -0.01, math.nan, math.inf])
def test_no_temperature_that_is_not_positive(tau):
    with pytest.raises(ValueError, match="positive"):
        temperature.fix(model_at(0.07), tau)
    with pytest.raises(ValueError, match="end"):
        temperature.linear(0.01, tau)
    with pytest.raises(ValueError, match="low"):
        temperature.alternating(tau, 0.02)


def test_an_inverse_temperature_is_refused_with_the_cure():
    for call in (
        lambda: temperature.fix(model_at(0.07), 100 / 7),
        lambda: temperature.linear(0.01, 100 / 7),
        lambda: temperature.alternating(0.01, 100 / 7),
        lambda: TrainConfig(tau=100 / 7),
    ):
        with pytest.raises(ValueError, match="pass 0.07,"):
            call()
    with pytest.raises(ValueError, match="pass 0.01$"):
        temperature.fix(model_at(0.07), math.log(100))


@pytest.mark.parametrize("call, match", [
    (lambda m: temperature.scheduled(m, "S5", 10), "S3|S2|S1|S0"),
    (lambda m: temperature.scheduled(m, "S0", 0), "steps is 0"),
    (lambda m: temperature.alternating(0.01, 0.02, 0), "cycles is 0"),
    (lambda m: temperature.alternating(0.01, 0.02, math.inf), "cycles is inf"),
    (lambda m: temperature.reparametrize(m, "softmax"), "softplus"),
    (lambda m: temperature.reparametrize(m, "exp", 0), "scale is 0"),
    (lambda m: temperature.reparametrize(m, "exp", 2, max_scale=1), "max_scale 1"),
    (lambda m: temperature.reparametrize(m, "softplus", 2), "only by='exp'"),
    (lambda m: temperature.slow_down(adamw(m), m, -1), "factor is -1"),
    (lambda m: temperature.slow_down(torch.optim.SGD([m.visual.proj], 0.1), m), "logit_scale"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call(model_at(0.07))


@pytest.mark.parametrize("call", [
    lambda m: temperature.fix(m, 0.1),
    lambda m: temperature.scheduled(m, "S0", 10),
    lambda m: temperature.reparametrize(m, "exp", 2),
])  # fmt: skip
def test_a_parametrised_model_is_refused_where_it_cannot_be_set(call):
    model = model_at(0.07)
    temperature.reparametrize(model)
    with pytest.raises(ValueError, match="restore"):
        call(model)


def test_a_model_without_a_temperature_is_refused():
    for call in (temperature.restore, temperature.plain_state_dict, temperature.reparametrize):
        with pytest.raises(TypeError, match="Linear has no logit_scale"):
            call(torch.nn.Linear(2, 2))

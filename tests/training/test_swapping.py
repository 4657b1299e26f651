"""Modality swapping: what it keeps, its gradients, gathering, and open_clip's own training loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_temperature import adamw, model_at, open_clip_epoch, open_clip_scheduler

from mgaplib.models import open_clip
from mgaplib.training import swapping

KINDS = st.sampled_from(swapping.KINDS)


def features(n=6, d=5, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    x, y = torch.from_numpy(rng.standard_normal((2, n, d))).to(dtype)
    return torch.nn.functional.normalize(x, dim=-1), torch.nn.functional.normalize(y, dim=-1)


def swapped(kind="hard", p=1.0, **options):
    return swapping.SwappedLoss(open_clip.ClipLoss(), p, kind, **options)


# Weights and swaps


@pytest.mark.parametrize("kind, shape", [("hard", (400, 50)), ("soft", (400, 50)), ("rows", (400, 1))])
def test_weights_are_fair(kind, shape):
    keep = swapping.weights(kind, 400, 50, np.random.default_rng(0))
    assert keep.shape == shape and keep.dtype == np.float32
    assert abs(keep.mean() - 0.5) < 4 * keep.std() / np.sqrt(keep.size)
    assert set(np.unique(keep)) == {0, 1} if kind != "soft" else len(np.unique(keep)) > 1000


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), KINDS, st.integers(0, 2**32 - 1))
def test_what_a_swap_keeps(n, d, kind, seed):
    x, y = features(n, d, seed)
    keep = torch.from_numpy(swapping.weights(kind, n, d, np.random.default_rng(seed)))
    a, b = swapping.swap(x, y, keep)
    torch.testing.assert_close(a + b, x + y)  # nothing is lost
    again = swapping.swap(a, b, keep)
    if kind == "soft":
        assert (a - b).norm() <= (x - y).norm() + 1e-12  # pairs come closer
    else:
        torch.testing.assert_close(again, (x, y))  # twice is not at all
        torch.testing.assert_close((a * b).sum(1), (x * y).sum(1))  # a pair's own similarity stays
        torch.testing.assert_close((a**2 + b**2).sum(1), (x**2 + y**2).sum(1))
    if kind == "rows":
        torch.testing.assert_close(a.norm(dim=1), x.norm(dim=1))


def test_the_extremes_are_the_identity_and_the_exchange():
    x, y = features()
    ones, zeros = torch.ones(6, 1), torch.zeros(6, 5)
    torch.testing.assert_close(swapping.swap(x, y, ones), (x, y))
    torch.testing.assert_close(swapping.swap(x, y, zeros), (y, x))


def test_renormalising_gives_unit_rows_and_leaves_whole_rows_alone():
    x, y = features()
    rng = np.random.default_rng(1)
    for kind in swapping.KINDS:
        keep = torch.from_numpy(swapping.weights(kind, 6, 5, rng))
        plain, unit = swapping.swap(x, y, keep), swapping.swap(x, y, keep, normalize=True)
        torch.testing.assert_close(unit[0].norm(dim=1), torch.ones(6, dtype=x.dtype))
        if kind == "rows":
            torch.testing.assert_close(plain, unit)


def test_inputs_are_left_alone_and_their_precision_kept():
    x, y = features(dtype=torch.float16)
    before = x.clone()
    a, _ = swapping.swap(x, y, torch.zeros(6, 5))
    assert a.dtype == torch.float16 and torch.equal(x, before)


# The loss


@pytest.mark.parametrize("kind", swapping.KINDS)
def test_no_share_is_open_clips_loss(kind):
    x, y = features()
    expected = open_clip.ClipLoss()(x, y, 10.0)
    loss = swapped(kind, p=0.0)
    assert all(torch.equal(loss(x, y, 10.0), expected) for _ in range(20))
    assert torch.equal(loss(x, y, logit_scale=10.0, output_dict=True)["contrastive_loss"], expected)


@pytest.mark.parametrize("kind", swapping.KINDS)
@pytest.mark.parametrize("normalize", [False, True])
def test_the_gradient_is_that_of_finite_differences(kind, normalize):
    x, y = (f.requires_grad_() for f in features())
    scale = torch.tensor(3.0, dtype=x.dtype, requires_grad=True)

    def call(x, y, scale):  # a fresh loss draws the same swap each time
        return swapped(kind, normalize=normalize)(x, y, scale)

    assert torch.autograd.gradcheck(call, (x, y, scale))


def test_the_loss_is_that_of_swapped_features():
    x, y = features()
    rng = np.random.default_rng([7, 0])
    assert rng.random() < 1
    keep = torch.from_numpy(swapping.weights("hard", 6, 5, rng))
    expected = open_clip.ClipLoss()(*swapping.swap(x, y, keep), 10.0)
    assert torch.equal(swapped(seed=7)(x, y, 10.0), expected)


def test_a_share_p_of_the_steps_is_swapped_and_no_others():
    x, y = features()
    plain, loss = open_clip.ClipLoss()(x, y, 10.0), swapped(p=0.1)
    hits = sum(not torch.equal(loss(x, y, 10.0), plain) for _ in range(1000))
    assert abs(hits - 100) < 4 * np.sqrt(1000 * 0.1 * 0.9)


def test_the_seed_decides_and_a_resumed_run_goes_on():
    x, y = features()
    whole, resumed, other = swapped(p=0.5), swapped(p=0.5), swapped(p=0.5, seed=1)
    values = [float(whole(x, y, 10.0)) for _ in range(20)]
    resumed.load_state_dict({"_extra_state": {"calls": 10}})
    assert [float(resumed(x, y, 10.0)) for _ in range(10)] == values[10:]
    assert [float(other(x, y, 10.0)) for _ in range(20)] != values


def test_swapping_leaves_other_generators_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    swapped()(*features(), 10.0)
    assert torch.equal(before, torch.get_rng_state())


def test_the_calls_of_one_accumulated_step_share_a_swap():
    x, y = features()
    loss = swapped(calls_per_step=3)
    values = [float(loss(x, y, 10.0)) for _ in range(6)]
    assert len(set(values)) == 2 and values[0] == values[1] == values[2] != values[3]


def test_evaluation_does_not_swap():
    x, y = features()
    loss = swapped().eval()
    assert torch.equal(loss(x, y, 10.0), open_clip.ClipLoss()(x, y, 10.0)) and loss.calls == 0


def test_it_wraps_a_sigmoid_loss_as_well():
    x, y = features(dtype=torch.float32)
    from open_clip.loss import SigLipLoss

    sigmoid = SigLipLoss(rank=0, world_size=1)
    args = torch.tensor(10.0), torch.tensor(-10.0)
    assert not torch.equal(swapping.SwappedLoss(sigmoid, 1.0)(x, y, *args), sigmoid(x, y, *args))


# Several processes


CASES = [("hard", True), ("soft", True), ("rows", True), ("hard", False)]


def train_head(loss, x, y):
    """Return six losses of one linear head, and its gradient summed over them."""
    torch.manual_seed(0)
    head, values = torch.nn.Linear(5, 5), []
    for _ in range(6):
        value = loss(head(x), head(y), 10.0)
        value.backward()
        values.append(value.detach())
    return torch.stack(values), head.weight.grad


def two_processes(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    mine, results = slice(4 * rank, 4 * rank + 4), []
    for kind, local in CASES:
        inner = open_clip.ClipLoss(rank=rank, world_size=2, local_loss=local, gather_with_grad=local)
        loss = swapping.SwappedLoss(inner, p=0.5, kind=kind)
        averages = train_head(loss, *(f[mine] for f in features(8, 5, dtype=torch.float32)))
        for tensor in averages:  # what DistributedDataParallel does to gradients
            torch.distributed.all_reduce(tensor)
        results.append([tensor / 2 for tensor in averages])
    if rank == 0:
        torch.save(results, f"{folder}/results.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_compute_what_one_does(tmp_path):
    torch.multiprocessing.spawn(two_processes, (str(tmp_path),), nprocs=2)
    for (kind, local), (losses, gradient) in zip(CASES, torch.load(tmp_path / "results.pt"), strict=True):
        expected = train_head(swapped(kind, p=0.5), *features(8, 5, dtype=torch.float32))
        torch.testing.assert_close(losses, expected[0])
        # Without gather_with_grad a process has the whole gradient, of its own rows: the average is half.
        torch.testing.assert_close(gradient if local else 2 * gradient, expected[1])


# open_clip's training loop


@pytest.mark.parametrize("kind", swapping.KINDS)
@pytest.mark.parametrize("accum_freq", [1, 2])
def test_open_clips_loop_runs_with_each_kind(kind, accum_freq):
    plain, model, none = (model_at(0.07) for _ in range(3))
    losses = (
        open_clip.ClipLoss(),
        swapped(kind, calls_per_step=accum_freq),
        swapped(kind, p=0.0, calls_per_step=accum_freq),
    )
    for trained, loss in zip((plain, model, none), losses, strict=True):
        optimizer = adamw(trained)
        open_clip_epoch(trained, optimizer, open_clip_scheduler(optimizer), loss, accum_freq)
    assert losses[1].calls == 4 * accum_freq
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), none.parameters(), strict=True))
    assert not torch.equal(plain.visual.proj, model.visual.proj)
    assert torch.isfinite(model.visual.proj).all()


# Bad input


@pytest.mark.parametrize("options, match", [
    ({"p": -0.1}, "p is -0.1"),
    ({"p": 1.5}, "p is 1.5"),
    ({"p": float("nan")}, "p is nan"),
    ({"kind": "row"}, "rows"),
    ({"rank": 2, "world_size": 2}, "rank is 2 of 2"),
    ({"calls_per_step": 0}, "calls_per_step 0"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        swapping.SwappedLoss(open_clip.ClipLoss(), **options)


def test_shapes_that_do_not_fit_are_refused():
    x, y = features()
    with pytest.raises(ValueError, match=r"\(6, 5\) and texts \(5, 5\)"):
        swapping.swap(x, y[:5], torch.ones(6, 5))
    with pytest.raises(ValueError, match=r"keep has shape \(5, 1\)"):
        swapping.swap(x, y, torch.ones(5, 1))
    with pytest.raises(ValueError, match="texts"):
        swapped()(x, y[:, :4], 10.0)

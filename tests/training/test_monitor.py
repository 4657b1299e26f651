"""The monitor says what the metrics say of all batches together, in every loop, alone or in groups."""

import inspect

import numpy as np
import pytest
import torch
from test_temperature import adamw, model_at, open_clip_epoch, open_clip_scheduler
from torch import distributed

from mgaplib import metrics
from mgaplib.training import GapMonitor, TrainConfig, measure, torchmetric, train
from mgaplib.training.loop import as_pairs, embed
from mgaplib.worlds import shapeworld


def batches(count: int = 3, n: int = 8, d: int = 5, seed: int = 0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        meaning = rng.normal(size=(n, d))
        yield tuple(torch.from_numpy(meaning + rng.normal(size=(n, d)) + s).float() for s in (1, -1))


def shown(*given, prefix: str = "") -> dict[str, float]:
    monitor = GapMonitor(prefix)
    for images, texts in given:
        monitor.update(images, texts)
    return monitor.compute()


def test_the_numbers_are_the_metrics_of_all_batches_and_recall_is_in_each():
    given = list(batches())
    found = shown(*given)
    images, texts = (torch.cat(side).numpy() for side in zip(*given, strict=True))
    expected = measure(images, texts)
    for name in ("gap", "image_cosine", "text_cosine"):
        assert found[name] == pytest.approx(expected[name], abs=1e-6)
    assert found["relative_gap"] == pytest.approx(metrics.relative_modality_gap(images, texts), abs=1e-6)
    for name, sides in (("image_to_text", (0, 1)), ("text_to_image", (1, 0))):
        each = [metrics.recall_at_k(*(batch[i].numpy() for i in sides)) for batch in given]
        assert found[name] == pytest.approx(np.mean(each))
    assert found["pool"] == 8
    assert all(type(value) is float for value in found.values())


def test_ties_count_as_a_guess():
    images, texts = torch.eye(6), torch.eye(6)[[0, 0, 0, 3, 4, 5]]
    assert shown((images, texts))["image_to_text"] == pytest.approx(
        metrics.recall_at_k(images.numpy(), texts.numpy())
    )
    assert shown((torch.ones(4, 7), torch.ones(4, 7)))["image_to_text"] == pytest.approx(1 / 4)


def test_reset_forgets_and_a_prefix_is_put_before_each_name():
    monitor, (first, second) = GapMonitor("val/"), batches(2)
    monitor.update(*first)
    monitor.reset()
    monitor.update(*second)
    assert monitor.compute() == shown(second, prefix="val/")
    assert all(name.startswith("val/") for name in monitor.compute())


def test_half_precision_any_length_and_gradients_are_as_good():
    images, texts = next(batches())
    expected = shown((images, texts))
    images.requires_grad_()
    for given in ((7 * images, texts / 3), (images.double(), texts.double())):
        assert shown(given) == pytest.approx(expected, abs=1e-5)
    assert shown((images.half(), texts.half()))["gap"] == pytest.approx(expected["gap"], abs=1e-2)
    assert images.grad is None
    assert shown((images.tolist(), texts.numpy())) == pytest.approx(expected, abs=1e-5)


def test_pairs_that_coincide_have_no_gap():
    images = torch.eye(3)
    assert shown((images, images))["gap"] == 0
    same = torch.ones(3, 2)
    assert np.isnan(shown((same, same))["relative_gap"])  # no distance at all


@pytest.mark.parametrize(
    ("images", "texts", "error", "match"),
    [
        (np.eye(3, dtype=int), torch.eye(3), TypeError, "images holds int64"),
        (torch.eye(3), torch.eye(3).long(), TypeError, r"texts holds torch.int64; .*call texts.float\(\)"),
        (torch.eye(3), torch.eye(3)[:2], ValueError, r"images has shape \(3, 3\) and texts \(2, 3\)"),
        (torch.ones(3), torch.ones(3), ValueError, r"images has shape \(3,\)"),
        (torch.eye(4), torch.eye(4), ValueError, "images have 4 columns, those before had 3"),
    ],
)
def test_batches_that_make_no_sense_are_refused_and_not_counted(images, texts, error, match):
    monitor = GapMonitor()
    monitor.update(torch.eye(3), -torch.eye(3))
    before = monitor.compute()
    with pytest.raises(error, match=match):
        monitor.update(images, texts)
    assert monitor.compute() == before


def test_nothing_shown_is_nothing_to_compute():
    with pytest.raises(ValueError, match="0 pairs have been shown; call update"):
        GapMonitor().compute()


def test_it_watches_open_clips_own_loop():
    model = model_at(0.07)
    monitor = GapMonitor()
    end = monitor.watch(model)
    open_clip_epoch(model, optimizer := adamw(model), open_clip_scheduler(optimizer))
    found = monitor.compute()
    assert found["pool"] == 8 and 0 < found["gap"] < 2
    monitor.reset()
    end()
    open_clip_epoch(model, optimizer, open_clip_scheduler(optimizer))
    with pytest.raises(ValueError, match="0 pairs"):
        monitor.compute()


def test_it_watches_train_and_what_it_sees_is_what_the_model_gave():
    model, world, monitor, seen = model_at(0.07), shapeworld.draw(32, size=16), GapMonitor(), []
    monitor.watch(model)

    def log(step, loss):
        seen.append(monitor.compute())
        monitor.reset()

    model_before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, world, TrainConfig(steps=2, batch_size=32), on_step=log)
    assert len(seen) == 2
    model.load_state_dict(model_before)
    images, texts = embed(model, as_pairs(world, model, None))
    assert seen[0]["gap"] == pytest.approx(metrics.modality_gap(images, texts), abs=1e-5)


def test_a_pass_of_one_modality_is_none_of_its_business():
    model, monitor = model_at(0.07), GapMonitor()
    monitor.watch(model)
    model(torch.zeros(2, 3, 16, 16), None)
    with pytest.raises(ValueError, match="0 pairs"):
        monitor.compute()


class Towers(torch.nn.Module):
    """Two towers of one layer each."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)

    def forward(self, images, texts):
        return self.image(images), self.text(texts)


def share(rank: int, world: int, folder: str) -> None:
    """Show every world-th batch and leave what all processes computed in a file."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    monitor = GapMonitor()
    refused = None
    if rank == 0:
        monitor.update(*next(batches()))
    try:
        monitor.compute()  # a process that has seen nothing
    except ValueError as error:
        refused = str(error)
    monitor.reset()
    for i, batch in enumerate(batches(4)):
        if i % world == rank:
            monitor.update(*batch)
    metric = torchmetric(5)
    for i, batch in enumerate(batches(4)):
        if i % world == rank:
            metric.update(*batch)
    found = {"metric": metric.compute(), "refused": refused}
    torch.save({"found": monitor.compute(), **found}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_compute_what_one_does(tmp_path):
    torch.multiprocessing.spawn(share, args=(2, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first == second
    assert first["found"] == pytest.approx(shown(*batches(4)), abs=1e-9)
    assert first["metric"] == pytest.approx(first["found"], abs=1e-9)
    assert "each must update" in first["refused"]


def test_in_the_loop_that_lightning_runs():
    """Lightning's hooks in its order: a metric is a child module, logged and reset at an epoch's end."""

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.towers, self.gap, self.logged = Towers(), torchmetric(3), []

        def training_step(self, batch):
            images, texts = self.towers(*batch)
            self.gap.update(images, texts)
            return -(images * texts).mean()

        def on_train_epoch_end(self):
            self.logged.append(self.gap.compute())
            self.gap.reset()

    module = Module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    assert not [name for name in module.state_dict() if name.startswith("gap")]  # no checkpoint grows
    for epoch in range(2):
        before = [tuple(z.detach() for z in module.towers(*batch)) for batch in batches(1, seed=epoch)]
        for batch in batches(1, seed=epoch):
            optimizer.zero_grad()
            module.training_step(batch).backward()
            optimizer.step()
        module.on_train_epoch_end()
        assert module.logged[epoch] == pytest.approx(shown(*before), abs=1e-5)


def test_in_torchmetrics_own_collection():
    import torchmetrics  # once open_clip is there: its torchvision needs what mgaplib does for it

    collection = torchmetrics.MetricCollection([torchmetric(5)])
    for images, texts in batches():
        collection.update(images, texts)
    assert collection.compute() == pytest.approx(shown(*batches()))
    collection.reset()
    one = collection(*next(batches()))  # forward: this batch's numbers, and added
    assert one == pytest.approx(shown(next(batches())))
    with pytest.raises(ValueError, match="pass two matrices of one shape"):
        collection.update(torch.eye(5), torch.eye(5)[:3])


def test_it_has_torchmetrics_interface():
    for name, parameters in (("update", ["images", "texts"]), ("compute", []), ("reset", [])):
        assert list(inspect.signature(getattr(GapMonitor(), name)).parameters) == parameters

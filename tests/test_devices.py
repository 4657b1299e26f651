"""Everything that takes embeddings or a model gives on a GPU what it gives on the CPU.

Where there is no CUDA the device is the CPU, and the tests say that placing things on it by name is harmless.
"""

import copy

import numpy as np
import pytest
import torch
from test_doors import OTHERS, X, Y, called, numbers, taking_rows

from mgaplib import cone, models
from mgaplib.models import open_clip
from mgaplib.pairs import Pairs
from mgaplib.training import (
    GapMonitor,
    TrainConfig,
    losses,
    save_checkpoint,
    swapping,
    temperature,
    torchmetric,
    train,
)
from mgaplib.worlds import shapeworld

DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
CPU = torch.device("cpu")
WORLD = shapeworld.draw(64, size=16)
CONFIG = TrainConfig(steps=4, batch_size=32, tau=0.05, snapshots=(4,))


@pytest.fixture(autouse=True)
def exact():
    """Products of float32 in float32: a GPU's default for convolutions keeps ten bits only."""
    kept = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = kept


def tiny(device, seed=0):
    return models.mini_clip(width=16, image_size=16, layers=1, embed_dim=16, tau=0.05, seed=seed).to(device)


def rows(array, **options):
    return torch.tensor(array, device=DEVICE, **options)


FORMS = {
    "tensor": rows,
    "tensor with a gradient": lambda a: rows(a, requires_grad=True),
    "part of a larger tensor": lambda a: rows(np.stack([a, a], axis=1))[:, 0],
    "list of tensors": lambda a: list(rows(a, requires_grad=True)),
}
SHORT = {
    "float32": (torch.float32, 1e-4),
    "float16": (torch.float16, 0.05),
    "bfloat16": (torch.bfloat16, 0.2),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("owner", "method", "function"), list(taking_rows()))
def test_rows_on_the_device_give_the_same_answer(owner, method, function, monkeypatch):
    wanted = numbers(called(owner, method, function, None))
    gap = OTHERS["gap"]
    monkeypatch.setitem(OTHERS, "gap", lambda: gap().to(DEVICE))
    for name, form in FORMS.items():
        found = numbers(called(owner, method, function, form))
        assert len(found) == len(wanted), name
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("kind", SHORT)
def test_short_numbers_on_the_device_are_read(kind):
    dtype, near = SHORT[kind]
    pairs = Pairs(rows(X, dtype=dtype), rows(Y, dtype=dtype), groups=torch.arange(40, device=DEVICE) // 2)
    assert pairs.images.dtype == np.float32
    np.testing.assert_allclose(
        pairs.images @ pairs.texts.T, Pairs(X, Y).images @ Pairs(X, Y).texts.T, atol=near
    )


def test_several_initialisations_on_the_device():
    features = np.random.default_rng(0).normal(size=(3, 5, 6))
    for form in (rows, lambda a: list(rows(a))):
        assert cone.initialisation_share(form(features)) == cone.initialisation_share(features)


def test_a_model_is_put_on_the_device_and_encodes_there():
    here, there = (models.load_clip("MiniCLIP-24", seed=1, device=device) for device in (CPU, DEVICE))
    assert there.device.type == DEVICE.type and str(DEVICE.type) in repr(there)
    assert there.tau == pytest.approx(here.tau)
    pictures = shapeworld.draw(6, size=24)
    ids = there.tokenizer(pictures.captions)
    for images in (pictures.images, pictures.images / 255.0, there.pixels(pictures.images).to(DEVICE)):
        found = there.encode_images(images, batch_size=4)
        np.testing.assert_allclose(found, here.encode_images(pictures.images), atol=1e-5)
    for texts in (pictures.captions, ids, ids.to(DEVICE)):
        found = there.encode_texts(texts, batch_size=4)
        np.testing.assert_allclose(found, here.encode_texts(pictures.captions), atol=1e-5)
    assert models.load_clip("MiniCLIP-24").device.type in (DEVICE.type, "mps")


def test_a_checkpoint_of_the_device_is_read_anywhere(tmp_path):
    model = tiny(DEVICE)
    save_checkpoint(tmp_path / "run.pt", model, step=0)
    expected = models.wrap(model).encode_images(WORLD.images)
    for device in (CPU, DEVICE):
        found = models.load_clip(str(tmp_path / "run.pt"), device=device)
        assert found.device.type == device.type
        np.testing.assert_allclose(found.encode_images(WORLD.images), expected, atol=1e-5)


LOSSES = {
    "ClipLoss": open_clip.ClipLoss,
    "every term": lambda: losses.SpreadLoss(
        open_clip.ClipLoss(),
        alignment=1.0,
        uniformity=1.0,
        cross_uniformity=1.0,
        in_modal=1.0,
        cross_modal=1.0,
    ),
    "CLOOB": losses.CLOOBLoss,
    "SigLIP": losses.SigLIPLoss,
    **{
        f"{kind} swaps": lambda kind=kind: swapping.SwappedLoss(open_clip.ClipLoss(), p=1.0, kind=kind)
        for kind in swapping.KINDS
    },
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_trains_on_the_device_as_on_the_cpu(name):
    found = []
    for device in (CPU, DEVICE):
        model = losses.add_logit_bias(tiny(device)) if name == "SigLIP" else tiny(device)
        found.append(train(model, WORLD, CONFIG, loss=LOSSES[name]()))
        assert all(p.device.type == device.type and p.isfinite().all() for p in model.parameters())
    for quantity in ("loss", "gap", "tau", "image_cosine"):
        np.testing.assert_allclose(found[1][quantity], found[0][quantity], rtol=1e-2, atol=1e-3)


def slowly(model, config):
    return temperature.slow_groups([{"params": list(model.parameters()), "lr": config.lr}], model)


#: What is done to the model, and what training is told.
REMEDIES = {
    "fixed temperature": (None, {"config": TrainConfig(steps=4, batch_size=32, temperature="fixed")}),
    "scheduled temperature": (
        None,
        {"config": TrainConfig(steps=4, batch_size=32, temperature=temperature.linear(0.05, 0.2))},
    ),
    "softplus": (temperature.reparametrize, {"config": CONFIG}),
    "one encoder": (losses.share_encoder, {"config": CONFIG}),
    "slow temperature": (None, {"config": CONFIG, "groups": slowly}),
}


@pytest.mark.parametrize("name", REMEDIES)
def test_each_remedy_trains_on_the_device_as_on_the_cpu(name):
    (prepare, options), found = REMEDIES[name], []
    for device in (CPU, DEVICE):
        model = tiny(device)
        if prepare is not None:
            prepare(model)
        found.append(train(model, WORLD, **options))
    for quantity in ("loss", "gap", "tau"):
        np.testing.assert_allclose(found[1][quantity], found[0][quantity], rtol=1e-2, atol=1e-3)


def test_a_run_on_the_device_is_resumed(tmp_path):
    straight, resumed = tiny(DEVICE), tiny(DEVICE)
    train(straight, WORLD, CONFIG)
    where = {"checkpoint": tmp_path / "run.pt", "resume": True}
    train(resumed, WORLD, CONFIG, on_step=lambda step, loss: step == 2, **where)
    train(tiny(DEVICE), WORLD, CONFIG, **where)
    again = models.load_clip(str(where["checkpoint"]), device=DEVICE).model
    for a, b in zip(straight.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_monitors_watch_a_loop_on_the_device():
    import torchmetrics  # once open_clip is there: its torchvision needs what mgaplib does for it

    model, plain, watching = tiny(DEVICE), GapMonitor("train/"), GapMonitor("train/")
    metric = torchmetrics.MetricCollection([torchmetric(16)], prefix="train/").to(DEVICE)
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-3), open_clip.ClipLoss()
    pixels, ids = (part.to(DEVICE) for part in WORLD.to_torch(models.wrap(model)).tensors)
    end = watching.watch(model)
    for start in (0, 32):
        images, texts, scale = model(pixels[start : start + 32], ids[start : start + 32])
        optimizer.zero_grad()
        loss(images, texts, scale).backward()
        optimizer.step()
        plain.update(images, texts)
        metric.update(images, texts)
    end()
    found = plain.compute()
    assert found == watching.compute() == pytest.approx(metric.compute(), abs=1e-6)
    assert found["train/pool"] == 32 and 0 < found["train/gap"] < 2


def test_a_loss_moves_to_the_device_with_its_tensors():
    images, texts = (torch.nn.functional.normalize(torch.tensor(z).float(), dim=1) for z in (X, Y))
    for name, make in LOSSES.items():
        bias = {"logit_bias": torch.tensor(-10.0)} if name == "SigLIP" else {}
        here = make()(images, texts, torch.tensor(10.0), **bias)
        moved = {key: value.to(DEVICE) for key, value in bias.items()}
        there = make()(images.to(DEVICE), texts.to(DEVICE), torch.tensor(10.0, device=DEVICE), **moved)
        assert there.device.type == DEVICE.type
        torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-4)


def test_a_network_without_its_norms_stays_on_the_device():
    model = tiny(DEVICE)
    bare = cone.without_norms(model)
    assert next(bare.parameters()).device.type == DEVICE.type
    found = models.wrap(copy.deepcopy(bare)).encode_images(WORLD.images[:4])
    assert np.isfinite(found).all()


def test_a_towers_layers_are_read_on_the_device():
    here, there = (models.wrap(tiny(device)) for device in (CPU, DEVICE))
    for tower, inputs in (("image", WORLD.images[:5]), ("text", WORLD.captions[:5])):
        layers = [cone.tower_layers(clip, inputs, tower, batch_size=2) for clip in (here, there)]
        for a, b in zip(*layers, strict=True):
            np.testing.assert_allclose(b, a, atol=1e-5)

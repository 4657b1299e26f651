import logging
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mgaplib import models
from mgaplib.models import open_clip
from mgaplib.training import save_checkpoint
from mgaplib.worlds import shapeworld

WORLD = shapeworld.draw(6, size=24)


@pytest.fixture(scope="module")
def mini():
    return models.load_clip("MiniCLIP-24")


def test_neither_the_package_nor_its_geometry_loads_torch():
    names = "metrics, landscape, corrections, worlds, book"
    code = f"import sys, mgaplib; from mgaplib import {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_embeddings_are_unit_float32_rows(mini):
    for rows in (
        mini.encode_images(WORLD.images, batch_size=4),
        mini.encode_texts(WORLD.captions, batch_size=4),
    ):
        assert rows.dtype == np.float32 and rows.shape == (6, 128)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_every_kind_of_picture_gives_the_same_embedding(mini):
    expected = mini.encode_images(WORLD.images)
    for images in (
        [Image.fromarray(image) for image in WORLD.images],
        WORLD.images / 255.0,
        mini.pixels(WORLD.images),
    ):
        np.testing.assert_allclose(mini.encode_images(images), expected, atol=1e-5)


def test_other_sizes_are_resized_and_grey_becomes_rgb(mini):
    large = shapeworld.draw(6, size=48).images
    assert np.sum(mini.encode_images(large) * mini.encode_images(WORLD.images), axis=1).min() > 0.9
    grey = WORLD.images.mean(axis=-1).astype(np.uint8)
    assert mini.encode_images(grey).shape == (6, 128)


def test_batches_do_not_matter_and_token_ids_are_taken(mini):
    whole = mini.encode_texts(WORLD.captions)
    np.testing.assert_allclose(mini.encode_texts(WORLD.captions, batch_size=1), whole, atol=1e-6)
    np.testing.assert_allclose(mini.encode_texts(mini.tokenizer(WORLD.captions)), whole, atol=1e-6)
    raw = mini.encode_texts(WORLD.captions, normalize=False)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), whole, atol=1e-6)


def test_a_seed_fixes_the_weights_and_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    a, b, c = (models.mini_clip(seed=s).text_projection for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_mini_clip_is_open_clips_own_class_and_trains():
    model = models.mini_clip(tau=0.05)
    assert isinstance(model, open_clip.CLIP)
    assert models.wrap(model).tau == pytest.approx(0.05)
    assert all(p.requires_grad for p in model.parameters())


def test_a_loaded_model_is_frozen(mini):
    assert not mini.model.training and not any(p.requires_grad for p in mini.model.parameters())


@pytest.mark.parametrize(("name", "d"), [("ViT-B-32", 512), ("RN50", 1024)])
def test_open_clips_models_come_small_with_the_tokenizer_of_the_same_context(name, d, capfd, caplog):
    model = models.load_clip(name, image_size=64, context_length=12)
    assert (model.image_size, model.context_length, model.tau) == (64, 12, pytest.approx(0.07))
    assert model.tokenizer(["a red circle"]).shape == (1, 12)
    assert model.encode_images(WORLD.images[:2]).shape == (2, d)
    assert model.encode_texts(["a red circle", "blue"]).shape == (2, d)
    assert not caplog.records and capfd.readouterr().err == ""


def test_only_the_record_on_random_weights_is_silenced(caplog, monkeypatch):
    real = open_clip.create_model

    def chatty(*args, **kwargs):
        logging.warning("another warning")
        return real(*args, **kwargs)

    monkeypatch.setattr(open_clip, "create_model", chatty)
    models.load_clip("RN50", image_size=64)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == ["another warning"]
    logging.warning("No pretrained weights loaded for model 'x'. Model initialized randomly.")
    assert len(caplog.records) == 2


def test_tags_of_quickgelu_weights_get_quickgelu(monkeypatch):
    asked = {}

    def create(name, **options):
        asked[name] = options
        raise KeyboardInterrupt

    monkeypatch.setattr(open_clip, "create_model", create)
    for tag, quick in (("openai", True), ("laion2b_s34b_b79k", False)):
        with pytest.raises(KeyboardInterrupt):
            models.load_clip("ViT-B-32", tag)
        assert asked["ViT-B-32"]["force_quick_gelu"] is quick
        assert asked["ViT-B-32"]["pretrained"] == tag


def test_a_checkpoint_comes_back_with_its_architecture(tmp_path):
    model = models.mini_clip(width=32, image_size=16, embed_dim=24, tau=0.02, seed=5)
    save_checkpoint(tmp_path / "mine.pt", model, step=0)
    back = models.load_clip(str(tmp_path / "mine.pt"))
    assert (back.image_size, back.tau, back.name) == (16, pytest.approx(0.02), "mine")
    images = shapeworld.draw(3, size=16).images
    np.testing.assert_allclose(
        back.encode_images(images), models.wrap(model).encode_images(images), atol=1e-6
    )


def test_open_clips_own_checkpoint_format_is_read(tmp_path):
    source = models.load_clip("MiniCLIP", seed=3)
    state = {f"module.{k}": v for k, v in source.model.state_dict().items()}
    torch.save({"epoch": 1, "name": "run", "state_dict": state, "optimizer": {}}, tmp_path / "epoch_1.pt")
    back = models.load_clip("MiniCLIP", tmp_path / "epoch_1.pt")
    assert back.name == "MiniCLIP, epoch_1"
    np.testing.assert_array_equal(back.encode_texts(WORLD.captions), source.encode_texts(WORLD.captions))


@pytest.mark.parametrize(
    ("name", "pretrained", "message"),
    [
        ("ViT-B32", None, "unknown model 'ViT-B32'; did you mean 'ViT-B-32'"),
        ("MiniCLIP-25", None, "did you mean 'MiniCLIP-24'"),
        ("ViT-B-32", "opnai", "unknown pretrained tag of ViT-B-32 'opnai'; did you mean 'openai'"),
        ("ViT-S-16", "openai", "knows no pretrained weights for 'ViT-S-16'"),
    ],
)
def test_unknown_names_name_the_nearest(name, pretrained, message):
    with pytest.raises(ValueError, match=message):
        models.load_clip(name, pretrained)


@pytest.mark.parametrize(
    ("name", "pretrained"), [("ViT-B-32", "none.pt"), ("none.pt", None), ("MiniCLIP", "x/y.pt")]
)
def test_a_missing_checkpoint_is_named(name, pretrained):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        models.load_clip(name, pretrained)


@pytest.mark.parametrize("name", ["MiniCLIP", "ViT-B-32"])
def test_a_checkpoint_of_another_architecture_is_refused(name, tmp_path):
    torch.save(models.mini_clip(width=32, image_size=24).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=f"holds another architecture than '{name}'"):
        models.load_clip(name, tmp_path / "other.pt")


def test_a_checkpoint_that_does_not_say_its_architecture_asks_for_the_name(tmp_path):
    torch.save(models.mini_clip().state_dict(), tmp_path / "bare.pt")
    with pytest.raises(ValueError, match="load_clip\\(name, pretrained=path\\)"):
        models.load_clip(str(tmp_path / "bare.pt"))
    assert models.load_clip("MiniCLIP", tmp_path / "bare.pt").name == "MiniCLIP, bare"


class Bomb:
    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    Bomb.path = str(tmp_path / "fired")
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"state_dict": Bomb()}, protocol=2))
    whole = tmp_path / "whole.pt"
    torch.save(models.mini_clip().state_dict(), whole)
    (tmp_path / "half.pt").write_bytes(whole.read_bytes()[:5000])
    for name in ("bomb.pt", "plain.pt", "half.pt"):
        with pytest.raises(ValueError, match="truncated, or holds more than plain weights"):
            models.load_clip("MiniCLIP", tmp_path / name)
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((2, 24, 24, 4), np.uint8), ValueError, "shape"),
        (np.zeros((2, 24, 24, 3), int), TypeError, "uint8, or floats"),
        (np.full((2, 24, 24, 3), 2.0), ValueError, "outside \\[0, 1\\]"),
        (torch.zeros(2, 24, 24, 3), ValueError, "preprocessed"),
        (["a.png"], TypeError, "PIL images"),
        ([], ValueError, "empty"),
    ],
)
def test_bad_pictures_are_refused(mini, images, error, message):
    with pytest.raises(error, match=message):
        mini.encode_images(images)


@pytest.mark.parametrize("options", [{"width": 20}, {"patch_size": 7}, {"tau": 0}])
def test_impossible_mini_clips_are_refused(options):
    with pytest.raises(ValueError, match="multiple of 16|does not divide|positive number"):
        models.mini_clip(**options)


def test_a_foreign_model_needs_its_tokenizer():
    with pytest.raises(ValueError, match="pass the model's tokenizer"):
        models.wrap(models.load_clip("RN50", image_size=64).model)


def test_progress_is_shown_on_a_terminal_only_and_where_it_is_wanted(mini, monkeypatch, capfd):
    for static, terminal in (("1", True), ("", False), ("", True)):
        monkeypatch.setenv("MGAPLIB_STATIC", static)
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        mini.encode_texts(["a"])
        out, err = capfd.readouterr()
        assert out == "" and ("encode texts" in err) == (not static and terminal)


FOREIGN = {
    "{'model': ...}": lambda weights: {"model": weights, "epoch": 3},
    "{'model_state_dict': ...}": lambda weights: {"model_state_dict": weights, "optimizer": {"lr": 0.1}},
    "DeepSpeed's": lambda weights: {"module": weights, "global_step": 3},
    "Lightning's": lambda weights: {
        "pytorch-lightning_version": "2.4",
        "state_dict": {f"model.{name}": value for name, value in weights.items()} | {"metric": torch.ones(2)},
    },
    "a compiled module's": lambda weights: {f"_orig_mod.{name}": value for name, value in weights.items()},
}


@pytest.mark.parametrize(
    ("kind", "safe"),
    [*((kind, False) for kind in FOREIGN), ("a compiled module's", True)],  # safetensors holds tensors only
)
def test_a_foreign_checkpoint_is_named_and_the_call_reads_it(tmp_path, monkeypatch, kind, safe):
    from safetensors.torch import save_file

    model = models.mini_clip(seed=5)
    checkpoint = FOREIGN[kind](model.state_dict())
    path = tmp_path / ("a.safetensors" if safe else "a.pt")
    save_file(checkpoint, path) if safe else torch.save(checkpoint, path)
    with pytest.raises(
        ValueError, match=r"a\.\w+' (keeps its weights under|is Lightning's|is another)"
    ) as told:
        models.load_clip("MiniCLIP", path)
    follow(told, monkeypatch, tmp_path)
    same = models.load_clip("MiniCLIP", tmp_path / "weights.pt").model.state_dict()
    assert all(torch.equal(same[name].cpu(), value.cpu()) for name, value in model.state_dict().items())


def follow(told, monkeypatch, folder):
    """Do what an error advises: its lines after the first."""
    import safetensors.torch

    monkeypatch.chdir(folder)
    exec(str(told.value).partition("\n")[2], {"torch": torch, "safetensors": safetensors})


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_archive_is_named_and_the_call_reads_it(tmp_path, monkeypatch):
    class Traced(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.__dict__["_modules"] = dict(model.named_children())
            self.logit_scale, self.positional_embedding = model.logit_scale, model.positional_embedding
            self.text_projection = model.text_projection
            self.register_buffer("context_length", torch.tensor(16))  # as OpenAI's have

        def forward(self, x):
            return x * self.logit_scale

    model = models.mini_clip(seed=5)
    torch.jit.trace(Traced(model), torch.ones(1)).save(tmp_path / "a.pt")
    with pytest.raises(ValueError, match="a.pt' is a TorchScript archive") as told:
        models.load_clip("MiniCLIP", tmp_path / "a.pt")
    follow(told, monkeypatch, tmp_path)
    assert "logit_scale" in torch.load(tmp_path / "weights.pt") and "context_length" not in torch.load(
        tmp_path / "weights.pt"
    )


def test_a_foreign_class_beside_the_weights_is_named(tmp_path):
    import argparse

    model = models.mini_clip(seed=5)
    torch.save({"state_dict": model.state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"more than plain weights \(argparse.Namespace\).*save those alone"):
        models.load_clip("MiniCLIP", tmp_path / "a.pt")


def test_hugging_faces_weights_and_folders_are_named(tmp_path):
    torch.save(
        {"vision_model.embeddings.weight": torch.ones(2), "logit_scale": torch.ones(1)}, tmp_path / "a.bin"
    )
    with pytest.raises(ValueError, match="transformers.*AutoModel.from_pretrained"):
        models.load_clip("ViT-B-32", tmp_path / "a.bin")
    with pytest.raises(OSError, match="is a folder.*transformers.AutoModel.from_pretrained"):
        models.load_clip("ViT-B-32", str(tmp_path) + "/")
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(OSError, match=r"load_clip\('local-dir:"):
        models.load_clip("ViT-B-32", str(tmp_path))


@pytest.mark.parametrize("name", ["page.pt", "page.safetensors"])
@pytest.mark.parametrize("content", [b"hi", b"<!doctype html><title>404</title>", b"version https://git-lfs"])
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.* cannot be read"):
        models.load_clip("MiniCLIP", pretrained=str(tmp_path / name))

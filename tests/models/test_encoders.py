"""The encoders of other libraries, on tiny random models of their own: as by hand, and with a folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mgaplib import embeddings, models
from mgaplib.__main__ import main
from mgaplib.worlds import shapeworld

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WORLD = shapeworld.draw(30, size=20)
PICTURES = [Image.fromarray(picture) for picture in WORLD.images]
RATE = 8000
WAVES = [np.random.default_rng(i).normal(size=RATE // 2 * (1 + i % 2)).astype(np.float32) for i in range(5)]
TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
#: Of the tokenizer below.
IDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


@pytest.fixture(scope="module", autouse=True)
def offline():
    """No hub is asked for anything."""
    import huggingface_hub.constants

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        yield


def tokenizer(context=8):
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[pad]", "[unk]", "[bos]", "[eos]", *shapeworld.vocabulary()]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[unk]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[bos] $A [eos]", special_tokens=[("[bos]", 2), ("[eos]", 3)]
    )
    names = {f"{name}_token": f"[{name}]" for name in ("pad", "unk", "bos", "eos")}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=context, **names)


def of_transformers(kind: str):
    """Return a random model of one kind and its processor."""
    import transformers

    words = tokenizer()
    text = {**TOWER, **IDS, "vocab_size": len(words), "max_position_embeddings": 8}
    vision = {**TOWER, "image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    if kind == "CLAP":
        audio = {
            "hidden_size": 16, "num_mel_bins": 16, "spec_size": 32, "enable_fusion": True, "patch_size": 4,
            "patch_stride": [4, 4], "num_hidden_layers": 2, "depths": [1, 1], "num_attention_heads": [2, 2],
            "patch_embeds_hidden_size": 8, "window_size": 4,
        }  # fmt: skip
        config = transformers.ClapConfig(
            text_config=text | {"max_position_embeddings": 16}, audio_config=audio, projection_dim=12
        )
        ear = transformers.ClapFeatureExtractor(
            feature_size=16, sampling_rate=RATE, hop_length=160, max_length_s=1, fft_window_size=256,
            frequency_max=RATE // 2, truncation="fusion",
        )  # fmt: skip
        return transformers.ClapModel(config), transformers.ClapProcessor(ear, words)
    if kind == "SigLIP":
        size = {"height": 16, "width": 16}
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        eye = transformers.SiglipImageProcessor(size=size)
        return transformers.SiglipModel(config), transformers.SiglipProcessor(eye, words)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    eye = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return transformers.CLIPModel(config), transformers.CLIPProcessor(eye, words)


def saved(folder, kind):
    for part in of_transformers(kind):
        part.save_pretrained(folder)
    return f"transformers:{folder}"


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP"])
def test_pictures_and_texts_are_encoded_as_by_hand(kind):
    model, processor = of_transformers(kind)
    padding = "max_length" if kind == "SigLIP" else True
    inputs = processor(
        text=WORLD.captions[:5], images=PICTURES[:5], padding=padding, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        wanted = model.eval()(**inputs)
    encoder = models.TransformersEncoder(model.train().to(DEVICE), processor)
    for images in (PICTURES[:5], WORLD.images[:5], WORLD.images[:5] / 255):
        found = encoder.encode_images(images, batch_size=2)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted.image_embeds, atol=1e-5)
    np.testing.assert_allclose(
        encoder.encode_texts(WORLD.captions[:5], batch_size=2), wanted.text_embeds, atol=1e-5
    )
    assert model.training  # and is left so
    raw = encoder.encode_texts(WORLD.captions[:5], normalize=False)
    np.testing.assert_allclose(unit(raw), wanted.text_embeds, atol=1e-5)
    assert encoder.encode_texts("a red circle").shape == (1, raw.shape[1])
    assert encoder.tau == pytest.approx(1 / model.logit_scale.exp().item())
    assert (
        repr(encoder) == f"TransformersEncoder('{type(model).__name__}', text and image, on {model.device})"
    )


def test_sounds_are_encoded_as_by_hand_and_always_alike():
    model, processor = of_transformers("CLAP")
    encoder = models.TransformersEncoder(model.to(DEVICE), processor, "ear")
    found = encoder.encode_audio(WAVES, RATE, batch_size=2)
    np.testing.assert_array_equal(encoder.encode_audio(WAVES, RATE, batch_size=2), found)
    inputs = processor(audio=WAVES, sampling_rate=RATE, return_tensors="pt").to(DEVICE)
    inputs["is_longer"] = torch.zeros(5, 1, dtype=bool, device=DEVICE)
    with torch.no_grad():
        wanted = model.eval().get_audio_features(**inputs).pooler_output.cpu()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert encoder.encode_texts(WORLD.captions[:3]).shape == (3, found.shape[1])
    longer = [np.tile(wave, 4)[: 2 * RATE] for wave in WAVES[1::2]]
    np.testing.assert_allclose(encoder.encode_audio(longer, RATE), found[1::2], atol=1e-5)
    assert encoder.tau == pytest.approx(1 / model.logit_scale_a.exp().item())
    with pytest.raises(
        ValueError, match=r"rate is 16000; ear hears 8000 .*resample_poly\(wave, 8000, 16000\)"
    ):
        encoder.encode_audio(WAVES, 16000)
    with pytest.raises(TypeError, match="ear embeds text and audio, no image"):
        encoder.encode_images(PICTURES)


def test_texts_beyond_the_context_are_counted_and_cut():
    model, processor = of_transformers("CLIP")
    encoder = models.TransformersEncoder(model, processor)
    short, long = "a red circle", "a red circle " * 5
    assert encoder.too_long([short, long, long]) == 2
    np.testing.assert_allclose(
        encoder.encode_texts([long]), encoder.encode_texts([long.strip() + " and more"]), atol=1e-6
    )


def test_sentence_transformers_models_are_encoders(tmp_path):
    place = saved(tmp_path, "CLIP")
    by_hand = models.load_encoder(place, device="cpu")
    encoder = models.load_encoder(f"sentence-transformers:{tmp_path}", device=DEVICE)
    np.testing.assert_allclose(
        encoder.encode_images(PICTURES), by_hand.encode_images(WORLD.images), atol=1e-5
    )
    np.testing.assert_allclose(
        encoder.encode_texts(WORLD.captions), by_hand.encode_texts(WORLD.captions), atol=1e-5
    )
    assert encoder.too_long(["a red circle", "a red circle " * 5]) == 1


def test_a_model_of_texts_alone(tmp_path):
    import transformers
    from sentence_transformers import SentenceTransformer

    words = tokenizer()
    config = transformers.BertConfig(
        **TOWER, vocab_size=len(words), max_position_embeddings=8, pad_token_id=IDS["pad_token_id"]
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    model = SentenceTransformer(str(tmp_path), device=DEVICE)
    encoder = models.SentenceEncoder(model, "words")
    np.testing.assert_allclose(
        encoder.encode_texts(WORLD.captions), unit(model.encode(WORLD.captions)), atol=1e-5
    )
    with pytest.raises(TypeError, match="words embeds text, no image; pass another model, such as"):
        encoder.encode_images(PICTURES)
    with pytest.raises(TypeError, match="BertModel has no two towers with a common space"):
        models.load_encoder(f"transformers:{tmp_path}")


def folder_of(pictures, captions, folder):
    folder.mkdir()
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        picture.save(folder / f"{i:02}.png")
        (folder / f"{i:02}.txt").write_text(caption)
    return folder


def test_a_folder_is_embedded_and_reported_by_any_encoder(tmp_path, capsys):
    name = saved(tmp_path / "model", "CLIP")
    folder = folder_of(PICTURES, WORLD.captions, tmp_path / "pairs")
    encoder = models.load_encoder(name)
    found = embeddings.embed_folder(folder, name)
    np.testing.assert_allclose(found.images, encoder.encode_images(PICTURES), atol=1e-5)
    np.testing.assert_allclose(found.texts, encoder.encode_texts(WORLD.captions), atol=1e-5)
    assert found.tau == encoder.tau and found.thumbnails.shape == (30, 32, 32, 3)
    assert found.too_long == encoder.too_long(WORLD.captions) > 0
    assert main(["report", "--pairs", str(folder), "--model", name, "--rate", "0.1", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["tau"] == pytest.approx(encoder.tau)
    assert f"{found.too_long} of 30 captions are longer" in shown.err


class Mine:
    """An encoder of one's own: two calls."""

    def __init__(self, missing=0):
        self.missing = missing

    def encode_images(self, images):
        return [np.asarray(image, float).mean(axis=(0, 1)) for image in images][self.missing :]

    def encode_texts(self, texts):
        return torch.tensor([[len(text), text.count("a") + 1.0, 1.0] for text in texts])


def test_an_encoder_of_ones_own_needs_two_calls(tmp_path):
    folder = folder_of(PICTURES, WORLD.captions, tmp_path / "pairs")
    found = embeddings.embed_folder(folder, Mine())
    np.testing.assert_allclose(found.images, WORLD.images.mean(axis=(1, 2)))
    assert found.texts.shape == (30, 3) and (found.tau, found.too_long) == (0.01, 0)
    with pytest.raises(ValueError, match="encode_images returned 29 rows for 30 inputs"):
        embeddings.embed_folder(folder, Mine(missing=1))


@pytest.mark.parametrize(
    ("name", "pretrained", "error", "words"),
    [
        ("transformers:nowhere/nothing", None, OSError, "transformers:nowhere/nothing cannot be loaded"),
        ("sentence-transformers:nowhere/nothing", None, OSError, "cannot be loaded"),
        ("transformers:any", "openai", ValueError, "comes with its weights; leave pretrained out"),
        ("ViT-B-33", None, ValueError, "did you mean"),
    ],
)
def test_names_that_are_no_model_are_refused(tmp_path, name, pretrained, error, words):
    folder = folder_of(PICTURES, WORLD.captions, tmp_path / "pairs")
    with pytest.raises(error, match=words):
        embeddings.embed_folder(folder, name, pretrained)


@pytest.mark.parametrize("library", ["transformers", "sentence-transformers"])
def test_a_library_that_is_missing_is_named(library, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library.replace("-", "_"), None)
    with pytest.raises(ImportError, match=rf"{library}:... needs {library}: pip install mgaplib\[encoders\]"):
        models.load_encoder(f"{library}:any")


def test_nothing_is_nothing_to_encode():
    encoder = models.TransformersEncoder(*of_transformers("CLIP"))
    with pytest.raises(ValueError, match="there is no image to encode"):
        encoder.encode_images([])
    with pytest.raises(ValueError, match="batch_size is 0"):
        encoder.encode_texts(["a red circle"], batch_size=0)

"""Encoders beyond open_clip: what transformers and sentence-transformers load, by the same few calls."""

import math
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from mgaplib import output
from mgaplib.models.clip import _as_uint8, _best_device, load_clip


class Encoder(Protocol):
    """What embeds two modalities into one space, and what `embeddings.embed_folder` takes in a model's place.

    What `load_clip` returns is one, and anything of yours with these two calls. It may also have a
    temperature, `tau`, and `too_long(texts)`, how many texts are longer than it reads.
    """

    def encode_images(self, images) -> np.ndarray:
        """Return one embedding a picture, floats (n, d), of a sequence whose slices are PIL images."""

    def encode_texts(self, texts) -> np.ndarray:
        """Return one embedding a text, floats (n, d), of a list of strings."""


def load_encoder(name: str, pretrained: str | Path | None = None, device=None) -> Encoder:
    """Return an encoder by name, of whichever library.

    Args:
        name: "transformers:NAME" or "sentence-transformers:NAME", a model on Hugging Face's hub or the folder
            of a saved one; else what `load_clip` takes.
        pretrained: Weights, of open_clip's models only; the others come with theirs.
        device: Where to run; CUDA, then Apple's MPS, then the CPU if None.

    Raises:
        ImportError, OSError: If the library is not installed, or there is no such model, or no download.
        ValueError: If `pretrained` is given beside a model that comes with its weights, or as in `load_clip`.

    Example:
        >>> load_encoder("MiniCLIP-24").encode_texts(["a red circle", "a blue square"]).shape
        (2, 128)

    Taught in chapter your_embeddings.
    """
    library, colon, place = name.partition(":")
    if not colon or library not in ("transformers", "sentence-transformers"):
        return load_clip(name, pretrained, device=device)
    if pretrained is not None:
        cure = "leave pretrained out, which is for open_clip's models"
        raise ValueError(f"{name} comes with its weights; {cure}")
    device = str(device or _best_device())
    try:
        if library == "sentence-transformers":
            from sentence_transformers import SentenceTransformer

            return SentenceEncoder(SentenceTransformer(place, device=device), place)
        from transformers import AutoModel, AutoProcessor

        model, processor = AutoModel.from_pretrained(place), AutoProcessor.from_pretrained(place)
    except ImportError as error:
        install = "pip install mgaplib[encoders]"
        raise ImportError(f"{library}:... needs {library}: {install} ({error})") from error
    return TransformersEncoder(model.to(device), processor, place)


class TransformersEncoder:
    """A two-tower model of transformers with its processor: CLIP, SigLIP or CLAP, for instance.

    Args:
        model: The model; it has `get_text_features`, and `get_image_features` or `get_audio_features`.
        processor: What belongs to it, such as `AutoProcessor.from_pretrained` returns.
        name: What to call it.

    Raises:
        TypeError: If the model has no such towers; in a method, if it has none for that modality.

    Taught in chapter your_embeddings.
    """

    def __init__(self, model, processor, name: str = ""):
        towers = [what for what in ("text", "image", "audio") if hasattr(model, f"get_{what}_features")]
        if len(towers) < 2:
            raise TypeError(
                f"a {type(model).__name__} has no two towers with a common space; pass a CLIP, SigLIP or "
                "CLAP model"
            )
        self.model, self.processor, self.towers = model, processor, towers
        self.name = name or type(model).__name__

    def __repr__(self) -> str:
        return f"TransformersEncoder({self.name!r}, {' and '.join(self.towers)}, on {self.model.device})"

    @property
    def tau(self) -> float:
        """The temperature, 1 / exp(logit_scale); of CLAP's two, that of a sound looking for its text."""
        scale = getattr(self.model, "logit_scale", None)
        return math.exp(-(self.model.logit_scale_a if scale is None else scale).item())

    def encode_images(self, images, batch_size: int = 64, normalize: bool = True) -> np.ndarray:
        """Return one embedding a picture, float32, of unit length unless `normalize` is False.

        Arguments as in `Clip.encode_images`; images are PIL images or an array, as `Clip.pixels` takes them.
        """
        return self._encode("image", images, batch_size, normalize, lambda part: {"images": _pictures(part)})

    def encode_texts(self, texts, batch_size: int = 256, normalize: bool = True) -> np.ndarray:
        """Return one embedding a text, as `encode_images` does; what is longer than the context is cut."""
        # SigLIP was trained on texts padded to its whole context, and has no mask that would hide it.
        padding = "max_length" if self.model.config.model_type.startswith("siglip") else True
        options = {"padding": padding, "truncation": True, "max_length": self._context}
        return self._encode("text", _listed(texts), batch_size, normalize, lambda p: {"text": p} | options)

    def encode_audio(self, waves, rate: int, batch_size: int = 16, normalize: bool = True) -> np.ndarray:
        """Return one embedding a sound, as `encode_images` does.

        Args:
            waves: A sequence of n arrays, one number a sample, which may differ in length; of what is longer
                than the model hears, its start is taken.
            rate: Samples a second; it must be the model's.
            batch_size: As in `Clip.encode_images`.

        Raises:
            ValueError: If the rate is not the model's.
        """
        ear = getattr(self.processor, "feature_extractor", None)
        if ear is not None and rate != ear.sampling_rate:
            raise ValueError(
                f"rate is {rate}; {self.name} hears {ear.sampling_rate} samples a second: resample with "
                f"scipy.signal.resample_poly(wave, {ear.sampling_rate}, {rate})"
            )

        def prepare(part):  # transformers would cut a place at random
            heard = [np.asarray(wave, np.float32)[: ear.nb_max_samples] for wave in part]
            return {"audio": heard, "sampling_rate": rate}

        return self._encode("audio", waves, batch_size, normalize, prepare)

    def too_long(self, texts) -> int:
        """Return how many texts have more tokens than the model reads."""
        tokens = self.processor.tokenizer(_listed(texts))["input_ids"]
        return sum(len(ids) > self._context for ids in tokens)

    @property
    def _context(self) -> int:
        most = self.processor.tokenizer.model_max_length
        return min(most, self.model.config.text_config.max_position_embeddings)

    def _encode(self, what: str, inputs, batch_size: int, normalize: bool, prepare) -> np.ndarray:
        if what not in self.towers:
            raise TypeError(f"{self.name} embeds {' and '.join(self.towers)}, no {what}; pass another model")

        def encode(part):
            ready = self.processor(**prepare(part), return_tensors="pt")
            if "is_longer" in ready:  # one is drawn at random where none is
                ready["is_longer"] = torch.zeros_like(torch.as_tensor(ready["is_longer"]))
            found = getattr(self.model, f"get_{what}_features")(**ready.to(self.model.device))
            return getattr(found, "pooler_output", found).float().cpu().numpy()

        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                return _in_batches(inputs, batch_size, normalize, encode, what)
        finally:
            self.model.train(was_training)


class SentenceEncoder:
    """A model of sentence-transformers: one of texts and images, or of texts alone.

    Args:
        model: A `SentenceTransformer`.
        name: What to call it.

    Raises:
        TypeError: In a method, if the model does not embed that modality.

    Taught in chapter your_embeddings.
    """

    def __init__(self, model, name: str = ""):
        self.model, self.name = model, name or type(model).__name__

    def __repr__(self) -> str:
        modalities = " and ".join(self.model.modalities)
        return f"SentenceEncoder({self.name!r}, {modalities}, on {self.model.device})"

    def encode_images(self, images, batch_size: int = 64, normalize: bool = True) -> np.ndarray:
        """Return one embedding a picture; the arguments are those of `TransformersEncoder.encode_images`."""
        return self._encode("image", images, batch_size, normalize, _pictures)

    def encode_texts(self, texts, batch_size: int = 256, normalize: bool = True) -> np.ndarray:
        """Return one embedding a text; the arguments are those of `TransformersEncoder.encode_texts`."""
        return self._encode("text", _listed(texts), batch_size, normalize, list)

    def too_long(self, texts) -> int:
        """Return how many texts have more tokens than the model reads."""
        most = self.model.max_seq_length
        if most is None:
            return 0
        return sum(len(self.model.tokenizer(text)["input_ids"]) > most for text in _listed(texts))

    def _encode(self, what: str, inputs, batch_size: int, normalize: bool, prepare) -> np.ndarray:
        if what not in self.model.modalities:
            raise TypeError(
                f"{self.name} embeds {' and '.join(self.model.modalities)}, no {what}; pass another model, "
                "such as sentence-transformers:clip-ViT-B-32"
            )

        def encode(part):
            return self.model.encode(prepare(part), show_progress_bar=False)

        return _in_batches(inputs, batch_size, normalize, encode, what)


def _in_batches(inputs, size: int, normalize: bool, encode, what: str) -> np.ndarray:
    if len(inputs) == 0:
        raise ValueError(f"there is no {what} to encode")
    if size < 1:
        raise ValueError(f"batch_size is {size}; it must be at least 1")
    starts = output.bar(range(0, len(inputs), size), f"encode {what}")
    rows = np.concatenate([encode(inputs[start : start + size]) for start in starts]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if normalize else rows


def _listed(texts) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _pictures(part) -> list[Image.Image]:
    return [Image.fromarray(a) for a in _as_uint8(part)] if isinstance(part, np.ndarray) else list(part)

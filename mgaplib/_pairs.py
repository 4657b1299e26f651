"""Training pairs as tensors, and their embeddings."""

from collections.abc import Callable

import numpy as np
import torch

from mgaplib.clip import wrap


class Pairs:
    """Pairs of (pixels, token ids): whole tensors where the data allows it, else gathered item by item."""

    def __init__(self, source, indices: np.ndarray | None = None):
        self.source = source
        self.indices = np.arange(len(source)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.indices)

    def first(self, n: int) -> "Pairs":
        """Return the first n pairs."""
        return Pairs(self.source, self.indices[:n])

    def at(self, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pairs at these places as one batch."""
        places = self.indices[places]
        if isinstance(self.source, torch.utils.data.TensorDataset):
            return self.source[torch.from_numpy(places)]
        return tuple(torch.utils.data.default_collate([self.source[int(i)] for i in places]))


def as_pairs(data, model: torch.nn.Module, tokenizer: Callable | None) -> Pairs:
    """Return a `ShapeWorld` or a torch Dataset as pairs for this model."""
    return Pairs(data.to_torch(wrap(model, tokenizer)) if hasattr(data, "to_torch") else data)


def embed(model: torch.nn.Module, pairs: Pairs, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit-length embeddings of all pairs, as the model is now."""
    was_training, device, rows = model.training, model.logit_scale.device, []
    model.eval()
    with torch.no_grad():
        for start in range(0, len(pairs), batch_size):
            images, texts = pairs.at(np.arange(start, min(start + batch_size, len(pairs))))
            x = model.encode_image(images.to(device), normalize=True)
            y = model.encode_text(texts.to(device), normalize=True)
            rows.append((x.float().cpu().numpy(), y.float().cpu().numpy()))
    model.train(was_training)
    images, texts = (np.concatenate(column) for column in zip(*rows, strict=True))
    return images, texts

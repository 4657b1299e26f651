"""Picture files, opened when a batch is asked for, so that memory holds one batch."""

from collections.abc import Sequence
from pathlib import Path


class Pictures(Sequence):
    """The pictures of some files as PIL images; a slice opens its files, and nothing is kept."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows):
        chosen = self.paths[rows]
        return [self._open(path) for path in chosen] if isinstance(chosen, list) else self._open(chosen)

    @staticmethod
    def _open(path: Path):
        from PIL import Image

        try:
            with Image.open(path) as file:
                return file.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} is no picture that can be read: {error}") from error

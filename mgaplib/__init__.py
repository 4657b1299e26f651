"""Measure, explain and close the modality gap of CLIP-like models.

The submodules are loaded when they are first used, so that `import mgaplib`
stays fast and geometry never pays for torch.
"""

import importlib
import pkgutil

__version__ = "0.1.0"
__all__ = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'mgaplib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

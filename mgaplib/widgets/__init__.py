"""Widgets that live in Colab, in JupyterLab and, without a kernel, in the book's own pages.

They are loaded when they are first used: `import mgaplib.widgets` costs nothing.
"""

import importlib

_PLACES = {
    "ConeExplorer": "cone_explorer",
    "GapExplorer": "gap_explorer",
    "SphereExplorer": "sphere_explorer",
    "TrainingPanel": "training_panel",
    "TrainingScrubber": "training_scrubber",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str):
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'mgaplib.widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

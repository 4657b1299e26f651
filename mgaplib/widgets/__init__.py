"""Widgets that live in Colab, in JupyterLab and, without a kernel, in the book's own pages.

The room of everything that a reader moves: a file of Python and one of JavaScript a widget; the training
panel, which needs a kernel, has Python alone. What the widgets compute stands once, in engines that are pure
(`numbers.js`, `landscape_engine.js`, `gram_engine.js`, `sphere_engine.js`, `dynamics_engine.js`; and for the
page that measures a reader's files, `report.MeasureHere`: `embeddings_files.js`, `measure_engine.js`,
`separability.js`, `landscape_tables.js`, which a worker runs, `measure_worker.js`, and `measure_words.js`);
what they draw and say stands in `canvas.js` and `shared.js`. `base.py` joins a widget's files into the one
module that Colab and a static page need. They are loaded when they are first used: the import costs nothing.

An explorer's data travel once, and every number shown is computed in the browser, so that it lives in a
static page, too. In a kernel its settings are traits that can be read and set, and `metrics` holds the
numbers there. All take `tries=` and `name=`, as `base.BookWidget` says.
"""

import importlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgaplib.widgets.atlas_explorer import AtlasExplorer
    from mgaplib.widgets.cone_explorer import ConeExplorer
    from mgaplib.widgets.dynamics_explorer import DynamicsExplorer
    from mgaplib.widgets.gap_explorer import GapExplorer
    from mgaplib.widgets.sphere_explorer import SphereExplorer
    from mgaplib.widgets.training_panel import TrainingPanel
    from mgaplib.widgets.training_scrubber import TrainingScrubber

__all__ = [
    "AtlasExplorer", "ConeExplorer", "DynamicsExplorer", "GapExplorer", "SphereExplorer", "TrainingPanel",
    "TrainingScrubber",
]  # fmt: skip


def __getattr__(name: str):
    if name in __all__:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module 'mgaplib.widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

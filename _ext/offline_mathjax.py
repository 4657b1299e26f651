"""Called by _config.yml: serve MathJax from the book itself, so that a page asks no other host for it."""

import importlib.util
from pathlib import Path

from sphinx.util.fileutil import copy_asset

# What a page can ask for: the renderer, its fonts, TeX packages loaded on first use, the accessibility menu.
PARTS = ["tex-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y", "sre"]


def copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    # The package's name has hyphens, so it is found rather than imported.
    source = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
    target = Path(app.outdir) / "_static/mathjax"
    for part in PARTS:
        place = (target / part).parent if (source / part).is_file() else target / part
        place.mkdir(parents=True, exist_ok=True)
        copy_asset(str(source / part), str(place))


def setup(app):
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", "mathjax/tex-chtml.js"))
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

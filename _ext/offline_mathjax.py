"""Called by _config.yml: serve MathJax from the book itself, and only to pages that hold an equation."""

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


def only_where_needed(app, pagename, templatename, context, doctree):
    """Drop its script, 1.2 MB, from a page without an equation; myst-parser puts it on every page."""
    if 'class="math' not in context.get("body", ""):
        context["script_files"] = [
            script
            for script in context["script_files"]
            if "mathjax" not in str(script.filename)
            and "window.MathJax" not in script.attributes.get("body", "")
        ]


def setup(app):
    app.connect("config-inited", lambda app, config: setattr(config, "mathjax_path", "mathjax/tex-chtml.js"))
    app.connect("html-page-context", only_where_needed, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

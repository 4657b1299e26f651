"""Called by _config.yml: on a phone a figure is the narrow one that `mgaplib.book.plots` drew as well.

The page chooses by itself, with `<picture>` and no script. The narrow drawing travels in the metadata of the
cell's output; myst-nb names the wide one by the hash of its content.
"""

import hashlib
import re
from pathlib import Path

import jupytext
from jupyter_cache import get_cache

SVG = "image/svg+xml"


def drawn_twice(app, docname: str) -> dict[str, str]:
    """Return the narrow drawing of each figure of a page, by the wide one's file name."""
    try:
        cache = get_cache(app.env.mystnb_config.execution_cache_path)
        record = cache.match_cache_notebook(jupytext.read(app.env.doc2path(docname)))
    except KeyError:  # no page of code, or one whose execution failed
        return {}
    found = {}
    for cell in cache.get_cache_bundle(record.pk).nb.cells:
        for output in cell.get("outputs", []):
            narrow = output.get("metadata", {}).get(SVG, {}).get("mgaplib_narrow")
            if narrow:
                wide = "\n".join(output["data"][SVG].splitlines()).encode()
                found[hashlib.sha256(wide).hexdigest() + ".svg"] = narrow
    return found


def offer_both(app, pagename, templatename, context, doctree):
    if doctree is None or ".svg" not in context.get("body", ""):
        return
    for name, narrow in drawn_twice(app, pagename).items():
        target = Path(app.outdir) / "_images" / name.replace(".svg", "-narrow.svg")
        image = re.compile(rf'<img [^>]*src="([^"]*){name}"[^>]*>')
        if image.search(context["body"]):
            target.parent.mkdir(exist_ok=True)
            target.write_text(narrow, encoding="utf-8")
            source = f'<source media="(max-width: 600px)" srcset="\\g<1>{target.name}"/>'
            both = rf"<picture>{source}\g<0></picture>"
            context["body"] = image.sub(both, context["body"])


def setup(app):
    app.connect("html-page-context", offer_both)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Called by _config.yml: let the anywidgets of a page live in its static HTML, served by the book itself.

A page that holds widgets loads one small module, `widget_host.js`, instead of RequireJS and a bundle from
another host; a page without widgets loads nothing. Where a widget's output also holds a picture, the page
shows the picture until the widget has taken its place: with scripts off, it stays.
"""

from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

# With the widgets, so that an installed mgaplib can put it into a report of its own.
HOST = Path(__file__).parent.parent / "mgaplib" / "widgets" / "widget_host.js"
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def serve_host(app, config):
    # One file, named here: Jupyter Book would put every script of a static folder on every page.
    config.html_static_path.append(str(HOST))
    # Deferred and no module: a page that is opened as a file may not load modules.
    config.nb_ipywidgets_js = {HOST.name: {"defer": "defer"}}


class PictureBesideWidget(SphinxPostTransform):
    """Keep the picture of an output that has both a widget and a picture, described by the output's text."""

    default_priority = 3  # before myst-nb keeps one kind of each output and drops the others

    def run(self, **kwargs):
        if self.app.builder.format != "html":
            return
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            kinds = {child["mime_type"]: child for child in bundle.children}
            pictures = [child for kind, child in kinds.items() if kind.startswith("image/")]
            if VIEW not in kinds or not pictures:
                continue
            picture = nodes.container("", *pictures[0].children, classes=["widget-picture"])
            words = kinds["text/plain"].astext() if "text/plain" in kinds else ""
            for image in picture.findall(nodes.image):
                image["alt"] = image.get("alt") or words
            bundle.replace_self([*kinds[VIEW].children, picture])


def state_last(app, pagename, templatename, context, doctree):
    """Move the widgets' state, up to 1 MB, from the head to the page's end: the words are painted first."""
    state = [script for script in context["script_files"] if script.attributes.get("type") == STATE]
    context["script_files"] = [script for script in context["script_files"] if script not in state]
    bodies = (script.attributes["body"] for script in state)
    context["widget_state"] = "".join(f'<script type="{STATE}">{body}</script>' for body in bodies)


def setup(app):
    app.connect("config-inited", serve_host, priority=400)  # before myst-nb reads its own settings
    app.connect("html-page-context", state_last, priority=900)
    app.add_post_transform(PictureBesideWidget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Called by _config.yml: mend what the theme logs as an error on every page, and what delays its paint.

So an error in the console means something, and a phone shows the words before it has read the scripts.
"""

import re
from pathlib import Path

#: The letters of the theme's icon font, 90 kB of a style sheet that a page waits for: icons.css draws ours.
LETTERS = re.compile(r"(?:(?<![\w-])\.fa-[\w-]+(?:::?before)?,?\s*)+\{(?:--fa|content:)[^}]*\}")


def drop_thebe(app, pagename, templatename, context, doctree):
    """Drop the scripts of Thebe, which the book does not use: declared twice, they fail on every page."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "THEBE_JS_URL" not in script.attributes.get("body", "") and "thebe" not in str(script.filename)
    ]
    context["css_files"] = [css for css in context["css_files"] if "thebe" not in str(css.filename)]


def defer_scripts(app, pagename, templatename, context, doctree):
    """Let the page be drawn first; the options alone stay, since scripts in the page read them."""
    if pagename == "search":
        return
    for i, script in enumerate(context["script_files"]):
        name = str(script.filename or "")
        if name and "documentation_options" not in name and not {"defer", "async"} & set(script.attributes):
            late = type(script)(script.filename, priority=script.priority, **script.attributes, defer="defer")
            context["script_files"][i] = late


def drop_letters(app, exception):
    sheet = Path(app.outdir) / "_static/styles/pydata-sphinx-theme.css"
    if exception is None and sheet.is_file():
        sheet.write_text(LETTERS.sub("", sheet.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app):
    app.connect(
        "config-inited",
        lambda app, config: config.templates_path.append(str(Path(__file__).parent / "templates")),
    )
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", defer_scripts, priority=950)
    app.connect("build-finished", drop_letters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

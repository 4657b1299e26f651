"""Called by _config.yml: mend what the theme logs as an error on every page.

So an error in the console means something.
"""


def drop_thebe(app, pagename, templatename, context, doctree):
    """Drop the scripts of Thebe, which the book does not use: declared twice, they fail on every page."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "THEBE_JS_URL" not in script.attributes.get("body", "") and "thebe" not in str(script.filename)
    ]


def setup(app):
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

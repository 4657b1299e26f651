"""Called by _config.yml, twins.py and tools/make_notebooks.py: the repository's address, if known.

With one, the pages get their repository and Colab buttons.
"""

import html
import os
import re
import subprocess

PANEL = re.compile(r'<span class="mgap-run">.*?</span>')  # of a TrainingPanel that has no kernel
GITHUB = re.compile(r"(?:https://github\.com/|git@github\.com:)([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def repository_url(srcdir) -> str:
    """Return https://github.com/owner/name from REPO_URL or git's remote, or "" if neither names one.

    A remote of any other form may hold a path or a token, so it is never printed.
    """
    given = os.environ.get("REPO_URL", "")
    if given:
        match = GITHUB.fullmatch(given.strip())
        if not match:
            raise ValueError("REPO_URL must look like https://github.com/owner/name")
    else:
        git = subprocess.run(
            ["git", "-C", str(srcdir), "remote", "get-url", "origin"],
            capture_output=True,
            text=True,
            check=False,
        )
        match = GITHUB.fullmatch(git.stdout.strip())
    return f"https://github.com/{match[1]}/{match[2]}" if match else ""


def pages_address(repo_url: str) -> str:
    """Return where GitHub publishes the repository's pages, or "" for another host."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", repo_url)
    return f"https://{match[1].lower()}.github.io/{match[2]}" if match else ""


def configure(app, config):
    url = repository_url(app.srcdir)
    if not url:
        return
    config.html_theme_options = {
        **config.html_theme_options,
        "repository_url": url,
        "repository_branch": os.environ.get("REPO_BRANCH", "main"),
        "path_to_docs": "",
        "use_repository_button": True,
        "use_edit_page_button": True,
        "use_issues_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }


def point_colab_at_notebooks(app, pagename, templatename, context, doctree):
    """Colab opens only .ipynb files, which live on the branch `notebooks`; edit links stay as they are.

    A training panel on the page, which cannot train there, points to Colab as well.
    """
    for group in context.get("header_buttons", []):
        if group.get("label") != "launch-buttons":
            continue
        for button in group["buttons"]:
            if button["text"] == "Colab":
                url = re.sub(r"/blob/[^/]+/", "/blob/notebooks/", button["url"], count=1)
                button["url"] = re.sub(r"\.md$", ".ipynb", url)
                link = f'<a class="mgap-run" href="{html.escape(button["url"])}">run it in Colab</a>'
                context["body"] = PANEL.sub(lambda _, link=link: link, context.get("body", ""))


def setup(app):
    # After Jupyter Book's own handlers (500), before the theme freezes its options.
    app.connect("config-inited", configure, priority=900)
    app.connect("html-page-context", point_colab_at_notebooks, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

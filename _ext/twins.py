"""Called by _config.yml: each page once more, as a notebook and as plain Markdown, and what finds it.

Beside `x.html` lie `x.ipynb`, as `make notebooks` writes it, and `x.md`: the same words with the numbers of
this build filled in, for those who read with a program. `llms.txt` lists them. The page's head says what the
page is about; where the public address is known it has a canonical link, a card with its first picture and a
place in the sitemap.
"""

import html
import posixpath
import re
import sys
import unicodedata
from pathlib import Path

import jupytext
import yaml
from docutils import nodes
from jupyter_cache import get_cache
from rooms import listing
from scorecard_rows import SECTIONS, section, whose

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from launch import pages_address, repository_url  # noqa: E402
from make_notebooks import citations, export_all, pages_of_book  # noqa: E402
from plain_markdown import Book, Page  # noqa: E402

GLUED = "application/papermill.record/text/plain"
AUTOMODULE = re.compile(r"automodule:: mgaplib\.([\w.]+)")
LETTER = re.compile(r"\\([a-zA-Z]+)|[{}]")
LONG = 2000  # characters of an output that a twin keeps


class Twin(Page):
    """A page on its way to Markdown with the numbers that this build gave."""

    def __init__(
        self, book: Book, name: str, glued: dict[str, float], claims: list[dict], modules: dict[str, str]
    ):
        super().__init__(book, name)
        self.glued, self.claims, self.modules = glued, claims, modules

    def role(self, name: str, body: str, before: str) -> str:
        key, _, form = body.strip().partition(":")
        if name.startswith("glue") and key in self.glued:
            return format(self.glued[key], form)
        return super().role(name, body, before)

    def directive(self, name: str, argument: str, body: str) -> str:
        if name == "scorecard":
            return "\n".join(in_a_line(row) for row in self.claims if section(row) == argument)
        if name == "eval-rst" and (module := AUTOMODULE.search(body)):
            return self.modules.get(module[1], "")
        if name == "room":
            names = self.published(f"{self.name}/{argument}", "Its names", "")
            return self.modules[argument].split("\n")[0] + f" {names}."
        return super().directive(name, argument, body)

    def published(self, page: str, text: str, fragment: str) -> str:
        return f"[{text}]({posixpath.relpath(page, posixpath.dirname(self.name) or '.')}.md)"


def in_a_line(row: dict) -> str:
    """Return a claim as a point of a list."""
    paper, here, _ = SECTIONS[section(row)][1]
    printed = "" if row["paper"] is None else f" {paper.capitalize()}: {row['paper']}."
    name = f"**{row['id']}** ({whose(row) or 'our question'}), **{row['status']}**"
    found = f"{here.capitalize()}: {row['here']} ({row['data']})."
    return f"- {name}: {row['statement']}{printed} {found} {row['note']}".rstrip()


def executed(app, name: str):
    """Return a page's cells with the outputs of this build where it has any."""
    path = app.env.doc2path(name)
    notebook = jupytext.read(path)
    try:
        cache = get_cache(app.env.mystnb_config.execution_cache_path)
        return cache.get_cache_bundle(cache.match_cache_notebook(notebook).pk).nb, notebook
    except KeyError:
        return notebook, notebook


def outputs_of(cell) -> str:
    """Return what a cell printed and showed, as far as it is text."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", [])]
    drawn = any(key.startswith("image/") for o in cell.get("outputs", []) for key in o.get("data", {}))
    text = "\n".join(t.strip("\n") for t in texts if t and not (drawn and t.startswith("<Figure")))
    return text if len(text) <= LONG else text[:LONG] + "\n..."


def markdown(page: Twin, source, run) -> str:
    """Return the whole page; cells that the page folds are left out, what they print is not."""
    found = []
    code = iter([cell for cell in run.cells if cell.cell_type == "code"])
    for cell in source.cells:
        if cell.cell_type != "code":
            found.append(page.render(cell.source))
            continue
        shown, folded = (
            next(code, cell),
            [t for t in cell.metadata.get("tags", []) if t.endswith(("-input", "-cell"))],
        )
        if not folded:
            found.append(f"```python\n{cell.source}\n```")
        if text := outputs_of(shown):
            found.append(f"```text\n{text}\n```")
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            number = page.number("Figure", figure.get("name"))
            seen = " ".join(cell.metadata["mystnb"].get("image", {}).get("alt", "").split())
            found.append(
                f"**{number}.** {page.render(figure.get('caption', ''))}" + f"\n\n*Seen: {seen}*" * bool(seen)
            )
    return "\n\n".join(filter(None, found)) + "\n"


def numbers(notebook) -> dict[str, float]:
    """Return the numbers that an executed page glues."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return {
        o.metadata["scrapbook"]["name"]: float(o.data[GLUED])
        for o in outputs
        if "scrapbook" in o.get("metadata", {}) and GLUED in o.get("data", {})
    }


def write(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    root, out = Path(app.srcdir), Path(app.outdir)
    url = repository_url(root)
    export_all(out, url, pages_url=pages_address(url), root=root)
    claims = getattr(app.env, "mgaplib_claims", [])
    book = Book(citations(root / "chapters/references.bib"), strict=False)
    found = {name: executed(app, name) for name in pages_of_book(root)}
    glued = {}
    for run, _ in found.values():
        glued |= numbers(run)
    for name in found:
        book.titles[name] = app.env.titles[name].astext()
    modules = {}
    for name in found:
        if "/api/" in name:
            modules |= listing(app.env.get_doctree(name))
    for _ in range(2):  # once to learn what every label stands for, once to write it
        for name, (run, source) in found.items():
            text = markdown(Twin(book, name, glued, claims, modules), source, run)
            (out / f"{name}.md").write_text(text, encoding="utf-8")
    about = getattr(app, "mgaplib_about", {})
    (out / "llms.txt").write_text(contents(app, root, about), encoding="utf-8")
    if base := app.config.html_baseurl:
        pages = "".join(f"<url><loc>{html.escape(base + name)}.html</loc></url>\n" for name in found)
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{pages}</urlset>\n'
        (out / "sitemap.xml").write_text(text, encoding="utf-8")


def contents(app, root: Path, about: dict[str, str]) -> str:
    """Return llms.txt: the book's pages in Markdown, each with what it is about."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = toc.get("parts") or [{"caption": "Pages", "chapters": toc.get("chapters", [])}]
    lines = [f"# {app.config.html_title}", "", f"> {about.get(toc['root'], '')}", ""]
    lines += [f"- [The front page]({toc['root']}.md)", "- [Every claim, for machines](scorecard.json)", ""]
    for part in parts:
        lines += [f"## {part['caption']}", ""]
        for entry in part["chapters"]:
            for name in [page["file"] for page in (entry, *entry.get("sections", []))]:
                lines.append(f"- [{app.env.titles[name].astext()}]({name}.md): {about.get(name, '')}")
        lines.append("")
    return "\n".join(lines)


def greek(match) -> str:
    """Return a letter of a formula as people write it, and nothing for its braces and other commands."""
    try:
        return unicodedata.lookup(f"GREEK SMALL LETTER {(match[1] or '').upper()}")
    except KeyError:
        return ""


def summary(doctree) -> str:
    """Return what a page is about: its claim, which stands quoted under the title, or its first sentence."""
    for kind in (nodes.block_quote, nodes.paragraph):
        for found in doctree.findall(kind):
            if text := LETTER.sub(greek, " ".join(found.astext().split())):
                return text if len(text) <= 300 else text[:300].rsplit(" ", 1)[0] + " …"
    return ""


def describe(app, pagename, templatename, context, doctree):
    """Fill the page's head, and put its notebook, its Markdown and a button that copies it into its menu."""
    context["page_cards"] = ""
    if doctree is None or pagename not in app.env.found_docs:
        return
    about, title = summary(doctree), app.env.titles[pagename].astext()
    if not hasattr(app, "mgaplib_about"):
        app.mgaplib_about = {}
    app.mgaplib_about[pagename] = about
    name = posixpath.basename(pagename)
    tags = {
        "og:title": title,
        "og:description": about,
        "og:type": "article",
        "og:site_name": app.config.html_title,
    }
    if base := app.config.html_baseurl:
        tags["og:url"] = f"{base}{pagename}.html"
        if card := draw_card(app, pagename, title, doctree):
            tags |= {"og:image": base + card, "og:image:alt": title, "twitter:card": "summary_large_image"}
    found = [f'<meta name="description" content="{html.escape(about)}"/>']
    found += [f'<meta property="{key}" content="{html.escape(value)}"/>' for key, value in tags.items()]
    found.append(
        f'<link rel="alternate" type="text/markdown" href="{name}.md" title="{html.escape(title)}"/>'
    )
    context["page_cards"] = "\n".join(found)
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            code = app.env.metadata.get(pagename, {}).get("kernelspec") is not None
            notebook = [
                link(f"{name}.ipynb", ".ipynb", "Download as a notebook", "fa-code", "notebook")
            ] * code
            twin = link(f"{name}.md", "Markdown", "The page in plain Markdown", "fa-file", "markdown")
            group["buttons"] = [*notebook, *group["buttons"], twin, copy_button(f"{name}.md")]


def link(url: str, text: str, tooltip: str, icon: str, label: str) -> dict:
    return {
        "type": "link", "url": url, "text": text, "tooltip": tooltip, "icon": f"fas {icon}",
        "label": f"download-{label}-button",
    }  # fmt: skip


def copy_button(url: str) -> dict:
    """Return the button that copies the page's Markdown; where it may not, it leads there."""
    script = (
        f"fetch('{url}').then(r => r.text()).then(t => navigator.clipboard.writeText(t))"
        f".then(() => {{ this.lastElementChild.textContent = 'copied' }},"
        f" () => {{ location.href = '{url}' }})"
    )
    return {
        "type": "javascript", "javascript": script, "text": "copy page", "icon": "fas fa-copy",
        "tooltip": "Copy the page as Markdown", "label": "copy-page-button",
    }  # fmt: skip


def draw_card(app, pagename: str, title: str, doctree) -> str:
    """Draw the card of a page and return its address; "" if the page has no picture."""
    from card import draw

    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"]
        if path.is_file():
            card = f"_static/cards/{pagename.replace('/', '-')}.png"
            draw(path, title, app.config.html_title, Path(app.outdir) / card)
            return card
    return ""


def configure(app, config):
    address = pages_address(repository_url(app.srcdir))
    if address and not config.html_baseurl:
        config.html_baseurl = address + "/"


def setup(app):
    app.connect("config-inited", configure)
    app.connect("html-page-context", describe, priority=800)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": False}

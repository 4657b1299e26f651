"""Called by `make notebooks` and _ext/twins.py: write each chapter as a notebook for Colab.

A notebook has no outputs, plain Markdown and a first cell that installs mgaplib.
The same chapters give the same bytes, so a branch of notebooks changes only when a chapter does.
"""

import argparse
import re
import sys
from pathlib import Path

import jupytext
import nbformat
import yaml
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "_ext"), str(ROOT / "tools")]

from launch import pages_address, repository_url  # noqa: E402
from plain_markdown import Book, Page  # noqa: E402

# What any chapter needs. Colab brings the large ones, so one list for all costs a minute at most.
EXTRAS = "models,umap,worlds,scale,files,search,fairness,zeroshot,monitor"

INSTALL = """\
# @title Set-up: on Colab, this cell installs the book's library
import sys

if "google.colab" in sys.modules:
    %pip install -q "mgaplib[{extras}] @ git+{url}@{ref}"
    import importlib.metadata

    import numpy

    if numpy.__version__ != importlib.metadata.version("numpy"):
        print("numpy was replaced while in use: choose Runtime > Restart session, then run all cells.")
"""

NO_ADDRESS = """\
# @title Set-up: this notebook needs the book's library
import importlib.util
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("mgaplib") is None:
    raise ModuleNotFoundError(
        "mgaplib is not installed, and this notebook was exported without its repository's address. "
        'Install it first: %pip install "mgaplib[{extras}] @ git+https://github.com/OWNER/NAME"'
    )
"""

ABOUT = "*This notebook is made from the chapter `{name}.md`{page}. Edit the chapter, not the notebook.*"
GLUED = " *A name such as `{name}` in the text stands for a number that a cell prints.*"


def citations(bib: Path) -> dict[str, tuple[str, str, str]]:
    """Return authors in short, year and address of each entry."""
    found = {}
    for key, entry in parse_file(str(bib)).entries.items():
        names = [
            " ".join([*p.prelast_names, *p.last_names]).strip("{}") for p in entry.persons.get("author", [])
        ]
        short = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        doi = entry.fields.get("doi")
        url = entry.fields.get("url") or (f"https://doi.org/{doi}" if doi else "")
        found[key] = (short or key, entry.fields.get("year", "n.d."), url)
    return found


def plain_cells(notebook, page: Page) -> list:
    """Return the chapter's cells in plain Markdown, each figure followed by its caption."""
    cells, in_solution = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if text := page.render(cell.source):
                cells.append(nbformat.v4.new_markdown_cell(text))
            gates = re.findall(r"\{solution-(start|end)\}", cell.source)
            in_solution = gates[-1] == "start" if gates else in_solution
            continue
        tags = [tag for tag in cell.metadata.get("tags", []) if not tag.startswith("remove-")]
        metadata = {"tags": tags} if tags else {}
        if in_solution or {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(
            cell.metadata.get("tags", [])
        ):
            metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
        cells.append(nbformat.v4.new_code_cell(cell.source, metadata=metadata))
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            number = page.number("Figure", figure.get("name"))
            cells.append(
                nbformat.v4.new_markdown_cell(f"**{number}.** {page.render(figure.get('caption', ''))}")
            )
    return cells


def export(source, name: str, book: Book, repo_url: str, ref: str):
    """Return one chapter as a notebook that runs by itself."""
    body = plain_cells(source, Page(book, name))
    where = f", published at {book.pages_url}/{name}.html" if book.pages_url else ""
    about = ABOUT.format(name=name, page=where)
    glued = re.search(r"\{glue:[\w:]*\}`([\w.-]+)", "\n".join(c.source for c in source.cells))
    about += GLUED.format(name=glued[1]) if glued else ""
    install = (INSTALL if repo_url else NO_ADDRESS).format(extras=EXTRAS, url=repo_url, ref=ref)
    first = nbformat.v4.new_code_cell(install.rstrip(), metadata={"cellView": "form", "tags": ["setup"]})
    cells = [first, nbformat.v4.new_markdown_cell(about), *body]
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
        cell.metadata = nbformat.NotebookNode(sorted(cell.metadata.items()))
    metadata = {
        # Every chapter fits a CPU; one that gains from a GPU says `accelerator: GPU` in its header.
        "accelerator": source.metadata.get("accelerator", "None"),
        "colab": {"name": f"{Path(name).name}.ipynb", "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def pages_of_book(root: Path) -> list[str]:
    """Return the pages that the table of contents names, without suffix, in its order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [toc, *toc.get("parts", [])]  # a small book's chapters stand in no part
    chapters = [entry for part in parts for entry in part.get("chapters", [])]
    pages = [page for entry in chapters for page in (entry, *entry.get("sections", []))]
    return [toc["root"], *(page["file"] for page in pages)]


def export_all(
    out: Path, repo_url: str = "", ref: str = "main", pages_url: str = "", root: Path = ROOT
) -> list[Path]:
    """Write the notebook of every chapter below `out` and return their paths."""
    pages = {name: jupytext.read(root / f"{name}.md") for name in pages_of_book(root)}
    book = Book(citations(root / "chapters" / "references.bib"), pages_url, strict=False)
    for name, page in pages.items():  # once to learn what every label stands for, once to write it
        text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
        heading = re.search(r"^# (.+)$", text, re.M)
        book.titles[name] = heading[1].strip() if heading else name
        plain_cells(page, Page(book, name))
    book.strict = True
    written = []
    for name, page in pages.items():
        if "kernelspec" not in page.metadata or all(cell.cell_type != "code" for cell in page.cells):
            continue
        path = (out / name).with_suffix(".ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        notebook = export(pages[name], name, book, repo_url, ref)
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        written.append(path)
    return written


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write each chapter as a notebook for Colab.")
    parser.add_argument(
        "--repo-url", help="https://github.com/owner/name; else REPO_URL or git's remote, if either is"
    )
    parser.add_argument("--ref", default="main", help="the branch, tag or commit that Colab installs (main)")
    parser.add_argument(
        "--pages-url", help="where the pages are published; GitHub's address for the repository if not"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "colab", help="where to write (build/colab)"
    )
    given = parser.parse_args(argv)
    url = (
        (given.repo_url if given.repo_url is not None else repository_url(ROOT))
        .rstrip("/")
        .removesuffix(".git")
    )
    pages = (given.pages_url if given.pages_url is not None else pages_address(url)).rstrip("/")
    written = export_all(given.out, url, given.ref, pages)
    print(
        f"wrote {len(written)} notebooks to {given.out}" + ("" if url else "; no repository address is known")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

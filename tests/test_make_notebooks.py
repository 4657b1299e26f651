"""Exported notebooks: plain Markdown, the same bytes each time, a first cell that installs on Colab only."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import make_notebooks  # noqa: E402
from plain_markdown import Book, Page, Target  # noqa: E402

URL = "https://github.com/owner/name"
PAGES = [ROOT / f"{name}.md" for name in make_notebooks.pages_of_book(ROOT)]
CHAPTERS = [path for path in PAGES if "{code-cell}" in path.read_text(encoding="utf-8")]

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
ONE = (
    HEADER
    + """\
(ch-one)=
# One

See {numref}`fig-one-line`, {ref}`ch-two`, {doc}`part/two` and {eq}`eq-one`; {glue:text}`one-value:.2f` holds.

```{math}
:label: eq-one
a = b
```

```{code-cell} ipython3
:tags: [hide-input]

x = 1
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-one-line
    caption: |
      A line, as in {cite:t}`a2020`.
  image:
    alt: a line
tags: [remove-output]
---
y = 2
```

```{exercise-start} Count
:label: ex-one
```
Count to two.
```{exercise-end}
```

```{solution-start} ex-one
:class: dropdown
```

```{code-cell} ipython3
z = 3
```

```{solution-end}
```

Done.
"""
)
TWO = (
    HEADER.replace("kernelspec:", "accelerator: GPU\nkernelspec:")
    + "(ch-two)=\n# Two\n\nBack to {numref}`fig-one-line`.\n\n```{code-cell} ipython3\n1\n```\n"
)
BIB = """
@misc{a2020, title = {A}, author = {Alpha, Ann and Beta, Bob and Gamma, Cy}, year = {2020}, url = {https://a.example}}
@misc{b2021, title = {B}, author = {de la Beta, Bob}, year = {2021}, doi = {10.1/b}}
@misc{c2022, title = {C}, author = {Gamma, Cy and Alpha, Ann}, year = {2022}}
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "chapters" / "part").mkdir(parents=True)
    files = ["chapters/part/two", "chapters/plain"]
    toc = {"root": "chapters/one", "parts": [{"chapters": [{"file": name} for name in files]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "chapters" / "one.md").write_text(ONE)
    (tmp_path / "chapters" / "part" / "two.md").write_text(TWO)
    (tmp_path / "chapters" / "plain.md").write_text("(ch-plain)=\n# Plain\n")
    (tmp_path / "chapters" / "references.bib").write_text(BIB)
    return tmp_path


def read(root, name, **options):
    make_notebooks.export_all(root / "out", root=root, **options)
    return nbformat.read(root / "out" / "chapters" / f"{name}.ipynb", as_version=4)


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


# The notebook


def test_two_exports_are_the_same_bytes(root):
    first = {p.name: p.read_bytes() for p in make_notebooks.export_all(root / "a", URL, root=root)}
    second = {p.name: p.read_bytes() for p in make_notebooks.export_all(root / "b", URL, root=root)}
    assert first == second and sorted(first) == ["one.ipynb", "two.ipynb"]


def test_a_page_without_code_gives_no_notebook(root):
    read(root, "one")
    assert not list((root / "out").rglob("plain*"))


def test_the_notebook_holds_no_outputs_and_numbered_ids(root):
    notebook = read(root, "one")
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == [f"cell-{i}" for i in range(len(notebook.cells))]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert [cell.source for cell in code[1:]] == ["x = 1", "y = 2", "z = 3"]


def test_folded_cells_and_solutions_stay_folded(root):
    code = [cell for cell in read(root, "one").cells if cell.cell_type == "code"]
    folded = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in code[1:]]
    assert folded == [True, False, True]
    assert code[1].metadata.cellView == "form" and code[1].metadata.tags == ["hide-input"]
    assert "tags" not in code[2].metadata  # its output belongs to a live notebook


def test_a_chapter_may_ask_for_an_accelerator(root):
    assert read(root, "part/two").metadata.accelerator == "GPU"
    assert read(root, "one").metadata.accelerator == "None"


def test_the_first_cell_installs_on_colab_only(root):
    first = read(root, "one", repo_url=URL, ref="v1").cells[0].source
    assert f'%pip install -q "mgaplib[{make_notebooks.EXTRAS}] @ git+{URL}@v1"' in first
    assert "numpy.__version__ != importlib.metadata.version" in first
    code = first.replace("%pip", "installed.append  #")
    elsewhere = {"installed": []}
    exec(compile(ast.parse(code), "cell", "exec"), elsewhere)
    assert elsewhere["installed"] == [] and "numpy" not in elsewhere


def test_without_an_address_the_first_cell_says_what_is_missing(root, monkeypatch):
    first = read(root, "one").cells[0].source
    exec(compile(first, "cell", "exec"), {})
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="exported without its repository's address.*pip install"):
        exec(compile(first, "cell", "exec"), {})


def test_the_command_line_writes_where_it_is_told(tmp_path, capsys):
    assert make_notebooks.main(["--repo-url", URL + ".git", "--ref", "v1", "--out", str(tmp_path)]) == 0
    assert f"wrote {len(CHAPTERS)} notebooks to {tmp_path}" in capsys.readouterr().out
    written = sorted(str(p.relative_to(tmp_path).with_suffix("")) for p in tmp_path.rglob("*.ipynb"))
    assert written == sorted(str(p.relative_to(ROOT).with_suffix("")) for p in CHAPTERS)
    text = (tmp_path / written[0]).with_suffix(".ipynb").read_text()
    assert f"git+{URL}@v1" in text and "https://owner.github.io/name/" in text


@pytest.mark.parametrize(
    ("repository", "pages"),
    [(URL, "https://owner.github.io/name"), ("https://gitlab.example/a/b", ""), ("", "")],
)
def test_only_a_github_repository_has_known_pages(repository, pages):
    assert make_notebooks.pages_address(repository) == pages


# Its text


def test_references_become_text_and_links(root):
    text = prose(read(root, "one", pages_url="https://pages.example"))
    two = "[Two](https://pages.example/chapters/part/two.html)"
    assert f"See Figure 1, {two}, {two} and equation (1); `one-value` holds." in text
    assert "**Figure 1.** A line, as in [Alpha et al. (2020)](https://a.example)." in text
    assert "$$\na = b\n\\tag{1}\n$$" in text
    assert "### Exercise 1: Count\n\nCount to two.\n\n#### Solution to exercise 1\n" in text + "\n"
    assert "such as `one-value` in the text stands for a number" in text
    assert "published at https://pages.example/chapters/one.html" in text


def test_references_to_other_pages_name_them(root):
    linked = prose(read(root, "part/two", pages_url="https://pages.example"))
    assert "Back to [Figure 1 of One](https://pages.example/chapters/one.html#fig-one-line)." in linked
    assert "Back to *Figure 1 of One*." in prose(read(root, "part/two"))


def test_a_reference_to_nothing_is_an_error_that_names_the_page(root):
    (root / "chapters" / "one.md").write_text(ONE.replace("fig-one-line`", "fig-none`"))
    with pytest.raises(ValueError, match="chapters/one: nothing is labelled 'fig-none'"):
        read(root, "one")


@pytest.fixture
def page(root):
    book = Book(make_notebooks.citations(root / "chapters" / "references.bib"), "https://p.example")
    book.titles = {"chapters/a": "A", "chapters/part/b": "B"}
    book.targets = {
        "ch-b": Target("chapters/part/b", "B", title=True),
        "thm": Target("chapters/a", "Theorem 1", "#thm"),
    }
    return Page(book, "chapters/a")


TEXTS = {
    "admonition": (":::{admonition} *Title*\n:class: tip\ntext\n:::", "> ***Title***\n>\n> text"),
    "note": ("```{note}\none\n\ntwo\n```", "> **Note**\n>\n> one\n>\n> two"),
    "sidebar": (":::{sidebar} Slip\n$$\nx\n$$\n:::", "> **Slip**\n>\n> $$ x $$"),
    "nested": ("::::{dropdown} A\n:::{tip}\nb\n:::\n::::", "> **A**\n>\n> > **Tip**\n> >\n> > b"),
    "theorem": (":::{prf:theorem} Big\n:label: t\n$x$\n:::", "> **Theorem 1** (Big).\n>\n> $x$"),
    "proof": (":::{prf:proof}\nClear.\n:::", "> **Proof**.\n>\n> Clear."),
    "toggle": ("```{toggle}\ntext\n```", "text"),
    "math": ("```{math}\nx\n```", "$$\nx\n$$"),
    "labelled maths": ("$$\nx\n$$ (eq-x)", "$$\nx\n\\tag{1}\n$$"),
    "aligned maths": ("$$\n\\begin{align}x\\end{align}\n$$ (eq-x)", "$$\n\\begin{align}x\\end{align}\n$$"),
    "yaml options": (":::{note}\n---\nclass: x\n---\ntext\n:::", "> **Note**\n>\n> text"),
    "figure": (
        "```{figure} https://a.example/a.png\n:alt: a\nOne\n```",
        "![a](https://a.example/a.png)\n\n**Figure 1.** One",
    ),
    "table": (
        "```{list-table} T\n* - a\n  - b\n* - 1\n  - 2\n```",
        "**Table 1.** T\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    ),
    "label": ("(sec-x)=\n## Section\ntext", "## Section\ntext"),
    "comment": ("% not for readers\ntext", "text"),
    "code is left alone": (
        "```python\nx = '{ref}`y`'\n:::{note}\n```",
        "```python\nx = '{ref}`y`'\n:::{note}\n```",
    ),
    "code in a line is left alone": ("write `` {ref}`y` `` so", "write `` {ref}`y` `` so"),
    "text on two lines": (
        "see {ref}`B,\nhere <ch-b>`",
        "see [B,\nhere](https://p.example/chapters/part/b.html)",
    ),
    "numbered": ("{numref}`Thm. %s <thm>` and {prf:ref}`thm`", "Thm. 1 and Theorem 1"),
    "document": (
        "{doc}`part/b`, {doc}`it <part/b>`",
        "[B]({p}), [it]({p})".replace("{p}", "https://p.example/chapters/part/b.html"),
    ),
    "link to a file": ("[it](part/b.md#x)", "[it](https://p.example/chapters/part/b.html#x)"),
    "link to a label": (
        "[](ch-b) [that](#ch-b)",
        "[B]({p}) [that]({p})".replace("{p}", "https://p.example/chapters/part/b.html"),
    ),
    "link to elsewhere": ("[it](https://x.example/y.md)", "[it](https://x.example/y.md)"),
    "cite": ("as {cite}`a2020,c2022`", "as ([Alpha et al., 2020](https://a.example); Gamma and Alpha, 2022)"),
    "cite with names before": ("Alpha et al. {cite}`a2020`", "Alpha et al. ([2020](https://a.example))"),
    "cite in the text": ("{cite:t}`b2021` say", "[de la Beta (2021)](https://doi.org/10.1/b) say"),
    "small roles": ("{math}`x^2` {sub}`a` {kbd}`Tab` {func}`~m.f`", "$x^2$ <sub>a</sub> Tab `m.f`"),
    "glue": ("{glue:text}`one-x:.1%` of {glue:}`one-y`", "`one-x` of `one-y`"),
}


@pytest.mark.parametrize(("myst", "plain"), TEXTS.values(), ids=TEXTS)
def test_myst_becomes_plain_markdown(page, myst, plain):
    assert page.render(myst) == plain


UNKNOWN = {
    ":::{mermaid}\nx\n:::": "the directive {mermaid} has no plain form",
    "```{figure} here.png\n```": "the picture 'here.png' is not drawn by a cell and has no full address",
    "{emoji}`x`": "the role {emoji} has no plain form",
    "{cite}`nobody`": "references.bib has no 'nobody'",
    "{doc}`nowhere`": "there is no page 'chapters/nowhere'",
    "[](nothing)": "nothing is labelled 'nothing'",
    ":::{note}\nx": "':::{note}' is never closed",
    "$$\nx": "a block of maths opens with $$ and never ends",
}


@pytest.mark.parametrize(("myst", "message"), UNKNOWN.items(), ids=UNKNOWN)
def test_what_it_does_not_know_is_an_error_that_names_the_page(page, myst, message):
    with pytest.raises(ValueError, match=re.escape(f"chapters/a: {message}")):
        page.render(myst)


@settings(deadline=None)
@given(
    st.text(
        alphabet=st.characters(blacklist_characters="{}`:~$%[]()=\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
        max_size=80,
    )
)
def test_text_without_syntax_is_left_as_it_is(text):
    rendered = Page(Book(), "chapters/a").render(text)
    assert rendered == re.sub(r"\n{3,}", "\n\n", text).strip("\n")


# The chapters as they are


LEFT_OVER = re.compile(
    r"\{[a-z][\w:+-]*\}`"  # a role
    r"|^\s*(?:>\s*)*(?::{3,}|`{3,}\{|~{3,}\{)"  # a directive
    r"|^\([\w:.-]+\)=\s*$"  # a label
    r"|\$\$\s*\([\w:.-]+\)\s*$"  # a labelled equation
    r"|\[[^\]]*\]\((?:#|[^):]*\.md)"  # a link to a source file
    r"|\[\]\(",
    re.M,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    out = tmp_path_factory.mktemp("colab")
    return make_notebooks.export_all(out, URL, "main", "https://owner.github.io/name")


def without_code(markdown: str) -> str:
    return re.sub(r"^(`{3,})[^\n]*\n.*?^\1\s*$|(`+)(?!`).+?(?<!`)\2(?!`)", "", markdown, flags=re.S | re.M)


def test_no_myst_is_left_in_any_chapter(exported):
    assert len(exported) == len(CHAPTERS)
    left = [
        f"{path.stem}: {match[0]!r}"
        for path in exported
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for match in [
            *re.finditer(r"\{[a-z][\w:+-]*\}(?=`)", cell.source),
            *LEFT_OVER.finditer(without_code(cell.source)),
        ]
    ]
    assert left == []


def test_every_chapter_exports_twice_to_the_same_bytes(exported, tmp_path):
    again = make_notebooks.export_all(tmp_path, URL, "main", "https://owner.github.io/name")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in exported]


def test_every_chapter_is_a_valid_notebook_with_all_its_code(exported):
    for path, chapter in zip(exported, CHAPTERS, strict=True):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert path.stem == chapter.stem
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        assert code[1:] == [cell.source for cell in jupytext.read(chapter).cells if cell.cell_type == "code"]


# What the first cell installs


def installed_with(requirements: list[str]) -> set[str]:
    """Return the distributions that an installer brings for the requirements, theirs included."""
    found, todo = set(), [(Requirement(line), "") for line in requirements]
    while todo:
        requirement, extra = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in found or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        found.add(key)
        try:
            lines = importlib.metadata.requires(requirement.name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        todo += [(Requirement(line), name) for line in lines for name in ("", *requirement.extras)]
    return {name for name, _ in found}


def imported(code: str) -> set[str]:
    """Return the first names of what the code imports, wherever it does."""
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in names}


def provided(extras: list[str]) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for extra in extras for line in project["optional-dependencies"][extra]]
    return installed_with(project["dependencies"] + lines)


def lacking(codes: dict[str, str], extras: list[str]) -> list[str]:
    """Return which import of which code no distribution provides that comes with the extras."""
    distributions, here = importlib.metadata.packages_distributions(), provided(extras)
    outside = {"mgaplib", "google", *sys.stdlib_module_names}
    return [
        f"{where}: {name}"
        for where, code in codes.items()
        for name in sorted(imported(code) - outside)
        if not here & {canonicalize_name(d) for d in distributions.get(name, [])}
    ]


def test_the_first_cell_installs_all_that_a_chapter_and_the_library_import(exported):
    codes = {
        path.stem: "\n".join(
            cell.source
            for cell in nbformat.read(path, as_version=4).cells[1:]
            if cell.cell_type == "code" and not cell.source.startswith("%")
        )
        for path in exported
    }
    codes |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "mgaplib").rglob("*.py")}
    first = nbformat.read(exported[0], as_version=4).cells[0].source
    extras = re.search(r"mgaplib\[([\w,]+)\]", first)[1].split(",")
    # An encoder of another library is asked for by its library's name, and says which extra it lacks.
    assert lacking(codes, [*extras, "encoders"]) == []
    without = lacking(codes, [extra for extra in extras if extra not in ("search", "fairness", "zeroshot")])
    assert "index.py: faiss" in without

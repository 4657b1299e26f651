"""The build chain, on a book of three pages made in the test."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
HEADER = """---
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
CLAIM = """```{code-cell} ipython3
from mgaplib.book import claims
claims.record("E%d", source="liang2022", where="Figure %s", statement="Sum.", paper=4, here=4, data="theory",
              checks=[claims.exact("is four", 2 + 2, equals=4), claims.exact("is five", 2 + 2, equals=%d)])
claims.record("X.sum", source="field", kind="question", statement="More than three?", paper=None, here=4,
              data="simulation", checks=[claims.trend("the sum", [3.9, 4.0, 4.1], above=3)])
claims.record("E%d.slip", source="liang2022", where="section 2", kind="slip", statement="A sum.", paper=5,
              here=4, data="theory", checks=[claims.exact("the sum is not five", 2 + 2 != 5)])
claims.glue("page-four", 4.0)
```
"""
SECTIONS = ["picture", "filters", "liang2022", "yaras2025", "field", "questions", "slips", "changed"]


def claim(number=5, five=5, where="3"):
    return CLAIM % (number, where, five, number)


def require(book, ids, before=None):
    """Write the book's configuration, but for the claims that it requires, and those of the last release."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["sphinx"]["config"]["scorecard_required"] = ids
    (book / "before.json").write_text(json.dumps(before or {}))
    config["sphinx"]["config"]["scorecard_before"] = "before.json"
    (book / "_config.yml").write_text(yaml.safe_dump(config))


@pytest.fixture
def book(tmp_path):
    """A folder with the book's own configuration and extensions, and three small pages."""
    for name in ("_ext", "_static", "docs", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    require(tmp_path, [])
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / "mgaplib/widgets").mkdir(parents=True)
    shutil.copy(ROOT / "mgaplib/widgets/widget_host.js", tmp_path / "mgaplib/widgets")
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    (chapters / "references.bib").write_text("@misc{a, title={A}, author={B, C}, year={2000}}\n")
    (chapters / "index.md").write_text("# Front\n\n{cite}`a` and $x^2$\n\n```{bibliography}\n```\n")
    (chapters / "page.md").write_text(
        HEADER + "# Page\n\n" + claim() + "\nFour is {glue:text}`page-four:.1f`.\n"
    )
    placeholders = "".join(f"## {name}\n\n```{{scorecard}} {name}\n```\n\n" for name in SECTIONS)
    (chapters / "scorecard.md").write_text("# Scorecard\n\n" + placeholders)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/index\nchapters:\n"
        "- file: chapters/page\n- file: chapters/scorecard\n"
    )
    return tmp_path


def run(*command, cwd, **env):
    """Run a command as make would, without any repository's address around."""
    clean = {k: v for k, v in os.environ.items() if k not in ("REPO_URL", "GIT_DIR")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**clean, "MGAPLIB_STATIC": "1", **env},
        capture_output=True,
        text=True,
    )


def execute(book, **env):
    return run(ROOT / "tools/execute.py", book, cwd=book, **env)


def pages(book, **env):
    book_command = Path(sys.executable).with_name("jupyter-book")
    return run(book_command, "build", ".", "-n", "-W", "--keep-going", "--all", cwd=book, **env)


def test_a_claim_reaches_the_scorecard_and_nothing_leaves_the_house(book):
    assert execute(book).returncode == 0
    result = pages(book)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Using cached notebook" in result.stdout + result.stderr
    html = book / "_build/html"
    card = json.loads((html / "scorecard.json").read_text())
    jsonschema.validate(card, json.loads((ROOT / "docs/scorecard.schema.json").read_text()))
    assert [(row["id"], row["verdict"], row["status"]) for row in card["claims"]] == [
        ("E5", "partly", "partly"),
        ("E5.slip", None, "slip in print"),
        ("X.sum", None, "answered"),
    ]
    assert card["changes"]["new"] == ["E5", "E5.slip", "X.sum"]
    assert {row["chapter"] for row in card["claims"]} == {"chapters/page"}
    for row in card["claims"]:
        address, anchor = row["link"].split("#")
        assert f'id="{anchor}"' in (html / address).read_text()
        assert f'id="{anchor}"' in (html / "chapters/scorecard.html").read_text()
    assert card["built"]["seconds"].keys() == {"chapters/page"}
    page = (html / "chapters/page.html").read_text()
    assert "Four is" in page and re.search(r"Four is\s*<[^>]*>?4\.0|Four is 4\.0", page)
    shown = re.sub(r"<[^>]*>", "", (html / "chapters/scorecard.html").read_text())
    assert "no: is five: 4; must be 5" in shown and "yes: the sum: 4 (3.75 to 4.25), 3 seeds" in shown
    assert "New: E5, E5.slip, X.sum." in shown
    front = (html / "chapters/index.html").read_text()
    assert "_static/mathjax/tex-chtml.js" in front
    assert (html / "_static/mathjax/tex-chtml.js").stat().st_size > 1e5
    assert not re.search(r"""(src|href)=["'](https?:)?//[^"']+\.(js|css|woff2?)["']""", front)
    assert "colab" not in page.lower()  # no repository is known here
    assert "fontawesome" not in front and "searchindex" not in front
    assert "tex-chtml.js" not in page  # it has no equation
    assert "Four is 4.0." in (html / "chapters/page.md").read_text()
    assert "**E5** (Liang, Fig. 3), **partly**" in (html / "chapters/scorecard.md").read_text()
    assert "[Page](chapters/page.md)" in (html / "llms.txt").read_text()
    notebook = json.loads((html / "chapters/page.ipynb").read_text())
    assert notebook["nbformat"] == 4 and not any(cell.get("outputs") for cell in notebook["cells"])
    assert 'href="page.ipynb"' in page and "copy page" in page
    assert 'href="index.ipynb"' not in front  # it has no code
    assert 'rel="canonical"' not in page and not (html / "sitemap.xml").exists()


def test_launch_buttons_point_at_the_notebooks_branch(book):
    assert execute(book).returncode == 0
    result = pages(book, REPO_URL="https://github.com/someone/gap")
    assert result.returncode == 0, result.stdout + result.stderr
    page = (book / "_build/html/chapters/page.html").read_text()
    assert "https://colab.research.google.com/github/someone/gap/blob/notebooks/chapters/page.ipynb" in page
    assert "https://github.com/someone/gap/edit/main/chapters/page.md" in page
    address = "https://someone.github.io/gap/chapters/page.html"
    assert f'<link rel="canonical" href="{address}" />' in page
    assert f'<meta property="og:url" content="{address}"/>' in page
    assert f"<loc>{address}</loc>" in (book / "_build/html/sitemap.xml").read_text()


def test_a_local_remote_is_never_printed(book):
    for command in (["init", "-q"], ["remote", "add", "origin", "/somewhere/secret"]):
        subprocess.run(["git", *command], cwd=book, check=True)
    sys.path.insert(0, str(ROOT / "_ext"))
    import launch

    assert launch.repository_url(book) == ""
    subprocess.run(
        ["git", "remote", "set-url", "origin", "git@github.com:someone/gap.git"], cwd=book, check=True
    )
    assert launch.repository_url(book) == "https://github.com/someone/gap"


def test_a_broken_chapter_fails_and_is_not_kept(book):
    page = book / "chapters/page.md"
    page.write_text(page.read_text() + "\n```{code-cell} ipython3\nassert 1 == 2\n```\n")
    for _ in range(2):  # a second run must not find the broken one in the cache
        result = execute(book)
        assert result.returncode != 0
        assert "1 to execute" in result.stdout


def test_a_warning_on_standard_error_fails_the_build(book):
    page = book / "chapters/page.md"
    page.write_text(
        page.read_text() + "\n```{code-cell} ipython3\nimport sys\nprint('oh', file=sys.stderr)\n```\n"
    )
    assert execute(book).returncode == 0
    assert pages(book).returncode != 0


def test_a_change_in_the_library_executes_every_chapter_again(book):
    assert "1 to execute" in execute(book).stdout
    assert "0 to execute" in execute(book).stdout
    (book / "mgaplib/new.py").write_text("VALUE = 1\n")
    assert "1 to execute" in execute(book).stdout


def test_the_same_claim_in_two_chapters_fails_the_build(book):
    (book / "chapters/other.md").write_text(
        HEADER + "# Other\n\n" + claim().replace("page-four", "other-four")
    )
    toc = book / "_toc.yml"
    toc.write_text(toc.read_text() + "- file: chapters/other\n")
    assert execute(book).returncode == 0
    result = pages(book)
    assert result.returncode != 0
    assert "claim E5 is recorded in" in result.stdout + result.stderr


def test_a_result_that_two_claims_judge_and_a_change_without_a_reason_fail_the_build(book):
    page = book / "chapters/page.md"
    second = claim(6, 4).replace("page-four", "page-also").replace("X.sum", "X.also")
    page.write_text(page.read_text() + "\n" + second)
    require(book, [], {"E5": {"verdict": "holds"}, "E7": {"verdict": "holds"}, "X.sum": {"verdict": "holds"}})
    assert execute(book).returncode == 0
    result = pages(book)
    assert result.returncode != 0
    for words in (
        "claims E5, E6 of liang2022 are all printed in Figure 3",
        "claim E5 was 'holds' and is now 'partly'",
        "claim E7 was recorded before and has vanished",
    ):
        assert words in result.stdout + result.stderr
    assert "X.sum was" not in result.stdout + result.stderr


def test_a_required_claim_without_a_row_fails_the_build(book):
    require(book, ["E5"])
    assert execute(book).returncode == 0
    assert pages(book).returncode == 0
    page = book / "chapters/page.md"
    page.write_text(page.read_text().replace('"E5"', '"E5.direction"'))  # a part is not enough
    require(book, ["E5", "F1"])
    assert execute(book).returncode == 0
    result = pages(book)
    assert result.returncode != 0
    assert re.search(r"no chapter records a claim for E5, F1[^,\w]", result.stdout + result.stderr)


def test_the_book_requires_every_claim_of_the_papers():
    required = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["scorecard_required"]
    theorems = ["Thm1", "Thm2", "Lemma3.1", "Thm3.2", "Thm3.3", "AppC"]
    figures = [f"F{i}" for i in range(1, 13) if i != 3]  # the third is a drawing
    papers = {*(f"E{i}" for i in range(1, 14)), *figures, *theorems}
    assert {id for id in required if not id.startswith("X.")} == papers
    assert "X.mixed_roles" in required  # ours beyond the papers cannot vanish either


def test_two_builds_give_the_same_scorecard_but_for_times_and_commit(book):
    cards = []
    for _ in range(2):
        shutil.rmtree(book / "_build", ignore_errors=True)
        shutil.rmtree(book / "build", ignore_errors=True)
        assert "1 to execute" in execute(book).stdout
        assert pages(book).returncode == 0
        card = json.loads((book / "_build/html/scorecard.json").read_text())
        assert card["built"].pop("seconds").keys() == {"chapters/page"}
        card["built"].pop("commit")
        cards.append(json.dumps(card))
    assert cards[0] == cards[1]

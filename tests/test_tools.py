"""The tools that set the book up: the browser's search, the chapters' skeleton, make's variables."""

import importlib.util
import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def browser(monkeypatch):
    """The search for a browser, on a machine that has none."""
    module = tool("browser")
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module, "playwrights_own", lambda: None)
    monkeypatch.setattr(module, "debians", lambda: None)
    return module


def alive(path: Path) -> str:
    """A program that answers as a Chromium does."""
    path.write_text("#!/bin/sh\necho alive\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_the_browser_is_the_first_that_starts(browser, monkeypatch, tmp_path):
    mine, path, own, debian = (alive(tmp_path / name) for name in ("mine", "path", "own", "debian"))
    monkeypatch.setattr(browser, "debians", lambda: debian)
    assert browser.find() == debian
    monkeypatch.setattr(browser, "playwrights_own", lambda: own)
    assert browser.find() == own
    monkeypatch.setattr(browser.shutil, "which", lambda name: path if name == "chromium" else None)
    assert browser.find() == path
    monkeypatch.setenv("CHROMIUM", mine)
    assert browser.find() == mine
    Path(mine).write_text("#!/bin/sh\nexit 1\n")  # a stub that does not start
    assert browser.find() == path


def test_without_a_browser_it_fails_and_says_what_to_install(browser):
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        browser.find()


def test_make_stops_where_there_is_no_browser():
    if not shutil.which("make"):
        pytest.fail("make is not installed")
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", "browser"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = next(line for line in recipe.splitlines() if "tools/browser.py" in line)
    failing = line.replace(".venv/bin/python tools/browser.py", "false").replace(
        ".venv/bin/python", "echo reached"
    )
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", failing], capture_output=True, text=True)
    assert done.returncode != 0 and "reached" not in done.stdout


PARTS = """
lint: ; @false
unit: ; @mkdir -p build/counts; cp red.xml build/counts/unit.xml; false
stopped: ; @false
browser: ; @cp green.xml build/counts/browser.xml
"""


def test_a_red_part_hides_no_other_and_the_last_line_adds_them_up(tmp_path):
    (tmp_path / "Makefile").write_text(PARTS)
    red, green = '<testsuite tests="9" failures="2" skipped="1" errors="0"/>', '<testsuite tests="5"/>'
    (tmp_path / "red.xml").write_text(f"<testsuites>{red}</testsuites>")  # pytest wraps it so
    (tmp_path / "green.xml").write_text(green)
    command = [sys.executable, ROOT / "tools/parts.py", "lint", "unit", "stopped", "browser"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:-1] == [
        "== lint: 1 error",
        "== unit: 2 failed, 6 passed, 1 skipped",
        "== stopped: 1 error",
        "== browser: 5 passed",
    ]
    assert re.fullmatch(r"=+ 2 failed, 11 passed, 1 skipped, 2 error in [\d.]+s =+", lines[-1])
    again = subprocess.run([*command[:2], "browser"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and " 5 passed in " in again.stdout.splitlines()[-1]


def test_make_hands_on_an_absolute_folder_of_data(tmp_path):
    def handed(folder: str) -> str:
        command = [
            "make",
            "--silent",
            f"MGAPLIB_DATA={folder}",
            "--eval",
            "show: ; @echo $$MGAPLIB_DATA",
            "show",
        ]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    assert handed("tests") == str(ROOT / "tests")
    assert handed(str(tmp_path)) == str(tmp_path)
    assert handed("nowhere") == "nowhere"  # for the error to name


GOOD = """\
---
kernelspec:
  display_name: Python 3
  name: python3
---

(ch-page)=
# Page

> A claim.

:::{admonition} In this chapter
- **Time to run:** a second.
:::

```{code-cell} ipython3
---
tags: [hide-input]
mystnb:
  code_prompt_show: Draw a line
  figure:
    name: fig-page
    caption: What is seen.
  image:
    alt: A line.
---
fig, ax = plt.subplots()
ax.plot([0, 1]);
```

## Checks

```{code-cell} ipython3
claims.record("E1");
```

## Limits

## Exercises

```{solution-start} ex-page
```

## What next
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    alt: A line.", "    alt:", "has no alt"),
        ("    alt: A line.", "    alt: A line that ends at 0.73.", "types 0.73, which no cell sets"),
        ("    caption: What is seen.", "    caption:", "has no caption"),
        ("  code_prompt_show: Draw a line\n", "", "has no code_prompt_show"),
        ("ax.plot([0, 1]);", "ax.plot([0, 1])", "does not end with ;"),
        ("## Limits\n", "", "must end with the sections"),
        ("> A claim.", "A claim.", "in one quoted sentence"),
        ("- **Time to run:** a second.", "- fast", "with the time to run, is missing"),
        ('claims.record("E1");', "1", "records no claim"),
        ("{solution-start}", "{note}", "at least one exercise"),
        ("(ch-page)=\n", "", "must open with a label"),
        ('claims.record("E1");', "\n".join(["claims.record()"] * 30), "25 at most"),
        ('claims.record("E1");', 'claims.record(open("./x"))', "relative path"),
    ],
)
def test_a_chapter_that_leaves_the_skeleton_is_told(tmp_path, old, new, words):
    check = tool("check_chapters")
    page = tmp_path / "page.md"
    page.write_text(GOOD)
    assert check.problems(page) == []
    assert old in GOOD
    page.write_text(GOOD.replace(old, new))
    assert any(words in problem for problem in check.problems(page))


def test_operators_are_declared_only_beside_a_torchvision_that_lacks_them():
    """In a process of its own: torchvision can be imported once."""
    code = """
import importlib, runpy, sys, types
import torch
sys.modules["open_clip"] = types.ModuleType("open_clip")
sys.modules["open_clip.transform"] = types.SimpleNamespace(PreprocessCfg=None, image_transform_v2=None)
first, real = [True], importlib.import_module
def fake(name):
    if name != "torchvision":
        return real(name)
    if {lacking} and first.pop() if first else False:
        raise RuntimeError("operator torchvision::nms does not exist")
    sys.modules[name] = types.ModuleType(name)
importlib.import_module = fake
torch.version.cuda = None
found = runpy.run_path("mgaplib/models/open_clip.py")  # asks for torchvision before it imports open_clip
print(len(found["_declared"]), hasattr(torch.ops.torchvision, "nms"))
"""
    for lacking, expected in ((True, "1 True"), (False, "0 False")):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("{lacking}", str(lacking))],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == expected, done.stderr


def test_the_streaming_benchmark_prints_its_line():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/streaming.py", "2000", "16", "500"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    line = json.loads(done.stdout)
    assert {"name", "ours_s", "naive_s", "ratio", "floor_s", "of_floor", "peak_mb"} == set(line)

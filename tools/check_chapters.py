"""Called by `make lint` and pre-commit: check the chapters' skeleton, and that every figure is described."""

import re
import subprocess
import sys
from pathlib import Path

import jupytext
import yaml

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ["Checks", "Limits", "Exercises", "What next"]
#: Pages that have nothing to claim, or say it in their own way.
FREE = {"index.md", "notation.md", "benchmarks.md", "measure_here.md"}
MAX_CELL_LINES = 25
DECIMAL = re.compile(r"\d*\.\d+")


def problems(path: Path) -> list[str]:
    """Return what is wrong with one chapter, each with its line where it has one."""
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.read(path)
    if "kernelspec" not in notebook.metadata:
        return []
    found = []
    if "format_version" in text.split("---")[1] or "jupytext_version" in text.split("---")[1]:
        found.append("the header names versions, which change with every tool")
    body = text.split("---", 2)[2].lstrip()
    if not re.match(r"\(ch-[a-z-]+\)=\n# \S", body):
        found.append("must open with a label (ch-slug)= and then the title")
    if path.name not in FREE:
        found += skeleton(body)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    settings = {float(number) for cell in cells for number in DECIMAL.findall(cell.source)}
    for cell in cells:
        found += code_cell(cell)
        alt = str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt"))
        typed = [number for number in DECIMAL.findall(alt) if float(number) not in settings]
        found += [f"the alt text types {number}, which no cell sets: a result drifts" for number in typed]
    found += [
        f"relative path {hit!r}"
        for hit in re.findall(r"""(?:open|read_csv|load)\(\s*["']\.{0,2}/[^"']*""", body)
    ]
    return found


def skeleton(body: str) -> list[str]:
    found = []
    if not re.match(r"\(ch-[a-z-]+\)=\n# .+\n\n> \S", body):
        found.append("the claim, in one quoted sentence, must follow the title")
    admonition = re.search(r":::\{admonition\} In this chapter\n(.*?)\n:::", body, re.S)
    if not admonition or "Time to run" not in admonition[1]:
        found.append("the admonition 'In this chapter', with the time to run, is missing")
    headings = re.findall(r"^## (.+)$", body, re.M)
    places = [headings.index(name) if name in headings else -1 for name in SECTIONS]
    if -1 in places or places != sorted(places):
        found.append(f"must end with the sections {', '.join(SECTIONS)}, in this order")
    if "{solution-start}" not in body:
        found.append("needs at least one exercise with an executable solution (sphinx-exercise, gated)")
    if "claims.record(" not in body:
        found.append("records no claim")
    return found


def code_cell(cell) -> list[str]:
    lines = cell.source.splitlines()
    first = next((line for line in lines if line.strip()), "")
    found = []
    if len(lines) > MAX_CELL_LINES:
        found.append(f"the cell that starts {first!r} has {len(lines)} lines; {MAX_CELL_LINES} at most")
    if "plt.show" in cell.source:
        found.append(f"the cell that starts {first!r} calls plt.show()")
    shown = cell.metadata.get("mystnb", {})
    if {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])) and not shown.get("code_prompt_show"):
        found.append(f"the fold of the cell that starts {first!r} has no code_prompt_show")
    if shown.get("figure"):
        for key, where in (
            ("name", shown["figure"]),
            ("caption", shown["figure"]),
            ("alt", shown.get("image", {})),
        ):
            if not str(where.get(key) or "").strip():
                found.append(f"the figure of the cell that starts {first!r} has no {key}")
        # Its value would be a second output, of the same name.
        if lines and not lines[-1].rstrip().endswith(";"):
            found.append(f"the figure's cell that starts {first!r} does not end with ;")
    elif re.search(r"plt\.(subplots|figure)\(|\.subplots\(", cell.source):
        found.append(f"the cell that starts {first!r} draws a figure without name, caption and alt text")
    return found


def in_toc() -> set[str]:
    """Return the files that the table of contents names."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [entry for part in toc["parts"] for entry in part["chapters"]]
    pages = [page for entry in chapters for page in (entry, *entry.get("sections", []))]
    return {toc["root"], *(page["file"] for page in pages)}


def main() -> int:
    wrong = []
    pages = sorted((ROOT / "chapters").rglob("*.md"))
    for path in pages:
        wrong += [f"{path.relative_to(ROOT)}: {problem}" for problem in problems(path)]
    named = {str(path.relative_to(ROOT).with_suffix("")) for path in pages}
    wrong += [f"_toc.yml and chapters/ differ: {name}" for name in sorted(named ^ in_toc())]
    tracked = subprocess.run(
        ["git", "ls-files", "*.ipynb"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    wrong += [f"{name}: notebooks are generated, never committed" for name in tracked.split()]
    print("\n".join(wrong) or f"{len(pages)} pages keep to the skeleton")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

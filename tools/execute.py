"""Called by `make chapters`: execute what is not in the book's cache, once, through nbmake.

The book reuses the outputs. jupyter-cache looks at a chapter's own code only, so the cache is emptied here
whenever the library, the requirements or the build's own extensions have changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import jupytext
import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
CACHE = ROOT / "_build/.jupyter_cache"
NOTEBOOKS = ROOT / "build/nb"  # nbmake collects nothing below a folder named _build
STAMP = ROOT / "build/stamp"
COUNTS = ROOT / "build/counts/chapters.xml"  # for tools/parts.py
INPUTS = ["mgaplib", "requirements.txt", "_ext", "_config.yml"]


def published() -> bool:
    """Tell whether the published embeddings can be had: from MGAPLIB_DATA, the cache, or the network."""
    if ROOT != Path(__file__).resolve().parent.parent:  # another book, whose mgaplib need not be whole
        return bool(os.environ.get("MGAPLIB_DATA"))
    code = "from mgaplib import embeddings; print(embeddings.load_embeddings('clip').stand_in)"
    # In a process of its own, since torch is imported where the stand-in takes their place.
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if asked.returncode:
        raise SystemExit(f"the published embeddings cannot be asked for: {asked.stderr.strip()[-500:]}")
    return asked.stdout.split()[-1] == "False"


def fingerprint() -> str:
    """Hash everything that a chapter's outputs depend on, but for the chapter itself."""
    digest = hashlib.sha256()
    for name in INPUTS:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix in {".py", ".js", ".css", ".json", ".txt", ".yml"}:
                digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    # The same chapter prints other numbers with the real embeddings than with their stand-in.
    digest.update(f"{sys.version_info[:2]} published={published()}".encode())
    return digest.hexdigest()


def drop_stale_outputs() -> None:
    """Empty the cache and the pages if they were made by another library."""
    now = fingerprint()
    if STAMP.exists() and STAMP.read_text() == now:
        return
    for folder in (NOTEBOOKS, ROOT / "_build"):
        shutil.rmtree(folder, ignore_errors=True)
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(now)


def seconds(cell) -> float:
    """Return how long a cell ran, from the times that the kernel's messages carry."""
    times = cell.metadata.get("execution", {})
    start, end = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    return (
        (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
        if start and end
        else 0.0
    )


def keep(cache, source: Path, executed: Path) -> bool:
    """Put an executed notebook into the cache if every cell ran without an error, and tell whether it did."""
    notebook = nbformat.read(executed, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if not all(cell.execution_count for cell in cells):
        return False
    if any(output.output_type == "error" for cell in cells for output in cell.outputs):
        return False
    total = sum(map(seconds, cells))
    for cell in cells:  # the times would make the cached notebook differ from its source
        cell.metadata.pop("execution", None)
    bundle = CacheBundleIn(notebook, str(source), data={"execution_seconds": round(total, 1)})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    print(f"  {source.relative_to(ROOT)}: {total:.1f} s", flush=True)
    return True


def count(whole: int, failed: int) -> None:
    """Leave the numbers as pytest would; a chapter from the cache was executed whole before."""
    COUNTS.parent.mkdir(parents=True, exist_ok=True)
    COUNTS.write_text(f'<testsuite name="chapters" tests="{whole + failed}" failures="{failed}"/>\n')


def main() -> int:
    drop_stale_outputs()
    cache = get_cache(str(CACHE))
    chapters, todo = 0, []
    for source in sorted((ROOT / "chapters").rglob("*.md")):
        notebook = jupytext.read(source)
        if "kernelspec" not in notebook.metadata:
            continue
        chapters += 1
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            target = (NOTEBOOKS / source.relative_to(ROOT / "chapters")).with_suffix(".ipynb")
            target.parent.mkdir(parents=True, exist_ok=True)
            jupytext.write(notebook, target)
            todo.append((source, target))
    print(f"{chapters} chapters: {len(todo)} to execute, {chapters - len(todo)} in the cache", flush=True)
    if not todo:
        count(chapters, 0)
        return 0
    nbmake = [
        "-m",
        "pytest",
        "-v",
        "-n",
        "2",
        "--dist",
        "worksteal",
        "--nbmake",
        "--nbmake-timeout=600",
        "--overwrite",
    ]
    # The project's own pytest settings are for its unit tests.
    code = subprocess.call(
        [
            sys.executable,
            *nbmake,
            "-c",
            os.devnull,
            "--rootdir",
            str(NOTEBOOKS),
            "-p",
            "no:cacheprovider",
            *(str(target) for _, target in todo),
        ]
    )
    kept = sum([keep(cache, source, target) for source, target in todo])
    count(chapters - len(todo) + kept, len(todo) - kept)
    if code == 0 and kept != len(todo):
        print(f"only {kept} of {len(todo)} executed chapters are whole", flush=True)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())

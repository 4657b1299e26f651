"""Recorded multi-seed runs: too long for a page, kept with what made them."""

import ast
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mgaplib import _checks


@dataclass(frozen=True, repr=False)
class Record:
    """One recorded experiment; read by `load`.

    Attributes:
        id: Its name.
        about: What was run, in a sentence or two.
        runs: One dict a run: its arm, its seed and what was measured.
        provenance: The script, commit, versions, date, the machine's cores and the sources' hashes.
    """

    id: str
    about: str
    runs: list[dict]
    provenance: dict

    def __repr__(self) -> str:
        made = self.provenance
        return f"Record({self.id!r}: {len(self.runs)} runs of {made['script']}, {made['date']})"

    def frame(self):
        """Return the runs as a DataFrame, one row a run."""
        import pandas as pd

        return pd.DataFrame(self.runs)


def available() -> list[str]:
    """Return the ids of all records.

    Example:
        >>> "fixed_tau" in available()
        True

    Taught in chapter training.
    """
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))


def load(id: str) -> Record:
    """Return a recorded experiment.

    Args:
        id: Its name, one of `available()`.

    Raises:
        ValueError: If there is none of this name; the nearest are named.

    Example:
        >>> sorted({run["seed"] for run in load("fixed_tau").runs})
        [0, 1, 2, 3, 4]

    Taught in chapter training.
    """
    _checks.known(id, available(), "record")
    text = resources.files(__name__).joinpath(f"{id}.json").read_text(encoding="utf-8")
    return Record(id, **json.loads(text))


def stale(id: str) -> list[str]:
    """Return which of a record's sources have changed since it was made; none if it is up to date.

    The script is compared where it is at hand, in a clone; an installed package has the modules only. A
    change of comments, docstrings or layout is no change.

    Args:
        id: The record's name.

    Raises:
        ValueError: If there is none of this name.

    Example:
        >>> isinstance(stale("fixed_tau"), list)
        True

    Taught in chapter training.
    """
    provenance = load(id).provenance
    changed = [name for name, made in provenance["modules"].items() if code_hash(_module_file(name)) != made]
    script = Path(__file__).parents[2] / provenance["script"]
    if script.is_file() and code_hash(script) != provenance["script_hash"]:
        changed.insert(0, provenance["script"])
    return changed


def code_hash(path: Path | None) -> str:
    """Return a hash of a source file's syntax tree, without docstrings, or "missing".

    Args:
        path: A Python file.

    Example:
        >>> len(code_hash(Path(__file__)))
        16

    Taught in chapter training.
    """
    if path is None or not path.is_file():
        return "missing"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def imported_modules(path: Path) -> list[str]:
    """Return every module of mgaplib that a file imports, directly or through another.

    Input checks and progress bars are left out: no number depends on them.

    Args:
        path: A Python file.

    Example:
        >>> imported_modules(Path(__file__))
        []

    Taught in chapter training.
    """
    found, open_files = set(), [path]
    while open_files:
        for name in _direct_imports(open_files.pop()) - found:
            file = _module_file(name)
            if file is not None and name.rpartition(".")[2] not in (
                "mgaplib",
                "_checks",
                "_progress",
                "results",
            ):
                found.add(name)
                open_files.append(file)
    return sorted(found)


def _direct_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] == "mgaplib"}


def _module_file(name: str) -> Path | None:
    """Return a module's file without importing it; None for what is no module."""
    root = Path(__file__).parents[1]
    path = root.joinpath(*name.split(".")[1:])
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)

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


def foretold(seen, value: float, confidence: float = 0.999, *, alike=()) -> bool:
    """Return whether a value lies where one more run should, by the runs that were seen.

    The interval is Student's prediction interval: the runs' mean, give or take their spread, wider for being
    estimated from few. Five runs alone give a wide one; runs of other arms that spread alike narrow it.

    Args:
        seen: What the runs measured, at least two numbers.
        value: What the new run measured.
        confidence: How often one more run of the same kind lies inside.
        alike: Other arms' runs, a sequence each, whose spread about their own means is pooled with it.

    Raises:
        ValueError: If there are fewer than two runs.

    Example:
        >>> foretold([0.80, 0.82, 0.81], 0.83), foretold([0.80, 0.82, 0.81], 1.83)
        (True, False)

    Taught in chapter temperature.
    """
    import numpy as np
    from scipy import stats

    seen = np.asarray(seen, dtype=float)
    if len(seen) < 2:
        raise ValueError(f"seen holds {len(seen)} runs; a spread needs at least 2")
    around = [arm - arm.mean() for arm in (seen, *(np.asarray(arm, dtype=float) for arm in alike))]
    free = sum(len(arm) - 1 for arm in around)
    spread = np.sqrt(sum(arm @ arm for arm in around) / free)
    width = stats.t.ppf(0.5 + confidence / 2, free) * spread * np.sqrt(1 + 1 / len(seen))
    return bool(abs(value - seen.mean()) <= width)


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
    made = {provenance["script"]: provenance["script_hash"], **provenance["modules"]}
    return [name for name, hash in made.items() if _at_hand(name) and code_hash(_file(name)) != hash]


def code_hash(path: Path) -> str:
    """Return a hash of a source file's syntax tree, without docstrings, or "missing".

    Args:
        path: A Python file.

    Example:
        >>> len(code_hash(Path(__file__)))
        16

    Taught in chapter training.
    """
    if not path.is_file():
        return "missing"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def imported_modules(path: Path) -> dict[str, str]:
    """Return the hash of everything that a script imports from this package or from its own folder.

    Imports are followed through modules. Input checks, progress bars and the keeping of records are left out:
    no number depends on them.

    Args:
        path: A Python file.

    Example:
        >>> imported_modules(Path(__file__))
        {}

    Taught in chapter training.
    """
    found, open_files = {}, [path]
    while open_files:
        here = open_files.pop()
        for name in _imports(here):
            beside = here.parent / f"{name}.py"
            name = f"{beside.parent.name}/{beside.name}" if beside.is_file() else name
            if name in found or not (name.startswith("mgaplib.") or name.endswith(".py")):
                continue
            file = beside if name.endswith(".py") else _file(name)
            if (
                file.is_file()
                and file.stem not in ("_checks", "_progress", "_record")
                and name != "mgaplib.results"
            ):
                found[name] = code_hash(file)
                open_files.append(file)
    return dict(sorted(found.items()))


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _file(name: str) -> Path:
    """Return the file of a module of this package, or of a script in the clone; it need not exist."""
    package = Path(__file__).parents[1]
    if name.endswith(".py"):
        return package.parent / name
    path = package.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _at_hand(name: str) -> bool:
    """Return whether a source can be compared: scripts are not installed with the package."""
    return not name.endswith(".py") or _file(name).parent.is_dir()

"""Recorded multi-seed runs: too long for a page, kept with what made them."""

import ast
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mgaplib import checks

_FOLDER = resources.files("mgaplib.results")
_NO_NUMBER = tuple(  # depends on these
    f"mgaplib.{name}" for name in ("checks", "output", "download", "book.records", "models.checkpoints")
)
_ROOT = Path(__file__).parents[2]


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
    files = _FOLDER.iterdir()
    return sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))


def load(id: str) -> Record:
    """Return a recorded experiment, by its name, one of `available()`.

    Raises:
        ValueError: If there is none of this name; the nearest are named.

    Example:
        >>> sorted({run["seed"] for run in load("fixed_tau").runs})
        [0, 1, 2, 3, 4]

    Taught in chapter training.
    """
    checks.known(id, available(), "record")
    text = _FOLDER.joinpath(f"{id}.json").read_text(encoding="utf-8")
    return Record(id, **json.loads(text))


def foretold(seen, value: float, confidence: float = 0.999, *, alike=()) -> bool:
    """Return whether a value lies where one more run should, by the runs that were seen.

    Student's prediction interval. Five runs alone give a wide one; other arms that spread alike narrow it.

    Args:
        seen, value: What the runs measured, at least two numbers, and what the new one did.
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

    The script is compared in a clone only. A change of comments, docstrings or layout is no change.

    Raises:
        ValueError: If there is none of this name.

    Example:
        >>> isinstance(stale("fixed_tau"), list)
        True

    Taught in chapter training.
    """
    provenance = load(id).provenance
    made = {provenance["script"]: provenance["script_hash"], **provenance["modules"]}
    at_hand = [name for name in made if not name.endswith(".py") or _file(name).parent.is_dir()]
    return [name for name in at_hand if code_hash(_file(name)) != made[name]]


def code_hash(path: Path) -> str:
    """Return a hash of a source file's syntax tree, without docstrings, or "missing".

    Example:
        >>> len(code_hash(Path(__file__)))
        16

    Taught in chapter training.
    """
    if not path.is_file():
        return "missing"
    tree = _plain(ast.parse(path.read_text(encoding="utf-8")))
    return hashlib.sha256(repr(tree).encode()).hexdigest()[:16]


def _plain(node):
    """Return a syntax tree as tuples, without docstrings and without empty fields: newer Pythons add such."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    match fields.get("body"):
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            fields["body"] = rest
    kept = ((name, _plain(value)) for name, value in fields.items() if value is not None and value != [])
    return type(node).__name__, *kept


def imported_modules(path: Path) -> dict[str, str]:
    """Return the hash of everything that a script imports from this package or from its own folder.

    Imports are followed through modules, and through a room to the module that a name comes from. Input
    checks, progress bars and the keeping of records are left out: no number depends on them.

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
            name, file = (
                (f"{here.parent.name}/{beside.name}", beside)
                if beside.is_file() and beside != here
                else (name, _file(name))
            )
            counts = name.startswith("mgaplib.") or name.endswith(".py")
            if counts and name not in (*found, *_NO_NUMBER) and file.is_file() and file.stem != "_record":
                found[name] = code_hash(file)
                open_files.append(file)
    return dict(sorted(found.items()))


def _imports(path: Path) -> set[str]:
    """Return the modules that a file imports; of a room, those that the used names come from."""
    tree, names = ast.parse(path.read_text(encoding="utf-8")), set()
    used: dict[str, set[str]] = {}  # what a name is asked for
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if _is_room(whole):
                    names |= {_home(whole, attr) for attr in used.get(alias.asname or alias.name, ())}
                elif _is_room(node.module):
                    names.add(_home(node.module, alias.name))
                else:
                    names |= {node.module, whole}
    return names


def _is_room(name: str) -> bool:
    return name.startswith("mgaplib.") and _ROOT.joinpath(*name.split("."), "__init__.py").is_file()


def _home(room: str, name: str) -> str:
    """Return the module in which a name that a room hands out is written."""
    for node in ast.walk(ast.parse(_file(room).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return f"{room}.{name}" if node.module == room else node.module
    return f"{room}.{name}"


def _file(name: str) -> Path:
    """Return the file of a module of this package, or of a script in the clone; it need not exist."""
    if name.endswith(".py"):
        return _ROOT / name
    path = _ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

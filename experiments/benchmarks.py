"""Run every benchmark and record its lines for the book (about 10 minutes, on an idle machine)."""

import json
import subprocess
import sys
from pathlib import Path

import _record

from mgaplib.book import records

ABOUT = "One run of every script in benchmarks/, one thread each, on an otherwise idle machine."


def main() -> None:
    lines = []
    for script in sorted((_record.ROOT / "benchmarks").glob("*.py")):
        print(f"== {script.name}", flush=True)
        out = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout
        lines += [json.loads(line) for line in out.splitlines()]
        print(out, flush=True)
    path = Path(__file__).resolve()
    _record._write(path.stem, ABOUT, lines, _record._provenance(path, sources(path)))


def sources(path: Path) -> dict:
    """Return the hashes of this script and of the benchmarks, which run in processes of their own."""
    found = _record._sources(path)
    for script in sorted((_record.ROOT / "benchmarks").glob("*.py")):
        name = script.relative_to(_record.ROOT).as_posix()
        found["modules"] |= {name: records.code_hash(script), **records.imported_modules(script)}
    return found


if __name__ == "__main__":
    main()

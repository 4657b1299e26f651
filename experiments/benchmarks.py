"""Run every benchmark and record its lines for the book (about 10 minutes, on an idle machine)."""

import json
import subprocess
import sys
from pathlib import Path

import _record

ABOUT = "One run of every script in benchmarks/, one thread each, on an otherwise idle machine."


def main() -> None:
    lines = []
    for script in sorted((_record.ROOT / "benchmarks").glob("*.py")):
        print(f"== {script.name}", flush=True)
        out = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout
        lines += [json.loads(line) for line in out.splitlines()]
        print(out, flush=True)
    path = Path(__file__).resolve()
    _record._write(path.stem, ABOUT, lines, _record._provenance(path, _record._sources(path)))


if __name__ == "__main__":
    main()

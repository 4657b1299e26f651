"""Run an experiment's arms, one file a run until all are there, then write `mgaplib/results/<id>.json`.

A script lists its arms and seeds and gives the function that makes one run. It may be stopped and started
again at any time and loses at most one run; several copies of it share the work.

    python experiments/fixed_tau.py            # what is missing, then the record
    python experiments/fixed_tau.py --verify   # repeat one run; if it agrees, bless the record anew
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from mgaplib.book import records

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "build/experiments"


def main(
    script: str, about: str, arms: Sequence[dict], run: Callable[..., dict], seeds: Sequence[int] = range(5)
) -> None:
    """Run what is missing of an experiment and write its record.

    Args:
        script: The script's own `__file__`; its stem is the record's id.
        about: What is run, for the record.
        arms: The keyword arguments of `run`, one dict an arm; each is kept in its runs.
        run: From an arm's arguments and a seed to what was measured: numbers, or lists of numbers.
        seeds: The seeds of every arm.
    """
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--verify", action="store_true", help="repeat one run and bless an unchanged record")
    options.add_argument("--seeds", type=int, default=len(seeds), help="the first so many seeds only")
    given, path = options.parse_args(), Path(script).resolve()
    seeds = seeds[: given.seeds]
    if given.verify:
        _verify(path, arms, run, seeds)
        return
    jobs = [(arm, seed) for seed in seeds for arm in arms]  # all arms of one seed first: useful early
    sources = _sources(path)
    key = hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()[:12]
    folder = RUNS / f"{path.stem}-{key}"  # runs of other sources do not mix
    folder.mkdir(parents=True, exist_ok=True)
    for arm, seed in jobs:
        _run_once(folder, arm, seed, run)
    files = [_file(folder, arm, seed) for arm, seed in jobs]
    if not all(file.is_file() for file in files):
        print(
            f"{path.stem}: another process is still at the last runs; run this once more to write the record"
        )
        return
    runs = [json.loads(file.read_text()) for file in files]
    _write(path.stem, about, runs, _provenance(path, sources))


def _run_once(folder: Path, arm: dict, seed: int, run: Callable[..., dict]) -> None:
    file = _file(folder, arm, seed)
    claim = file.with_suffix(".claim")
    if file.is_file() or _claimed(claim):
        return
    began, cpu = time.perf_counter(), time.process_time()
    measured = run(**arm, seed=seed)
    if twice := {"seed", "cpu_seconds", *arm} & measured.keys():
        sys.exit(f"{', '.join(sorted(twice))} names an argument of the arm and a measurement; rename one")
    row = {**arm, "seed": seed, **_rounded(measured), "cpu_seconds": round(time.process_time() - cpu, 1)}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(row))
    part.replace(file)
    claim.unlink(missing_ok=True)
    print(f"{time.perf_counter() - began:6.0f} s  {json.dumps(row)[:300]}", flush=True)


def _claimed(claim: Path) -> bool:
    """Return whether a living process works on this run; claim it otherwise."""
    try:
        with open(claim, "x") as file:
            file.write(str(os.getpid()))
        return False
    except FileExistsError:
        owner = int(claim.read_text() or "0")
    try:
        os.kill(owner, 0)  # asks only whether the process lives
        return owner != 0
    except ProcessLookupError:
        claim.write_text(str(os.getpid()))  # left by a process that was stopped
        return False


def _file(folder: Path, arm: dict, seed: int) -> Path:
    name = "_".join(f"{k}={v}" for k, v in arm.items())
    return folder / f"{name}_seed={seed}.json".replace("/", "-")


def _rounded(value):
    """Return numbers with five digits: what is printed from them has three."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _sources(script: Path) -> dict:
    return {"script_hash": records.code_hash(script), "modules": records.imported_modules(script)}


def _provenance(script: Path, sources: dict) -> dict:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    packages = ("numpy", "scikit-learn", "torch", "open_clip_torch")
    return {
        "script": script.relative_to(ROOT).as_posix(),
        "commit": git("rev-parse", "--short", "HEAD"),
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "machine": f"{_processor()}, {os.cpu_count()} cores, one thread a run",
        **sources,
    }


def _processor() -> str:
    """Return the processor's name where the system tells it, or else its kind."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return f"{' and '.join(sorted(names)) or platform.processor()} {platform.machine()}".strip()


def _write(id: str, about: str, runs: list[dict], provenance: dict) -> None:
    rows = ",\n  ".join(json.dumps(run) for run in runs)
    head = json.dumps({"about": about, "provenance": provenance}, indent=1)[:-2]
    file = ROOT / f"mgaplib/results/{id}.json"
    part = file.with_suffix(".part")
    part.write_text(f'{head},\n "runs": [\n  {rows}\n ]\n}}\n')
    part.replace(file)
    print(f"wrote {file.relative_to(ROOT)}: {len(runs)} runs")


def _verify(script: Path, arms, run, seeds) -> None:
    """Repeat the first run; if it agrees to 1 %, say so in the record and take over today's hashes."""
    record = records.load(script.stem)
    arm, seed, kept = arms[0], next(iter(seeds)), record.runs[0]
    if len(record.runs) % len(arms):  # seed by seed, so that fewer seeds than planned are no error
        sys.exit(f"{script.stem} has other arms than its record; run it anew")
    again = _rounded(run(**arm, seed=seed))
    off = {
        k: (kept.get(k), v)
        for k, v in again.items()
        if isinstance(v, float) and not (k in kept and abs(v - kept[k]) <= 0.01 * abs(v) + 1e-3)
    }
    if off:
        sys.exit(f"{script.stem} no longer gives what was recorded (recorded, now): {off}; run it anew")
    provenance = {**record.provenance, **_sources(script), "verified": date.today().isoformat()}
    _write(script.stem, record.about, record.runs, provenance)

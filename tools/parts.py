"""Called by `make test`: run some of make's targets, each to its end, and add up what their tests found."""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

COUNTS = Path("build/counts")  # where a target that counts leaves a JUnit file of its name


def counted(file: Path) -> Counter:
    """Return how many tests of a JUnit file failed, passed and so on; nothing if there is no such file."""
    found = Counter()
    for suite in ElementTree.parse(file).iter("testsuite") if file.is_file() else []:
        tests, *others = (int(suite.get(name, 0)) for name in ("tests", "failures", "skipped", "errors"))
        failed, skipped, errors = others
        found.update(failed=failed, passed=tests - sum(others), skipped=skipped, error=errors)
    return found


def run(part: str) -> Counter:
    """Run a target and return what it counted; one error if it failed and none of its tests did."""
    file = COUNTS / f"{part}.xml"
    file.unlink(missing_ok=True)
    code = subprocess.call([os.environ.get("MAKE", "make"), "--no-print-directory", part])
    found = counted(file)
    if code and not found["failed"] + found["error"]:
        found["error"] = 1
    return found


def words(found: Counter) -> str:
    """Say a count as pytest does; what counts nothing has passed."""
    return ", ".join(f"{number} {kind}" for kind, number in found.items() if number) or "passed"


def main(parts: list[str]) -> int:
    began, found = time.monotonic(), {}
    for part in parts:
        found[part] = run(part)
    total = Counter(failed=0, passed=0, skipped=0, error=0)
    for part, count in found.items():
        total.update(count)
        print(f"== {part}: {words(count)}")
    print(f" {words(total)} in {time.monotonic() - began:.2f}s ".center(80, "="), flush=True)
    return int(total["failed"] + total["error"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

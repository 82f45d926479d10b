"""Runs the whole suite, three parts of it at a time: tests of faults and of screens mostly wait, others mostly work.

The longest parts begin first. Prints the output of each part when it has ended; fails when one of them does.
"""

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

TESTS = Path(__file__).resolve().parent
AT_ONCE = 3
# Patterns of files, in the order in which they begin, so that all ends come at about the same time.
PARTS = (
    "integration/**/test_*.py",
    "faults/**/test_*.py",
    "tui/test_s*.py",
    "tui/**/test_*.py",
    "system/**/test_*.py",
    "simulation/**/test_*.py",
    "**/test_*.py",
)


def parts() -> dict[str, list[Path]]:
    """The files of each part: what fits its pattern and is not in a part before it; together all that there are."""
    left = set(TESTS.glob(PARTS[-1]))
    found = {}
    for pattern in PARTS:
        found[pattern] = sorted(left.intersection(TESTS.glob(pattern)))
        left.difference_update(found[pattern])
    return found


def run(name: str, files: list[Path]) -> tuple[int, str]:
    """The exit code of pytest, and what it said."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, files)]
        code = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False).returncode
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    return code, f"{words}\n=== {name}: exit code {code} after {time.monotonic() - started:.0f} s\n"


def main() -> int:
    """The exit code: 0 when every test passed."""
    worst = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in as_completed([pool.submit(run, name, files) for name, files in parts().items()]):
            code, words = ended.result()
            worst = worst or code
            sys.stdout.write(words)
            sys.stdout.flush()
    return worst


if __name__ == "__main__":
    sys.exit(main())

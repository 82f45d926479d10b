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
# In the order in which they begin, so that both ends come at about the same time. What is in none is the last part.
PARTS: tuple[tuple[str, ...], ...] = (
    ("integration",),
    ("faults",),
    ("tui",),
    ("system",),
    ("simulation",),
)


def parts() -> list[list[Path]]:
    """The folders of each part; together all that there are."""
    named = {name for part in PARTS for name in part}
    rest = [
        folder
        for folder in sorted(TESTS.iterdir())
        if folder.is_dir() and folder.name not in named and any(folder.rglob("test_*.py"))
    ]
    return [*([TESTS / name for name in part] for part in PARTS), rest]


def run(folders: list[Path]) -> tuple[int, str]:
    """The exit code of pytest, and what it said."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, folders)]
        code = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False).returncode
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    names = ", ".join(folder.name for folder in folders)
    return code, f"{words}\n=== {names}: exit code {code} after {time.monotonic() - started:.0f} s\n"


def main() -> int:
    """The exit code: 0 when every test passed."""
    worst = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in as_completed([pool.submit(run, folders) for folders in parts()]):
            code, words = ended.result()
            worst = worst or code
            sys.stdout.write(words)
            sys.stdout.flush()
    return worst


if __name__ == "__main__":
    sys.exit(main())

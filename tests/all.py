"""Runs the whole suite in two halves side by side: tests of faults mostly wait, tests on the database mostly work.

Prints the output of the one half when it has ended, after that of the other; fails when one of them does.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
WORKING = ("integration",)


def main() -> int:
    """The exit code: 0 when every test passed."""
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    with tempfile.TemporaryFile() as said:
        waiting = subprocess.Popen(
            [*pytest, str(TESTS), *(f"--ignore={TESTS / name}" for name in WORKING)],
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            working = [*pytest, *(str(TESTS / name) for name in WORKING)]
            code = subprocess.run(working, check=False).returncode
            code = waiting.wait() or code
        except BaseException:
            waiting.terminate()
            waiting.wait()
            raise
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Runs the whole suite in two halves side by side: most of what tests of faults do is wait.

Prints the output of the first half when it has ended, after that of the second; fails when one of them does.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
WAITING = ("faults", "simulation", "system")


def main() -> int:
    """The exit code: 0 when every test passed."""
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    with tempfile.TemporaryFile() as said:
        waiting = subprocess.Popen(
            [*pytest, *(str(TESTS / name) for name in WAITING)], stdout=said, stderr=subprocess.STDOUT
        )
        try:
            others = [f"--ignore={TESTS / name}" for name in WAITING]
            code = subprocess.run([*pytest, str(TESTS), *others], check=False).returncode
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

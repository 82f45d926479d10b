"""Becomes another program that is told to end (SIGTERM) when the process that started this one dies, even by kill -9.

Run as ``python tied.py PARENT_PID PROGRAM ARGUMENT…``. A process of its own, because forking with a hook is not safe
beside gRPC's threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ties, then executes."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have died before the line above.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()

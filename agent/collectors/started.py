"""When something began, by the clock that counters are compared by; and the start of a process."""

import os
import time
from pathlib import Path

from agent.collectors import process_groups

_MICROSECONDS = 1_000_000
_NANOSECONDS_PER_MICROSECOND = 1_000
_PROC = Path("/proc")


def boottime_us(wall_us: int) -> int | None:
    """The CLOCK_BOOTTIME of a moment of this host's wall time, both in microseconds.

    None when it is not within this boot: then the clock was set since, or it is another host's.
    """
    now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NANOSECONDS_PER_MICROSECOND
    then_us = now_us - (time.time_ns() // _NANOSECONDS_PER_MICROSECOND - wall_us)
    return then_us if 0 <= then_us <= now_us else None


def of_process(pid: str, *, proc: Path = _PROC) -> tuple[int, int] | None:
    """Its start in clock ticks since the boot, which with its pid is its identity, and in microseconds; None: unknown."""
    folder = proc / pid
    try:
        started = process_groups.parse((folder / "stat").read_bytes(), folder).started
    except (OSError, ValueError, IndexError):
        return None
    # The tick's end: what began within the last tick must not look older than it.
    return started, (started + 1) * _MICROSECONDS // os.sysconf("SC_CLK_TCK")

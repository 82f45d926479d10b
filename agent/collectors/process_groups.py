"""Groups of processes, as configured by name: processor time and resident memory.

Read from /proc directly: a process's start in ticks since the boot, which with its pid is its identity, is not public in
psutil (its create_time moves with NTP). Two limits belong to the source: what a process uses between the last tick and
its end is not seen, and memory shared by processes counts in each of them.
"""

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.snapshot import Counter, Level, Snapshot, asset

SOURCE_TYPE = "process-group"
_PROC = Path("/proc")
# The kernel cuts the name of a process here; the rest is in its command line.
_COMM_CHARACTERS_MAX = 15
_MILLISECONDS = 1_000
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """What one line of /proc/PID/stat (proc_pid_stat(5)) says. Times in clock ticks, since the boot for ``started``."""

    pid: str
    name: str
    used: int
    started: int
    resident_pages: int


class ProcessGroups:
    """Units cpu (ms) and ram-used (bytes) per group. A process that matches two groups counts in both."""

    source_types = (SOURCE_TYPE,)

    def __init__(self, groups: Mapping[str, tuple[str, ...]], *, proc: Path = _PROC) -> None:
        self._patterns = {
            name: re.compile("|".join(fnmatch.translate(glob) for glob in globs)).match
            for name, globs in groups.items()
        }
        self._proc = proc
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def collect(self) -> Snapshot:
        """A group without processes is reported with no memory in use: that it is idle is a fact."""
        if not self._patterns:
            return Snapshot()
        assets = {name: asset(SOURCE_TYPE, name) for name in self._patterns}
        resident = dict.fromkeys(assets, 0)
        counters: list[Counter] = []
        for process in processes(self._proc):
            for name, matches in self._patterns.items():
                if matches(process.name):
                    resident[name] += process.resident_pages * self._page_bytes
                    counters.append(
                        Counter(
                            assets[name],
                            "cpu",
                            process.used * _MILLISECONDS // self._ticks_per_second,
                            identity=f"{process.pid}/{process.started}",
                            # The tick's end: a process that began within the last tick must not look older than it.
                            started_us=(process.started + 1) * _MICROSECONDS // self._ticks_per_second,
                        )
                    )
        levels = tuple(Level(assets[name], "ram-used", value) for name, value in resident.items())
        return Snapshot(levels=levels, counters=tuple(counters))


def processes(proc: Path = _PROC) -> Iterator[Process]:
    """All processes that can be seen; those that end meanwhile are left out."""
    for entry in os.scandir(proc):
        if entry.name.isascii() and entry.name.isdigit():
            try:
                yield parse((proc / entry.name / "stat").read_bytes(), proc / entry.name)
            except (FileNotFoundError, ProcessLookupError):
                continue


def parse(stat: bytes, folder: Path) -> Process:
    """One process; ``folder`` is where the rest of a cut name is looked up."""
    # The name may hold anything, also brackets and spaces; nothing after it can.
    before, _, after = stat.rpartition(b")")
    pid, _, name = before.partition(b"(")
    fields = after.split()
    return Process(
        pid=pid.decode("ascii").strip(),
        name=_whole_name(name.decode("utf-8", "surrogateescape"), folder),
        used=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
        resident_pages=int(fields[21]),
    )


def _whole_name(name: str, folder: Path) -> str:
    if len(name) < _COMM_CHARACTERS_MAX:
        return name
    try:
        command = (folder / "cmdline").read_bytes().split(b"\0", 1)[0]
    except OSError:
        return name
    program = command.decode("utf-8", "surrogateescape").rpartition("/")[2]
    return program if program.startswith(name) else name

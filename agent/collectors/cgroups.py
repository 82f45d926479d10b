"""Containers and services by their cgroups (version 2): processor time and memory.

Patterns say which cgroups are metered, and as what. What a cgroup uses contains what its descendants use, so nothing below
a metered cgroup is looked at. The same path made again (a service restarted, a container replaced) is the same asset with
another inode: its counters begin anew and nothing of the old one is counted on the new one.
"""

import errno
import fnmatch
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from agent.snapshot import Counter, Level, Snapshot, asset

CONTAINER = "container"
SERVICE = "service"
CGROUPS_MAX = 5_000
DEPTH_MAX = 16
FILE_BYTES_MAX = 64 * 1024
PATTERNS_MAX = 100
_ROOT = "/sys/fs/cgroup"
_ANY_DEPTH = "**"
_MICROSECONDS_PER_MILLISECOND = 1_000
_NANOSECONDS_PER_MICROSECOND = 1_000
_NO_LIMIT = "max"
# A cgroup that was removed while its file was open answers ENODEV.
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENOTDIR}

_Patterns = Annotated[
    list[Annotated[str, msgspec.Meta(pattern=r"^/[^/]")]],
    msgspec.Meta(
        max_length=PATTERNS_MAX,
        description='list paths below the root as ["/system.slice/*.service", "/machine.slice/**/*.scope"]',
    ),
]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """``[cgroups]``: globs of paths below ``root``; ``*`` is within one name, ``**`` is any number of names."""

    containers: _Patterns = []
    services: _Patterns = []
    root: Annotated[
        str, msgspec.Meta(pattern="^/", description="give the absolute path where cgroup2 is mounted")
    ] = _ROOT

    def problems(self) -> Iterator[tuple[str, str]]:
        """Nothing to meter is a mistake."""
        if not self.containers and not self.services:
            yield (
                "",
                'nothing to meter: give containers or services, as services = ["/system.slice/*.service"]',
            )


def meters_docker(section: Section) -> bool:
    """Whether a container of Docker's would be metered by its cgroup, wherever Docker's driver puts it."""
    paths = (["docker", "0" * 64], ["system.slice", f"docker-{'0' * 64}.scope"])
    return any(
        matches(_names(pattern), path[:depth])
        for pattern in section.containers
        for path in paths
        for depth in range(1, len(path) + 1)
    )


class Cgroups:
    """Units cpu (ms), ram-used and, where it is limited, ram (bytes), per container and service."""

    def __init__(self, section: Section) -> None:
        self._root = Path(section.root)
        self._kinds = [
            (source_type, [_names(pattern) for pattern in patterns])
            for source_type, patterns in ((CONTAINER, section.containers), (SERVICE, section.services))
            if patterns
        ]
        self.source_types = tuple(source_type for source_type, _ in self._kinds)
        # CLOCK_BOOTTIME in microseconds before which each known cgroup did not exist, by inode; None: unknown.
        self._born: dict[int, int | None] = {}
        self._looked_us: int | None = None

    def collect(self) -> Snapshot:
        """One that was not there at the last look began after it: its counter counts from 0."""
        if not (self._root / "cgroup.controllers").exists():
            raise FileNotFoundError(
                f"{self._root} is no root of cgroup version 2: set cgroups.root, or boot with it"
            )
        looked_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NANOSECONDS_PER_MICROSECOND
        levels: list[Level] = []
        counters: list[Counter] = []
        born: dict[int, int | None] = {}
        for source_type, path in self.chosen():
            try:
                inode = (self._root / path).stat().st_ino
                started_us = born[inode] = self._born.get(inode, self._looked_us)
                found = self._read(source_type, path, inode, started_us)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                continue
            levels += found.levels
            counters += found.counters
        # Only now: a look that failed is none.
        self._born, self._looked_us = born, looked_us
        return Snapshot(levels=tuple(levels), counters=tuple(counters))

    def chosen(self) -> list[tuple[str, str]]:
        """(source type, path below the root) of every metered cgroup, ordered by path."""
        found = list(self._walk("", 0))
        if len(found) > CGROUPS_MAX:
            raise ValueError(
                f"{len(found)} cgroups match, at most {CGROUPS_MAX} are metered: narrow [cgroups]"
            )
        return found

    def _walk(self, above: str, depth: int) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self._root / above) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return
        for name in names:
            path = f"{above}/{name}" if above else name
            parts = path.split("/")
            kind = next(
                (kind for kind, patterns in self._kinds if any(matches(p, parts) for p in patterns)), None
            )
            if kind is not None:
                yield kind, path
            elif depth < DEPTH_MAX and any(leads(p, parts) for _, patterns in self._kinds for p in patterns):
                yield from self._walk(path, depth + 1)

    def _read(self, source_type: str, path: str, inode: int, started_us: int | None) -> Snapshot:
        thing = asset(source_type, f"/{path}", name=name_of(path))
        counters = []
        usage = _field(self._text(path, "cpu.stat"), "usage_usec")
        if usage is not None:
            counters.append(
                Counter(thing, "cpu", usage // _MICROSECONDS_PER_MILLISECOND, str(inode), started_us)
            )
        levels = []
        # Absent where the memory controller is not enabled.
        for file, unit in (("memory.current", "ram-used"), ("memory.max", "ram")):
            text = (self._text(path, file) or _NO_LIMIT).strip()
            if text != _NO_LIMIT:
                levels.append(Level(thing, unit, int(text)))
        return Snapshot(levels=tuple(levels), counters=tuple(counters))

    def _text(self, path: str, file: str) -> str | None:
        try:
            with (self._root / path / file).open("rb", buffering=0) as opened:
                return opened.read(FILE_BYTES_MAX).decode("ascii")
        except FileNotFoundError:
            return None


def matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the names of a path fit a pattern, name by name; ``**`` fits any number of names, also none."""
    if not pattern:
        return not parts
    if pattern[0] == _ANY_DEPTH:
        return any(matches(pattern[1:], parts[skip:]) for skip in range(len(parts) + 1))
    return bool(parts) and _fits(pattern[0], parts[0]) and matches(pattern[1:], parts[1:])


def leads(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether something below the path could fit the pattern."""
    for wanted, part in zip(pattern, parts, strict=False):
        if wanted == _ANY_DEPTH:
            return True
        if not _fits(wanted, part):
            return False
    return len(parts) < len(pattern)


def name_of(path: str) -> str:
    """What people call it: the unit's or container's name without systemd's ending."""
    return re.sub(r"(?<=.)\.(service|scope|slice)$", "", path.rpartition("/")[2])


def _names(pattern: str) -> list[str]:
    return pattern.strip("/").split("/")


def _fits(glob: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name, glob)


def _field(text: str | None, name: str) -> int | None:
    for line in (text or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return None

"""Virtual machines, as their hypervisor's libvirt sees them: processors, memory, disks, traffic.

A machine is known by its UUID within the site, so it stays one asset when it moves between hosts. What it used is counted by
each host for the time it ran there: a run on a host has its own counters, named by libvirt's number of it and, where the
emulator's process can be seen, by that process and its start. One that does not run has its disks and nothing else.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from agent.collectors import started
from agent.collectors.libvirt_rpc import Connection, Domain, Failed
from agent.collectors.sockets import Presence
from agent.snapshot import Asset, Counter, Level, Snapshot, asset

SOURCE_TYPE = "vm"
SECONDS_MAX = 8.0
# Of virDomainStatsTypes. Not asked for with VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT: a machine that is busy would answer in
# part, and what is left out would look gone.
_CPU, _BALLOON, _VCPU, _INTERFACE, _BLOCK = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_GROUPS = _CPU | _BALLOON | _VCPU | _INTERFACE | _BLOCK
# One daemon for all hypervisors, or one for each. Read-only: the agent changes nothing.
_SOCKETS = ("/run/libvirt/libvirt-sock-ro", "/run/libvirt/virtqemud-sock-ro")
_PROC = Path("/proc")
_RUN = Path("/run/libvirt/qemu")
_KIB = 1024
_NANOSECONDS_PER_MILLISECOND = 1_000_000
_FIRST_SECTION = re.compile(r"(net|block)\.([0-9]{1,5})\.")
_PID = re.compile(r"[1-9][0-9]{0,9}")
_UNITS_IN = ("net-in", "rate-in")
_UNITS_OUT = ("net-out", "rate-out")
_BLOCK_UNITS = {"capacity": "disk", "allocation": "disk-used"}


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """``[libvirt]``: all of it has defaults."""

    uri: Annotated[
        str, msgspec.Meta(min_length=1, max_length=1_000, description='name the driver, as "qemu:///system"')
    ] = "qemu:///system"
    stopped: Annotated[
        bool, msgspec.Meta(description="write false where machines stay defined on hosts they have left")
    ] = True
    sockets: Annotated[
        list[Annotated[str, msgspec.Meta(pattern="^/")]],
        msgspec.Meta(min_length=1, description="list absolute paths; the first that exists is asked"),
    ] = msgspec.field(default_factory=lambda: list(_SOCKETS))


class Libvirt:
    """Units cpu (ms), vcpu, ram, ram-used, disk, disk-used (bytes), net and rate in and out, per machine."""

    def __init__(
        self, section: Section, *, seconds_max: float = SECONDS_MAX, proc: Path = _PROC, run: Path = _RUN
    ) -> None:
        self._uri = section.uri
        self._stopped = section.stopped
        self._presence = Presence("libvirt", tuple(section.sockets))
        self._seconds_max = seconds_max
        self._proc = proc
        self._run = run

    @property
    def source_types(self) -> tuple[str, ...]:
        """None while there is no libvirt."""
        return (SOURCE_TYPE,) if self._presence.was_seen else ()

    def collect(self) -> Snapshot:
        """Raises ``libvirt_rpc.Failed``. A machine that runs without its processor time being known is named."""
        path = self._presence.find()
        if not path:
            return Snapshot()
        connection = Connection(path, seconds_max=self._seconds_max)
        try:
            connection.open(self._uri)
            domains = connection.domain_stats(_GROUPS)
        finally:
            connection.close()
        return self.snapshot(domains)

    def snapshot(self, domains: list[Domain]) -> Snapshot:
        """What libvirt's figures mean here."""
        levels: list[Level] = []
        counters: list[Counter] = []
        problems: list[str] = []
        for domain in domains:
            if domain.number is None and not self._stopped:
                continue
            machine = asset(SOURCE_TYPE, domain.uuid, name=domain.name)
            levels += _levels(machine, domain)
            if domain.number is None:
                continue
            if "cpu.time" not in domain.figures:
                problems.append(f"libvirt knows no processor time of {machine.name}")
            identity, started_us = self._started(domain)
            counters += [
                Counter(machine, unit, value, f"{identity}{part}", started_us)
                for unit, part, value in _counts(domain.figures)
            ]
        return Snapshot(tuple(levels), tuple(counters), incomplete="; ".join(problems))

    def _started(self, domain: Domain) -> tuple[str, int | None]:
        """What names this run of it on this host, and when it began, by CLOCK_BOOTTIME in microseconds if known."""
        try:
            # libvirt refuses a name with a slash; so does this.
            pid = (self._run / f"{Path(domain.name).name}.pid").read_text("ascii").strip()
        except (OSError, ValueError):
            return str(domain.number), None
        began = started.of_process(pid, proc=self._proc) if _PID.fullmatch(pid) else None
        if began is None:
            return str(domain.number), None
        ticks, started_us = began
        return f"{domain.number}/{pid}/{ticks}", started_us


def _levels(machine: Asset, domain: Domain) -> Iterator[Level]:
    figures = domain.figures
    if domain.number is not None:
        if (vcpus := _whole(figures, "vcpu.current")) is not None:
            yield Level(machine, "vcpu", vcpus)
        if (assigned := _whole(figures, "balloon.current")) is not None:
            yield Level(machine, "ram", assigned * _KIB)
        # Known where the guest's balloon driver tells it.
        available, usable = _whole(figures, "balloon.available"), _whole(figures, "balloon.usable")
        if available is not None and usable is not None and usable <= available:
            yield Level(machine, "ram-used", (available - usable) * _KIB)
    for field, unit in _BLOCK_UNITS.items():
        found = (_whole(figures, f"block.{index}.{field}") for index in _indexes(figures, "block"))
        sizes = [size for size in found if size is not None]
        if sizes:
            yield Level(machine, unit, sum(sizes))


def _counts(figures: Mapping[str, int | float | str]) -> Iterator[tuple[str, str, int]]:
    """(unit type, what tells objects of one machine apart, value) per counter."""
    if (used_ns := _whole(figures, "cpu.time")) is not None:
        yield "cpu", "", used_ns // _NANOSECONDS_PER_MILLISECOND
    for index in _indexes(figures, "net"):
        # The name of the host's end (vnet7) is another one after an interface was unplugged and plugged in.
        name = figures.get(f"net.{index}.name", index)
        for field, units in (("rx.bytes", _UNITS_IN), ("tx.bytes", _UNITS_OUT)):
            if (value := _whole(figures, f"net.{index}.{field}")) is not None:
                for unit in units:
                    yield unit, f"/{index}/{str(name)[:64]}", value


def _indexes(figures: Mapping[str, int | float | str], section: str) -> list[int]:
    found = (_FIRST_SECTION.match(name) for name in figures)
    return sorted({int(match[2]) for match in found if match and match[1] == section})


def _whole(figures: Mapping[str, int | float | str], name: str) -> int | None:
    value = figures.get(name)
    if value is None:
        return None
    if not isinstance(value, int):
        raise Failed(f"libvirt's {name} is no whole number")
    return value

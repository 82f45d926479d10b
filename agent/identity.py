"""Who and where this agent is: machine, boot, program version, and the host's two clocks.

Its identity towards the aggregator is not here: that is its certificate (credentials.py).
"""

import asyncio
import socket
import sys
import time
from pathlib import Path
from typing import Protocol

from agent.amounts import Stamp

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_SMBIOS_UUID_FILE = Path("/sys/class/dmi/id/product_uuid")
_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_NANOSECONDS_PER_MICROSECOND = 1_000


class Clock(Protocol):
    """The host's clocks; tests bring their own."""

    def stamp(self) -> Stamp:
        """Now, by both clocks."""

    async def sleep(self, seconds: float) -> None:
        """Returns after about this time; never early by the wall clock unless that was set."""


class SystemClock:
    """The kernel's clocks. The boot id is read once: a process lives in one boot."""

    def __init__(self) -> None:
        self._boot_id = boot_id()

    def stamp(self) -> Stamp:
        """CLOCK_BOOTTIME goes on while the host is suspended, CLOCK_MONOTONIC does not."""
        boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return Stamp(
            wall_us=time.time_ns() // _NANOSECONDS_PER_MICROSECOND,
            boottime_us=boottime_ns // _NANOSECONDS_PER_MICROSECOND,
            boot_id=self._boot_id,
        )

    async def sleep(self, seconds: float) -> None:
        """By the event loop."""
        await asyncio.sleep(seconds)


def boot_id() -> str:
    """The kernel's random id of this boot. Never derived from the boot time, which moves with NTP."""
    return _BOOT_ID_FILE.read_text("ascii").strip()


def hostname() -> str:
    """As the kernel knows it."""
    return socket.gethostname()


def machine_id() -> str:
    """systemd's or D-Bus' machine id, else the SMBIOS UUID, else the host name: what names this host to its agent."""
    return next(filter(None, map(_read, _MACHINE_ID_FILES)), "") or smbios_uuid() or hostname()


def smbios_uuid() -> str:
    """The machine's UUID by its firmware, the same that a hypervisor reports; empty where only root may read it."""
    return _read(_SMBIOS_UUID_FILE).lower()


def version() -> str:
    """The installed program's version, by the name of its metadata folder; "unknown" when it runs uninstalled.

    importlib.metadata would say the same and stay in memory with 3 MB.
    """
    for entry in sys.path:
        for folder in sorted(Path(entry or ".").glob("ullage-*.dist-info")):
            return folder.name.removeprefix("ullage-").removesuffix(".dist-info")
    return "unknown"


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""

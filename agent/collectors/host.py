"""The machine itself: processor time used, processors, memory."""

import psutil

from agent import identity
from agent.collectors.interfaces import host_address
from agent.snapshot import Asset, Counter, Level, Snapshot, asset

SOURCE_TYPE = "host"
# `guest` and `guest_nice` are contained in `user` and `nice`; in the other two the processor did nothing.
_NOT_USED = {"idle", "iowait", "guest", "guest_nice"}
_MILLISECONDS = 1_000


class Host:
    """Units cpu (ms), vcpu, ram and ram-used (bytes) of one asset: this host."""

    source_types = (SOURCE_TYPE,)

    def __init__(self) -> None:
        self._machine_id = identity.machine_id()
        self._labels = {"machine_id": self._machine_id, "smbios_uuid": identity.smbios_uuid()}

    def collect(self) -> Snapshot:
        """All counters began with the boot."""
        memory = psutil.virtual_memory()
        host = self._asset()
        return Snapshot(
            levels=(
                Level(host, "vcpu", psutil.cpu_count(logical=True) or 1),
                Level(host, "ram", memory.total),
                Level(host, "ram-used", memory.used),
            ),
            counters=(Counter(host, "cpu", cpu_ms(), identity="", started_us=0),),
        )

    def _asset(self) -> Asset:
        return asset(
            SOURCE_TYPE,
            self._machine_id,
            name=identity.hostname(),
            address=host_address(),
            labels=self._labels,
        )


def cpu_ms() -> int:
    """Processor time used by everything since the boot, summed over the processors.

    The kernel counts in ticks of 10 ms, so rounding the sum of what psutil shows as seconds restores its integers.
    """
    times = psutil.cpu_times()
    used: float = sum(getattr(times, name) for name in times._fields if name not in _NOT_USED)
    return round(used * _MILLISECONDS)

"""Network interfaces: bytes received and sent.

Only the interfaces through which traffic enters or leaves the host are metered: those with a device behind them. Where
there is none (a container) it is those whose other end is elsewhere. Bridges, bonds, VLANs, taps and the host's ends of
containers carry the same bytes a second time.
"""

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from agent.snapshot import Asset, Counter, Snapshot, asset

SOURCE_TYPE = "interface"
_SYSFS = Path("/sys/class/net")
_UNITS_IN = ("net-in", "rate-in")
_UNITS_OUT = ("net-out", "rate-out")


class Interfaces:
    """Units net-in, net-out, rate-in and rate-out (bytes, two by two from the same counter) per interface."""

    source_types = (SOURCE_TYPE,)

    def __init__(self, *, sysfs: Path = _SYSFS) -> None:
        self._sysfs = sysfs

    def collect(self) -> Snapshot:
        """Counters begin at 0 when the interface is made, which is some time after the boot."""
        counters: list[Counter] = []
        # nowrap would hide a re-created interface's reset behind the old one's bytes.
        by_name = psutil.net_io_counters(pernic=True, nowrap=False)
        addresses = _addresses()
        for name in chosen(by_name.keys(), sysfs=self._sysfs):
            try:
                index = (self._sysfs / name / "ifindex").read_text("ascii").strip()
                mac = (self._sysfs / name / "address").read_text("ascii").strip()
            except FileNotFoundError:
                continue  # gone since it was listed
            interface = _asset(name, mac, addresses.get(name, ""))
            for units, value in (
                (_UNITS_IN, by_name[name].bytes_recv),
                (_UNITS_OUT, by_name[name].bytes_sent),
            ):
                for unit in units:
                    # Not older than the boot; within a boot, how old is unknown.
                    counters.append(Counter(interface, unit, value, identity=f"{index}/{mac}", started_us=0))
        return Snapshot(counters=tuple(counters))


def chosen(names: Iterable[str], *, sysfs: Path = _SYSFS) -> list[str]:
    """Which of the interfaces are metered, in order of their names."""
    present = sorted(name for name in names if name != "lo" and (sysfs / name).exists())
    physical = [name for name in present if (sysfs / name / "device").exists()]
    return physical or [name for name in present if _leads_elsewhere(sysfs / name)]


def host_address() -> str:
    """The address of the first metered interface that has one; empty for none."""
    addresses = _addresses()
    return next((addresses[name] for name in chosen(addresses) if name in addresses), "")


def _leads_elsewhere(folder: Path) -> bool:
    """Whether it is an end of a pair, or a child of an interface, whose other end is in another network namespace."""
    try:
        index, link = ((folder / file).read_text("ascii").strip() for file in ("ifindex", "iflink"))
    except FileNotFoundError:
        return False
    return index != link and not (folder / "master").exists() and not list(folder.glob("lower_*"))


def _addresses() -> dict[str, str]:
    """One address per interface: the first that reaches beyond the link, IPv4 before IPv6."""
    found: dict[str, str] = {}
    for name, entries in psutil.net_if_addrs().items():
        usable = [
            (entry.family == socket.AF_INET6, entry.address.partition("%")[0])
            for entry in entries
            if entry.family in {socket.AF_INET, socket.AF_INET6}
        ]
        reaching = [pair for pair in usable if not ipaddress.ip_address(pair[1]).is_link_local]
        if reaching:
            found[name] = min(reaching, key=lambda pair: pair[0])[1]
    return found


def _asset(name: str, mac: str, address: str) -> Asset:
    return asset(SOURCE_TYPE, name, address=address, labels={"mac": mac})

"""What figures were measured on, and what a process used: a figure without it means nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg

import sql

_Q = sql.queries("bench")
PACKAGES = ("grpcio", "protobuf", "psycopg", "numpy")


def machine() -> dict[str, str | float]:
    """Processor, cores we may use, memory and kernel; how busy it was with other things in the last minute."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field(Path("/proc/meminfo"), "MemTotal").split()[0]) / 1024**2, 1),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(dsn: str) -> dict[str, str]:
    """The software that took part, with the server's settings that change a figure."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(_Q["server"])
        row = cursor.fetchone()
        columns = [column.name for column in cursor.description or ()]
    packages = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **dict(zip(columns, row or (), strict=False)), **packages}


def rss_mib_max(pid: int) -> float:
    """The most memory that the process has had resident."""
    return int(_field(Path(f"/proc/{pid}/status"), "VmHWM").split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of the process so far, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""

"""What the figures were measured on: a figure without it means nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg


def machine() -> dict[str, str | float]:
    """Processor, cores we may use, memory and kernel."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
        "kernel": platform.release(),
    }


def versions(dsn: str) -> dict[str, str]:
    """The software that took part, with the server's settings that change a figure."""
    asked = """
        select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'),
               coalesce((select default_version from pg_available_extensions where name = 'timescaledb'), 'none')"""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(asked).fetchone()
    assert row is not None
    names = ("postgres", "fsync", "synchronous_commit", "timescaledb")
    packages = {name: version(name) for name in ("grpcio", "protobuf", "psycopg", "numpy")}
    return {"python": platform.python_version(), **dict(zip(names, row, strict=True)), **packages}


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""

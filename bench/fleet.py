"""Many agents on one aggregator: connected with a batch a minute each, and catching up after an hour without it."""

import asyncio
import resource
import threading
import time
from pathlib import Path

from aggregator.bench.machine import cpu_seconds, rss_mib_max
from aggregator.bench.site import site
from bench.registry import Figure, benchmark

AGENTS = 10_000
# Of one host; what an agent costs is its connection and its batch, not what is in it.
SERIES = 20
MINUTES = 4
BACKLOG_MINUTES = 60
# Of the simulating process and of the aggregator, on one machine: what both have open beside the connections.
FILES_SPARE = 500
# Each connection has two ends with a stream, its buffers and TLS on each; measured, rounded up.
CONNECTION_BYTES = 600 * 1024


@benchmark("fleet.connected")
async def connected(dsn: str, scale: float) -> list[Figure]:
    """So many agents as this machine carries, at most 10,000, for some minutes."""
    return await asyncio.to_thread(_connected, dsn, _agents(scale))


@benchmark("fleet.catch_up")
async def catch_up(dsn: str, scale: float) -> list[Figure]:
    """An hour of batches, one a minute, waits at every agent, and all of them dial at once."""
    return await asyncio.to_thread(_catch_up, dsn, _agents(scale))


def _agents(scale: float) -> int:
    """As many as files and memory allow."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    return max(1, min(round(AGENTS * scale), files - FILES_SPARE, available // 2 // CONNECTION_BYTES))


def _connected(dsn: str, agents: int) -> list[Figure]:
    with site(dsn) as own:
        own.certify(agents)
        with own.serving() as serving:
            used = _Used(serving.pid)
            report = own.simulate(serving.address, _words(agents, MINUTES * 60))
            steady, all_in_all = used.shares(report["seconds"])
            rss_mib = rss_mib_max(serving.pid)
        own.check(report["oracle"])
    sizes = {"agents": agents, "batches": report["measured_batches"], "seconds": report["seconds"]}
    dialling = {"seconds to dial": report["connect_seconds"], "reconnects": report["reconnects"]}
    return [
        Figure(name="agents with a batch a minute: memory", value=rss_mib, unit="MiB", sizes=sizes),
        Figure(name="", value=100 * steady, unit="% of a core, connected", sizes=sizes),
        Figure(name="", value=100 * all_in_all, unit="% of a core, with dialling", sizes=dialling),
        Figure(name="", value=report["latency_ms"]["p99"], unit="ms 99 % of answers"),
    ]


class _Used:
    """Processor time of a process, noted every second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._notes = [(time.monotonic(), cpu_seconds(pid))]
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            self._notes.append((time.monotonic(), cpu_seconds(self._pid)))

    def shares(self, last_seconds: float) -> tuple[float, float]:
        """Of one core: in the last so many seconds, and since the beginning. Ends the watch."""
        self._ended.set()
        now, used = time.monotonic(), cpu_seconds(self._pid)
        since, before = min(self._notes, key=lambda note: abs(now - last_seconds - note[0]))
        began, first = self._notes[0]
        return (used - before) / (now - since), (used - first) / (now - began)


def _catch_up(dsn: str, agents: int) -> list[Figure]:
    with site(dsn) as own:
        own.certify(agents)
        with own.serving() as serving:
            report = own.simulate(serving.address, [*_words(agents, BACKLOG_MINUTES * 60), "--flat-out"])
            rss_mib = rss_mib_max(serving.pid)
        # Raises unless every batch is stored, and once.
        own.check(report["oracle"])
    seconds = report["connect_seconds"] + report["seconds"]
    return [
        Figure(
            name="catch-up after an hour without aggregator",
            value=seconds,
            unit="s",
            sizes={"agents": agents, "batches": report["oracle"]["batches"], "MiB aggregator": rss_mib},
        )
    ]


def _words(agents: int, duration: int) -> list[str]:
    return [
        *("--agents", str(agents), "--series", str(SERIES), "--interval", "60", "--duration", str(duration))
    ]

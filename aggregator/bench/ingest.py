"""Measures ingest: simulated agents flat out against a serving aggregator, and the same rows by a plain COPY."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

import psycopg

import sql
from aggregator.bench.machine import cpu_seconds, machine, rss_mib_max, versions
from aggregator.bench.site import Site, site

_Q = sql.queries("bench")
INTERVAL_SECONDS = 60
# The plain COPY commits as many readings together as ingest does at most.
COPY_READINGS = 250_000
# So many rows are compared with; more would only need more memory.
COPY_READINGS_MAX = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The work at 1×: ``readings`` in all, over the agents; ``series`` of each; ``batch_readings`` in a batch."""

    readings: int
    agents: int
    series: int
    batch_readings: int
    window: int

    def ticks(self, scale: int) -> int:
        """Of each agent."""
        return max(2, round(self.readings * scale / self.agents / self.series))

    def words(self, scale: int) -> list[str]:
        """For `simulate`."""
        duration = timedelta(seconds=self.ticks(scale) * INTERVAL_SECONDS).total_seconds()
        return [
            *("--agents", str(self.agents), "--series", str(self.series), "--flat-out"),
            *("--interval", str(INTERVAL_SECONDS), "--duration", str(duration)),
            *("--batch-readings", str(self.batch_readings), "--window", str(self.window)),
        ]


def measure(server_dsn: str | None, size: Size, scales: Sequence[int]) -> dict[str, Any]:
    """Every scale on a scratch database of its own; with more than one, the exponent of time over work."""
    before = machine()
    runs = []
    facts: dict[str, str] = {}
    for scale in scales:
        with site(server_dsn) as own:
            facts = versions(own.dsn)
            runs.append({"scale": scale, **_run(own, size, scale)})
    report: dict[str, Any] = {**runs[0], "machine": before, "versions": facts}
    if len(runs) > 1:
        report |= {
            "runs": runs,
            "exponent": exponent([(run["measured_readings"], run["seconds"]) for run in runs]),
        }
    return report


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The e of time ~ work^e by least squares over (work, seconds): 1 is as good as it gets."""
    logs = [(math.log(work), math.log(seconds)) for work, seconds in points]
    work_mean = sum(work for work, _ in logs) / len(logs)
    time_mean = sum(seconds for _, seconds in logs) / len(logs)
    above = sum((work - work_mean) * (seconds - time_mean) for work, seconds in logs)
    return above / sum((work - work_mean) ** 2 for work, _ in logs)


def _run(own: Site, size: Size, scale: int) -> dict[str, Any]:
    own.certify(size.agents)
    with own.serving() as serving:
        used = cpu_seconds(serving.pid)
        with psycopg.connect(own.dsn) as conn:
            log_before = _number(conn, _Q["log_position"])
        report = own.simulate(serving.address, size.words(scale))
        used = cpu_seconds(serving.pid) - used
        rss_mib = rss_mib_max(serving.pid)
    own.check(report["oracle"])
    with psycopg.connect(own.dsn) as conn:
        stored_bytes = _number(conn, _Q["tick_bytes"])
        log_bytes = _number(conn, _Q["log_position"]) - log_before
    copied = plain_copy(own.dsn, series=size.series)
    readings = report["oracle"]["readings"]
    return {
        "readings_per_second": report["readings_per_second"],
        "batches_per_second": report["batches_per_second"],
        "copy_readings_per_second": copied,
        "ratio_to_copy": report["readings_per_second"] / copied,
        "bytes_per_reading": stored_bytes / readings,
        "log_bytes_per_reading": log_bytes / readings,
        "rss_mib": rss_mib,
        "aggregator_cpu_seconds": used,
        "latency_ms": report["latency_ms"],
        "seconds": report["seconds"],
        "measured_readings": report["measured_readings"],
        "measured_batches": report["measured_batches"],
        "agents": size.agents,
        "series_per_agent": size.series,
        "batch_readings": size.batch_readings,
        "duplicate": report["duplicate"],
        "busy": report["busy"],
        "simulate": {name: report[name] for name in ("connect_seconds", "cpu_seconds", "rss_mib", "oracle")},
    }


def plain_copy(dsn: str, *, series: int) -> float:
    """Readings a second when the rows just taken in are copied into the same, emptied table and nothing else is done."""
    rows_max = COPY_READINGS_MAX // series
    with psycopg.connect(dsn) as conn:
        out = psycopg.sql.SQL(_Q["copy_ticks_out"]).format(rows=psycopg.sql.Literal(rows_max))
        with conn.cursor() as cursor, cursor.copy(out) as copy:
            # The first piece is the header with the first row, the last is the trailer.
            rows = [bytes(piece) for piece in copy]
        header, rows[0] = rows[0][:19], rows[0][19:]
        trailer = rows.pop()
        conn.execute(_Q["empty_ticks"])
        conn.commit()
        together = max(1, COPY_READINGS // series)
        groups = [
            header + b"".join(rows[start : start + together]) + trailer
            for start in range(0, len(rows), together)
        ]
        began = time.perf_counter()
        for group in groups:
            with conn.cursor() as cursor, cursor.copy(_Q["copy_ticks_in"]) as copy:
                copy.write(group)
            conn.commit()
        seconds = time.perf_counter() - began
    return len(rows) * series / seconds


def _number(conn: psycopg.Connection, query: LiteralString) -> int:
    row = conn.execute(query).fetchone()
    return int(row[0]) if row else 0

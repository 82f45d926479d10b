"""Ingest through gRPC with TLS, durable and exactly once, at several sizes of batch; how its time grows with the work."""

import asyncio
from typing import Any

from aggregator.bench.ingest import Size, measure
from bench.registry import Figure, benchmark

AGENTS = 100
WINDOW = 8
GROWTH_SCALES = (1, 4, 16)


@benchmark("ingest.readings_20")
async def batches_of_20(dsn: str, scale: float) -> list[Figure]:
    """A small host: one tick of 20 series in a batch."""
    return await _at(dsn, readings=400_000 * scale, series=20, batch_readings=20)


@benchmark("ingest.readings_100")
async def batches_of_100(dsn: str, scale: float) -> list[Figure]:
    """A host: one tick of 100 series in a batch."""
    return await _at(dsn, readings=2_000_000 * scale, series=100, batch_readings=100)


@benchmark("ingest.readings_1000")
async def batches_of_1000(dsn: str, scale: float) -> list[Figure]:
    """Ten ticks of 100 series in a batch."""
    return await _at(dsn, readings=8_000_000 * scale, series=100, batch_readings=1_000)


@benchmark("ingest.readings_1000_tick_1000")
async def ticks_of_1000(dsn: str, scale: float) -> list[Figure]:
    """One tick of 1,000 series in a batch: the dictionary is twice as large as the readings."""
    return await _at(dsn, readings=8_000_000 * scale, series=1_000, batch_readings=1_000)


@benchmark("ingest.readings_5000_tick_1000")
async def batches_of_5000(dsn: str, scale: float) -> list[Figure]:
    """Five ticks of 1,000 series in a batch, as an agent seals them that catches up."""
    return await _at(dsn, readings=8_000_000 * scale, series=1_000, batch_readings=5_000)


@benchmark("ingest.growth")
async def growth(dsn: str, scale: float) -> list[Figure]:
    """1, 4 and 16 times the work at 1,000 readings a batch."""
    size = Size(
        readings=round(1_000_000 * scale), agents=AGENTS, series=100, batch_readings=1_000, window=WINDOW
    )
    report = await asyncio.to_thread(measure, dsn, size, GROWTH_SCALES)
    figures = [
        Figure(
            name=f"ingest at {run['scale']}×",
            value=run["readings_per_second"],
            unit="readings/s",
            sizes={"readings": run["measured_readings"], "MiB aggregator": run["rss_mib"]},
        )
        for run in report["runs"]
    ]
    exponent = Figure(name="ingest: exponent of time over work", value=report["exponent"], unit="")
    return [*figures, exponent]


async def _at(dsn: str, *, readings: float, series: int, batch_readings: int) -> list[Figure]:
    size = Size(
        readings=round(readings), agents=AGENTS, series=series, batch_readings=batch_readings, window=WINDOW
    )
    report = await asyncio.to_thread(measure, dsn, size, [1])
    return _figures(f"ingest, {batch_readings:,} readings a batch, {series:,} a tick", report)


def _figures(name: str, report: dict[str, Any]) -> list[Figure]:
    sizes = {
        "readings": report["measured_readings"],
        "batches": report["measured_batches"],
        "agents": report["agents"],
    }
    used = {"MiB aggregator": report["rss_mib"], "s of its processor": report["aggregator_cpu_seconds"]}
    delay = {
        "ms median answer": report["latency_ms"]["p50"],
        "ms 99 % of answers": report["latency_ms"]["p99"],
    }
    return [
        Figure(name=name, value=report["readings_per_second"], unit="readings/s", sizes=sizes),
        Figure(name="", value=report["batches_per_second"], unit="batches/s", sizes=delay),
        Figure(
            name="",
            value=report["ratio_to_copy"],
            unit="of plain COPY",
            sizes={"readings/s by COPY": report["copy_readings_per_second"]},
        ),
        Figure(name="", value=report["bytes_per_reading"], unit="bytes/reading in tick", sizes=used),
    ]

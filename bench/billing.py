"""A month of hours rated by the real job, again when nothing has changed, and how the time grows with the buckets."""

import asyncio

from aggregator.bench.billing import Size, measure
from bench.registry import Figure, benchmark

# 20,000 series in 4,000 buckets at the last one: the size of the goal.
SCALES = (1, 4, 16)


@benchmark("billing.month_of_hours")
async def month_of_hours(dsn: str, scale: float) -> list[Figure]:
    """Mixed aggregations, five series a bucket."""
    buckets = max(1, round(250 * scale))
    report = await asyncio.to_thread(
        measure, dsn, Size(buckets=buckets, series=5 * buckets, hours=720), SCALES
    )
    figures = []
    for run in report["runs"]:
        sizes = {"cells": run["cells"], "buckets": run["buckets"]}
        name = f"billing run at {run['scale']}×"
        figures.append(Figure(name=name, value=run["seconds"], unit="s", sizes=sizes))
        figures.append(Figure(name="", value=run["unchanged_seconds"], unit="s when nothing changed"))
    return [*figures, Figure(name="billing: exponent of time over work", value=report["exponent"], unit="")]

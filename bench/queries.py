"""What people wait for on a large world: lists, the dashboard, one asset, suggestions, dry runs and rebinding."""

import asyncio

from aggregator.bench.queries import Size, measure
from bench.registry import Figure, benchmark

REPEATS = 20


@benchmark("queries.large_world")
async def large_world(dsn: str, scale: float) -> list[Figure]:
    """p95 of each call in the aggregator, without gRPC."""
    size = Size(assets=max(1_000, round(100_000 * scale)), repeats=REPEATS)
    report = await asyncio.to_thread(measure, dsn, size, [1])
    sizes = {name: report[name] for name in ("assets", "series", "bindings", "buckets", "clients")}
    return [
        Figure(name=name, value=milliseconds, unit="ms (p95)", sizes=sizes if place == 0 else {})
        for place, (name, milliseconds) in enumerate(report["p95_ms"].items())
    ]

"""The roll-up of touched hours by the real job, and how its time grows with the work."""

import asyncio

from aggregator.bench.rollup import Size, measure
from bench.registry import Figure, benchmark

SCALES = (1, 4, 16)


@benchmark("rollup.touched_hours")
async def touched_hours(dsn: str, scale: float) -> list[Figure]:
    """100 agents with 100 series and a tick a minute."""
    size = Size(agents=100, series=100, hours=max(1, round(2 * scale)))
    report = await asyncio.to_thread(measure, dsn, size, SCALES)
    figures = []
    for run in report["runs"]:
        for name, timed in (("roll-up", run), ("roll-up again", run["again"])):
            figures.append(
                Figure(
                    name=f"{name} at {run['scale']}×",
                    value=timed["readings_per_second"],
                    unit="readings/s",
                    sizes={
                        "readings": timed["readings"],
                        "slots of 100 series": timed["slots"],
                        "seconds": timed["seconds"],
                    },
                )
            )
    return [*figures, Figure(name="roll-up: exponent of time over work", value=report["exponent"], unit="")]

"""Projects every open period from its reading, so that the screen's forecast and the bill start from the same figures."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random

from aggregator.actions.progress import Progress, silent
from aggregator.domain.daily import DayPart
from aggregator.domain.project import DAYS_LOOKED_AT, Projection
from aggregator.domain.project import project as project_reading
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.domain.terms import Terms
from aggregator.store import daily, projection
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.projection import OpenReading

Projected = Sequence[tuple[OpenReading, Projection]]


async def project(db: Database, *, now: datetime, run_id: int, progress: Progress = silent) -> dict[str, int]:
    """Renews the projection of each bucket whose reading of its open period was rated since, a transaction per client.

    Counts ``clients`` and ``projections`` written; a bucket in whose period no slot has ended gets none.
    """
    async with db.transaction() as conn:
        clients = await projection.clients(conn)
    counts = {"clients": 0, "projections": 0}
    for client_id in clients:
        async with db.transaction() as conn:
            counts["projections"] += await _project_client(conn, client_id, now=now, run_id=run_id)
        counts["clients"] += 1
        await progress(dict(counts), done=counts["clients"], total=len(clients))
    return counts


async def _project_client(conn: Connection, client_id: int, *, now: datetime, run_id: int) -> int:
    readings = await projection.open_readings(conn, client_id, now=now)
    if not readings:
        return 0
    terms = await projection.terms(conn, client_id)
    buckets = [reading.bucket_id for reading in readings]
    since = min(
        min(reading.from_slot, reading.as_of_slot - (DAYS_LOOKED_AT + 1) * UNITS_PER_DAY)
        for reading in readings
    )
    await daily.prune(conn, buckets, before=since)
    days = await daily.parts(conn, buckets, since=since)
    # Beside the aggregator's other work: a client takes a second.
    found = await asyncio.to_thread(_projected, readings, terms, days)
    if not found:
        return 0
    written = await projection.save(conn, found, now=now, run_id=run_id)
    await announce(conn, "projection", clients=[client_id])
    return written


def _projected(
    readings: Sequence[OpenReading], terms: Mapping[int, Terms], days: Mapping[int, Sequence[DayPart]]
) -> Projected:
    found = []
    for reading in readings:
        seed = f"{reading.bucket_id} {reading.period_start.isoformat()} {reading.cutoff.isoformat()}"
        expected = project_reading(
            reading.measured(terms),
            unit=reading.unit,
            currency_digits=reading.currency_digits,
            days=days[reading.bucket_id],
            chance=Random(seed).random,  # noqa: S311 - what may come, no secret
        )
        if expected is not None:
            found.append((reading, expected))
    return found

"""Adjustments as they are worked out: finalised readings, marks on their days, and the lines that correct them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.adjust import AGENTS_NAMED_MAX, Billed, LateBatches, Line
from aggregator.domain.period import Period
from aggregator.store.database import Connection, execute, fetch_all

_Q = sql.queries("closing")


async def finalised(conn: Connection, client_id: int, starts: Collection[datetime]) -> list[Billed]:
    """The client's finalised readings of these periods."""
    params = {"client_id": client_id, "starts": list(starts)}
    return await fetch_all(conn, Billed, _Q["finalised"], params)


async def adjusted(conn: Connection, client_id: int) -> list[datetime]:
    """Starts of the periods in which adjustments of the client stand that are not final."""
    return [row[0] for row in await (await conn.execute(_Q["adjusted"], {"client_id": client_id})).fetchall()]


async def forget_marks(conn: Connection, client_id: int, *, before_slot: int) -> int:
    """Removes marks of days that end before the slot; how many there were."""
    return await execute(conn, _Q["forget_marks"], {"client_id": client_id, "from_slot": before_slot})


async def save(
    conn: Connection, lines: Sequence[Line], *, of: Period, standing_in: Period, cutoff: datetime, run_id: int
) -> int:
    """Writes the lines; how many are new or say something else than before. Final ones stay as they are."""
    params = {
        "lines": Jsonb(
            [
                {
                    "bucket_id": one.bucket_id,
                    "delta_quantity": format(one.delta_quantity, "f"),
                    "currency": one.currency,
                    "amount": format(one.amount, "f"),
                    "reason": one.reason,
                }
                for one in lines
            ]
        ),
        "period_start": of.start,
        "period_end": of.end,
        "in_start": standing_in.start,
        "in_end": standing_in.end,
        "cutoff": cutoff,
        "run_id": run_id,
    }
    return await execute(conn, _Q["save_adjustments"], params)


async def remove(conn: Connection, bucket_ids: Collection[int], *, of: Period) -> int:
    """Removes lines that correct nothing any more; how many there were."""
    params = {"bucket_ids": list(bucket_ids), "period_start": of.start}
    return await execute(conn, _Q["remove_adjustments"], params)


async def late_batches(
    conn: Connection, bucket_id: int, period: Period, *, since: datetime, cutoff: datetime
) -> list[LateBatches]:
    """Batches with ticks of the period, of agents that report what is bound, stored in (since, cutoff]."""
    params = {
        "bucket_id": bucket_id,
        "period_start": period.start,
        "period_end": period.end,
        "since": since,
        "cutoff": cutoff,
        "limit": AGENTS_NAMED_MAX + 1,
    }
    return await fetch_all(conn, LateBatches, _Q["late_batches"], params)

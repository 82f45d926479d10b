"""Keeps what buckets used day by day: billing writes it with the readings, projections are drawn from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.daily import DayPart
from aggregator.domain.period import Period
from aggregator.store.database import Connection, execute, fetch_all

_Q = sql.queries("daily")


@dataclass(frozen=True, slots=True)
class _Line:
    bucket_id: int
    from_slot: int
    to_slot: int
    filled: int
    total: Decimal
    high: Decimal | None
    low: Decimal | None
    last: Decimal | None
    slot_values: Sequence[Decimal] | None


async def save(conn: Connection, days: Mapping[int, Sequence[DayPart]]) -> None:
    """By bucket; parts of days that begin alike are written over."""
    rows = [
        {
            "bucket_id": bucket,
            "from_slot": part.from_slot,
            "to_slot": part.to_slot,
            "filled": part.filled,
            "total": part.total,
            "high": part.high,
            "low": part.low,
            "last": part.last,
            "slot_values": None if part.values is None else list(part.values),
        }
        for bucket, parts in days.items()
        for part in parts
    ]
    if rows:
        await execute(conn, _Q["save"], {"days": Jsonb(rows)})


async def forget(conn: Connection, bucket_ids: Collection[int], period: Period) -> None:
    """Removes the days of these buckets that lie in the period."""
    if bucket_ids:
        params = {
            "bucket_ids": list(bucket_ids),
            "from_slot": period.slots(width=1)[0],
            "to_slot": period.slots(width=1)[1],
        }
        await execute(conn, _Q["forget"], params)


async def parts(conn: Connection, bucket_ids: Sequence[int], *, since: int) -> Mapping[int, list[DayPart]]:
    """By bucket, in order of time, from slot ``since`` on."""
    found: dict[int, list[DayPart]] = {bucket: [] for bucket in bucket_ids}
    params = {"bucket_ids": list(bucket_ids), "since": since}
    for line in await fetch_all(conn, _Line, _Q["parts"], params):
        found[line.bucket_id].append(
            DayPart(
                from_slot=line.from_slot,
                to_slot=line.to_slot,
                filled=line.filled,
                total=int(line.total),
                high=_whole(line.high),
                low=_whole(line.low),
                last=_whole(line.last),
                values=None if line.slot_values is None else [int(value) for value in line.slot_values],
            )
        )
    return found


async def prune(conn: Connection, bucket_ids: Sequence[int], *, before: int) -> int:
    """Removes the days before slot ``before``; how many there were."""
    return await execute(conn, _Q["prune"], {"bucket_ids": list(bucket_ids), "since": before})


def _whole(value: Decimal | None) -> int | None:
    return None if value is None else int(value)

"""The statements that drop what is kept no longer; when that may be is decided in domain/retain.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sql
from aggregator.domain.retain import Open
from aggregator.domain.slot import slot_of
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("retention")

# No reading is further ahead of the time at which its batch was stored.
AHEAD_MAX = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Client:
    id: int
    finalised_slot: int
    first_slot: int | None
    ends_on: date | None


async def clients(conn: Connection) -> Sequence[Open]:
    """All clients with a bucket, as far as they need raw readings."""
    rows = await fetch_all(conn, _Client, _Q["clients"])
    known = await calendars(conn, [row.id for row in rows])
    return [
        Open(
            calendar=known[row.id],
            finalised_slot=row.finalised_slot,
            first_slot=row.first_slot,
            last_slot=None if row.ends_on is None else slot_of(known[row.id].first_instant(row.ends_on)),
        )
        for row in rows
    ]


async def floor(conn: Connection) -> datetime:
    """The oldest time from which raw readings are complete; the beginning of time where none was ever dropped."""
    oldest: datetime = await fetch_value(conn, _Q["floor"])
    return oldest


async def border(conn: Connection, before: datetime) -> datetime | None:
    """Up to when whole chunks could go, at or before ``before``; None where there is nothing to drop."""
    found: datetime | None = await fetch_value(conn, _Q["border"], {"before": before})
    return found


async def hold_ingest(conn: Connection) -> None:
    """Keeps every aggregator from storing readings until the transaction ends; so end it soon."""
    await execute(conn, _Q["wait_briefly"])
    await execute(conn, _Q["lock_ingest"])


async def touched_before(conn: Connection, at: datetime) -> bool:
    """Whether a slot of the time before waits to be rolled up."""
    return bool(await fetch_value(conn, _Q["touched_before"], {"border": at}))


async def drop_raw(conn: Connection, at: datetime) -> None:
    """Drops raw readings of the time before and moves the floor; ``at`` is what ``border`` gave."""
    await execute(conn, _Q["drop_raw"], {"border": at})
    await execute(conn, _Q["move_floor"], {"border": at})


async def remove_batches(conn: Connection, raw_floor: datetime, *, batches_max: int) -> int:
    """Removes the oldest batches that hold nothing but dropped readings; how many."""
    before = raw_floor - min(AHEAD_MAX, raw_floor - datetime.min.replace(tzinfo=raw_floor.tzinfo))
    return await execute(conn, _Q["remove_batches"], {"before": before, "batches_max": batches_max})


async def drop_slots(conn: Connection, *, first_slot: int) -> None:
    """Drops slots before this one."""
    await execute(conn, _Q["drop_slots"], {"first_slot": first_slot})

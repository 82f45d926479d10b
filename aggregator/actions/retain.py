"""Drops raw readings at their age, and slots after seven years, as far as nothing can be billed or corrected by them.

What comes later for the time before is listed as too late (ingest/late.py). A run too many does nothing, and one that is
killed has dropped a part and moved the floor, or neither.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from aggregator.actions.progress import Progress, silent
from aggregator.domain.retain import needed_since, slots_since
from aggregator.store import retention
from aggregator.store.database import Connection, Database

RAW_DAYS = 400
BATCHES_PER_TRANSACTION_MAX = 20_000


async def retain(
    db: Database, *, now: datetime, raw_days: int = RAW_DAYS, progress: Progress = silent
) -> Mapping[str, int]:
    """Counts ``days`` of raw readings by which the floor moved, ``batches`` removed, and ``waiting``: 1 where readings are
    old enough to go but cannot yet, because slots of theirs are not rolled up or a period of theirs is not closed.
    """
    counts = {"days": 0, "batches": 0, "waiting": 0}
    oldest = now - timedelta(days=raw_days)
    async with db.transaction() as conn:
        floor = await retention.floor(conn)
        due = await _border(conn, oldest, floor)
        needed = needed_since(await retention.clients(conn), now=now)
    if due is not None:
        async with db.transaction() as conn:
            moved = await _drop(conn, min(oldest, needed), floor=floor)
        if moved is None:
            counts["waiting"] = 1
        else:
            counts["days"] = (moved - max(floor, moved - timedelta(days=raw_days))).days
            counts["waiting"] = int(moved < due)
            floor = moved
    await progress(counts, done=1, total=2)
    removed = BATCHES_PER_TRANSACTION_MAX
    while removed == BATCHES_PER_TRANSACTION_MAX:
        async with db.transaction() as conn:
            removed = await retention.remove_batches(conn, floor, batches_max=BATCHES_PER_TRANSACTION_MAX)
        counts["batches"] += removed
        await progress(counts, done=1, total=2)
    async with db.transaction() as conn:
        await retention.drop_slots(conn, first_slot=slots_since(now, raw_floor=floor, needed=needed))
    return counts


async def _drop(conn: Connection, before: datetime, *, floor: datetime) -> datetime | None:
    """The new floor; None when nothing may go.

    What is needed was found out before, as ingest waits here: what is billed for good stays so.
    """
    await retention.hold_ingest(conn)
    border = await _border(conn, before, floor)
    if border is None or await retention.touched_before(conn, border):
        return None
    await retention.drop_raw(conn, border)
    return border


async def _border(conn: Connection, before: datetime, floor: datetime) -> datetime | None:
    """Up to when readings could go, None where that is not beyond the floor."""
    border = await retention.border(conn, before)
    return border if border is not None and border > floor else None

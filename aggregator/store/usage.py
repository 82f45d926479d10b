"""What single series measured: their newest readings, and their days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import sql
from aggregator.store.database import fetch_all, fetch_value
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("usage")

# A slot of an hour is rolled up a minute after its end; what was not by then is looked for among newer ticks.
LOOK_BACK = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class LatestReading:
    """The newest stored reading of a series, in steps; ``seconds`` is the span it is of."""

    series_id: int
    ticked_at: datetime
    seconds: Decimal
    value: int


@dataclass(frozen=True, slots=True)
class MeasuredDay:
    """What the slots of one day (UTC, counted from 1970) of a series add up to: steps, readings, slots."""

    series_id: int
    day: int
    total: Decimal
    n: Decimal
    slots: int


async def latest(seen: Snapshot, series: Sequence[int]) -> list[LatestReading]:
    """The newest reading of each series that has one."""
    params = {"series": list(series), "recent": seen.now - LOOK_BACK}
    return await fetch_all(seen.conn, LatestReading, _Q["latest"], params)


async def daily(
    seen: Snapshot, series: Sequence[int], *, from_slot: int, to_slot: int, client_id: int | None = None
) -> list[MeasuredDay]:
    """The days of [from_slot, to_slot) on which a series was measured, with ``client_id`` while it was that client's."""
    params = {
        "series": list(series),
        "from_slot": from_slot,
        "to_slot": to_slot,
        "client_id": client_id,
    }
    return await fetch_all(seen.conn, MeasuredDay, _Q["daily"], params)


async def rolled_up_to(seen: Snapshot, series: Sequence[int], *, from_slot: int, to_slot: int) -> int | None:
    """End of the last slot in the span that was rolled up for an agent of these series; None when none was."""
    params = {"series": list(series), "from_slot": from_slot, "to_slot": to_slot}
    end: int | None = await fetch_value(seen.conn, _Q["rolled_up_to"], params)
    return end

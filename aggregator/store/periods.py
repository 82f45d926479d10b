"""Periods, adjustments and what came too late, as people list them."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sql
from aggregator.store.database import Connection, fetch_all
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.readings import PeriodState
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("closing")

SORTS = ("period_end", "period_start", "client_name", "buckets", "total")
ADJUSTMENT_SORTS = ("in_start", "client_name", "bucket_name", "amount")
TOO_LATE_SORTS = ("stored_at", "ticked_at")
_UNITS_BITS = 32


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A period of a client with its money; ``id`` is both in one number."""

    id: int
    client_id: int
    client_name: str
    starts: datetime
    ends: datetime
    buckets: int
    currency: str
    total: Decimal
    final: bool
    finalised_at: datetime | None
    cutoff: datetime

    def state(self, now: datetime) -> PeriodState:
        """What became of it by ``now``."""
        if self.final:
            return PeriodState.FINALISED
        return PeriodState.ENDED if self.ends <= now else PeriodState.OPEN


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """A line that corrects a finalised reading."""

    id: int
    bucket_id: int
    bucket_name: str
    client_id: int
    client_name: str
    period_start: datetime
    period_end: datetime
    in_start: datetime
    delta_quantity: Decimal
    currency: str
    amount: Decimal
    finalised: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TooLateRow:
    """A reading that can be billed no more."""

    id: int
    agent_id: int
    agent_name: str
    asset_id: int
    asset_name: str
    unit_type: str
    value: int
    since: datetime
    ticked_at: datetime
    stored_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFilter:
    """Which periods; None: all. ``overdue_before``: those alone that ended before it and are not finalised.

    ``month`` is the first day of the reporting month, ``search`` looks at the client's name.
    """

    client_id: int | None = None
    state: PeriodState | None = None
    overdue_before: datetime | None = None
    month: date | None = None
    search: str = ""


async def list_periods(seen: Snapshot, paging: Paging, wanted: PeriodFilter) -> Page[PeriodRow]:
    """A page of periods with something billed in them."""
    keys = await find(
        seen.conn,
        _Q["period_page"],
        paging,
        now=seen.now,
        client_id=wanted.client_id,
        state=wanted.state or 0,
        overdue_before=wanted.overdue_before,
        month=wanted.month,
        search=contains(wanted.search),
    )
    params = {"ids": list(keys.ids[: paging.size])}
    return page(keys, paging, await fetch_all(seen.conn, PeriodRow, _Q["period_rows"], params))


async def period_row(conn: Connection, client_id: int, start_slot: int) -> PeriodRow | None:
    """The period of the client that starts in this unit; None where nothing is billed in it."""
    params = {"ids": [client_id << _UNITS_BITS | start_slot]}
    found = await fetch_all(conn, PeriodRow, _Q["period_rows"], params)
    return found[0] if found else None


async def list_adjustments(
    seen: Snapshot, paging: Paging, *, client_id: int | None, bucket_id: int | None
) -> Page[AdjustmentRow]:
    """A page of adjustments."""
    keys = await find(seen.conn, _Q["adjustment_page"], paging, client_id=client_id, bucket_id=bucket_id)
    params = {"ids": list(keys.ids[: paging.size])}
    return page(keys, paging, await fetch_all(seen.conn, AdjustmentRow, _Q["adjustment_rows"], params))


async def list_too_late(seen: Snapshot, paging: Paging, *, client_id: int | None) -> Page[TooLateRow]:
    """A page of readings that can be billed no more."""
    keys = await find(seen.conn, _Q["too_late_page"], paging, client_id=client_id)
    params = {"ids": list(keys.ids[: paging.size])}
    return page(keys, paging, await fetch_all(seen.conn, TooLateRow, _Q["too_late_rows"], params))

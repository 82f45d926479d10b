"""What buckets cost in their periods, and what they are expected to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

import sql
from aggregator.store.database import Connection, fetch_all
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("readings")

SORTS = ("period_end", "period_start", "client_name", "bucket_name", "quantity", "cost")
PROJECTION_SORTS = (
    "bucket_id",
    "client_name",
    "bucket_name",
    "projected_quantity",
    "projected_cost",
    "percent_of_commit",
)


class PeriodState(IntEnum):
    """What became of a period; as numbers because the page statement is asked in them."""

    OPEN = 1
    ENDED = 2
    FINALISED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFilter:
    """What a list of billing readings is restricted to.

    ``month`` is the first day of the reporting month, ``search`` looks at the names of bucket and client.
    """

    client_id: int | None = None
    bucket_id: int | None = None
    state: PeriodState | None = None
    month: date | None = None
    search: str = ""
    source_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionFilter:
    """What a list of projections is restricted to; ``over``: those above their commit, as new overages are counted."""

    client_id: int | None = None
    search: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """The result for one bucket and one period; ``id`` is both in one number."""

    id: int
    bucket_id: int
    bucket_name: str
    client_id: int
    client_name: str
    source_type: str
    unit_type: str
    symbol: str
    kind: str
    aggregation: str
    percentile: Decimal | None
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    commit: Decimal
    overage_units: Decimal
    currency: str
    used: Decimal
    buffer: Decimal
    overage: Decimal
    limit_amount: Decimal
    cost: Decimal
    measured: int
    absent: int
    gap: int
    spread: int
    segments: Sequence[Mapping[str, Any]]
    cutoff: datetime
    as_of_slot: int
    finalised_at: datetime | None

    def state(self, now: datetime) -> PeriodState:
        """What became of the period by ``now``."""
        if self.finalised_at is not None:
            return PeriodState.FINALISED
        return PeriodState.ENDED if self.period_end <= now else PeriodState.OPEN


@dataclass(frozen=True, slots=True)
class ProjectionRow:
    """The expected end of a bucket's open period; ``id`` is the bucket's.

    ``track_record`` is the median error of earlier projections at the same share of their periods, None without any.
    """

    id: int
    bucket_name: str
    client_id: int
    client_name: str
    unit_type: str
    symbol: str
    kind: str
    aggregation: str
    period_start: datetime
    period_end: datetime
    current_quantity: Decimal
    projected_quantity: Decimal
    currency: str
    projected_cost: Decimal
    percent_of_commit: Decimal | None
    low_quantity: Decimal | None
    high_quantity: Decimal | None
    low_cost: Decimal | None
    high_cost: Decimal | None
    method: str
    calculated_at: datetime
    track_record: Decimal | None


async def list_readings(seen: Snapshot, paging: Paging, wanted: ReadingFilter) -> Page[ReadingRow]:
    """A page of billing readings."""
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        now=seen.now,
        client_id=wanted.client_id,
        bucket_id=wanted.bucket_id,
        state=wanted.state or 0,
        month=wanted.month,
        search=contains(wanted.search),
        source_type=wanted.source_type,
    )
    params = {"ids": list(keys.ids[: paging.size])}
    return page(keys, paging, await fetch_all(seen.conn, ReadingRow, _Q["rows"], params))


async def readings_of(conn: Connection, ids: Sequence[int]) -> dict[int, ReadingRow]:
    """Billing readings by their ids."""
    rows = await fetch_all(conn, ReadingRow, _Q["rows"], {"ids": list(ids)})
    return {row.id: row for row in rows}


async def list_projections(seen: Snapshot, paging: Paging, wanted: ProjectionFilter) -> Page[ProjectionRow]:
    """A page of the projections of open periods."""
    keys = await find(
        seen.conn,
        _Q["projection_page"],
        paging,
        now=seen.now,
        client_id=wanted.client_id,
        search=contains(wanted.search),
        over=wanted.over,
    )
    params = {"ids": list(keys.ids[: paging.size]), "now": seen.now}
    return page(keys, paging, await fetch_all(seen.conn, ProjectionRow, _Q["projection_rows"], params))

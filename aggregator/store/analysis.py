"""What is compared over clients, buckets and months: sums that are kept by reporting month, and unbound usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sql
from aggregator.domain.insight import ends_since
from aggregator.domain.leakage import Leak
from aggregator.domain.over_under import MonthCommits, Units, counted_symbol
from aggregator.domain.revenue import Revenue
from aggregator.errors import NotFound
from aggregator.store.calendars import calendars
from aggregator.store.database import fetch_all, fetch_one
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("analysis")

BUCKETS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a comparison is restricted to; ``unit_type`` and ``status`` empty: all."""

    client_id: int | None = None
    bucket_id: int | None = None
    unit_type: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class OverUnderRow:
    """What a client, bucket or unit type came to in a month, in one currency; ids 0 where the row is of none.

    Of buckets not all rows are read: ``total`` is how many there are, ``all_overage`` and ``all_buffer`` are of all in the
    currency. The lists have a member for each kind of unit. Money and units are of buckets with a commit, but not ``cost``.
    """

    client_id: int
    client_name: str
    bucket_id: int
    bucket_name: str
    currency: str
    unit_types: Sequence[str]
    symbols: Sequence[str]
    counted: Sequence[str]
    delta: Sequence[Decimal]
    unused: Sequence[Decimal]
    commits: Sequence[Decimal]
    status: str
    cost: Decimal
    committed: Decimal
    overage: Decimal
    buffer: Decimal
    provisional: bool
    long_period: bool
    total: int = 0
    all_overage: Decimal = Decimal(0)
    all_buffer: Decimal = Decimal(0)

    @property
    def units(self) -> list[Units]:
        """Those with a commit."""
        kinds = zip(self.symbols, self.counted, self.delta, self.unused, self.commits, strict=True)
        return [
            Units(symbol=counted_symbol(symbol, counted), delta=delta, unused=unused, commit=commit)
            for symbol, counted, delta, unused, commit in kinds
            if commit
        ]


@dataclass(frozen=True, slots=True)
class _StatusCount:
    status: str
    clients: int


@dataclass(frozen=True, slots=True)
class _Unopened:
    client_id: int
    ends: datetime
    status: str


@dataclass(frozen=True, slots=True)
class _Known:
    bucket: bool
    client: bool
    unit_type: bool


async def check(seen: Snapshot, wanted: Wanted) -> None:
    """Raises ``NotFound`` for a bucket, client or unit type that there is not."""
    params = {"bucket_id": wanted.bucket_id, "client_id": wanted.client_id, "unit_type": wanted.unit_type}
    known = await fetch_one(seen.conn, _Known, _Q["known"], params)
    assert known is not None  # noqa: S101 - a select without from has a row
    if not known.bucket:
        raise NotFound("bucket", wanted.bucket_id or 0)
    if not known.client:
        raise NotFound("client", wanted.client_id or 0)
    if not known.unit_type:
        raise NotFound("unit type", wanted.unit_type)


async def over_under_clients(seen: Snapshot, month: date, wanted: Wanted) -> list[OverUnderRow]:
    """By client and currency, in the order of names."""
    return await fetch_all(seen.conn, OverUnderRow, _Q["over_under_clients"], _params(month, wanted))


async def over_under_units(seen: Snapshot, month: date, wanted: Wanted) -> list[OverUnderRow]:
    """By unit type, what of it is counted, and currency."""
    return await fetch_all(seen.conn, OverUnderRow, _Q["over_under_units"], _params(month, wanted))


async def over_under_buckets(seen: Snapshot, month: date, wanted: Wanted) -> list[OverUnderRow]:
    """By bucket and currency, those with most overage and buffer first, at most ``BUCKETS_MAX`` of them."""
    params = {**_params(month, wanted), "limit": BUCKETS_MAX}
    return await fetch_all(seen.conn, OverUnderRow, _Q["over_under_buckets"], params)


async def trend(seen: Snapshot, first: date, wanted: Wanted) -> list[MonthCommits]:
    """Each month from ``first`` on that has a reading."""
    if wanted.bucket_id is not None:
        params = {"bucket_id": wanted.bucket_id, "first": first, "since": ends_since(first)}
        return await fetch_all(seen.conn, MonthCommits, _Q["trend_bucket"], params)
    params = {"first": first, "client_id": wanted.client_id}
    if wanted.unit_type:
        of_unit = {**params, "unit_type": wanted.unit_type}
        return await fetch_all(seen.conn, MonthCommits, _Q["trend_unit"], of_unit)
    return await fetch_all(seen.conn, MonthCommits, _Q["trend"], params)


async def revenue(seen: Snapshot, first: date, beyond: date) -> list[Revenue]:
    """Of the months [first, beyond), by source type and of all."""
    params = {"first": first, "beyond": beyond, "since": ends_since(first)}
    return await fetch_all(seen.conn, Revenue, _Q["revenue"], params)


async def status_last_period(seen: Snapshot) -> dict[str, int]:
    """How many clients with a reading in their last period, the one before that which contains now, are of each status."""
    known = await fetch_all(seen.conn, _StatusCount, _Q["status_last_period"], {"now": seen.now})
    counts = {one.status: one.clients for one in known}
    unopened = await fetch_all(seen.conn, _Unopened, _Q["status_unopened"], {"now": seen.now})
    if unopened:
        found = await calendars(seen.conn, [one.client_id for one in unopened])
        for one in unopened:
            if found[one.client_id].period_containing(seen.now).start == one.ends:
                counts[one.status] = counts.get(one.status, 0) + 1
    return counts


async def leakage(seen: Snapshot, client_id: int | None) -> list[Leak]:
    """By client, nobody's last, and age."""
    params = {"client_id": client_id, "slot": seen.slot, "month_slot": seen.month_slot}
    return await fetch_all(seen.conn, Leak, _Q["leakage"], params)


def _params(month: date, wanted: Wanted) -> dict[str, object]:
    return {
        "month": month,
        "client_id": wanted.client_id,
        "unit_type": wanted.unit_type,
        "status": wanted.status,
    }

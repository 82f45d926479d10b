"""Ended readings as they were rated, for pricing them under other terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sql
from aggregator.domain.due import Agreement
from aggregator.domain.quantity import NO_USAGE, Unit, quantity
from aggregator.domain.terms import Segment, Terms
from aggregator.domain.what_if import READINGS_MIN, Change, RatedReading, RatedSegment, changed
from aggregator.store import rating
from aggregator.store.database import fetch_all, fetch_one
from aggregator.store.rating import Asked
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("analysis")


@dataclass(frozen=True, slots=True)
class SizedBucket:
    """A bucket whose commit may be of the wrong size; ``commit`` is the one in force."""

    id: int
    name: str
    client_id: int
    client_name: str
    unit_type: str
    symbol: str
    kind: str
    precision: int
    commit: Decimal


@dataclass(frozen=True, slots=True)
class Names:
    """Of a bucket and its client."""

    id: int
    name: str
    client_name: str


@dataclass(frozen=True, slots=True)
class _Row:
    bucket_id: int
    period_start: datetime
    period_end: datetime
    currency: str
    quantity: Decimal
    commit: Decimal
    buffer: Decimal
    cost: Decimal
    aggregation: str
    terms_id: int
    from_slot: int
    to_slot: int
    as_of_slot: int
    cutoff: datetime
    segments: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


@dataclass(frozen=True, slots=True)
class _Unit:
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int
    gap_hold: int


async def right_size_buckets(
    seen: Snapshot, *, client_id: int | None, unit_type: str, readings: int, limit: int
) -> list[int]:
    """Those with a commit in force and readings enough; most buffer over the readings first, each currency in turn."""
    params = {
        "client_id": client_id,
        "unit_type": unit_type,
        "readings": readings,
        "readings_min": READINGS_MIN,
        "limit": limit,
        "now": seen.now,
    }
    return [row.id for row in await fetch_all(seen.conn, _Id, _Q["right_size_buckets"], params)]


async def sized(seen: Snapshot, buckets: Sequence[int]) -> dict[int, SizedBucket]:
    """What is said of them, by id."""
    params = {"buckets": list(buckets), "now": seen.now}
    return {row.id: row for row in await fetch_all(seen.conn, SizedBucket, _Q["buckets"], params)}


async def names(seen: Snapshot, buckets: Sequence[int]) -> dict[int, Names]:
    """By id."""
    found = await fetch_all(seen.conn, Names, _Q["names"], {"buckets": list(buckets)})
    return {row.id: row for row in found}


async def billed_buckets(
    seen: Snapshot, *, bucket_id: int | None, client_id: int | None, limit: int
) -> list[int]:
    """Of those wanted (None: all) the ones with an ended reading, at most so many."""
    params = {"bucket_id": bucket_id, "client_id": client_id, "limit": limit, "now": seen.now}
    return [row.id for row in await fetch_all(seen.conn, _Id, _Q["wanted_buckets"], params)]


async def ended_readings(seen: Snapshot, buckets: Sequence[int], *, readings: int) -> list[RatedReading]:
    """The newest so many ended readings of each bucket, as they were rated, oldest first.

    Without those whose terms were deleted since: they are rated again by the next run.
    """
    of_buckets = {"buckets": list(buckets)}
    agreed = {terms.id: terms for terms in await fetch_all(seen.conn, Terms, _Q["terms"], of_buckets)}
    params = {**of_buckets, "readings": readings, "now": seen.now}
    rows = await fetch_all(seen.conn, _Row, _Q["ended_readings"], params)
    parts = [(row, _parts(row)) for row in rows]
    return [
        _reading(row, of_row, agreed) for row, of_row in parts if all(p["terms_id"] in agreed for p in of_row)
    ]


async def rated_again(seen: Snapshot, reading: RatedReading, change: Change) -> RatedReading:
    """The reading with the quantities that the change makes of the same slots, stored by the same cutoff."""
    row = await fetch_one(seen.conn, _Unit, _Q["bucket_unit"], {"bucket_id": reading.bucket_id})
    assert row is not None  # noqa: S101 - a reading's bucket is never deleted
    unit = Unit(
        kind=row.kind,
        divisor=row.divisor,
        per=row.per,
        precision=row.precision,
        slot_minutes=row.slot_minutes,
        gap_hold=row.gap_hold,
    )
    agreement = Agreement(bucket_id=reading.bucket_id, unit=unit, terms=())
    asked = [
        Asked(
            agreement=agreement,
            segment=Segment(changed(one.terms, change), one.from_slot, one.to_slot, one.fraction, one.pauses),
            until=one.as_of_slot,
        )
        for one in reading.segments
    ]
    folded = await rating.usage(seen.conn, asked, cutoff=reading.cutoff)
    quantities = [
        quantity(
            folded[place].usage if place in folded else NO_USAGE,
            aggregation=one.segment.terms.aggregation,
            unit=unit,
            slots=one.slots,
        )
        for place, one in enumerate(asked)
    ]
    return reading.with_quantities(quantities)


def _parts(row: _Row) -> Sequence[Mapping[str, Any]]:
    """As store/billing.py keeps them. Readings of an older program have none: they are one, of the whole period."""
    return row.segments or [
        {
            "terms_id": row.terms_id,
            "quantity": str(row.quantity),
            "fraction": "1",
            "from_slot": row.from_slot,
            "to_slot": row.to_slot,
            "as_of_slot": row.as_of_slot,
            "pauses": [],
        }
    ]


def _reading(row: _Row, parts: Sequence[Mapping[str, Any]], agreed: Mapping[int, Terms]) -> RatedReading:
    return RatedReading(
        bucket_id=row.bucket_id,
        period_start=row.period_start,
        period_end=row.period_end,
        currency=row.currency,
        quantity=row.quantity,
        cost=row.cost,
        buffer=row.buffer,
        unused=max(Decimal(0), row.commit - row.quantity),
        commit=row.commit,
        cutoff=row.cutoff,
        segments=tuple(
            RatedSegment(
                terms=agreed[part["terms_id"]],
                quantity=Decimal(part["quantity"]),
                fraction=Fraction(part["fraction"]),
                from_slot=part["from_slot"],
                to_slot=part["to_slot"],
                as_of_slot=part["as_of_slot"],
                pauses=tuple((start, end) for start, end in part["pauses"]),
            )
            for part in parts
        ),
    )

"""What billing reads and writes: cutoffs, what is due, readings. Usage is read by store/rating.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.daily import DayPart
from aggregator.domain.due import Account, Agreement, DirtyDay, Standing
from aggregator.domain.gap import Coverage
from aggregator.domain.period import Period
from aggregator.domain.quantity import Unit
from aggregator.domain.rate import Charge, Part, Rating
from aggregator.domain.terms import Aggregation, Segment, Terms, read_tiers
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("billing")


@dataclass(frozen=True, slots=True)
class Billed:
    """A client as billing sees it."""

    id: int
    finalised_slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPart:
    """A segment of a reading, and what its slots that have ended came to; ``days``: as many as were asked for."""

    segment: Segment
    as_of_slot: int
    part: Part
    coverage: Coverage
    days: Sequence[DayPart] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """The result for one bucket and one period; ``agreed`` as `Agreement.agreed` gives it."""

    bucket_id: int
    parts: Sequence[RatedPart]
    rating: Rating
    as_of_slot: int
    agreed: str


@dataclass(frozen=True, slots=True)
class Saved:
    """Readings written, and those of them that are new or say something else than before."""

    readings: int
    changed: int


@dataclass(frozen=True, slots=True)
class _AgreedLine:
    bucket_id: int
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int
    unit_gap_hold: int
    terms_id: int
    starts_on: date
    ends_on: date | None
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal
    aggregation: Aggregation
    percentile: Decimal | None
    package: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    tiers: Sequence[Mapping[str, str]] | None
    gap_hold: int | None
    prorate: bool


async def read_cutoff(conn: Connection) -> datetime:
    """The database's time of an instant in which no group commit was under way.

    Everything stored at or before it is visible to later statements, and nothing will be added. End the transaction at
    once: ingest waits for it.
    """
    await conn.execute(_Q["lock_ingest"])
    cutoff: datetime = await fetch_value(conn, _Q["cutoff"])
    return cutoff


async def clients(conn: Connection) -> list[Billed]:
    """All clients with a bucket, also those that are disabled: their last periods are billed like any other."""
    return await fetch_all(conn, Billed, _Q["clients"])


async def account(conn: Connection, client: Billed) -> Account:
    """All that decides what is due for the client."""
    return Account(
        cycle=(await calendars(conn, [client.id]))[client.id],
        agreements=await agreements(conn, client.id),
        standings=await standings(conn, client),
        first_slot=await first_slot(conn, client.id),
        finalised_slot=client.finalised_slot,
    )


async def try_client(conn: Connection, client_id: int) -> bool:
    """Holds the client for this transaction; False when another run is at work on it."""
    return bool(await fetch_value(conn, _Q["try_client"], {"client_id": client_id}))


async def overtaken(conn: Connection, client_id: int, run_id: int) -> bool:
    """Whether a run after this one has rated the client already; ask while holding it."""
    params = {"client_id": client_id, "run_id": run_id}
    return bool(await fetch_value(conn, _Q["overtaken"], params))


async def agreements(conn: Connection, client_id: int) -> list[Agreement]:
    """The client's buckets that have terms."""
    lines = await fetch_all(conn, _AgreedLine, _Q["agreements"], {"client_id": client_id})
    return [
        _agreement(bucket_id, list(of_bucket))
        for bucket_id, of_bucket in groupby(lines, key=lambda line: line.bucket_id)
    ]


async def first_slot(conn: Connection, client_id: int) -> int | None:
    """The first slot with usage bound to one of the client's buckets."""
    slot: int | None = await fetch_value(conn, _Q["first_slot"], {"client_id": client_id})
    return slot


async def standings(conn: Connection, client: Billed) -> list[Standing]:
    """The client's readings in time that is not billed for good."""
    params = {"client_id": client.id, "finalised_slot": client.finalised_slot}
    return await fetch_all(conn, Standing, _Q["standings"], params)


async def dirty_days(conn: Connection, client_id: int) -> list[DirtyDay]:
    """Days of the client's buckets that changed since they were rated."""
    rows = await (await conn.execute(_Q["dirty_days"], {"client_id": client_id})).fetchall()
    return [(bucket, day) for bucket, day in rows]


async def take_dirty(conn: Connection, client_id: int, period: Period) -> list[DirtyDay]:
    """Takes away the marks of days that have a slot in the period, with the transaction.

    Whatever is read in later statements holds the change that made the mark; a change after that makes a new one.
    """
    from_slot, to_slot = period.slots(width=1)[0], period.to_slot
    asked = {"client_id": client_id, "from_slot": from_slot, "to_slot": to_slot}
    rows = await (await conn.execute(_Q["lock_dirty"], asked)).fetchall()
    taken = [(bucket, day) for bucket, day in rows]
    if taken:
        await execute(conn, _Q["take_dirty"], _columns(taken))
    return taken


async def mark_dirty(conn: Connection, days: Collection[DirtyDay]) -> None:
    """Has these days rated again by the next run."""
    if days:
        await execute(conn, _Q["mark_dirty"], _columns(days))


async def save(
    conn: Connection,
    readings: Sequence[Rated],
    *,
    currency: str,
    period: Period,
    cutoff: datetime,
    run_id: int,
) -> Saved:
    """Writes the readings of one period; finalised ones stay as they are."""
    params = {
        "readings": Jsonb([_row(reading) for reading in readings]),
        "period_start": period.start,
        "period_end": period.end,
        "currency": currency,
        "cutoff": cutoff,
        "run_id": run_id,
    }
    return await fetch_one(conn, Saved, _Q["save"], params) or Saved(0, 0)


async def remove(conn: Connection, bucket_ids: Collection[int], period: Period) -> int:
    """Removes readings of a period that their buckets have no terms in; how many there were."""
    if not bucket_ids:
        return 0
    params = {"bucket_ids": list(bucket_ids), "period_start": period.start}
    return await execute(conn, _Q["remove"], params)


def _agreement(bucket_id: int, lines: Sequence[_AgreedLine]) -> Agreement:
    unit = lines[0]
    return Agreement(
        bucket_id=bucket_id,
        unit=Unit(
            kind=unit.kind,
            divisor=unit.divisor,
            per=unit.per,
            precision=unit.precision,
            slot_minutes=unit.slot_minutes,
            gap_hold=unit.unit_gap_hold,
        ),
        terms=tuple(
            Terms(
                id=line.terms_id,
                starts_on=line.starts_on,
                ends_on=line.ends_on,
                commit=line.commit,
                base_price=line.base_price,
                overage_price=line.overage_price,
                aggregation=line.aggregation,
                percentile=line.percentile,
                package=line.package,
                minimum=line.minimum,
                maximum=line.maximum,
                tiers=read_tiers(line.tiers),
                gap_hold=line.gap_hold,
                prorate=line.prorate,
            )
            for line in lines
        ),
    )


def _row(reading: Rated) -> dict[str, Any]:
    """As the statement `save` unpacks it: decimals as text, so that JSON does not round them."""
    last, first = reading.parts[-1], reading.parts[0]
    terms, money = last.segment.terms, reading.rating.charge
    coverage = sum((part.coverage for part in reading.parts), Coverage())
    return {
        "bucket_id": reading.bucket_id,
        "terms_id": terms.id,
        "from_slot": first.segment.from_slot,
        "to_slot": last.segment.to_slot,
        "as_of_slot": reading.as_of_slot,
        "agreed": reading.agreed,
        "aggregation": terms.aggregation.value,
        "percentile": None if terms.percentile is None else _plain(terms.percentile),
        "quantity": _plain(reading.rating.quantity),
        **_money(money),
        **_pairs(coverage),
        "segments": [_segment(part) for part in reading.parts],
    }


def _segment(rated: RatedPart) -> dict[str, Any]:
    segment, part = rated.segment, rated.part
    return {
        "terms_id": segment.terms.id,
        "from_slot": segment.from_slot,
        "to_slot": segment.to_slot,
        "pauses": segment.pauses,
        "as_of_slot": rated.as_of_slot,
        "fraction": str(segment.fraction),
        "quantity": _plain(part.quantity),
        **_money(part.charge),
        **_pairs(rated.coverage),
    }


def _money(charge: Charge) -> dict[str, str]:
    return {
        "commit": _plain(charge.commit),
        "overage_units": _plain(charge.overage_units),
        "used": _plain(charge.used),
        "buffer": _plain(charge.buffer),
        "overage": _plain(charge.overage),
        "limit_amount": _plain(charge.limit),
        "cost": _plain(charge.cost),
    }


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _pairs(coverage: Coverage) -> dict[str, int]:
    return {
        "measured": coverage.measured,
        "absent": coverage.absent,
        "gap": coverage.gap,
        "spread": coverage.spread,
    }


def _columns(days: Collection[DirtyDay]) -> dict[str, list[int]]:
    return {"bucket_ids": [bucket for bucket, _ in days], "day_slots": [day for _, day in days]}

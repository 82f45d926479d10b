"""What billing reads and writes: cutoffs, what is due, folded usage, readings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.due import Agreement, DirtyDay, Standing
from aggregator.domain.period import Cycle, Period
from aggregator.domain.quantity import Unit, Usage
from aggregator.domain.rate import Charge
from aggregator.domain.terms import Aggregation, Segment, Terms
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("billing")


@dataclass(frozen=True, slots=True)
class Billed:
    """A client as billing sees it. Raises ``ValueError`` from ``cycle`` where the zone is unknown to this machine."""

    id: int
    currency: str
    currency_digits: int
    time_zone: str
    cycle_unit: str
    cycle_count: int
    cycle_anchor: date
    finalised_slot: int

    def cycle(self) -> Cycle:
        """How the client's time is cut into periods."""
        return Cycle(
            unit=self.cycle_unit,
            count=self.cycle_count,
            anchor=self.cycle_anchor,
            time_zone=self.time_zone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Slots [from_slot, to_slot) of a bucket; assets are counted only where asked, it costs."""

    bucket_id: int
    from_slot: int
    to_slot: int
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A bucket's usage by the cutoff; ``late`` where there is more, stored after it."""

    usage: Usage
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """The result for one bucket and one period."""

    bucket_id: int
    segment: Segment
    as_of_slot: int
    quantity: Decimal
    charge: Charge


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
    terms_id: int
    starts_on: date
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal
    aggregation: Aggregation


async def read_cutoff(conn: Connection) -> datetime:
    """The database's time of an instant in which no group commit was under way.

    Everything stored at or before it is visible to later statements, and nothing will be added. End the transaction at
    once: ingest waits for it.
    """
    await conn.execute(_Q["lock_ingest"])
    cutoff: datetime = await fetch_value(conn, _Q["cutoff"])
    return cutoff


async def clients(conn: Connection) -> list[Billed]:
    """All enabled clients."""
    return await fetch_all(conn, Billed, _Q["clients"])


async def try_client(conn: Connection, client_id: int) -> bool:
    """Holds the client for this transaction; False when another run is at work on it."""
    return bool(await fetch_value(conn, _Q["try_client"], {"client_id": client_id}))


async def overtaken(conn: Connection, client_id: int, run_id: int) -> bool:
    """Whether a run after this one has rated the client already; ask while holding it."""
    params = {"client_id": client_id, "run_id": run_id}
    return bool(await fetch_value(conn, _Q["overtaken"], params))


async def agreements(conn: Connection, client_id: int) -> list[Agreement]:
    """The client's enabled buckets that have terms."""
    lines = await fetch_all(conn, _AgreedLine, _Q["agreements"], {"client_id": client_id})
    return [
        _agreement(bucket_id, list(of_bucket))
        for bucket_id, of_bucket in groupby(lines, key=lambda line: line.bucket_id)
    ]


async def first_slot(conn: Connection, client_id: int) -> int | None:
    """The first slot with usage bound to one of the client's enabled buckets."""
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


async def usage(conn: Connection, spans: Sequence[Span], *, cutoff: datetime) -> Mapping[int, Folded]:
    """Folded slot values by bucket, of what was stored by the cutoff; buckets without usage are left out."""
    if not spans:
        return {}
    await conn.execute(_Q["rating_memory"])
    params = {
        "bucket_ids": [s.bucket_id for s in spans],
        "from_slots": [s.from_slot for s in spans],
        "to_slots": [s.to_slot for s in spans],
        "counted": [s.counted for s in spans],
        "since": min(s.from_slot for s in spans),
        "until": max(s.to_slot for s in spans),
        "cutoff": cutoff,
    }
    rows = await (await conn.execute(_Q["usage"], params)).fetchall()
    # Sums come as numeric: they may be larger than a bigint, and are whole.
    return {
        bucket: Folded(
            usage=Usage(total=int(total), high=int(high), last=int(last), assets=assets), late=late
        )
        for bucket, total, high, last, assets, late in rows
    }


async def save(
    conn: Connection,
    readings: Sequence[Rated],
    *,
    client: Billed,
    period: Period,
    cutoff: datetime,
    run_id: int,
) -> Saved:
    """Writes the readings of one period; finalised ones stay as they are."""
    params = {
        "readings": Jsonb([_row(reading) for reading in readings]),
        "period_start": period.start,
        "period_end": period.end,
        "currency": client.currency,
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
        ),
        terms=tuple(
            Terms(
                id=line.terms_id,
                starts_on=line.starts_on,
                commit=line.commit,
                base_price=line.base_price,
                overage_price=line.overage_price,
                aggregation=line.aggregation,
            )
            for line in lines
        ),
    )


def _row(reading: Rated) -> dict[str, int | str]:
    """As the statement `save` unpacks it: decimals as text, so that JSON does not round them."""
    segment, charge = reading.segment, reading.charge
    return {
        "bucket_id": reading.bucket_id,
        "terms_id": segment.terms.id,
        "from_slot": segment.from_slot,
        "to_slot": segment.to_slot,
        "as_of_slot": reading.as_of_slot,
        "aggregation": segment.terms.aggregation.value,
        "quantity": str(reading.quantity),
        "commit": str(segment.terms.commit),
        "overage_units": str(charge.overage_units),
        "used": str(charge.used),
        "buffer": str(charge.buffer),
        "overage": str(charge.overage),
        "cost": str(charge.cost),
    }


def _columns(days: Collection[DirtyDay]) -> dict[str, list[int]]:
    return {"bucket_ids": [bucket for bucket, _ in days], "day_slots": [day for _, day in days]}

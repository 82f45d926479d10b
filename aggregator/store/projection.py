"""Reads the readings of open periods and writes what they are expected to become."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.project import Projection
from aggregator.domain.quantity import Unit
from aggregator.domain.terms import Aggregation, Segment, Terms
from aggregator.store.database import Connection, execute, fetch_all

_Q = sql.queries("projection")


@dataclass(frozen=True, slots=True)
class OpenReading:
    """A bucket's reading of its open period, with what it was rated on."""

    bucket_id: int
    period_start: datetime
    period_end: datetime
    from_slot: int
    to_slot: int
    as_of_slot: int
    quantity: Decimal
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
    currency: str
    currency_digits: int

    @property
    def unit(self) -> Unit:
        """What the quantity counts."""
        return Unit(
            kind=self.kind,
            divisor=self.divisor,
            per=self.per,
            precision=self.precision,
            slot_minutes=self.slot_minutes,
        )

    @property
    def segment(self) -> Segment:
        """The slots that the reading is of, and the terms it was rated under."""
        terms = Terms(
            id=self.terms_id,
            starts_on=self.starts_on,
            commit=self.commit,
            base_price=self.base_price,
            overage_price=self.overage_price,
            aggregation=self.aggregation,
        )
        return Segment(terms=terms, from_slot=self.from_slot, to_slot=self.to_slot)


async def clients(conn: Connection) -> list[int]:
    """Ids of all enabled clients."""
    return [client for (client,) in await (await conn.execute(_Q["clients"])).fetchall()]


async def open_readings(conn: Connection, client_id: int, *, now: datetime) -> list[OpenReading]:
    """Readings of the client's enabled buckets whose period contains ``now``."""
    return await fetch_all(conn, OpenReading, _Q["open_readings"], {"client_id": client_id, "now": now})


async def save(
    conn: Connection,
    projections: Sequence[tuple[OpenReading, Projection]],
    *,
    now: datetime,
    run_id: int,
) -> int:
    """Writes the newest projection of each bucket; how many there were."""
    rows = [
        {
            "bucket_id": reading.bucket_id,
            "period_start": reading.period_start.isoformat(),
            "period_end": reading.period_end.isoformat(),
            "aggregation": reading.segment.terms.aggregation.value,
            "current_quantity": str(reading.quantity),
            "projected_quantity": str(projection.quantity),
            "currency": reading.currency,
            "projected_cost": str(projection.cost),
            "percent_of_commit": _text(projection.percent_of_commit),
        }
        for reading, projection in projections
    ]
    return await execute(conn, _Q["save"], {"projections": Jsonb(rows), "now": now, "run_id": run_id})


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)

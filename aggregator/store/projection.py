"""Reads the readings of open periods and writes what they are expected to become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.project import Measured, Projection
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import slot_start
from aggregator.domain.terms import Segment, Terms
from aggregator.store.database import Connection, execute, fetch_all

_Q = sql.queries("projection")


@dataclass(frozen=True, slots=True)
class OpenReading:
    """A bucket's reading of its open period, with the parts that it was rated in as store/billing.py keeps them."""

    bucket_id: int
    period_start: datetime
    period_end: datetime
    from_slot: int
    quantity: Decimal
    aggregation: str
    segments: Sequence[Mapping[str, Any]]
    currency: str
    cutoff: datetime
    rated_by: int
    currency_digits: int
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int

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
    def as_of_slot(self) -> int:
        """End of the last slot that it counts."""
        return max(int(part["as_of_slot"]) for part in self.segments)

    @property
    def share(self) -> int:
        """Per cent of the period that it counts, rounded down."""
        passed = slot_start(self.as_of_slot) - self.period_start
        return max(0, min(100, 100 * passed // (self.period_end - self.period_start)))

    def measured(self, terms: Mapping[int, Terms]) -> list[Measured]:
        """The parts, each under its terms."""
        return [
            Measured(
                segment=Segment(
                    terms=terms[part["terms_id"]],
                    from_slot=part["from_slot"],
                    to_slot=part["to_slot"],
                    fraction=Fraction(part["fraction"]),
                    pauses=tuple((start, end) for start, end in part["pauses"]),
                ),
                quantity=Decimal(part["quantity"]),
                as_of_slot=part["as_of_slot"],
            )
            for part in self.segments
        ]


async def clients(conn: Connection) -> list[int]:
    """Ids of all clients with a bucket."""
    return [client for (client,) in await (await conn.execute(_Q["clients"])).fetchall()]


async def open_readings(conn: Connection, client_id: int, *, now: datetime) -> list[OpenReading]:
    """Readings of the client's buckets whose period contains ``now``, those that were rated since they were projected."""
    return await fetch_all(conn, OpenReading, _Q["open_readings"], {"client_id": client_id, "now": now})


async def terms(conn: Connection, client_id: int) -> dict[int, Terms]:
    """All terms of the client's buckets, by id."""
    return {t.id: t for t in await fetch_all(conn, Terms, _Q["terms"], {"client_id": client_id})}


async def save(
    conn: Connection,
    projections: Sequence[tuple[OpenReading, Projection]],
    *,
    now: datetime,
    run_id: int,
) -> int:
    """Writes the newest projection of each bucket, and remembers it for the track record; how many there were."""
    rows = [
        {
            "bucket_id": reading.bucket_id,
            "period_start": reading.period_start.isoformat(),
            "period_end": reading.period_end.isoformat(),
            "aggregation": reading.aggregation,
            "current_quantity": str(reading.quantity),
            "projected_quantity": str(projection.quantity),
            "currency": reading.currency,
            "projected_cost": str(projection.cost),
            "percent_of_commit": _text(projection.percent_of_commit),
            "low_quantity": _text(projection.low_quantity),
            "high_quantity": _text(projection.high_quantity),
            "low_cost": _text(projection.low_cost),
            "high_cost": _text(projection.high_cost),
            "method": projection.method,
            "rated_by": reading.rated_by,
            "share": reading.share,
        }
        for reading, projection in projections
    ]
    return await execute(conn, _Q["save"], {"projections": Jsonb(rows), "now": now, "run_id": run_id})


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)

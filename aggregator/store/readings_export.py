"""Readings and adjustments of one period of each client, line by line."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg.rows import class_row

import sql
from aggregator.store.database import Connection, fetch_all, fetch_value

_Q = sql.queries("readings_export")


@dataclass(frozen=True, slots=True)
class FileOf:
    """What there is of a source type; ``final``: all of it."""

    source_type: str
    rows: int
    final: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A reading, or an adjustment, which has no parts: its quantity and cost are differences."""

    kind: str
    client_id: int
    client_name: str
    bucket_id: int
    bucket_name: str
    source_type: str
    unit_type: str
    symbol: str
    unit_kind: str
    aggregation: str
    percentile: Decimal | None
    period_start: datetime
    period_end: datetime
    of_start: datetime | None
    quantity: Decimal
    commit: Decimal | None
    overage_units: Decimal | None
    currency: str
    used: Decimal | None
    buffer: Decimal | None
    overage: Decimal | None
    limit_amount: Decimal | None
    cost: Decimal
    measured: int | None
    absent: int | None
    gap: int | None
    cutoff: datetime
    finalised_at: datetime | None
    notes: str


async def client_ids(conn: Connection, client_id: int | None) -> list[int]:
    """All clients, or the one if it is there."""
    rows = await (await conn.execute(_Q["client_ids"], {"client_id": client_id})).fetchall()
    return [row[0] for row in rows]


async def knows_source_type(conn: Connection, name: str) -> bool:
    """Whether there is one of that name."""
    return bool(await fetch_value(conn, _Q["knows_source_type"], {"name": name}))


async def files(conn: Connection, at: Sequence[tuple[int, datetime]], *, source_type: str) -> list[FileOf]:
    """What there is, by source type; ``at`` has clients with a time in each period, ``source_type`` empty: all of them."""
    return await fetch_all(conn, FileOf, _Q["files"], {**_params(at), "source_type": source_type})


async def lines(
    conn: Connection, at: Sequence[tuple[int, datetime]], *, source_type: str
) -> AsyncIterator[Line]:
    """All of one source type, by client and bucket."""
    async with conn.cursor(row_factory=class_row(Line)) as cursor:
        async for line in cursor.stream(_Q["lines"], {**_params(at), "source_type": source_type}):
            yield line


def _params(at: Sequence[tuple[int, datetime]]) -> dict[str, list[int] | list[datetime]]:
    return {"clients": [client for client, _ in at], "at": [one for _, one in at]}

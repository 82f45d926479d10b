"""Names and totals that a dry run tells people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sql
from aggregator.store.database import Connection, fetch_all, fetch_value

_Q = sql.queries("preview")


@dataclass(frozen=True, slots=True)
class SeriesName:
    """Of which asset a series is, and what it counts."""

    id: int
    asset_id: int
    asset_name: str
    unit_type: str


@dataclass(frozen=True, slots=True)
class BucketName:
    """``aggregation``: as the terms in force say; None without terms. ``commit`` 0: none."""

    id: int
    name: str
    client_id: int
    aggregation: str | None
    commit: Decimal


@dataclass(frozen=True, slots=True)
class _Name:
    id: int
    name: str


async def now(conn: Connection) -> datetime:
    """The database's time."""
    at: datetime = await fetch_value(conn, _Q["now"])
    return at


async def assets_total(conn: Connection) -> int:
    """How many assets there are at all."""
    total: int = await fetch_value(conn, _Q["assets_total"])
    return total


async def series(conn: Connection, ids: Collection[int]) -> Mapping[int, SeriesName]:
    """By id."""
    return {row.id: row for row in await fetch_all(conn, SeriesName, _Q["series"], {"series": list(ids)})}


async def buckets(conn: Connection, ids: Collection[int], *, now: datetime) -> Mapping[int, BucketName]:
    """By id."""
    rows = await fetch_all(conn, BucketName, _Q["bucket_names"], {"buckets": list(ids), "now": now})
    return {row.id: row for row in rows}


async def asset_names(conn: Connection, ids: Collection[int]) -> Mapping[int, str]:
    """By id."""
    rows = await fetch_all(conn, _Name, _Q["asset_names"], {"assets": list(ids)})
    return {row.id: row.name for row in rows}


async def client_names(conn: Connection, ids: Collection[int]) -> Mapping[int, str]:
    """By id."""
    rows = await fetch_all(conn, _Name, _Q["client_names"], {"clients": list(ids)})
    return {row.id: row.name for row in rows}

"""Evidence of finalised readings: what it is gathered from, where it is kept, and the raw readings that explain it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sql
from aggregator.domain.evidence import Bound, Evidence, canonical, digest
from aggregator.domain.slot import slot_start
from aggregator.store.database import Connection, fetch_all, fetch_value

_Q = sql.queries("evidence")

RAW_READINGS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """Evidence as it is stored; whether it is what it was is for ``verify`` to say."""

    bucket_id: int
    period_start: datetime
    body: str
    sha256: bytes
    names: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RawReading:
    """One value as an agent read it."""

    since: datetime
    ticked_at: datetime
    stored_at: datetime
    agent: str
    value: int
    unit_type: str


@dataclass(frozen=True, slots=True)
class _BoundLine:
    bucket_id: int
    id: int
    series_id: int
    asset_id: int
    merged_from: int | None
    first_slot: int | None
    from_slot: int
    to_slot: int


async def save(conn: Connection, found: Mapping[int, Evidence]) -> None:
    """Keeps the evidence of readings, by bucket, with the names of now; for readings that have none yet."""
    params = []
    for evidence in found.values():
        body = canonical(evidence)
        params.append(
            {
                "bucket_id": evidence.bucket_id,
                "period_start": evidence.period_start,
                "body": body,
                "sha256": digest(body),
                "assets": sorted({b.asset_id for b in evidence.bindings}),
            }
        )
    async with conn.cursor() as cursor:
        await cursor.executemany(_Q["save"], params)


async def forget(conn: Connection, client_id: int, *, name: str) -> None:
    """Replaces the client's name where it is kept beside evidence."""
    await conn.execute(_Q["forget"], {"client_id": client_id, "name": name})


async def texts(conn: Connection, bucket_ids: Collection[int], period_start: datetime) -> dict[int, Kept]:
    """What is kept of one period, by bucket."""
    params = {"bucket_ids": list(bucket_ids), "period_start": period_start}
    return {kept.bucket_id: kept for kept in await fetch_all(conn, Kept, _Q["texts"], params)}


async def as_of(conn: Connection, bucket_ids: Collection[int], period_start: datetime) -> dict[int, int]:
    """Where the buckets' readings of the period end, by bucket; without those that have none."""
    params = {"bucket_ids": list(bucket_ids), "period_start": period_start}
    return dict(await (await conn.execute(_Q["as_of"], params)).fetchall())


async def bound(
    conn: Connection,
    spans: Mapping[int, tuple[int, int]],
    *,
    bindings: Collection[int] | None = None,
) -> dict[int, tuple[Bound, ...]]:
    """What is bound to each bucket in its span, cut to it; ``bindings`` given, of these ids alone."""
    params = {
        "bucket_ids": list(spans),
        "from_slots": [start for start, _ in spans.values()],
        "to_slots": [end for _, end in spans.values()],
        "bindings": None if bindings is None else list(bindings),
    }
    found: dict[int, list[Bound]] = {bucket: [] for bucket in spans}
    for line in await fetch_all(conn, _BoundLine, _Q["bound"], params):
        found[line.bucket_id].append(
            Bound(
                id=line.id,
                series_id=line.series_id,
                asset_id=line.asset_id,
                merged_from=line.merged_from,
                first_slot=line.first_slot,
                from_slot=line.from_slot,
                to_slot=line.to_slot,
            )
        )
    return {bucket: tuple(lines) for bucket, lines in found.items()}


async def finalised(
    conn: Connection, client_id: int, *, bucket_id: int | None, at: datetime | None
) -> list[int]:
    """Ids of the client's finalised readings, oldest first; ``at`` a time in the one period that is meant."""
    params = {"client_id": client_id, "bucket_id": bucket_id, "at": at}
    return [row[0] for row in await (await conn.execute(_Q["finalised"], params)).fetchall()]


async def reading_at(conn: Connection, bucket_id: int, at: datetime) -> int | None:
    """Id of the bucket's reading of the period that holds a time."""
    found: int | None = await fetch_value(conn, _Q["reading_at"], {"bucket_id": bucket_id, "at": at})
    return found


async def client_of(conn: Connection, bucket_id: int) -> int | None:
    """Whose bucket it is; None: there is none."""
    found: int | None = await fetch_value(conn, _Q["client_of"], {"bucket_id": bucket_id})
    return found


async def asset_names(conn: Connection, assets: Collection[int]) -> dict[int, str]:
    """As they are called now."""
    return dict(await (await conn.execute(_Q["asset_names"], {"assets": list(assets)})).fetchall())


async def raw_floor(conn: Connection) -> datetime | None:
    """From when on raw readings are complete; None: from the first."""
    found: datetime | None = await fetch_value(conn, _Q["raw_floor"])
    return found


async def raw_readings(
    conn: Connection, *, bucket_id: int, asset_id: int, slot: int, width: int, cutoff: datetime
) -> Sequence[RawReading]:
    """What an asset's series that were bound to the bucket had read for a slot, by time; at most ``RAW_READINGS_MAX``."""
    params = {
        "bucket_id": bucket_id,
        "asset_id": asset_id,
        "slot": slot,
        "starts": slot_start(slot),
        "ends": slot_start(slot + width),
        "cutoff": cutoff,
        "rows_max": RAW_READINGS_MAX,
    }
    return await fetch_all(conn, RawReading, _Q["raw_readings"], params)

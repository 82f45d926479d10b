"""Builders for what an agent sends: series, ticks, payloads, sealed batches; and for what a test asks the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID, uuid4

import psycopg

from ullage.v1 import ingest_pb2

# 2026-03-01 12:00 UTC, on a border of slots.
NOON_US = 1_772_366_400_000_000
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


@dataclass(frozen=True)
class Series:
    """What an agent says of a series and its asset."""

    unit_type: str = "ram"
    source_type: str = "host"
    external_id: str = "h1"
    name: str = "host one"
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


RAM = Series("ram")
RAM_USED = Series("ram-used")
CPU = Series("cpu")
RATE = Series("rate-in", "interface", "eth0", "eth0")


@dataclass(frozen=True)
class Tick:
    """One tick; one minute long unless said otherwise."""

    readings: Sequence[tuple[Series, int]] = ()
    at: int = NOON_US
    since: int | None = None
    reported: Sequence[str] = ("host",)
    failed: Sequence[str] = ()
    boottime: int = 0


def encoded(*ticks: Tick, version: int = 1) -> bytes:
    """A payload with a dictionary of the series in the ticks, in order of appearance."""
    dictionary = ingest_pb2.Dictionary()
    assets: dict[tuple[str, str], int] = {}
    series: dict[Series, int] = {}
    batch = ingest_pb2.Batch(version=version, boot_id="boot")
    for tick in ticks:
        for one, _ in tick.readings:
            if one in series:
                continue
            key = (one.source_type, one.external_id)
            if key not in assets:
                assets[key] = len(assets)
                dictionary.assets.add(
                    source_type=one.source_type,
                    external_id=one.external_id,
                    name=one.name,
                    address=one.address,
                    labels=one.labels,
                )
            series[one] = len(series)
            dictionary.series.add(asset=assets[key], unit_type=one.unit_type)
        batch.ticks.add(
            ticked_at_us=tick.at,
            since_us=tick.at - MINUTE_US if tick.since is None else tick.since,
            boottime_us=tick.boottime,
            reported=tick.reported,
            failed=tick.failed,
            series=[series[one] for one, _ in tick.readings],
            values=[value for _, value in tick.readings],
        )
    batch.dictionary = dictionary.SerializeToString()
    return batch.SerializeToString()


def tombstone(through: int, *, reason: str = "damaged", at: int = NOON_US) -> bytes:
    """A payload that stands for numbers up to ``through``."""
    lost = ingest_pb2.Tombstone(
        through=through, from_us=at, to_us=at + MINUTE_US, reason=reason, detail="a segment was damaged"
    )
    return ingest_pb2.Batch(version=1, boot_id="boot", tombstone=lost).SerializeToString()


class Spool:
    """Numbers and seals payloads like an agent's spool: sealed bytes never change."""

    def __init__(self) -> None:
        self.epoch = uuid4().bytes
        self.batches: list[ingest_pb2.SealedBatch] = []

    def seal(self, payload: bytes) -> ingest_pb2.SealedBatch:
        """The next batch."""
        self.batches.append(sealed(self.epoch, len(self.batches) + 1, payload))
        return self.batches[-1]


def sealed(epoch: bytes, seq: int, payload: bytes) -> ingest_pb2.SealedBatch:
    """A batch under a number of one's choice."""
    return ingest_pb2.SealedBatch(epoch=epoch, seq=seq, sha256=sha256(payload).digest(), payload=payload)


def register_agent(dsn: str, name: str = "web1", *, site: str = "berlin", state: str = "active") -> UUID:
    """A row in `agent`, as registering it makes one."""
    uuid = uuid4()
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "insert into agent (uuid, name, site, state) values (%s, %s, %s, %s)", [uuid, name, site, state]
        )
    return uuid


def stored(dsn: str) -> list[tuple[str, str, int]]:
    """Every reading in the database: (external id, unit type, value), sorted."""
    return [
        (str(external_id), str(unit_type), int(str(value)))
        for external_id, unit_type, value in rows(
            dsn,
            """
            select a.external_id, u.name, r.value from tick t, unnest(t.series, t.value) r (series, value)
            join series s on s.id = r.series join asset a on a.id = s.asset_id join unit_type u on u.id = s.unit_type_id
            order by 1, 2, 3
            """,
        )
    ]


def rows(dsn: str, query: str, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
    """The answer of a query on a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        return conn.execute(query.encode(), params).fetchall()

"""How fast readings can be written at all: ticks in the array layout by COPY, as ingest commits them."""

import asyncio
import struct
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg

from bench.registry import Figure, benchmark

AGENTS = 100
SERIES_PER_AGENT = 100
TICKS_PER_AGENT = 400
# As many readings as a group commit takes together.
READINGS_PER_COMMIT = 100_000
RUNS = 3
START = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)
COPY = """copy tick (ticked_at, since, agent_id, stored_at, reported, failed, series, value)
    from stdin (format binary)"""
SMALLINT, INTEGER, BIGINT = 21, 23, 20
WIDTHS = {SMALLINT: 2, INTEGER: 4, BIGINT: 8}


@benchmark("storage.copy_ticks")
async def copy_ticks(dsn: str, scale: float) -> list[Figure]:
    """Readings a second through COPY into the tick table, and what a reading takes on disk and in the log."""
    ticks = max(1, round(TICKS_PER_AGENT * scale))
    rng = np.random.default_rng(1)
    rates, size, log = [], 0.0, 0.0
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        for _ in range(RUNS):
            await conn.execute("truncate tick")
            await conn.commit()
            before = await _log_position(conn)
            seconds = await _fill(conn, rng, ticks)
            readings = AGENTS * SERIES_PER_AGENT * ticks
            rates.append(readings / seconds)
            log = (await _log_position(conn) - before) / readings
            size = await _table_bytes(conn) / readings
    sizes = {
        "readings": readings,
        "ticks": AGENTS * ticks,
        "readings a commit": READINGS_PER_COMMIT,
        "runs": RUNS,
    }
    return [
        Figure(
            name="COPY of ticks (median)",
            value=sorted(rates)[len(rates) // 2],
            unit="readings/s",
            sizes=sizes,
        ),
        Figure(
            name="tick table with its indexes", value=size, unit="bytes/reading", sizes={"readings": readings}
        ),
        Figure(
            name="log written by COPY of ticks", value=log, unit="bytes/reading", sizes={"readings": readings}
        ),
    ]


async def _fill(conn: psycopg.AsyncConnection, rng: np.random.Generator, ticks: int) -> float:
    """Write all ticks, minute by minute over all agents, and return the seconds spent."""
    indexes = [np.arange(SERIES_PER_AGENT) + agent * SERIES_PER_AGENT for agent in range(AGENTS)]
    spent, waiting = 0.0, []
    for minute in range(ticks):
        at = START + timedelta(minutes=minute)
        values = rng.integers(0, 2**40, size=(AGENTS, SERIES_PER_AGENT))
        began = time.perf_counter()
        waiting += [_row(at, agent, indexes[agent], values[agent]) for agent in range(AGENTS)]
        if len(waiting) * SERIES_PER_AGENT >= READINGS_PER_COMMIT or minute == ticks - 1:
            async with conn.cursor() as cursor, cursor.copy(COPY) as copy:
                await copy.write(b"".join([HEADER, *waiting, TRAILER]))
            await conn.commit()
            waiting = []
        spent += time.perf_counter() - began
        await asyncio.sleep(0)
    return spent


def _row(at: datetime, agent: int, series: np.ndarray, values: np.ndarray) -> bytes:
    stamp = struct.pack("!iq", 8, round((at - EPOCH).total_seconds() * 1_000_000))
    since = struct.pack("!iq", 8, round((at - EPOCH).total_seconds() * 1_000_000) - 60_000_000)
    parts = [struct.pack("!h", 8), stamp, since, struct.pack("!iq", 8, agent + 1), stamp]
    arrays = [
        (SMALLINT, np.array([1, 2])),
        (SMALLINT, np.array([], int)),
        (INTEGER, series),
        (BIGINT, values),
    ]
    return b"".join([*parts, *(_array(oid, array) for oid, array in arrays)])


def _array(oid: int, values: np.ndarray) -> bytes:
    """A one-dimensional array in PostgreSQL's binary form: a header, then length and value of each element."""
    width = WIDTHS[oid]
    elements = np.empty(len(values), dtype=[("length", ">i4"), ("value", f">i{width}")])
    elements["length"], elements["value"] = width, values
    dimensions = struct.pack("!ii", len(values), 1) if len(values) else b""
    body = struct.pack("!iii", 1 if len(values) else 0, 0, oid) + dimensions + elements.tobytes()
    return struct.pack("!i", len(body)) + body


async def _log_position(conn: psycopg.AsyncConnection) -> float:
    row = await (await conn.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).fetchone()
    assert row is not None
    return float(row[0])


async def _table_bytes(conn: psycopg.AsyncConnection) -> float:
    """The table with its chunks, indexes and out-of-line values."""
    asked = """
        with recursive part (oid) as (
            select 'tick'::regclass::oid union all select inhrelid from pg_inherits join part on inhparent = part.oid
        ) select sum(pg_total_relation_size(oid)) from part"""
    row = await (await conn.execute(asked)).fetchone()
    assert row is not None
    return float(row[0])

"""Agents, series and ticks for tests of the roll-up: written straight into the tables, as ingest leaves them."""

import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from aggregator.store.database import Database
from tests.slots_reference import BIGINT_MAX, MINUTE_US, Key, Row, Tick, Unit, touched_slots

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2026, 2, 28, 20, tzinfo=UTC)
START_US = (START - EPOCH) // timedelta(microseconds=1)
# Long after all ticks of these tests: every slot has ended.
LATER = START + timedelta(days=60)
UNITS = {
    "cpu": Unit(amount=True, width=60),
    "ram-used": Unit(amount=False, width=60),
    "net-in": Unit(amount=True, width=60),
    "disk": Unit(amount=False, width=60),
    "rate-in": Unit(amount=True, width=5),
}
Conn = psycopg.AsyncConnection


def moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The aggregator's pool, closed at the end."""
    db = await Database.open(dsn, connections_max=6)
    try:
        yield db
    finally:
        await db.close()


async def add_agent(conn: Conn, *, site: str = "berlin") -> int:
    """A new agent's id."""
    row = await (
        await conn.execute(
            "insert into agent (uuid, name, site) values (%s, %s, %s) returning id",
            [uuid4(), f"agent {uuid4()}", site],
        )
    ).fetchone()
    assert row is not None
    return int(row[0])


async def add_series(
    conn: Conn, agent: int, units: Iterable[str], *, name: str = "web-1", source_type: int = 1
) -> list[int]:
    """A new asset of the agent with one series per unit type; their ids in that order."""
    asset = await (
        await conn.execute(
            "insert into asset (source_type_id, scope, external_id, name, agent_id)"
            " values (%s, %s, %s, %s, %s) returning id",
            [source_type, f"agent:{agent}", str(uuid4()), name, agent],
        )
    ).fetchone()
    assert asset is not None
    found = []
    for unit in units:
        row = await (
            await conn.execute(
                "insert into series (asset_id, unit_type_id)"
                " select %s, id from unit_type where name = %s returning id",
                [asset[0], unit],
            )
        ).fetchone()
        assert row is not None
        found.append(int(row[0]))
    return found


async def store(conn: Conn, ticks: Sequence[Tick]) -> None:
    """Ticks as ingest stores them, in this order."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into tick (ticked_at, since, agent_id, stored_at, reported, failed, series, value)"
            " values (%s, %s, %s, %s, %s::smallint[], %s::smallint[], %s::integer[], %s::bigint[])",
            [
                (
                    moment(tick.at),
                    moment(tick.since),
                    tick.agent,
                    moment(tick.stored),
                    list(tick.reported),
                    list(tick.failed),
                    [series for series, _ in tick.readings],
                    [value for _, value in tick.readings],
                )
                for tick in ticks
            ],
        )
        await cursor.executemany(
            "insert into touched (agent_id, width, slot) values (%s, %s, %s)",
            [key for tick in ticks for key in sorted(touched_slots(tick))],
        )


async def saved_slots(conn: Conn) -> dict[Key, Row]:
    """What the slot tables hold, in the shape of the reference."""
    found: dict[Key, Row] = {}
    for width, table in ((60, "slot_60"), (5, "slot_5")):
        cursor = await conn.execute(
            f"select agent_id, slot, series, n, total, low, high, last, reported, stored_max from {table}"  # noqa: S608
        )
        async for agent, slot, *arrays, stored_max in cursor:
            a, b, c, d, e, f, g = (tuple(array) for array in arrays)
            found[agent, width, slot] = (
                a, b, c, d, e, f, g, (stored_max - EPOCH) // timedelta(microseconds=1)
            )  # fmt: skip
    return found


async def touches(conn: Conn) -> int:
    """Rows that wait to be rolled up."""
    row = await (await conn.execute("select count(*) from touched")).fetchone()
    assert row is not None
    return int(row[0])


def random_ticks(chance: random.Random, agent: int, series: dict[int, Unit]) -> list[Tick]:
    """A history with everything that happens: borders met exactly, odd times, outages, failures, repeats, huge values."""
    at = START_US + chance.choice((0, 1, chance.randrange(60 * MINUTE_US)))
    interval = chance.choice((MINUTE_US, 5 * MINUTE_US, 7 * MINUTE_US + 3, 60 * MINUTE_US, 90 * MINUTE_US))
    carried = sorted(series) if chance.random() < 0.5 else chance.sample(sorted(series), len(series))
    ticks: list[Tick] = []
    for number in range(chance.randrange(1, 40)):
        since = at
        at += interval
        if chance.random() < 0.06:
            at += chance.choice((MINUTE_US * 60, MINUTE_US * 60 * 30, MINUTE_US * 59 + 999_999, 1))
        if chance.random() < 0.05:
            # Onto a border, or one microsecond beside it.
            at = -(-at // (60 * MINUTE_US)) * 60 * MINUTE_US + chance.choice((-1, 0, 1))
            since = min(since, at)
        present = [one for one in carried if chance.random() < 0.9] if chance.random() < 0.3 else carried
        readings = tuple((one, _value(chance)) for one in present if since < at or not series[one].amount)
        ticks.append(
            Tick(
                agent=agent,
                at=at,
                since=since,
                stored=START_US + 86_400_000_000 + number * chance.choice((0, 1, 1_000_003)),
                reported=tuple(sorted(chance.sample((1, 2, 3, 5), chance.randrange(3)))),
                failed=(4,) if chance.random() < 0.1 else (),
                readings=readings,
            )
        )
        if chance.random() < 0.08:
            # The same moment once more, with other values and another span.
            other = tuple((one, _value(chance)) for one in chance.sample(carried, len(carried)))
            ticks.append(
                Tick(agent=agent, at=at, since=at - 13 * MINUTE_US, stored=at, reported=(1,), readings=other)
            )
    return ticks


def _value(chance: random.Random) -> int:
    return chance.choice(
        (
            0,
            1,
            chance.randrange(100),
            chance.randrange(2**31),
            chance.randrange(2**32, 2**48),
            chance.choice((2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, BIGINT_MAX))
            if chance.random() < 0.2
            else 7,
        )
    )

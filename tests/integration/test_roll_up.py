"""The roll-up against a slow and obvious reference, and what happens beside it while it runs."""

import asyncio
import random
from datetime import timedelta

import pytest

from aggregator.actions.roll_up import SETTLE, roll_up
from aggregator.domain.slot import slot_of
from aggregator.store import rollup
from aggregator.store.database import Database
from tests.rollup_world import (
    LATER,
    START,
    START_US,
    UNITS,
    Conn,
    add_agent,
    add_series,
    moment,
    opened,
    random_ticks,
    saved_slots,
    store,
    touches,
)
from tests.slots_reference import BIGINT_MAX, MINUTE_US, Tick, Unit, slots_of_ticks

HOUR_US = 60 * MINUTE_US
WORLDS = 60


async def world(conn: Conn, seed: int, *, agents: int) -> tuple[list[list[Tick]], dict[int, Unit]]:
    """The same random history for each of so many agents, with series of their own; and what the series count."""
    units: dict[int, Unit] = {}
    histories = []
    kinds = random.Random(seed).choices(sorted(UNITS), k=random.Random(seed).randrange(1, 7))
    for _ in range(agents):
        agent = await add_agent(conn)
        mine: dict[int, Unit] = {}
        for name in kinds:
            [series] = await add_series(conn, agent, [name])
            mine[series] = UNITS[name]
        units |= mine
        histories.append(random_ticks(random.Random(seed), agent, mine))
    return histories, units


async def agent_with(conn: Conn, *units: str) -> tuple[int, list[int], dict[int, Unit]]:
    """One agent, its series and what they count."""
    agent = await add_agent(conn)
    series = await add_series(conn, agent, units)
    return agent, series, {one: UNITS[name] for one, name in zip(series, units, strict=True)}


def tick(agent: int, minutes: float, *readings: tuple[int, int], span: float = 1.0) -> Tick:
    """A tick so many minutes after the start, over a span of minutes."""
    at = START_US + round(minutes * MINUTE_US)
    return Tick(
        agent=agent,
        at=at,
        since=at - round(span * MINUTE_US),
        stored=at + 1,
        reported=(1,),
        readings=readings,
    )


@pytest.mark.storage
async def test_slots_equal_the_reference_to_the_last_unit(dsn: str, conn: Conn) -> None:
    ticks: list[Tick] = []
    units: dict[int, Unit] = {}
    for seed in range(WORLDS):
        [history], known = await world(conn, seed, agents=1)
        ticks += history
        units |= known
    random.Random(1).shuffle(ticks)
    async with opened(dsn) as db:
        # In three parts with a roll-up after each: slots are touched again and worked out again.
        for part in range(3):
            await store(conn, ticks[part::3])
            await conn.commit()
            counts = await roll_up(db, now=LATER)
            assert counts["slots"] > 0
    expected = slots_of_ticks(ticks, units)
    saved = await saved_slots(conn)
    assert saved.keys() == expected.keys()
    wrong = [(key, saved[key], row) for key, row in expected.items() if saved[key] != row]
    assert wrong[:1] == []
    assert await touches(conn) == 0
    # The worlds held what they are meant to hold.
    assert any(row[2] and max(row[2]) == BIGINT_MAX for row in expected.values())
    assert any(row[6] and not row[0] for row in expected.values())
    assert any(t.at - t.since > 24 * HOUR_US for t in ticks)
    assert any(t.at % HOUR_US == 0 for t in ticks)


@pytest.mark.storage
async def test_the_order_of_storing_changes_nothing(dsn: str, conn: Conn) -> None:
    for seed in range(1000, 1012):
        histories, _ = await world(conn, seed, agents=3)
        given = [
            histories[0],
            histories[1][::-1],
            random.Random(seed).sample(histories[2], len(histories[2])),
        ]
        async with opened(dsn) as db:
            for ticks in given:
                await store(conn, ticks)
                await conn.commit()
                await roll_up(db, now=LATER)
        rows = await saved_slots(conn)
        by_agent = [
            {key[1:]: row[1:] for key, row in rows.items() if key[0] == history[0].agent}
            for history in histories
        ]
        assert by_agent[0]
        # Series are numbered in one order within each agent, so that everything but their ids is equal.
        assert by_agent[0] == by_agent[1] == by_agent[2]


@pytest.mark.storage
async def test_a_replay_is_rolled_up_to_the_same_slots(dsn: str, conn: Conn) -> None:
    [history], _ = await world(conn, 7, agents=1)
    await store(conn, history)
    await conn.commit()
    async with opened(dsn) as db:
        first = await roll_up(db, now=LATER)
        before = await saved_slots(conn)
        await conn.execute("insert into touched select agent_id, 60, slot from slot_60")
        await conn.execute("insert into touched select agent_id, 5, slot from slot_5")
        await conn.commit()
        assert await roll_up(db, now=LATER) == first
        assert await saved_slots(conn) == before


async def test_a_slot_is_rolled_up_a_minute_after_its_end_and_not_before(dsn: str, conn: Conn) -> None:
    agent, [ram], units = await agent_with(conn, "ram-used")
    ticks = [tick(agent, 10, (ram, 5)), tick(agent, 60, (ram, 7)), tick(agent, 61, (ram, 9))]
    await store(conn, ticks)
    await conn.commit()
    ends = START + timedelta(hours=1)
    async with opened(dsn) as db:
        await roll_up(db, now=ends + SETTLE - timedelta(microseconds=1))
        assert [key for key in await saved_slots(conn) if key[1] == 60] == []
        await roll_up(db, now=ends + SETTLE)
        expected = slots_of_ticks(ticks, units)
        hours = {key: row for key, row in (await saved_slots(conn)).items() if key[1] == 60}
        key = (agent, 60, slot_of(START))
        assert hours == {key: expected[key]}
        assert expected[key][2] == (12,)
        left = await touches(conn)
        assert left > 0
        await roll_up(db, now=LATER)
    assert await saved_slots(conn) == expected


async def test_what_a_counter_catches_up_is_spread_over_the_outage(dsn: str, conn: Conn) -> None:
    agent, [net], _ = await agent_with(conn, "net-in")
    await store(conn, [tick(agent, 60 * k, (net, 100), span=60) for k in range(1, 7)])
    await store(conn, [tick(agent, 600, (net, 400), span=240)])
    await conn.commit()
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
    hours = [row[2][0] for key, row in sorted((await saved_slots(conn)).items()) if key[1] == 60]
    assert hours == [100] * 10


async def test_an_amount_over_a_border_leaves_its_remainder_in_the_last_slot(dsn: str, conn: Conn) -> None:
    agent, [net], _ = await agent_with(conn, "net-in")
    await store(conn, [tick(agent, 70, (net, 100), span=30)])
    await conn.commit()
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
    assert [row[2] for key, row in sorted((await saved_slots(conn)).items()) if key[1] == 60] == [
        (66,),
        (34,),
    ]


async def test_a_total_beyond_the_column_stops_at_its_end(dsn: str, conn: Conn) -> None:
    agent, [ram], _ = await agent_with(conn, "ram-used")
    await store(conn, [tick(agent, 10, (ram, BIGINT_MAX)), tick(agent, 20, (ram, BIGINT_MAX - 1))])
    await conn.commit()
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
    [row] = [row for key, row in (await saved_slots(conn)).items() if key[1] == 60]
    assert row[1:6] == ((2,), (BIGINT_MAX,), (BIGINT_MAX - 1,), (BIGINT_MAX,), (BIGINT_MAX - 1,))


async def test_a_slot_in_which_nothing_is_left_is_removed(dsn: str, conn: Conn) -> None:
    agent, [ram], _ = await agent_with(conn, "ram-used")
    await store(conn, [tick(agent, 10, (ram, 5))])
    await conn.commit()
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
        assert len(await saved_slots(conn)) == 2
        await conn.execute("delete from tick")
        await conn.execute("insert into touched select agent_id, 60, slot from slot_60")
        await conn.commit()
        await roll_up(db, now=LATER)
    assert [key[1] for key in await saved_slots(conn)] == [5]


async def test_a_tick_committed_beside_a_roll_up_is_not_lost(dsn: str, conn: Conn) -> None:
    agent, [ram], units = await agent_with(conn, "ram-used")
    ticks = [tick(agent, minutes, (ram, 5)) for minutes in (10, 20, 30)]
    await store(conn, ticks[:1])
    await conn.commit()
    async with opened(dsn) as db:
        async with db.transaction() as rolling:
            assert await rollup.lock_agents(rolling, [agent]) == [agent]
            taken = await rollup.take_touches(rolling, [agent], ended_by=LATER, touches_max=100)
            await store(conn, ticks[1:2])
            await conn.commit()
            await rollup.roll(rolling, taken)
            await store(conn, ticks[2:])
            await conn.commit()
        # The second was seen, the third not yet; both brought their own touches, and those are left.
        [row] = [row for key, row in (await saved_slots(conn)).items() if key[1] == 60]
        assert row[1] == (2,)
        assert await touches(conn) == 4
        await roll_up(db, now=LATER)
    assert await saved_slots(conn) == slots_of_ticks(ticks, units)
    assert await touches(conn) == 0


async def test_an_agent_is_left_to_the_roll_up_that_is_at_work_on_it(dsn: str, conn: Conn) -> None:
    agents = []
    for _ in range(2):
        agent, [ram], _ = await agent_with(conn, "ram-used")
        await store(conn, [tick(agent, 10, (ram, 5))])
        agents.append(agent)
    await conn.commit()
    async with opened(dsn) as db:
        async with db.transaction() as other:
            assert await rollup.lock_agents(other, agents[:1]) == agents[:1]
            async with asyncio.timeout(20):
                counts = await roll_up(db, now=LATER)
        assert counts["agents"] == 1
        assert {key[0] for key in await saved_slots(conn)} == {agents[1]}
        await roll_up(db, now=LATER)
    assert {key[0] for key in await saved_slots(conn)} == set(agents)


@pytest.mark.storage
async def test_roll_ups_at_once_beside_ingest_lose_nothing(dsn: str, conn: Conn) -> None:
    ticks: list[Tick] = []
    units: dict[int, Unit] = {}
    for seed in range(2000, 2010):
        [history], known = await world(conn, seed, agents=1)
        ticks += history
        units |= known
    random.Random(3).shuffle(ticks)
    await conn.commit()
    async with opened(dsn) as db, opened(dsn) as other:
        stored = asyncio.Event()

        async def ingest() -> None:
            for start in range(0, len(ticks), 10):
                await store(conn, ticks[start : start + 10])
                await conn.commit()
            stored.set()

        async def keep_rolling(database: Database) -> None:
            while not stored.is_set():
                await roll_up(database, now=LATER)

        async with asyncio.timeout(120):
            await asyncio.gather(ingest(), keep_rolling(db), keep_rolling(other))
            await roll_up(db, now=LATER)
    assert await saved_slots(conn) == slots_of_ticks(ticks, units)
    assert await touches(conn) == 0


async def test_who_measured_what_and_when_is_noted(dsn: str, conn: Conn) -> None:
    agent, [ram, cpu], _ = await agent_with(conn, "ram-used", "cpu")
    await store(conn, [tick(agent, 10, (ram, 5)), tick(agent, 200, (ram, 5), (cpu, 1))])
    await conn.commit()
    first = slot_of(START)
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
        await store(conn, [tick(agent, -10, (ram, 5))])
        await conn.commit()
        await roll_up(db, now=LATER)
    cursor = await conn.execute("select series_id, agent_id, from_slot, to_slot from series_agent order by 1")
    assert await cursor.fetchall() == [
        (ram, agent, first - 12, first + 48),
        (cpu, agent, first + 36, first + 48),
    ]


async def test_the_days_of_bound_buckets_become_dirty_and_no_others(dsn: str, conn: Conn) -> None:
    agent, [ram, rate], _ = await agent_with(conn, "ram-used", "rate-in")
    await conn.execute(
        "insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)"
        " values ('c', 'EUR', 2, 'UTC', 'month', 1, '2026-01-01')"
    )
    await conn.execute(
        "insert into bucket (client_id, name, source_type_id, unit_type_id)"
        " select client.id, u.name, 1, u.id from client, unit_type u where u.name in ('ram-used', 'rate-in', 'cpu')"
    )
    day = slot_of(START) // 288 * 288
    # From the second day on.
    await conn.execute(
        "insert into binding (series_id, bucket_id, from_slot) select s.id, b.id, %s"
        " from series s join bucket b on b.unit_type_id = s.unit_type_id",
        [day + 288],
    )
    await store(
        conn, [tick(agent, 10, (ram, 5)), tick(agent, 10 + 24 * 60, (ram, 5)), tick(agent, 3000, (ram, 5))]
    )
    await conn.execute("delete from touched where width = 5")
    await conn.commit()
    async with opened(dsn) as db:
        await roll_up(db, now=LATER)
        cursor = await conn.execute(
            "select b.name, day_slot from dirty join bucket b on b.id = bucket_id order by 2"
        )
        assert await cursor.fetchall() == [("ram-used", day + 288), ("ram-used", day + 576)]
        await conn.execute("delete from dirty")
        await store(conn, [tick(agent, 11 + 24 * 60, (rate, 5))])
        await conn.commit()
        await roll_up(db, now=LATER)
    cursor = await conn.execute(
        "select b.name, day_slot from dirty join bucket b on b.id = bucket_id order by 1"
    )
    assert await cursor.fetchall() == [("ram-used", day + 288), ("rate-in", day + 288)]


async def test_slots_can_be_had_as_they_were_at_a_cutoff(dsn: str, conn: Conn) -> None:
    [history], units = await world(conn, 11, agents=1)
    await store(conn, history)
    await conn.commit()
    cutoff = sorted(t.stored for t in history)[len(history) // 2]
    expected = slots_of_ticks([t for t in history if t.stored <= cutoff], units)
    keys = sorted(slots_of_ticks(history, units))
    columns: list[list[int]] = [list(column) for column in zip(*keys, strict=True)]
    cursor = await conn.execute(
        "select agent_id, width, slot, total from slots_of(%s::bigint[], %s::smallint[], %s::integer[], %s)",
        [*columns, moment(cutoff)],
    )
    found = {(agent, width, slot): tuple(total) for agent, width, slot, total in await cursor.fetchall()}
    assert found == {key: row[2] for key, row in expected.items()}
    assert len(expected) < len(keys)

"""Usage per month as the roll-up keeps it, against a count of all slots."""

import random
from collections import defaultdict

import pytest

from aggregator.actions.roll_up import roll_up
from aggregator.domain.slot import slot_start
from tests.rollup_world import (
    LATER,
    START_US,
    UNITS,
    Conn,
    add_agent,
    add_series,
    opened,
    random_ticks,
    saved_slots,
    store,
)
from tests.slots_reference import MINUTE_US, Tick

HOUR_US = 60 * MINUTE_US
Usage = dict[tuple[int, object], tuple[int, int, int, int, int, int]]


async def reference(conn: Conn) -> Usage:
    """What the slot tables hold, added up slot by slot."""
    cursor = await conn.execute(
        "select s.id, u.kind, u.level_value from series s join unit_type u on u.id = s.unit_type_id"
    )
    kinds = {series: (kind, value) async for series, kind, value in cursor}
    cells: defaultdict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for (agent, _, slot), row in (await saved_slots(conn)).items():
        series, counts, total, _, high, last = row[:6]
        for place, one in enumerate(series):
            kind, which = kinds[one]
            of_level = {
                "mean": (2 * total[place] + counts[place]) // (2 * counts[place]),
                "high": high[place],
                "last": last[place],
            }
            value = total[place] if kind == "amount" else of_level[which]
            cells[one, slot].append((-counts[place], agent, value))
    found: defaultdict[tuple[int, object], list[tuple[int, int, int]]] = defaultdict(list)
    for (series_id, slot), reports in sorted(cells.items()):
        if kinds[series_id][0] == "amount":
            counted = slot, sum(value for _, _, value in reports), -sum(n for n, _, _ in reports)
        else:
            n, _, value = min(reports)
            counted = (slot, value, -n)
        found[series_id, slot_start(slot).date().replace(day=1)].append(counted)
    return {
        key: (
            sum(value for _, value, _ in slots),
            max(value for _, value, _ in slots),
            slots[-1][1],
            slots[-1][0],
            len(slots),
            sum(n for _, _, n in slots),
        )
        for key, slots in found.items()
    }


async def kept(conn: Conn) -> Usage:
    cursor = await conn.execute(
        "select series_id, month, total, high, last, last_slot, slots, readings from series_usage"
    )
    return {
        (series, month): (int(total), high, last, last_slot, slots, readings)
        async for series, month, total, high, last, last_slot, slots, readings in cursor
    }


def smaller(ticks: list[Tick]) -> list[Tick]:
    """The same with values that add up within a column."""
    return [
        Tick(
            agent=t.agent,
            at=t.at,
            since=t.since,
            stored=t.stored,
            reported=t.reported,
            failed=t.failed,
            readings=tuple((series, value % 2**40) for series, value in t.readings),
        )
        for t in ticks
    ]


@pytest.mark.storage
async def test_usage_equals_a_full_count_in_random_worlds(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        for seed in range(12):
            chance = random.Random(seed)
            kinds = chance.sample(sorted(UNITS), 3)
            agents = [await add_agent(conn) for _ in range(2)]
            series = await add_series(conn, agents[0], kinds, source_type=5)
            units = {one: UNITS[name] for one, name in zip(series, kinds, strict=True)}
            # Two agents of one series: at the same time, one after the other, or back and forth.
            ticks = [t for agent in agents for t in smaller(random_ticks(chance, agent, units))]
            chance.shuffle(ticks)
            parts = 4
            for part in range(parts):
                await store(conn, ticks[part::parts])
                await conn.commit()
                await roll_up(db, now=LATER)
                assert await kept(conn) == await reference(conn), (seed, part)
            # Ticks are never deleted, but what the roll-up would do then is known all the same.
            await conn.execute(
                "delete from tick where (agent_id, ticked_at) in (select agent_id, ticked_at from tick"
                " where agent_id = any(%s) and extract(minute from ticked_at)::int %% 3 = 0)",
                [agents],
            )
            await conn.execute(
                "insert into touched select agent_id, 60, slot from slot_60 where agent_id = any(%s)"
                " union all select agent_id, 5, slot from slot_5 where agent_id = any(%s)",
                [agents, agents],
            )
            await conn.commit()
            await roll_up(db, now=LATER)
            assert await kept(conn) == await reference(conn), seed


async def test_a_value_that_falls_lowers_what_was_highest(dsn: str, conn: Conn) -> None:
    agent = await add_agent(conn)
    [series] = await add_series(conn, agent, ["ram-used"])

    def at(minute: int, value: int) -> Tick:
        us = START_US + minute * MINUTE_US
        return Tick(agent=agent, at=us, since=us, stored=us, reported=(1,), readings=((series, value),))

    async with opened(dsn) as db:
        await store(conn, [at(10, 100), at(70, 40), at(130, 50)])
        await conn.commit()
        await roll_up(db, now=LATER)
        await store(conn, [at(20, 0)])
        await conn.commit()
        await roll_up(db, now=LATER)
        [usage] = (await kept(conn)).values()
    assert usage[0] == 140
    assert usage[1:3] == (50, 50)


async def test_an_asset_was_seen_when_its_last_slot_ended(dsn: str, conn: Conn) -> None:
    agent = await add_agent(conn)
    series = await add_series(conn, agent, ["ram-used", "cpu"])
    ticks = [
        Tick(
            agent=agent,
            at=START_US + 10 * MINUTE_US + place * HOUR_US,
            since=START_US + 9 * MINUTE_US + place * HOUR_US,
            stored=START_US,
            reported=(1,),
            readings=((one, 1),),
        )
        for place, one in enumerate(series)
    ]
    async with opened(dsn) as db:
        await store(conn, ticks)
        await conn.commit()
        await roll_up(db, now=LATER)
    row = await (await conn.execute("select slot_start(last_slot) from asset_seen")).fetchone()
    assert row is not None
    assert row[0] == slot_start((START_US // MINUTE_US // 5) + 24)

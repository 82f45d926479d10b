"""Evidence on the real database: it rates to the readings, is gathered again, and shows what was tampered with."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import pytest

from aggregator.actions.evidence import gather, gather_again
from aggregator.actions.explain import Explained, explain
from aggregator.actions.roll_up import roll_up
from aggregator.actions.verify import Verified, verify
from aggregator.domain.evidence import canonical, rate_again, read
from aggregator.domain.slot import slot_of
from aggregator.domain.verify import Said, check_rating, differences
from aggregator.errors import Invalid, NotFound
from aggregator.store import evidence as kept
from aggregator.store.billing import Billed
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database
from aggregator.store.readings import readings_of
from aggregator.store.snapshot import snapshot
from tests.billing_world import APRIL, MARCH, World, run
from tests.integration.test_billing import random_world

pytestmark = pytest.mark.storage
HOUR = timedelta(hours=1)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def all_readings(conn: Connection) -> list[tuple[int, int]]:
    """Ids of clients and readings."""
    rows = await (
        await conn.execute(
            "select b.client_id, r.bucket_id << 32 | r.from_slot from billing_reading r join bucket b on b.id = r.bucket_id"
            " order by 1, 2"
        )
    ).fetchall()
    return [(int(client), int(reading)) for client, reading in rows]


@pytest.mark.parametrize("seed", range(2))
async def test_evidence_of_a_random_world_rates_to_its_readings_and_is_gathered_again(
    db: Database, seed: int
) -> None:
    await random_world(db, seed)
    await run(db)
    compared = 0
    async with db.transaction() as conn:
        for client_id, reading_id in await all_readings(conn):
            row = (await readings_of(conn, [reading_id]))[reading_id]
            period = (await calendars(conn, [client_id]))[client_id].period_containing(row.period_start)
            found = await gather(conn, Billed(client_id, 0), period, [row.bucket_id], cutoff=row.cutoff)
            evidence = found[row.bucket_id]
            assert read(canonical(evidence)) == evidence
            said = Said(**{name: getattr(row, name) for name in Said.__dataclass_fields__})
            step = check_rating(said, evidence, rate_again(evidence))
            assert step.text in (
                "the reading is not marked as final, though there is evidence of it",
                f"rating the evidence again gives {row.cost} {row.currency}, as the reading says",
            )
            again, _ = await gather_again(conn, evidence, raw=False)
            assert differences(evidence, again) == []
            compared += 1
    assert compared > 10


@dataclass(frozen=True)
class Ids:
    """Of a client with one bucket, two assets with a series each, and their agents."""

    client: int
    bucket: int
    assets: tuple[int, int]
    series: tuple[int, int]
    agents: tuple[int, int]


async def finalised(db: Database, **terms: Any) -> Ids:
    """Two assets with a tick in each of 20 hours, 10 and 20 steps with a peak of 50 in the sixth; March is final."""
    async with db.transaction() as conn:
        world = World(conn)
        agents = (await world.agent(), await world.agent())
        unit = await world.unit_type()
        client = await world.client()
        assets = (await world.asset(agents[0]), await world.asset(agents[1]))
        series = (await world.series(assets[0], unit), await world.series(assets[1], unit))
        bucket = await world.bucket(client, unit)
        await world.terms(
            bucket, **{"aggregation": "max", "commit": "40", "base": "1", "overage": "2", **terms}
        )
        for one in series:
            await world.bind(one, bucket)
        for hour in range(20):
            at = MARCH + hour * HOUR + HOUR / 2
            stored = at + timedelta(minutes=1)
            await world.tick(agents[0], series[0], 10, at=at, stored=stored)
            await world.tick(agents[1], series[1], 50 if hour == 5 else 20, at=at, stored=stored)
    await roll_up(db, now=APRIL + HOUR)
    await run(db, now=APRIL + HOUR)
    async with db.transaction() as conn:
        period = (await calendars(conn, [client]))[client].period_containing(MARCH)
        [reading_id] = [
            found for _, found in await all_readings(conn) if found & 4294967295 == slot_of(MARCH)
        ]
        row = (await readings_of(conn, [reading_id]))[reading_id]
        await kept.save(conn, await gather(conn, Billed(client, 0), period, [bucket], cutoff=row.cutoff))
        await conn.execute(
            "update billing_reading set finalised_at = clock_timestamp() where period_start = %s", [MARCH]
        )
    return Ids(client, bucket, assets, series, agents)


async def tamper(db: Database, statement: LiteralString, *params: object) -> None:
    """As somebody who may do anything in the database."""
    async with db.transaction() as conn:
        await conn.execute("set local session_replication_role = replica")
        changed = await conn.execute(statement, params)
        assert changed.rowcount == 1


async def verified(db: Database, ids: Ids) -> Verified:
    [found] = [one async for one in verify(db, ids.client)]
    return found


def states(found: Verified) -> tuple[str, str, str]:
    return (found.hash.state.value, found.rating.state.value, found.readings.state.value)


async def test_what_nobody_touched_is_verified_in_all_three_steps(db: Database) -> None:
    ids = await finalised(db)
    found = await verified(db, ids)
    assert states(found) == ("ok", "ok", "ok"), found
    assert "744 slots of 2 assets" in found.readings.text
    assert [one async for one in verify(db, ids.client, at=APRIL)] == []


@pytest.mark.parametrize(
    ("change", "step", "says"),
    [
        ("update billing_reading set used = used - 1, cost = cost - 1 where period_start = '2026-03-01'", 1, "cost"),
        ("update billing_reading set quantity = 59 where period_start = '2026-03-01'", 1, "quantity"),
        ("update billing_reading set finalised_at = null where period_start = '2026-03-01'", 1, "not marked as final"),
        ("update evidence set body = replace(body, '[30,', '[31,')", 0, "not the text that was hashed"),
        ("update evidence set sha256 = '\\x00'", 0, "not the text that was hashed"),
        ("update slot_60 set last = '{999}', high = '{999}', total = '{999}' where slot = 5907780 and total = '{10}'", 2,
         "slots do not give the evidence"),
        ("delete from slot_60 where slot = 5907780 and total = '{10}'", 2, "slots do not give the evidence"),
        ("update tick set value = '{11}' where ticked_at = '2026-03-01 03:30+00' and value = '{10}'", 2,
         "raw readings do not give the evidence: slot 2026-03-01 03:00Z: 30 in the evidence, 31 now"),
        ("delete from tick where ticked_at = '2026-03-01 03:30+00' and value = '{10}'", 2,
         "raw readings do not give the evidence"),
        ("delete from evidence", 0, "no evidence"),
    ],
)  # fmt: skip
async def test_what_was_tampered_with_is_found(
    db: Database, change: LiteralString, step: int, says: str
) -> None:
    ids = await finalised(db)
    await tamper(db, change)
    found = await verified(db, ids)
    assert states(found)[step] == "failed", found
    assert says in (found.hash, found.rating, found.readings)[step].text


async def test_evidence_that_was_hashed_anew_does_not_fit_the_reading_or_the_slots(db: Database) -> None:
    ids = await finalised(db)
    await tamper(
        db,
        "update evidence set body = replace(body, ',60,', ',90,'),"
        " sha256 = sha256(convert_to(replace(body, ',60,', ',90,'), 'UTF8'))",
    )
    assert states(await verified(db, ids)) == ("ok", "failed", "failed")


async def test_a_binding_that_was_moved_is_found(db: Database) -> None:
    ids = await finalised(db)
    await tamper(
        db,
        "update binding set from_slot = %s where series_id = %s",
        slot_of(MARCH + 10 * HOUR),
        ids.series[0],
    )
    found = await verified(db, ids)
    assert states(found) == ("ok", "ok", "failed")
    assert f"series {ids.series[0]} of 2026-03-01 00:00Z" in found.readings.text


async def test_what_was_stored_later_or_is_kept_no_more_is_no_tampering(db: Database) -> None:
    ids = await finalised(db)
    async with db.transaction() as conn:
        world = World(conn)
        late = await (await conn.execute("select clock_timestamp()")).fetchone()
        assert late is not None
        await world.tick(ids.agents[0], ids.series[0], 900, at=MARCH + 3 * HOUR + HOUR / 3, stored=late[0])
    await roll_up(db, now=APRIL + 2 * HOUR)
    assert states(await verified(db, ids)) == ("ok", "ok", "ok")
    async with db.transaction() as conn:
        await conn.execute("update raw_floor set floor = %s", [MARCH + timedelta(days=7)])
    found = await verified(db, ids)
    assert states(found) == ("ok", "ok", "not-possible")
    assert "2026-03-08" in found.readings.text


async def test_names_are_beside_the_evidence_and_can_be_forgotten(db: Database) -> None:
    ids = await finalised(db)
    async with db.transaction() as conn:
        await kept.forget(conn, ids.client, name="erased-1")
        text = (await kept.texts(conn, [ids.bucket], MARCH))[ids.bucket]
    assert text.names["client"] == "erased-1"
    assert sorted(map(int, text.names["assets"])) == sorted(ids.assets)
    assert not any(name in text.body for name in text.names["assets"].values())
    assert states(await verified(db, ids)) == ("ok", "ok", "ok")


async def explained(db: Database, ids: Ids, **asked: Any) -> Explained:
    async with snapshot(db) as seen:
        return await explain(seen, ids.client, ids.bucket, **{"day": date(2026, 3, 9), **asked})


@pytest.mark.parametrize("aggregation", ["max", "sum", "avg", "p99", "sum_of_max", "count", "min", "last"])
async def test_shares_add_up_to_the_cost(db: Database, aggregation: str) -> None:
    ids = await finalised(db, aggregation=aggregation, base="0.3333333")
    found = await explained(db, ids)
    assert found.from_evidence
    assert sum(asset.share for asset in found.assets) == found.reading.cost
    assert {asset.asset_id for asset in found.assets} == set(ids.assets)
    assert found.notes == []


async def test_a_figure_is_explained_down_to_raw_readings(db: Database) -> None:
    ids = await finalised(db)
    found = await explained(db, ids)
    assert (found.reading.quantity, found.reading.cost) == (Decimal(60), Decimal(80))
    assert [(a.asset_id, a.quantity, a.share) for a in found.assets] == [
        (ids.assets[1], Decimal(50), Decimal("66.67")),
        (ids.assets[0], Decimal(10), Decimal("13.33")),
    ]
    assert found.steps == [
        "744 slots of 60 minutes have ended, of 2 assets.",
        (
            "Of 1488 slots of series, 40 are measured, 0 absent and 1448 a gap, of which 0 carry the value before them: "
            "coverage 2.69 %."
        ),
        "The highest slot value is 60 steps, first in the slot that starts 2026-03-01 05:00 UTC.",
        "That ÷ 1 steps of a unit, rounded half away from zero to 4 decimals, is 60 u.",
        "The commit is 40 u.",
        "Used: 40 u × 1 = 40.00 USD.",
        "Buffer: 0 u × 1 = 0.00 USD.",
        "Overage: 20 u × 2 = 40.00 USD.",
        "Cost: 40.00 used + 0.00 buffer + 40.00 overage + 0.00 limit = 80.00 USD.",
    ]
    slots = (await explained(db, ids, asset_id=ids.assets[1])).slots
    assert [s.slot for s in slots if s.decides] == [slot_of(MARCH + 5 * HOUR)]
    assert [(s.value, s.state) for s in slots[4:7]] == [(20, "measured"), (50, "measured"), (20, "measured")]
    assert (slots[20].value, slots[20].state) == (0, "gap")
    raw = (await explained(db, ids, asset_id=ids.assets[1], slot=MARCH + 5 * HOUR)).raw
    assert [(one.value, one.ticked_at) for one in raw] == [(50, MARCH + 5 * HOUR + HOUR / 2)]


async def test_an_open_period_is_worked_out_now_and_says_what_was_changed_since(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit, client = await world.agent(), await world.unit_type(), await world.client()
        asset = await world.asset(agent)
        series = await world.series(asset, unit)
        bucket = await world.bucket(client, unit)
        await world.terms(bucket, aggregation="max", gap_hold=2)
        await world.bind(series, bucket)
        await world.tick(agent, series, 10, at=MARCH + HOUR / 2, stored=MARCH + HOUR)
    await roll_up(db, now=MARCH + 3 * HOUR)
    await run(db, now=MARCH + 6 * HOUR)
    ids = Ids(client, bucket, (asset, asset), (series, series), (agent, agent))
    found = await explained(db, ids, day=date(2026, 3, 1))
    assert not found.from_evidence
    assert [a.share for a in found.assets] == [found.reading.cost] == [Decimal("20.00")]
    slots = (await explained(db, ids, day=date(2026, 3, 1), asset_id=asset)).slots
    assert [s.state for s in slots] == ["measured", "held", "held", "gap", "gap"]
    async with db.transaction() as conn:
        await conn.execute("update bucket_terms set overage_price = 3")
    # The terms' trigger leaves a reading to be rated again.
    found = await explained(db, ids, day=date(2026, 3, 1))
    [note] = found.notes
    assert "30.00" in note


async def test_what_cannot_be_explained_says_why(db: Database) -> None:
    ids = await finalised(db)
    with pytest.raises(NotFound, match="2020-01-05"):
        await explained(db, ids, day=date(2020, 1, 5))
    with pytest.raises(Invalid, match="no part"):
        await explained(db, ids, asset_id=999_999)
    with pytest.raises(Invalid, match="asset_id"):
        await explained(db, ids, slot=MARCH)
    for slot in (MARCH + HOUR / 2, APRIL, MARCH - HOUR, datetime(1, 1, 2, tzinfo=MARCH.tzinfo)):
        with pytest.raises(Invalid, match="slot"):
            await explained(db, ids, asset_id=ids.assets[0], slot=slot)

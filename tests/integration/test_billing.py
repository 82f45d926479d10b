"""Billing on the real database against a slow reference, and what it does when things happen at once or stop halfway."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.domain.slot import OPEN_SLOT, UNITS_PER_DAY, slot_of
from aggregator.store.database import Database
from tests.billing_reference import Expected, expected, reading, readings, rows
from tests.billing_world import APRIL, MARCH, NOW, Cell, World, amount, level, one_level, run, written

pytestmark = pytest.mark.storage


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def reference(db: Database, *, now: datetime = NOW) -> dict[tuple[int, datetime], Expected]:
    async with db.transaction() as conn:
        return await expected(conn, now=now)


AGGREGATIONS = (
    "sum", "avg", "max", "min", "sum_of_max", "last", "count", "p50", "p95", "p99.9", "p100", "p0.001",
)  # fmt: skip


def random_terms(dice: random.Random) -> dict[str, Any]:
    """Everything that can be agreed on."""
    return {
        "aggregation": dice.choice(AGGREGATIONS),
        "commit": dice.choice(("0", "100", "3.7", "50000")),
        "base": dice.choice(("0", "1", "0.0123456789")),
        "overage": dice.choice(("2", "0.0333333333", "17.5")),
        "package": dice.choice((None, None, "10", "0.7")),
        "minimum": dice.choice((None, None, "3.33", "500")),
        "maximum": dice.choice((None, None, "1000.01")),
        "tiers": dice.choice(((), (), (("0", "2"), ("10.5", "0.3333333333"), ("300", "0")))),
        "gap_hold": dice.choice((None, 0, 1, 2, 5)),
        "prorate": dice.random() < 0.6,
    }


async def random_world(db: Database, seed: int) -> None:
    """Three clients with unlike calendars, every kind of unit and agreement; assets that move, merge, are disabled and
    go; agents that fall silent, are asked and answer without a series, catch up and are retired."""
    dice = random.Random(seed)
    first = slot_of(NOW - timedelta(days=50)) // 12 * 12
    async with db.transaction() as conn:
        world = World(conn)
        clients = [
            await world.client(zone="Europe/Berlin", anchor=date(2025, 12, 31)),
            await world.client(
                currency="JPY", digits=0, zone="Asia/Kathmandu", unit="week", anchor=date(2026, 1, 7)
            ),
            await world.client(currency="KWD", digits=3, zone="America/Santiago", anchor=date(2026, 1, 15)),
        ]
        units = {
            "mean": await world.unit_type(divisor=dice.choice((1, 1024, 7))),
            "high": await world.unit_type(value="high", precision=2),
            "last": await world.unit_type(value="last", precision=0),
            "amount": await world.unit_type(kind="amount", divisor=3_600, precision=6),
            "rate": await world.unit_type(kind="amount", divisor=125, per="second", minutes=5),
            "short": await world.unit_type(minutes=5, precision=3),
        }  # fmt: skip
        agents = [await world.agent() for _ in range(3)]
        await world.retire(agents[2], NOW - timedelta(days=dice.randrange(20), minutes=7))
        buckets = await random_buckets(world, dice, clients, units)
        series = await random_assets(world, dice, agents, units, buckets, first=first)
        for agent in agents:
            known = {number: minutes for number, minutes in series.items() if dice.random() < 0.7}
            for minutes, share in ((60, 0.15), (5, 0.01)):
                # Now and then a stretch without a hole, in which every slot is there.
                busy = dice.randrange(first, slot_of(NOW))
                for slot in range(first, slot_of(NOW), minutes // 5):
                    whole = busy <= slot < busy + 40 * minutes // 5
                    if whole or dice.random() < share:
                        reported = [n for n, m in known.items() if m == minutes and dice.random() < 0.8]
                        answered = dice.choice(((5,), (5,), (1, 5), (1,), ()))
                        cells = [random_cell(dice, n) for n in reported]
                        await world.slot(agent, slot, cells, minutes=minutes, reported=answered)


async def random_buckets(
    world: World, dice: random.Random, clients: list[int], units: dict[str, int]
) -> dict[str, list[int]]:
    """By unit, a bucket for each client; terms that follow one another, or end and begin again."""
    buckets: dict[str, list[int]] = {name: [] for name in units}
    for client in clients:
        for name, unit in units.items():
            bucket = await world.bucket(client, unit)
            buckets[name].append(bucket)
            days = [date(2025, 6, 1), date(2026, 3, 3), date(2026, 3, 20), date(2026, 4, 2)]
            for starts_on in dice.sample(days, 3):
                ends_on = starts_on + timedelta(days=dice.randint(1, 40)) if dice.random() < 0.4 else None
                await world.terms(bucket, **random_terms(dice), starts_on=starts_on, ends_on=ends_on)
    return buckets


async def random_assets(
    world: World,
    dice: random.Random,
    agents: list[int],
    units: dict[str, int],
    buckets: dict[str, list[int]],
    *,
    first: int,
) -> dict[int, int]:
    """Minutes of a slot by series; each bound here and there, some merged into another's asset, one disabled."""
    series, assets = {}, []
    for _ in range(5):
        assets.append(await world.asset(agents[0]))
        for name, unit in units.items():
            if dice.random() < 0.7:
                number = await world.series(assets[-1], unit)
                series[number] = 5 if name in ("rate", "short") else 60
                cuts = sorted(dice.sample(range(first, first + 50 * UNITS_PER_DAY), 3))
                for since, until in zip([0, *cuts], [*cuts, OPEN_SLOT], strict=True):
                    if dice.random() < 0.8:
                        await world.bind(number, dice.choice(buckets[name]), since=since, until=until)
    for gone in assets[3:]:
        await world.merge(gone, assets[0])
    since = (first + dice.randrange(40 * UNITS_PER_DAY)) // 12 * 12
    await world.disable(assets[1], since=since, until=dice.choice((OPEN_SLOT, since + UNITS_PER_DAY)))
    return series


def random_cell(dice: random.Random, series: int) -> Cell:
    values = [dice.choice((0, 1, dice.randrange(10**6))) for _ in range(dice.randint(1, 5))]
    return Cell(series, len(values), sum(values), min(values), max(values), values[-1])


@pytest.mark.parametrize("seed", range(3))
async def test_every_figure_equals_the_slow_reference(db: Database, seed: int) -> None:
    await random_world(db, seed)
    counts = await run(db)
    wanted = await reference(db)
    assert await readings(db) == wanted
    assert counts["readings"] == counts["changed"] == len(wanted) > 0
    assert sum(reading.cost > 0 for reading in wanted.values()) > len(wanted) // 2
    for kind in ("measured", "absent", "gap", "spread", "limit_amount"):
        assert any(getattr(reading, kind) for reading in wanted.values())
    assert any(len(reading.segments) > 1 for reading in wanted.values())


async def test_a_second_run_changes_nothing_and_everything_proves_it(db: Database) -> None:
    await random_world(db, 99)
    await run(db)
    before, figures = await written(db), await readings(db)
    assert await run(db) == {"clients": 3, "pairs": 0, "readings": 0, "changed": 0}
    assert await written(db) == before
    again = await run(db, everything=True)
    assert (again["readings"], again["changed"]) == (len(figures), 0)
    assert await readings(db) == figures


async def test_the_session_time_zone_changes_nothing(db: Database, dsn: str) -> None:
    await random_world(db, 7)
    await run(db)
    figures = await readings(db)
    other = await Database.open(dsn, connections_max=1)
    try:
        async with other.transaction() as conn:
            await conn.execute("delete from billing_reading")
            await conn.execute("select set_config('timezone', 'Australia/Lord_Howe', false)")
        await run(other)
        async with other.transaction() as conn:
            assert (await rows(conn, "show timezone"))[0]["TimeZone"] == "Australia/Lord_Howe"
    finally:
        await other.close()
    assert await readings(db) == figures


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (80, ("80.00", "20.00", "0.00", "100.00")),
        (100, ("100.00", "0.00", "0.00", "100.00")),
        (101, ("100.00", "0.00", "2.00", "102.00")),
    ],
)
async def test_commit_100_at_1_and_overage_at_2(db: Database, used: int, expected: tuple[str, ...]) -> None:
    bucket, _, _ = await one_level(db, value=used, hours=1, commit="100")
    await run(db)
    found = await reading(db, bucket, MARCH)
    assert tuple(str(v) for v in (found.used, found.buffer, found.overage, found.cost)) == expected
    assert found.overage_units == max(0, used - 100)


@pytest.mark.parametrize(
    ("aggregation", "there", "gone"),
    [("avg", "7", "3"), ("last", "10", "0"), ("max", "10", "10"), ("count", "1", "1")],
)
async def test_ten_gib_moved_after_9_of_30_days(
    db: Database, aggregation: str, there: str, gone: str
) -> None:
    moved = slot_of(APRIL + timedelta(days=9))
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        a, b = [await world.bucket(await world.client(), unit) for _ in range(2)]
        for bucket in (a, b):
            await world.terms(bucket, aggregation=aggregation)
        await world.bind(series, a, until=moved)
        await world.bind(series, b, since=moved)
        await world.hours(agent, APRIL, [level(series, 10)] * 24 * 30)
    await run(db, now=datetime(2026, 5, 1, 0, 3, tzinfo=UTC))
    assert (await reading(db, a, APRIL)).quantity == Decimal(gone)
    assert (await reading(db, b, APRIL)).quantity == Decimal(there)


@pytest.mark.parametrize(
    ("currency", "digits", "cost"), [("USD", 2, "4.94"), ("JPY", 0, "5"), ("KWD", 3, "4.938")]
)
async def test_money_is_rounded_to_the_minor_unit(
    db: Database, currency: str, digits: int, cost: str
) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type(kind="amount", divisor=10)
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(currency=currency, digits=digits), unit)
        await world.terms(bucket, aggregation="sum", overage="0.004")
        await world.bind(series, bucket)
        await world.hours(agent, MARCH, [amount(series, 12_345)])
    await run(db)
    assert str((await reading(db, bucket, MARCH)).cost) == cost


async def test_of_two_agents_amounts_add_up_and_the_fuller_level_counts(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agents = [await world.agent() for _ in range(2)]
        client, asset = await world.client(), await world.asset(agents[0])
        buckets, cells = [], []
        for kind in ("amount", "level"):
            unit = await world.unit_type(kind=kind)
            series = await world.series(asset, unit)
            buckets.append(await world.bucket(client, unit))
            await world.terms(buckets[-1], aggregation="sum")
            await world.bind(series, buckets[-1])
            cells.append(series)
        first = slot_of(MARCH)
        for slot, n_first, n_second in ((first, 3, 4), (first + 12, 4, 4), (first + 24, 5, 4)):
            for agent, n, value in ((agents[0], n_first, 10), (agents[1], n_second, 1000)):
                await world.slot(agent, slot, [amount(cells[0], value), level(cells[1], value, n=n)])
    await run(db)
    assert (await reading(db, buckets[0], MARCH)).quantity == 3 * 1010
    assert (await reading(db, buckets[1], MARCH)).quantity == 1000 + 10 + 10


async def test_a_bucket_without_usage_owes_its_commit_from_the_clients_first_usage_on(db: Database) -> None:
    await one_level(db)
    async with db.transaction() as conn:
        world = World(conn)
        (client,) = await rows(conn, "select id from client")
        idle = await world.bucket(client["id"], await world.unit_type())
        await world.terms(idle, commit="100")
    await run(db)
    assert {start for bucket, start in await readings(db) if bucket == idle} == {MARCH, APRIL}
    assert (await reading(db, idle, MARCH)).buffer == (await reading(db, idle, MARCH)).cost == 100


async def test_usage_seen_on_30_january_and_bound_on_2_february_is_billed_in_january(db: Database) -> None:
    seen = datetime(2026, 1, 30, tzinfo=UTC)
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, aggregation="sum")
        await world.hours(agent, seen, [level(series, 1)] * 72)
    await run(db, now=seen + timedelta(days=2, hours=12))
    async with db.transaction() as conn:
        # As the binding does it: from the first reading on, where nothing is finalised.
        await World(conn).bind(series, bucket, since=slot_of(seen))
    await run(db, now=seen + timedelta(days=3, hours=12))
    assert (await reading(db, bucket, datetime(2026, 1, 1, tzinfo=UTC))).quantity == 48
    assert (await reading(db, bucket, datetime(2026, 2, 1, tzinfo=UTC))).quantity == 24


async def test_a_client_without_any_data_gets_its_open_period_alone(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        client = await world.client(unit="month", count=60, anchor=date(1999, 12, 31))
        bucket = await world.bucket(client, await world.unit_type())
        await world.terms(bucket, commit="5", starts_on=date(1970, 1, 1))
    await run(db)
    ((_, start),) = await readings(db)
    assert start == datetime(2024, 12, 31, tzinfo=UTC)
    assert (await reading(db, bucket, start)).cost == 5


async def test_more_usage_in_a_rated_period_is_billed_by_the_next_run(db: Database) -> None:
    bucket, series, agent = await one_level(db)
    await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 240
    async with db.transaction() as conn:
        await World(conn).hours(agent, MARCH + timedelta(days=3), [level(series, 5)])
        await World(conn).dirty(bucket, MARCH + timedelta(days=3))
    counts = await run(db)
    assert (counts["pairs"], counts["readings"], counts["changed"]) == (1, 1, 1)
    assert (await reading(db, bucket, MARCH)).quantity == 245
    assert (await written(db))["dirty"] == []


async def test_a_day_of_two_periods_is_rated_in_both(db: Database) -> None:
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(zone="Europe/Berlin"), unit)
        await world.terms(bucket, aggregation="sum")
        await world.bind(series, bucket)
        await world.hours(agent, MARCH, [level(series, 1)])
    await run(db)
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    async with db.transaction() as conn:
        await World(conn).hours(agent, midnight - timedelta(hours=1), [level(series, 10), level(series, 100)])
        await World(conn).dirty(bucket, midnight)
    await run(db)
    assert (await reading(db, bucket, datetime(2026, 2, 28, 23, tzinfo=UTC))).quantity == 11
    assert (await reading(db, bucket, midnight)).quantity == 100
    assert (await written(db))["dirty"] == []
    assert await readings(db) == await reference(db)


async def test_a_finalised_reading_is_never_touched(db: Database) -> None:
    """Nor when its period is rated for another bucket, whose commit is still open."""
    bucket, series, agent = await one_level(db)
    async with db.transaction() as conn:
        (client,) = await rows(conn, "select id from client")
        other = await World(conn).bucket(client["id"], await World(conn).unit_type())
        await World(conn).terms(other)
    await run(db)
    async with db.transaction() as conn:
        await conn.execute("update billing_reading set finalised_at = now() where bucket_id = %s", [bucket])
        await World(conn).hours(agent, MARCH + timedelta(days=3), [level(series, 5)])
        await World(conn).dirty(bucket, MARCH + timedelta(days=3))
        await World(conn).dirty(other, MARCH + timedelta(days=3))
    before = await reading(db, bucket, MARCH)
    assert (await run(db))["pairs"] == 1
    assert (await run(db, everything=True))["readings"] == 2
    assert await reading(db, bucket, MARCH) == before


async def test_a_reading_goes_when_its_bucket_starts_only_later(db: Database) -> None:
    bucket, _, _ = await one_level(db)
    await run(db)
    async with db.transaction() as conn:
        await conn.execute("update bucket_terms set starts_on = '2026-04-05'")
    await run(db)
    found = await readings(db)
    assert {start for _, start in found} == {APRIL}
    assert found[bucket, APRIL].from_slot == slot_of(datetime(2026, 4, 5, tzinfo=UTC))


async def test_a_client_that_cannot_be_billed_does_not_hold_up_the_others(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with db.transaction() as conn:
        broken = await World(conn).client(zone="Mars/Olympus")
        await World(conn).terms(await World(conn).bucket(broken, await World(conn).unit_type()))
    bucket, _, _ = await one_level(db)
    with pytest.raises(Exception, match=f"clients {broken} .*could not be billed"):
        await run(db)
    assert (await reading(db, bucket, MARCH)).quantity == 240
    assert "no time zone 'Mars/Olympus'" in caplog.text

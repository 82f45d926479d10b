"""One asset: what is known of it, its newest readings and its days, worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import HOUR, World, hour
from ullage.v1 import inventory_pb2

pytestmark = pytest.mark.storage

GIB = 1 << 30
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


async def detail(service: InventoryService, context: Context, asset: int) -> inventory_pb2.AssetDetail:
    return await service.GetAsset(inventory_pb2.GetAssetRequest(id=asset), context)


async def days(service: InventoryService, context: Context, asset: int, count: int) -> dict[str, list[str]]:
    """The values by unit type, oldest day first."""
    reply = await service.GetAssetUsage(inventory_pb2.GetAssetUsageRequest(id=asset, days=count), context)
    return {series.unit_type: [point.value for point in series.days] for series in reply.series}


def span(message: Any) -> tuple[datetime | None, datetime | None]:
    """From and to, None where absent."""
    return tuple(  # type: ignore[return-value]
        getattr(message, name).ToDatetime(UTC) if message.HasField(name) else None for name in ("from", "to")
    )


async def test_an_asset_shows_whose_it_was_and_what_billed_it(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    then = hour(now) - 5 * DAY
    agent, second = await world.agent("alpha"), await world.agent("beta")
    client, former = await world.client("acme"), await world.client("former")
    asset = await world.asset(
        "db-1", agent=agent, address="192.0.2.7", description="main", labels={"role": "db"}
    )
    await world.assignment(asset, former, until=then)
    await world.assignment(asset, client, since=then)
    ram, cpu = await world.series(asset, "ram-used"), await world.series(asset, "cpu")
    await world.measured(ram, then, then + 2 * HOUR)
    await world.measured(cpu, then, then + 3 * HOUR, agent=second)
    old = await world.bucket(former, name="old")
    new = await world.bucket(client, name="new")
    await world.binding(ram, old, until=then)
    await world.binding(ram, new, since=then, by_hand=True)

    got = await detail(service, context, asset)
    shown = got.asset
    assert (shown.name, shown.address, shown.description, dict(shown.labels)) == (
        "db-1",
        "192.0.2.7",
        "main",
        {"role": "db"},
    )
    assert (shown.client_name, shown.source_type, shown.scope) == ("acme", "host", "agent:alpha")
    assert (shown.series, shown.series_unbound) == (2, 1)
    assert shown.last_seen.ToDatetime(UTC) == then + 3 * HOUR
    assert shown.unbound_since.ToDatetime(UTC) == then
    assert list(got.agents) == ["alpha", "beta"]
    assert [(a.client_name, *span(a), a.by_hand) for a in got.assignments] == [
        ("former", None, then, True),
        ("acme", then, None, True),
    ]
    assert [(s.unit_type, s.symbol, s.latest) for s in got.series] == [
        ("cpu", "core-h", ""),
        ("ram-used", "GiB", ""),
    ]
    assert [(b.bucket_name, *span(b), b.by_hand) for b in got.series[1].bindings] == [
        ("old", None, then, False),
        ("new", then, None, True),
    ]


async def test_the_latest_reading_is_the_newest_of_all_agents_in_billed_units(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    agent, second = await world.agent(), await world.agent()
    asset = await world.asset(agent=agent)
    other = await world.series(await world.asset(agent=agent), "ram-used")
    ram, rate = await world.series(asset, "ram-used"), await world.series(asset, "rate-in")
    unheard = await world.series(asset, "vcpu")
    for series in (ram, rate):
        for one in (agent, second):
            await world.measured(series, hour(now) - DAY, hour(now), agent=one)
    await world.tick(agent, now - 3 * MINUTE, {ram: GIB, rate: 75_000_000}, since=now - 4 * MINUTE)
    await world.tick(second, now - 2 * MINUTE, {other: 5, ram: 3 * GIB // 2})
    await world.tick(agent, now - 1 * MINUTE, {other: 7})

    shown = {series.id: series for series in (await detail(service, context, asset)).series}
    assert (shown[ram].latest, shown[ram].latest_at.ToDatetime(UTC)) == ("1.5000", now - 2 * MINUTE)
    # 75,000,000 bytes in a minute are 10 Mbit/s.
    assert (shown[rate].latest, shown[rate].latest_at.ToDatetime(UTC)) == ("10.0000", now - 3 * MINUTE)
    assert (shown[unheard].latest, shown[unheard].HasField("latest_at")) == ("", False)


async def test_the_latest_reading_of_a_new_asset_is_found_before_the_first_roll_up(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    agent = await world.agent()
    asset = await world.asset(agent=agent)
    series = await world.series(asset, "vcpu")
    await world.tick(agent, now - MINUTE, {series: 8})
    got = await detail(service, context, asset)
    assert got.series[0].latest == "8.0000"
    assert not got.asset.HasField("last_seen")


async def test_the_latest_reading_of_a_dead_series_is_in_its_last_measured_slot(
    service: InventoryService, world: World, context: Context
) -> None:
    now = await world.now()
    agent = await world.agent()
    asset = await world.asset(agent=agent)
    dead, living = await world.series(asset, "vcpu"), await world.series(asset, "ram")
    end = hour(now) - 40 * DAY
    await world.measured(dead, end - DAY, end)
    await world.measured(living, end - DAY, hour(now))
    await world.tick(agent, end - 2 * HOUR, {dead: 1, living: GIB})
    # On the border: of the slot that ends there.
    await world.tick(agent, end, {dead: 2, living: GIB})
    for minutes in range(5):
        await world.tick(agent, now - minutes * MINUTE, {living: GIB})
    shown = {series.id: series for series in (await detail(service, context, asset)).series}
    assert (shown[dead].latest, shown[dead].latest_at.ToDatetime(UTC)) == ("2.0000", end)


async def test_days_are_means_of_levels_and_sums_of_amounts(
    service: InventoryService, world: World, context: Context
) -> None:
    today = (await world.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    agent = await world.agent()
    asset = await world.asset(agent=agent)
    ram, sent = await world.series(asset, "ram-used"), await world.series(asset, "net-out")
    for series in (ram, sent):
        await world.measured(series, today - 9 * DAY, today)
    # The day before yesterday: (4 + 8 + 3) readings' sums over 4 readings; 2.5 GiB sent. The last slot begins at 23:00.
    start = today - 2 * DAY
    await world.slot(agent, start, {ram: (2, 4 * GIB), sent: (2, GIB)})
    await world.slot(agent, start + HOUR, {ram: (1, 8 * GIB), sent: (1, GIB)})
    await world.slot(agent, start + 23 * HOUR, {ram: (1, 3 * GIB), sent: (1, GIB // 2)})
    await world.slot(agent, today - DAY, {ram: (1, GIB)})
    await world.slot(agent, today - 9 * DAY, {ram: (1, GIB)})

    assert await days(service, context, asset, 4) == {
        "net-out": ["", "2.5000", "", ""],
        "ram-used": ["", "3.7500", "1.0000", ""],
    }
    reply = await service.GetAssetUsage(inventory_pb2.GetAssetUsageRequest(id=asset), context)
    assert [len(series.days) for series in reply.series] == [30, 30]
    assert reply.series[0].days[-1].at.ToDatetime(UTC) == today
    assert reply.series[1].kind == "level"
    assert reply.as_of.ToDatetime(UTC) == today - DAY + HOUR


async def test_days_of_a_rate_are_its_mean_over_the_measured_slots(
    service: InventoryService, world: World, context: Context
) -> None:
    today = (await world.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    agent = await world.agent()
    asset = await world.asset(agent=agent)
    rate = await world.series(asset, "rate-in")
    await world.measured(rate, today - DAY, today)
    # 375,000,000 bytes in 300 s are 10 Mbit/s; the other slot is idle.
    await world.slot(agent, today - DAY, {rate: (5, 375_000_000)}, minutes=5)
    await world.slot(agent, today - DAY + 5 * MINUTE, {rate: (5, 0)}, minutes=5)
    assert await days(service, context, asset, 2) == {"rate-in": ["5.0000", ""]}


async def test_of_two_agents_amounts_add_and_for_a_level_the_one_with_more_readings_counts(
    service: InventoryService, world: World, context: Context
) -> None:
    today = (await world.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    first, second = await world.agent(), await world.agent()
    asset = await world.asset(source_type="vm", agent=first)
    ram, sent = await world.series(asset, "ram-used"), await world.series(asset, "net-out")
    for series in (ram, sent):
        for agent in (first, second):
            await world.measured(series, today - DAY, today, agent=agent)
    start = today - DAY
    await world.slot(first, start, {ram: (1, GIB), sent: (1, GIB)})
    await world.slot(second, start, {ram: (3, 6 * GIB), sent: (3, GIB)})
    # A tie: the lower id.
    await world.slot(first, start + HOUR, {ram: (3, 12 * GIB)})
    await world.slot(second, start + HOUR, {ram: (3, 3 * GIB)})
    assert await days(service, context, asset, 2) == {
        "net-out": ["2.0000", ""],
        "ram-used": ["3.0000", ""],
    }


async def test_an_asset_that_is_not_there_is_said_to_be_missing(
    service: InventoryService, world: World, context: Context
) -> None:
    for missing in (1, 0, -1, 2**63 - 1):
        with pytest.raises(NotFound, match=f"no asset {missing}"):
            await detail(service, context, missing)
        with pytest.raises(NotFound):
            await days(service, context, missing, 30)


async def test_an_asset_that_was_never_measured_has_empty_days(
    service: InventoryService, world: World, context: Context
) -> None:
    asset = await world.asset()
    assert await days(service, context, asset, 3) == {}
    await world.series(asset, "vcpu")
    assert await days(service, context, asset, 3) == {"vcpu": ["", "", ""]}


async def test_more_than_a_month_of_days_is_refused(
    service: InventoryService, world: World, context: Context
) -> None:
    with pytest.raises(Invalid, match="days: at most 31"):
        await days(service, context, await world.asset(), 32)


async def test_a_disregarded_asset_is_still_shown(
    service: InventoryService, world: World, context: Context
) -> None:
    asset = await world.asset(disregarded_at=await world.now())
    assert (await detail(service, context, asset)).asset.disregarded

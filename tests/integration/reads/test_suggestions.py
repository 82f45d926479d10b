"""Suggestions from a stored world: what is alike is found, what is decided is not contradicted; and filters of assets."""

from datetime import UTC, datetime

import pytest

from aggregator.errors import Invalid
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import HOUR, World
from ullage.v1 import asset_acts_pb2, inventory_pb2

pytestmark = pytest.mark.storage
NOW = datetime.now(UTC)


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


async def bound_machines(world: World, name: str, client: int, bucket: int, *, agent: int) -> list[int]:
    """Four machines of a client, bound to its bucket."""
    found = []
    for number in range(4):
        asset = await world.asset(f"{name}-{number:02}", agent=agent)
        await world.assignment(asset, client)
        await world.binding(await world.series(asset), bucket)
        found.append(asset)
    return found


async def test_new_machines_are_suggested_where_their_like_are(
    service: InventoryService, world: World, context: Context
) -> None:
    acme, beta = await world.client("acme"), await world.client("beta")
    agents = [await world.agent() for _ in range(3)]
    memory = await world.bucket(acme, name="memory")
    await bound_machines(world, "acme-web", acme, memory, agent=agents[0])
    await bound_machines(world, "web", acme, memory, agent=agents[0])
    await bound_machines(world, "web", beta, await world.bucket(beta), agent=agents[1])
    twins = [await world.asset(f"acme-web-{number}", agent=agents[0]) for number in (77, 78)]
    for one in twins:
        await world.series(one)
    trap = await world.asset("web-99", agent=agents[2])
    await world.series(trap)
    reply = await service.SuggestBindings(
        asset_acts_pb2.SuggestBindingsRequest(asset_ids=[*twins, trap]), context
    )
    first, second = reply.suggestions
    assert [first.asset_id, second.asset_id] == twins
    assert (first.client_id, first.client_name) == (acme, "acme")
    assert [(b.bucket_id, b.bucket_name, b.unit_type) for b in first.buckets] == [
        (memory, "memory", "ram-used")
    ]
    assert first.group == second.group
    assert "same name pattern" in first.reason
    assert first.confidence > 70


async def test_an_asset_of_another_client_is_not_taken_from_it(
    service: InventoryService, world: World, context: Context
) -> None:
    acme, beta = await world.client("acme"), await world.client("beta")
    agent = await world.agent()
    await bound_machines(world, "acme-web", acme, await world.bucket(acme), agent=agent)
    asset = await world.asset("acme-web-77", agent=agent)
    await world.series(asset)
    await world.assignment(asset, beta)
    reply = await service.SuggestBindings(asset_acts_pb2.SuggestBindingsRequest(asset_ids=[asset]), context)
    assert not reply.suggestions


async def test_too_many_at_once_are_refused(service: InventoryService, context: Context) -> None:
    with pytest.raises(Invalid, match="500"):
        await service.SuggestBindings(asset_acts_pb2.SuggestBindingsRequest(asset_ids=range(501)), context)


async def test_every_filter_of_assets_finds_its_own(
    service: InventoryService, world: World, context: Context
) -> None:
    agent = await world.agent("node-1")
    client = await world.client()
    bucket = await world.bucket(client)
    plain = await world.asset("plain", acknowledged_at=NOW)
    gone = await world.asset("gone", disregarded_at=NOW)
    off = await world.asset("off", enabled=False)
    labelled = await world.asset("labelled", labels={"env": "prod"}, agent=agent)
    hand = await world.asset("hand")
    series = await world.series(hand)
    await world.assignment(hand, client)
    await world.binding(series, bucket, by_hand=True)
    merged = await world.asset("merged")
    await world.conn.execute(
        "update asset set merged_into = %s, merged_at = now() where id = %s", [plain, merged]
    )

    async def found(**wanted: object) -> list[int]:
        request = inventory_pb2.ListAssetsRequest(**wanted)  # type: ignore[arg-type]
        reply = await service.ListAssets(request, context)
        assert reply.page.total == len(reply.assets)
        return [one.id for one in reply.assets]

    assert await found() == [plain, off, labelled, hand]
    assert await found(disregarded=True) == [gone]
    assert await found(disabled=True) == [off]
    assert await found(agent="node-1") == [labelled]
    assert await found(agent="nobody") == []
    assert await found(label="env") == await found(label="env=prod") == [labelled]
    assert await found(label="env=test") == []
    assert (
        await found(bucket_id=bucket) == await found(by_hand=True) == await found(client_id=client) == [hand]
    )
    assert await found(unassigned=True) == [plain, labelled]
    assert await found(unacknowledged=True) == [off, labelled, hand]
    detail = await service.GetAsset(inventory_pb2.GetAssetRequest(id=merged), context)
    assert detail.asset.id == plain
    assert detail.merged_ids == [merged]


async def test_a_host_and_a_vm_with_one_uuid_are_one_machine(
    service: InventoryService, world: World, context: Context
) -> None:
    uuid = "4c4c4544-0051-3010-8052-b4c04f4e3232"
    host = await world.asset("host", labels={"smbios_uuid": uuid})
    vm = await world.asset("vm", source_type="vm", external_id=uuid)
    for one, other in ((host, vm), (vm, host)):
        detail = await service.GetAsset(inventory_pb2.GetAssetRequest(id=one), context)
        assert [asset.id for asset in detail.same_machine] == [other]


async def test_two_agents_of_one_series_in_one_slot_are_told(
    service: InventoryService, world: World, context: Context
) -> None:
    agents = [await world.agent("a"), await world.agent("b")]
    asset = await world.asset("vm", source_type="vm", agent=agents[0])
    series = await world.series(asset)
    start = NOW.replace(minute=0, second=0, microsecond=0) - 10 * HOUR
    for agent, begins in ((agents[0], 0), (agents[1], 2)):
        await world.measured(series, start + begins * HOUR, start + (begins + 4) * HOUR, agent=agent)
        for place in range(4):
            await world.slot(agent, start + (begins + place) * HOUR, {series: (1, 5)})
    detail = await service.GetAsset(inventory_pb2.GetAssetRequest(id=asset), context)
    [overlap] = detail.overlaps
    assert (overlap.agent, overlap.other_agent) == ("a", "b")
    assert overlap.to.ToDatetime(UTC) == start + 4 * HOUR

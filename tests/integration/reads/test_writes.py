"""What people create is answered with as it is listed from then on; what they may not is refused by field."""

from typing import Any

import pytest

from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import World
from ullage.v1 import agreements_pb2, inventory_pb2
from ullage.v1.types_pb2 import OPERATOR_CIDR, OPERATOR_GLOB, Condition, Filter


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


def new_client(**changed: Any) -> inventory_pb2.CreateClientRequest:
    given: dict[str, Any] = {
        "name": "acme",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "cycle_unit": "month",
        "cycle_count": 1,
        "cycle_anchor": "2026-01-01",
    }
    return inventory_pb2.CreateClientRequest(**{**given, **changed})


def new_bucket(client: int, **changed: Any) -> inventory_pb2.CreateBucketRequest:
    given: dict[str, Any] = {
        "client_id": client,
        "name": "memory",
        "source_type": "vm",
        "unit_type": "ram",
        "priority": 3,
        "filters": [
            Filter(conditions=[Condition(field="address", operator=OPERATOR_CIDR, pattern="192.0.2.0/24")])
        ],
        "terms": agreements_pb2.Terms(
            starts_on="2026-01-01",
            commit="100.5",
            base_price="0.0000000001",
            overage_price="2",
            aggregation="avg",
        ),
    }
    return inventory_pb2.CreateBucketRequest(**{**given, **changed})


async def test_a_client_is_answered_as_it_is_listed(service: InventoryService, context: Context) -> None:
    made = await service.CreateClient(new_client(name=" Köln & Söhne "), context)
    assert (made.name, made.cycle_anchor, made.enabled) == ("Köln & Söhne", "2026-01-01", True)
    assert made.HasField("period_start")
    listed = await service.ListClients(inventory_pb2.ListClientsRequest(), context)
    assert [made.id] == [client.id for client in listed.clients]
    assert listed.clients[0].created_at == made.created_at
    with pytest.raises(Conflict, match="already"):
        await service.CreateClient(new_client(name="Köln & Söhne"), context)


async def test_a_bucket_is_answered_as_it_is_listed(
    service: InventoryService, world: World, context: Context
) -> None:
    made = (await service.CreateBucket(new_bucket(await world.client("acme")), context)).bucket
    assert (made.client_name, made.source_type, made.unit_type, made.priority) == ("acme", "vm", "ram", 3)
    assert (made.terms.commit, made.terms.base_price) == ("100.5", "0.0000000001")
    assert made.filters[0].conditions[0] == Condition(
        field="address", operator=OPERATOR_CIDR, pattern="192.0.2.0/24"
    )
    listed = await service.ListBuckets(inventory_pb2.ListBucketsRequest(), context)
    assert list(listed.buckets) == [made]


async def test_an_assignment_rule_is_answered_as_it_is_listed(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client()
    wanted = Filter(conditions=[Condition(field="label:env", operator=OPERATOR_GLOB, pattern="prod*")])
    made = [
        await service.CreateAssignmentRule(
            inventory_pb2.CreateAssignmentRuleRequest(client_id=client, priority=priority, filter=wanted),
            context,
        )
        for priority in (1, 5, 1)
    ]
    listed = await service.ListAssignmentRules(inventory_pb2.ListAssignmentRulesRequest(), context)
    assert made[0].HasField("preview")
    for rule in made:
        # Of the act that made it, so in no list.
        rule.ClearField("preview")
    assert list(listed.rules) == [made[1], made[0], made[2]]
    assert made[0].filter == wanted


async def test_assigned_assets_are_the_clients_and_acknowledged(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    ids = [await world.asset(), await world.asset()]
    reply = await service.AssignAssets(
        inventory_pb2.AssignAssetsRequest(asset_ids=ids, client_id=client), context
    )
    assert reply.changed == 2
    listed = await service.ListAssets(inventory_pb2.ListAssetsRequest(client_id=client), context)
    assert [(a.id, a.client_name, a.acknowledged) for a in listed.assets] == [
        (asset, "acme", True) for asset in ids
    ]
    ended = await service.AssignAssets(inventory_pb2.AssignAssetsRequest(asset_ids=ids[:1]), context)
    assert ended.changed == 1
    unassigned = await service.ListAssets(inventory_pb2.ListAssetsRequest(unassigned=True), context)
    assert [asset.id for asset in unassigned.assets] == ids[:1]
    with pytest.raises(NotFound):
        await service.AssignAssets(
            inventory_pb2.AssignAssetsRequest(asset_ids=[*ids, 999], client_id=client), context
        )


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "\x1b[2J"}, "name"),
        ({"currency": "GOLD"}, "currency"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"cycle_unit": "fortnight"}, "cycle_unit"),
        ({"cycle_count": 0}, "cycle_count"),
        ({"cycle_anchor": "1.1.2026"}, "cycle_anchor"),
    ],
)
async def test_a_client_that_cannot_be_is_refused_by_field(
    service: InventoryService, context: Context, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await service.CreateClient(new_client(**changed), context)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"unit_type": "parsec"}, "unit_type"),
        ({"filters": [Filter(conditions=[Condition(field="name", pattern="x")])]}, "filters[1][1].operator"),
        ({"terms": agreements_pb2.Terms()}, "terms.starts_on"),
    ],
)
async def test_a_bucket_that_cannot_be_is_refused_by_field(
    service: InventoryService, world: World, context: Context, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await service.CreateBucket(new_bucket(await world.client(), **changed), context)
    assert caught.value.field == field

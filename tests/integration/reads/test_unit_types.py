"""Unit types and templates: what can be changed, what readings have fixed, and what waits for a new one."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import EPOCH, World
from ullage.v1 import inventory_pb2, unit_types_pb2
from ullage.v1.types_pb2 import OPERATOR_GLOB, OPERATOR_REGEX, Condition, Filter

HOUR = timedelta(hours=1)
ESC, BIDI = "a\x1b[2Jb", "a\u202eb"


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


def new_unit(**changed: Any) -> unit_types_pb2.CreateUnitTypeRequest:
    given: dict[str, Any] = {
        "name": "licences",
        "symbol": "seat",
        "description": "seats in use",
        "kind": "level",
        "divisor": 1,
        "per": "total",
        "precision": 0,
        "slot_minutes": 60,
    }
    return unit_types_pb2.CreateUnitTypeRequest(**{**given, **changed})


def change(name: str = "ram-used", **asked: Any) -> unit_types_pb2.UpdateUnitTypeRequest:
    return unit_types_pb2.UpdateUnitTypeRequest(name=name, **asked)


def template(**changed: Any) -> unit_types_pb2.Template:
    given: dict[str, Any] = {
        "unit_type": "ram",
        "source_type": "vm",
        "aggregation": "p95",
        "commit": "0",
        "enabled": True,
        "filter": Filter(conditions=[Condition(field="name", operator=OPERATOR_GLOB, pattern="web-*")]),
        "prices": [
            unit_types_pb2.TemplatePrice(currency="EUR", base_price="1.5", overage_price="0.0000000001")
        ],
    }
    return unit_types_pb2.Template(**{**given, **changed})


async def unit(service: InventoryService, context: Context, name: str) -> inventory_pb2.UnitType:
    listed = await service.ListUnitTypes(inventory_pb2.ListUnitTypesRequest(), context)
    [found] = [one for one in listed.unit_types if one.name == name]
    return found


async def everything(world: World) -> tuple[Any, ...]:
    return await world.one(
        "select (select jsonb_agg(u) from unit_type u)::text, (select jsonb_agg(t) from template t)::text,"
        " (select jsonb_agg(p) from template_price p)::text"
    )


async def test_a_unit_type_is_answered_as_it_is_listed(service: InventoryService, context: Context) -> None:
    made = await service.CreateUnitType(new_unit(), context)
    assert (made.symbol, made.level_value, made.gap_hold, made.in_use) == ("seat", "mean", 3, False)
    assert await unit(service, context, "licences") == made
    zero = await service.CreateUnitType(new_unit(name="exact", gap_hold=0), context)
    assert zero.gap_hold == 0
    with pytest.raises(Conflict, match="licences already"):
        await service.CreateUnitType(new_unit(), context)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", ESC),
        ("name", BIDI),
        ("symbol", ""),
        ("symbol", ESC),
        ("symbol", "x" * 33),
        ("description", "a\nb"),
        ("description", "x" * 501),
        ("kind", "gauge"),
        ("divisor", 0),
        ("divisor", -1),
        ("divisor", 2**62),
        ("per", "minute"),
        ("per", "second"),
        ("precision", 13),
        ("slot_minutes", 15),
        ("level_value", "low"),
        ("gap_hold", 289),
    ],
)
async def test_a_unit_type_that_cannot_be_is_refused_by_field(
    service: InventoryService, world: World, context: Context, field: str, value: Any
) -> None:
    before = await everything(world)
    with pytest.raises(Invalid) as refused:
        await service.CreateUnitType(new_unit(**{field: value}), context)
    assert refused.value.field == field
    assert await everything(world) == before


async def test_an_amount_has_no_level_value(service: InventoryService, context: Context) -> None:
    with pytest.raises(Invalid) as refused:
        await service.CreateUnitType(new_unit(kind="amount", level_value="high"), context)
    assert refused.value.field == "level_value"


async def test_readings_that_waited_for_the_unit_are_taken_in(
    service: InventoryService, world: World, context: Context
) -> None:
    agent = await world.agent()
    at = await world.now() - 2 * HOUR
    for value, unit_type in ((5, "licences"), (-5, "licences"), (7, "others")):
        await world.insert(
            "quarantine",
            agent_id=agent,
            epoch=EPOCH,
            seq=1,
            source_type="host",
            external_id="web-1",
            unit_type=unit_type,
            value=value,
            since=at,
            ticked_at=at,
            reason="unknown_unit",
            stored_at=at,
        )
    made = await service.CreateUnitType(new_unit(), context)
    assert (
        await world.one("select array_agg(value order by value) from quarantine where settled_at is null")
    ) == ([-5, 7],)
    assert await world.one("select value from tick where agent_id = %s", agent) == ([5],)
    assert made.in_use


async def test_what_readings_have_fixed_does_not_change(
    service: InventoryService, world: World, context: Context
) -> None:
    await service.UpdateUnitType(change(divisor=1024, slot_minutes=5), context)
    asset = await world.asset()
    await world.series(asset, "ram-used")
    before = await everything(world)
    for asked in ({"divisor": 1}, {"slot_minutes": 60}, {"symbol": "MiB", "divisor": 1}):
        with pytest.raises(Conflict, match="it has readings"):
            await service.UpdateUnitType(change(**asked), context)
    assert await everything(world) == before
    reply = await service.UpdateUnitType(change(symbol="KiB", description="kept", gap_hold=0), context)
    assert (reply.unit_type.symbol, reply.unit_type.gap_hold, reply.unit_type.divisor) == ("KiB", 0, 1024)
    assert reply.unit_type.in_use
    assert [line.to for line in reply.preview.lines] == ["symbol KiB", "description kept", "gap_hold 0"]


async def test_what_finalised_figures_rest_on_does_not_change(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client()
    bucket = await world.bucket(client)
    await rated(world, bucket)
    reply = await service.UpdateUnitType(change(precision=2), context)
    assert list(reply.preview.notes) == ["Provisional billing readings that are rated again: 1."]
    assert (await world.one("select count(*) from dirty where bucket_id = %s", bucket)) == (1,)
    await world.conn.execute("update billing_reading set finalised_at = now()")
    for asked in ({"precision": 4}, {"level_value": "high"}):
        with pytest.raises(Conflict, match="finalised billing readings rest on it"):
            await service.UpdateUnitType(change(**asked), context)


async def rated(world: World, bucket: int) -> None:
    now = await world.now()
    terms = await world.one("select id from bucket_terms where bucket_id = %s", bucket)
    run = await world.insert("run", job="billing", started_at=now, state="done")
    await world.insert(
        "billing_reading",
        returning="bucket_id",
        bucket_id=bucket,
        period_start=now,
        period_end=now + HOUR,
        from_slot=288,
        to_slot=300,
        terms_id=terms[0],
        aggregation="avg",
        quantity=Decimal(0),
        commit=Decimal(0),
        overage_units=Decimal(0),
        currency="EUR",
        used=0,
        buffer=0,
        overage=0,
        cost=0,
        as_of_slot=300,
        cutoff=now,
        run_id=run,
    )


async def test_a_dry_run_of_a_change_saves_nothing(
    service: InventoryService, world: World, context: Context
) -> None:
    before = await everything(world)
    reply = await service.UpdateUnitType(change(symbol="x", precision=1, dry_run=True), context)
    assert reply.preview.lines_total == 2
    assert await everything(world) == before
    with pytest.raises(NotFound):
        await service.UpdateUnitType(change("nothing", symbol="x"), context)
    with pytest.raises(Invalid) as refused:
        await service.UpdateUnitType(change(symbol=ESC), context)
    assert refused.value.field == "symbol"


async def test_templates_are_made_replaced_and_deleted(
    service: InventoryService, world: World, context: Context
) -> None:
    made = (
        await service.CreateTemplate(unit_types_pb2.CreateTemplateRequest(template=template()), context)
    ).template
    assert (made.aggregation, made.commit, made.prices[0].overage_price) == ("p95", "0", "0.0000000001")
    assert list((await unit(service, context, "ram")).templates) == [made]
    changed = template(id=made.id, unit_type="disk", aggregation="max", filter=Filter(), prices=[])
    reply = await service.UpdateTemplate(unit_types_pb2.UpdateTemplateRequest(template=changed), context)
    assert (reply.template.unit_type, reply.template.aggregation) == ("disk", "max")
    assert not reply.template.prices
    assert not reply.template.filter.conditions
    assert not (await unit(service, context, "ram")).templates
    await service.DeleteTemplate(unit_types_pb2.DeleteTemplateRequest(id=made.id), context)
    with pytest.raises(NotFound):
        await service.DeleteTemplate(unit_types_pb2.DeleteTemplateRequest(id=made.id), context)
    with pytest.raises(NotFound):
        await service.UpdateTemplate(unit_types_pb2.UpdateTemplateRequest(template=changed), context)
    assert await world.one("select count(*) from template_price") == (0,)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("template.unit_type", {"unit_type": "vmm"}),
        ("template.source_type", {"source_type": ""}),
        ("template.aggregation", {"aggregation": "p101"}),
        ("template.aggregation", {"aggregation": "median"}),
        ("template.commit", {"commit": "-1"}),
        ("template.commit", {"commit": "NaN"}),
        (
            "template.prices[1].base_price",
            {
                "prices": [
                    unit_types_pb2.TemplatePrice(
                        currency="EUR", base_price="0.00000000001", overage_price="1"
                    )
                ]
            },
        ),
        (
            "template.prices[1].overage_price",
            {"prices": [unit_types_pb2.TemplatePrice(currency="EUR", base_price="1", overage_price="")]},
        ),
        (
            "template.prices[1].currency",
            {"prices": [unit_types_pb2.TemplatePrice(currency="ZZZ", base_price="1", overage_price="1")]},
        ),
        (
            "template.prices[2].currency",
            {"prices": [unit_types_pb2.TemplatePrice(currency="EUR", base_price="1", overage_price="1")] * 2},
        ),
        (
            "template.filter.pattern",
            {"filter": Filter(conditions=[Condition(field="name", operator=OPERATOR_REGEX, pattern="(")])},
        ),
        (
            "template.filter.field",
            {"filter": Filter(conditions=[Condition(field="owner", operator=OPERATOR_GLOB, pattern="x")])},
        ),
        (
            "template.filter.pattern",
            {"filter": Filter(conditions=[Condition(field="name", operator=OPERATOR_GLOB, pattern=ESC)])},
        ),
    ],
)
async def test_a_template_that_cannot_be_is_refused_by_field(
    service: InventoryService, world: World, context: Context, field: str, changed: dict[str, Any]
) -> None:
    before = await everything(world)
    with pytest.raises(Invalid) as refused:
        await service.CreateTemplate(
            unit_types_pb2.CreateTemplateRequest(template=template(**changed)), context
        )
    assert refused.value.field == field
    assert await everything(world) == before


async def test_a_dry_run_of_a_template_says_what_it_would_make(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    asset = await world.asset("web-1", source_type="vm")
    await world.series(asset, "ram")
    await world.assignment(asset, client)
    before = await everything(world)
    request = unit_types_pb2.CreateTemplateRequest(template=template(), dry_run=True)
    reply = await service.CreateTemplate(request, context)
    assert not reply.HasField("template")
    assert [(line.act, line.to, getattr(line, "from")) for line in reply.preview.lines] == [
        ("create", "vm ram", "acme")
    ]
    assert reply.preview.assets == 1
    assert await everything(world) == before
    assert await world.one("select count(*) from bucket") == (0,)
    request.dry_run = False
    assert (await service.CreateTemplate(request, context)).preview.lines_total == 1
    assert await world.one("select count(*) from bucket") == (0,)

"""Enters what the demo's clients agreed on: clients, assignment rules, buckets, and templates for provisioning."""

from collections.abc import Sequence
from datetime import date, timedelta

from deploy.demo.office import Office
from deploy.demo.plans import BucketPlan, ClientPlan, TemplatePlan, World
from ullage.v1 import agreements_pb2, inventory_pb2, types_pb2, unit_types_pb2


async def open_book(office: Office, world: World, *, first_day: date, this_agent: str) -> None:
    """Creates clients with their rules and buckets, and templates. What is there already is left as it is."""
    there = await office.clients()
    for plan in world.clients:
        if plan.name in there:
            continue
        anchor = _anchor(plan, first_day)
        client = await office.ask(
            office.inventory.CreateClient,
            inventory_pb2.CreateClientRequest(
                name=plan.name,
                currency=plan.currency,
                time_zone=plan.time_zone,
                cycle_unit=plan.cycle_unit,
                cycle_count=plan.cycle_count,
                cycle_anchor=anchor.isoformat(),
                contact=f"accounts@{plan.prefix}.example" if plan.prefix else "",
            ),
        )
        condition = (
            types_pb2.Condition(field="name", operator=types_pb2.OPERATOR_GLOB, pattern=f"{plan.prefix}-*")
            if plan.prefix
            else types_pb2.Condition(field="agent", operator=types_pb2.OPERATOR_EQUALS, pattern=this_agent)
        )
        await office.ask(
            office.inventory.CreateAssignmentRule,
            inventory_pb2.CreateAssignmentRuleRequest(
                client_id=client.id, filter=types_pb2.Filter(conditions=[condition])
            ),
        )
        for bucket in plan.buckets:
            await office.ask(office.inventory.CreateBucket, _bucket(client.id, bucket, anchor))
    await _open_templates(office, world.templates)


async def _open_templates(office: Office, plans: Sequence[TemplatePlan]) -> None:
    unit_types = await office.ask(office.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
    there = {(one.source_type, one.unit_type) for unit in unit_types.unit_types for one in unit.templates}
    for plan in plans:
        if (plan.source_type, plan.unit_type) not in there:
            template = unit_types_pb2.Template(
                source_type=plan.source_type,
                unit_type=plan.unit_type,
                aggregation=plan.aggregation,
                commit="0",
                prices=[
                    unit_types_pb2.TemplatePrice(
                        currency=currency, base_price=format(base, "f"), overage_price=format(overage, "f")
                    )
                    for currency, base, overage in plan.prices
                ],
                enabled=True,
            )
            await office.ask(
                office.inventory.CreateTemplate, unit_types_pb2.CreateTemplateRequest(template=template)
            )


def _bucket(client_id: int, plan: BucketPlan, starts_on: date) -> inventory_pb2.CreateBucketRequest:
    return inventory_pb2.CreateBucketRequest(
        client_id=client_id,
        name=plan.name,
        source_type=plan.source_type,
        unit_type=plan.unit_type,
        terms=agreements_pb2.Terms(
            starts_on=starts_on.isoformat(),
            commit=format(plan.commit, "f"),
            base_price=format(plan.base_price, "f"),
            overage_price=format(plan.overage_price, "f"),
            aggregation=plan.aggregation,
        ),
    )


def _anchor(plan: ClientPlan, first_day: date) -> date:
    """The last day at or before ``first_day`` on which the client's cycle may start."""
    if plan.cycle_unit == "week":
        return first_day
    day = first_day
    while day.day != plan.anchor_day:
        day -= timedelta(days=1)
    return day

"""What the demo's operator does over the people's listener: clients, rules, buckets, triage, and asking for figures.

Everything goes through the API with a key, as any operator's script would.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import grpc.aio

from deploy.demo.world import BucketPlan, ClientPlan, World
from ullage.channel import open_channel
from ullage.v1 import admin_pb2, agents_pb2, agreements_pb2, billing_pb2, inventory_pb2, types_pb2
from ullage.v1.admin_pb2_grpc import AdminStub
from ullage.v1.billing_pb2_grpc import BillingStub
from ullage.v1.insight_pb2_grpc import InsightStub
from ullage.v1.inventory_pb2_grpc import InventoryStub

CALL_SECONDS_MAX = 30
RUN_SECONDS_MAX = 600
PAGE_ROWS = 500
# Assets older than this have been seen to by the demo's operator; younger ones are still new.
TRIAGED_AFTER_DAYS = 30


@dataclass(frozen=True, slots=True)
class Office:
    """An operator's connection to the aggregator."""

    channel: grpc.aio.Channel
    inventory: Any
    billing: Any
    insight: Any
    admin: Any
    metadata: tuple[tuple[str, str], ...]

    @classmethod
    def open(cls, *, address: str, ca: Path, key_file: Path) -> "Office":
        """Dials when first used."""
        channel = open_channel(address, ca=ca.read_bytes())
        return cls(
            channel,
            InventoryStub(channel),
            BillingStub(channel),
            InsightStub(channel),
            AdminStub(channel),
            (("authorization", f"Bearer {key_file.read_text('ascii').strip()}"),),
        )

    async def ask(
        self, call: Callable[..., Awaitable[Any]], request: object, *, seconds: float = CALL_SECONDS_MAX
    ) -> Any:
        """One call with the key and a deadline. Raises ``grpc.aio.AioRpcError``."""
        return await call(request, metadata=self.metadata, timeout=seconds)

    async def run_job(self, name: str) -> dict[str, int]:
        """Runs a job and waits for it; what it counted. Raises ``RuntimeError`` when it failed."""
        while True:
            run = await self.ask(
                self.admin.RunJob, admin_pb2.RunJobRequest(name=name), seconds=RUN_SECONDS_MAX
            )
            if run.state == "failed":
                raise RuntimeError(f"the job {name} failed; the aggregator's log says why")
            if run.state != "skipped":
                return dict(run.counts)
            # The timetable's own run of it is under way.
            await asyncio.sleep(0.5)

    async def batches_of(self, agent: str) -> int:
        """How many batches of an agent are stored, 0 for one never seen."""
        reply = await self.ask(self.admin.ListAgents, agents_pb2.ListAgentsRequest())
        return next((int(a.batches) for a in reply.agents if a.name == agent), 0)

    async def clients(self) -> dict[str, int]:
        """Ids by name; the demo's dozen fit on a page."""
        page = types_pb2.PageRequest(size=PAGE_ROWS)
        reply = await self.ask(self.inventory.ListClients, inventory_pb2.ListClientsRequest(page=page))
        return {client.name: client.id for client in reply.clients}

    async def all_assets(self, **filters: Any) -> list[inventory_pb2.Asset]:
        """Every asset that matches, over all pages."""
        found: list[inventory_pb2.Asset] = []
        after = ""
        while True:
            page = types_pb2.PageRequest(size=PAGE_ROWS, after=after)
            reply = await self.ask(
                self.inventory.ListAssets, inventory_pb2.ListAssetsRequest(page=page, **filters)
            )
            found += reply.assets
            after = reply.page.next
            if not after:
                return found


async def open_book(office: Office, world: World, *, first_day: date, this_agent: str) -> None:
    """Creates the clients with their rules and buckets. A client that is there already is left as it is."""
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


async def triage(office: Office, world: World, *, days: int) -> int:
    """Assigns by hand what has been there for a while, as an operator will have done; how many."""
    owner = {
        (thing.source_type, thing.external_id): thing.client
        for agent in world.agents
        for thing in agent.things
        if thing.client and thing.born < days - TRIAGED_AFTER_DAYS
    }
    clients = await office.clients()
    by_client: dict[int, list[int]] = {}
    for asset in await office.all_assets():
        name = owner.get((asset.source_type, asset.external_id))
        if name and not asset.acknowledged:
            by_client.setdefault(clients[name], []).append(asset.id)
    for client_id, assets in by_client.items():
        await office.ask(
            office.inventory.AssignAssets,
            inventory_pb2.AssignAssetsRequest(asset_ids=assets, client_id=client_id),
        )
    return sum(map(len, by_client.values()))


async def figures(office: Office, *, this_agent: str) -> dict[str, Any]:
    """What `ONCE=1 make demo` prints, as the API tells it."""
    one = types_pb2.PageRequest(size=1)
    agents = (await office.ask(office.admin.ListAgents, agents_pb2.ListAgentsRequest())).agents
    health = await office.ask(office.admin.GetHealth, admin_pb2.GetHealthRequest())
    assets = await office.ask(office.inventory.ListAssets, inventory_pb2.ListAssetsRequest(page=one))
    unbound = await office.ask(
        office.inventory.ListAssets, inventory_pb2.ListAssetsRequest(page=one, unbound=True)
    )
    buckets = await office.ask(office.inventory.ListBuckets, inventory_pb2.ListBucketsRequest(page=one))
    readings = await office.ask(office.billing.ListReadings, billing_pb2.ListReadingsRequest(page=one))
    projections = await office.ask(
        office.billing.ListProjections, billing_pb2.ListProjectionsRequest(page=one)
    )
    host = {}
    for asset in await office.all_assets(source_type="host"):
        if asset.scope == f"agent:{this_agent}":
            detail = await office.ask(office.inventory.GetAsset, inventory_pb2.GetAssetRequest(id=asset.id))
            host = {series.unit_type: series.latest for series in detail.series if series.latest}
    return {
        "readings": sum(agent.readings for agent in agents),
        "assets": assets.page.total,
        "unbound": unbound.page.total,
        "buckets": buckets.page.total,
        "billing_readings": readings.page.total,
        "projections": projections.page.total,
        "host": host,
        "database": health.database,
    }

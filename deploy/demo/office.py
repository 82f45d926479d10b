"""The demo's connection to the aggregator: over the people's listener with a key, as any operator's script would."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from ullage.channel import open_channel
from ullage.v1 import admin_pb2, agents_pb2, asset_acts_pb2, billing_pb2, inventory_pb2, types_pb2
from ullage.v1.admin_pb2_grpc import AdminStub
from ullage.v1.billing_pb2_grpc import BillingStub
from ullage.v1.closing_pb2_grpc import ClosingStub
from ullage.v1.insight_pb2_grpc import InsightStub
from ullage.v1.inventory_pb2_grpc import InventoryStub

CALL_SECONDS_MAX = 30
RUN_SECONDS_MAX = 600
PAGE_ROWS = 500


@dataclass(frozen=True, slots=True)
class Office:
    """An operator's connection to the aggregator."""

    channel: grpc.aio.Channel
    inventory: Any
    billing: Any
    closing: Any
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
            ClosingStub(channel),
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

    async def suggestions(self) -> list[asset_acts_pb2.Suggestion]:
        """For all that is unbound."""
        ids = [asset.id for asset in await self.all_assets(unbound=True)]
        request = asset_acts_pb2.SuggestBindingsRequest(asset_ids=ids)
        return list((await self.ask(self.inventory.SuggestBindings, request)).suggestions)


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
        "suggested": len(await office.suggestions()),
        "buckets": buckets.page.total,
        "billing_readings": readings.page.total,
        "projections": projections.page.total,
        "host": host,
        "database": health.database,
    }

"""The one way from the terminal to an aggregator: every call typed, bounded in time, and with errors for people.

This is the only file of the program that knows gRPC. Calls return the contract's messages; what goes wrong is a
``CallFailed`` with a sentence that says what to do. ``Aggregator.watch`` never ends by itself: it reconnects.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

# gRPC's own log lines would be drawn into the screen.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from tui.failures import CallFailed, Kind, explain
from tui.settings import Settings
from ullage.channel import open_channel
from ullage.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    agents_pb2,
    billing_pb2,
    billing_pb2_grpc,
    insight_pb2,
    insight_pb2_grpc,
    inventory_pb2,
    inventory_pb2_grpc,
    types_pb2,
)

CALL_SECONDS_MAX = 15.0
# Runs answer when they are done.
RUN_SECONDS_MAX = 900.0
# The aggregator sends something at least every 15 seconds.
WATCH_SILENCE_SECONDS_MAX = 40.0
RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 10.0
PAGE_ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Connected:
    """The watch stream is open and the aggregator has spoken."""


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection. ``attempt`` counts from 1 since it was lost."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Something about this noun changed."""

    noun: str


Event = Connected | Lost | Changed
Request_contra = TypeVar("Request_contra", contravariant=True)
Reply_co = TypeVar("Reply_co", covariant=True)


class _Method(Protocol[Request_contra, Reply_co]):
    """A unary method of a generated stub."""

    def __call__(
        self,
        request: Request_contra,
        /,
        *,
        timeout: float | None = None,
        metadata: grpc.aio.Metadata | None = None,
    ) -> Awaitable[Reply_co]: ...


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: ``after`` is the token of the page before, ``sort`` a field of the row."""

    size: int = 100
    after: str = ""
    sort: str = ""
    descending: bool = False

    def message(self) -> types_pb2.PageRequest:
        """As the contract says it."""
        return types_pb2.PageRequest(
            size=min(self.size, PAGE_ROWS_MAX), after=self.after, sort=self.sort, descending=self.descending
        )


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """Which assets; the parts restrict the list together."""

    search: str = ""
    client_id: int = 0
    source_type: str = ""
    unassigned: bool = False
    unbound: bool = False
    unacknowledged: bool = False


class _Stubs:
    """One connection and the services on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.inventory = inventory_pb2_grpc.InventoryStub(channel)
        self.billing = billing_pb2_grpc.BillingStub(channel)
        self.insight = insight_pb2_grpc.InsightStub(channel)
        self.admin = admin_pb2_grpc.AdminStub(channel)


class Aggregator:
    """An aggregator as one person's key sees it. Dials when first used; ``close`` when done."""

    def __init__(self, settings: Settings) -> None:
        self.address = settings.address
        self._ca = settings.ca
        self._metadata = grpc.aio.Metadata(("authorization", f"Bearer {settings.key}"))
        self._stubs: _Stubs | None = None

    @property
    def _wire(self) -> _Stubs:
        """Dialled in the event loop that calls: a channel belongs to one loop."""
        if self._stubs is None:
            self._stubs = _Stubs(open_channel(self.address, ca=self._ca))
        return self._stubs

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and whatever call is under way; the next call dials again."""
        stubs, self._stubs = self._stubs, None
        if stubs is not None:
            await stubs.channel.close()

    async def _call(
        self,
        method: _Method[Request_contra, Reply_co],
        request: Request_contra,
        *,
        seconds: float = CALL_SECONDS_MAX,
    ) -> Reply_co:
        try:
            return await method(request, timeout=seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise explain(error.code().name, error.details() or "", self.address) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not we were cancelled but the call, because its channel was given up.
            raise CallFailed(
                Kind.AWAY, f"The connection to {self.address} was lost during the call."
            ) from None

    async def clients(self, page: Page, *, search: str = "") -> inventory_pb2.ListClientsReply:
        """Clients whose name contains ``search``."""
        request = inventory_pb2.ListClientsRequest(page=page.message(), search=search)
        return await self._call(self._wire.inventory.ListClients, request)

    async def client(self, client_id: int, *, name: str) -> inventory_pb2.Client | None:
        """One client, found by its name; None when no client of that id has it any more."""
        after = ""
        while True:
            reply = await self.clients(Page(size=PAGE_ROWS_MAX, after=after), search=name)
            for client in reply.clients:
                if client.id == client_id:
                    return client
            after = reply.page.next
            if not after:
                return None

    async def create_client(self, request: inventory_pb2.CreateClientRequest) -> inventory_pb2.Client:
        """The client as stored."""
        return await self._call(self._wire.inventory.CreateClient, request)

    async def assets(self, page: Page, query: AssetQuery) -> inventory_pb2.ListAssetsReply:
        """Assets for which everything in ``query`` holds."""
        request = inventory_pb2.ListAssetsRequest(
            page=page.message(),
            search=query.search,
            client_id=query.client_id,
            source_type=query.source_type,
            unassigned=query.unassigned,
            unbound=query.unbound,
            unacknowledged=query.unacknowledged,
        )
        return await self._call(self._wire.inventory.ListAssets, request)

    async def asset(self, asset_id: int) -> inventory_pb2.AssetDetail:
        """One asset with series, bindings, assignments and agents."""
        return await self._call(self._wire.inventory.GetAsset, inventory_pb2.GetAssetRequest(id=asset_id))

    async def asset_usage(self, asset_id: int, *, days: int = 30) -> inventory_pb2.AssetUsage:
        """A value per day (UTC) and unit type of the last ``days`` days, at most 31."""
        request = inventory_pb2.GetAssetUsageRequest(id=asset_id, days=days)
        return await self._call(self._wire.inventory.GetAssetUsage, request)

    async def assign_assets(self, asset_ids: Iterable[int], *, client_id: int) -> int:
        """How many assignments changed; ``client_id`` 0 ends them."""
        request = inventory_pb2.AssignAssetsRequest(asset_ids=asset_ids, client_id=client_id)
        return (await self._call(self._wire.inventory.AssignAssets, request)).changed

    async def assignment_rules(self) -> inventory_pb2.ListAssignmentRulesReply:
        """All rules, the one that wins first."""
        return await self._call(
            self._wire.inventory.ListAssignmentRules, inventory_pb2.ListAssignmentRulesRequest()
        )

    async def create_assignment_rule(
        self, request: inventory_pb2.CreateAssignmentRuleRequest
    ) -> inventory_pb2.AssignmentRule:
        """The rule as stored."""
        return await self._call(self._wire.inventory.CreateAssignmentRule, request)

    async def suppressions(self, *, ended: bool = False) -> inventory_pb2.ListSuppressionsReply:
        """Those that hold; with ``ended`` all there ever were."""
        request = inventory_pb2.ListSuppressionsRequest(ended=ended)
        return await self._call(self._wire.inventory.ListSuppressions, request)

    async def create_suppression(
        self, condition: types_pb2.Condition, *, reason: str
    ) -> inventory_pb2.Suppression:
        """The suppression as stored."""
        request = inventory_pb2.CreateSuppressionRequest(condition=condition, reason=reason)
        return await self._call(self._wire.inventory.CreateSuppression, request)

    async def end_suppression(self, suppression_id: int) -> inventory_pb2.Suppression:
        """The suppression with what it dropped."""
        request = inventory_pb2.EndSuppressionRequest(id=suppression_id)
        return await self._call(self._wire.inventory.EndSuppression, request)

    async def unit_types(self) -> inventory_pb2.ListUnitTypesReply:
        """All unit types."""
        return await self._call(self._wire.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())

    async def buckets(
        self, page: Page, *, search: str = "", client_id: int = 0, source_type: str = "", unit_type: str = ""
    ) -> inventory_pb2.ListBucketsReply:
        """Buckets with usage and projection of their open period."""
        request = inventory_pb2.ListBucketsRequest(
            page=page.message(),
            search=search,
            client_id=client_id,
            source_type=source_type,
            unit_type=unit_type,
        )
        return await self._call(self._wire.inventory.ListBuckets, request)

    async def bucket(self, bucket_id: int, *, client_id: int, name: str) -> inventory_pb2.Bucket | None:
        """One bucket, found by its client and name; None when no bucket of that id has it any more."""
        after = ""
        while True:
            reply = await self.buckets(
                Page(size=PAGE_ROWS_MAX, after=after), client_id=client_id, search=name
            )
            for bucket in reply.buckets:
                if bucket.id == bucket_id:
                    return bucket
            after = reply.page.next
            if not after:
                return None

    async def create_bucket(self, request: inventory_pb2.CreateBucketRequest) -> inventory_pb2.Bucket:
        """The bucket as stored."""
        return await self._call(self._wire.inventory.CreateBucket, request)

    async def readings(
        self, page: Page, *, client_id: int = 0, bucket_id: int = 0
    ) -> billing_pb2.ListReadingsReply:
        """Billing readings of all periods."""
        request = billing_pb2.ListReadingsRequest(
            page=page.message(), client_id=client_id, bucket_id=bucket_id
        )
        return await self._call(self._wire.billing.ListReadings, request)

    async def projections(self, page: Page, *, client_id: int = 0) -> billing_pb2.ListProjectionsReply:
        """What the open periods will look like at their end."""
        request = billing_pb2.ListProjectionsRequest(page=page.message(), client_id=client_id)
        return await self._call(self._wire.billing.ListProjections, request)

    async def run_billing(self, *, everything: bool = False) -> billing_pb2.Run:
        """Rates what changed, or everything; answers when it is done."""
        request = billing_pb2.RunBillingRequest(all=everything)
        return await self._call(self._wire.billing.RunBilling, request, seconds=RUN_SECONDS_MAX)

    async def dashboard(self) -> insight_pb2.Dashboard:
        """The figures over everything this key may see."""
        return await self._call(self._wire.insight.GetDashboard, insight_pb2.GetDashboardRequest())

    async def health(self) -> insight_pb2.Health:
        """How the system itself is doing."""
        return await self._call(self._wire.admin.GetHealth, admin_pb2.GetHealthRequest())

    async def who_am_i(self) -> admin_pb2.Identity:
        """Name and role of the key in use."""
        return await self._call(self._wire.admin.WhoAmI, admin_pb2.WhoAmIRequest())

    async def agents(self) -> agents_pb2.ListAgentsReply:
        """All agents."""
        return await self._call(self._wire.admin.ListAgents, agents_pb2.ListAgentsRequest())

    async def quarantine(self) -> admin_pb2.ListQuarantineReply:
        """What waits for a decision, by agent and reason."""
        return await self._call(self._wire.admin.ListQuarantine, admin_pb2.ListQuarantineRequest())

    async def release_quarantine(
        self, request: admin_pb2.SettleQuarantineRequest
    ) -> admin_pb2.SettleQuarantineReply:
        """How many were stored and how many stay; answers when it is done."""
        return await self._call(self._wire.admin.ReleaseQuarantine, request, seconds=RUN_SECONDS_MAX)

    async def discard_quarantine(
        self, request: admin_pb2.SettleQuarantineRequest
    ) -> admin_pb2.SettleQuarantineReply:
        """How many will never count."""
        return await self._call(self._wire.admin.DiscardQuarantine, request, seconds=RUN_SECONDS_MAX)

    async def jobs(self) -> admin_pb2.ListJobsReply:
        """The timetable, with each job's last run."""
        return await self._call(self._wire.admin.ListJobs, admin_pb2.ListJobsRequest())

    async def run_job(self, name: str) -> billing_pb2.Run:
        """Runs a job and answers when it is done."""
        return await self._call(
            self._wire.admin.RunJob, admin_pb2.RunJobRequest(name=name), seconds=RUN_SECONDS_MAX
        )

    async def watch(self, nouns: Iterable[str] = ()) -> AsyncIterator[Event]:
        """News for as long as the caller listens: reconnects with a growing, jittered pause, for ever."""
        import stamina
        import stamina.instrumentation

        # Its notes about retries would be drawn into the screen.
        stamina.instrumentation.set_on_retry_hooks(())
        request = insight_pb2.WatchRequest(nouns=nouns)
        reason = ""
        while True:
            pauses = stamina.retry_context(
                on=CallFailed,
                attempts=None,
                timeout=None,
                wait_initial=RECONNECT_SECONDS_MIN,
                wait_max=RECONNECT_SECONDS_MAX,
            )
            async for attempt in pauses:
                if reason:
                    yield Lost(attempt.num, reason)
                    # gRPC's own pause between attempts grows to two minutes; a person waits for seconds.
                    await self.close()
                with attempt:
                    try:
                        stream = self._wire.insight.Watch(request, metadata=self._metadata)
                        await self._next(stream)
                    except CallFailed as error:
                        reason = str(error)
                        raise
            yield Connected()
            try:
                while True:
                    change = await self._next(stream)
                    if change.noun:
                        yield Changed(change.noun)
            except CallFailed as error:
                reason = str(error)
            finally:
                stream.cancel()

    async def _next(
        self, stream: grpc.aio.UnaryStreamCall[insight_pb2.WatchRequest, insight_pb2.Change]
    ) -> insight_pb2.Change:
        """The stream's next message; silence, an end and an error are all ``CallFailed``."""
        try:
            async with asyncio.timeout(WATCH_SILENCE_SECONDS_MAX):
                change = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise explain(error.code().name, error.details() or "", self.address) from None
        except TimeoutError:
            stream.cancel()
            raise CallFailed(Kind.AWAY, f"The aggregator at {self.address} has fallen silent.") from None
        if isinstance(change, insight_pb2.Change):
            return change
        raise CallFailed(Kind.AWAY, f"The aggregator at {self.address} closed the connection.")

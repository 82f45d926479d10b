"""A real gRPC server with TLS on the loopback that gives scripted answers: the wire is the edge of the terminal.

It pages, filters and sorts as the contract says, checks the key, can fail on request, go away and come back on the same
port, and tell watchers what changed.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
import trustme
from google.protobuf.message import Message

from tests.tui import builders
from tests.tui.answers import answer_the_rest, has, paged
from tui.settings import Settings
from ullage.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    agents_pb2,
    analysis_pb2_grpc,
    billing_pb2,
    billing_pb2_grpc,
    closing_pb2_grpc,
    exchange_pb2,
    exchange_pb2_grpc,
    insight_pb2,
    insight_pb2_grpc,
    inventory_pb2,
    inventory_pb2_grpc,
    types_pb2,
)

KEY = "ullage_test0123456789abcdefghijklmnop"
Row = TypeVar("Row")


@dataclass
class Script:
    """What the aggregator answers. Change it and call ``Scripted.tell`` to act a change."""

    clients: list[inventory_pb2.Client] = field(default_factory=list)
    assets: list[inventory_pb2.Asset] = field(default_factory=list)
    buckets: list[inventory_pb2.Bucket] = field(default_factory=list)
    readings: list[billing_pb2.Reading] = field(default_factory=list)
    projections: list[billing_pb2.Projection] = field(default_factory=list)
    rules: list[inventory_pb2.AssignmentRule] = field(default_factory=list)
    unit_types: list[inventory_pb2.UnitType] = field(default_factory=list)
    agents: list[agents_pb2.Agent] = field(default_factory=list)
    jobs: list[admin_pb2.Job] = field(default_factory=list)
    suppressions: list[inventory_pb2.Suppression] = field(default_factory=list)
    quarantine: list[admin_pb2.QuarantineGroup] = field(default_factory=list)
    dashboard: insight_pb2.Dashboard = field(default_factory=insight_pb2.Dashboard)
    # Who the person is; no methods: the aggregator did not say which calls are allowed.
    role: str = "viewer"
    methods: tuple[str, ...] = ()
    # What every dry run says.
    preview: types_pb2.Preview = field(default_factory=types_pb2.Preview)
    # What calls answer that nothing here knows how to: a reply, or how to make it from the request, by method.
    answers: dict[str, Message | Callable[[Any], Message | Awaitable[Message]]] = field(default_factory=dict)
    # The same of calls that answer with many messages.
    streams: dict[str, list[Message]] = field(default_factory=dict)
    # The pieces of an export.
    export: list[bytes] = field(default_factory=list)
    # State in which a run ends, and how long it takes.
    run_state: str = "done"
    run_seconds: float = 0.0
    # Every call is answered with this status and text while it is set.
    failure: tuple[grpc.StatusCode, str] | None = None
    # Every call takes so long.
    delay_seconds: float = 0.0


class Scripted:
    """The services that people call."""

    def __init__(
        self, script: Script, authority: trustme.CA, certificate: trustme.LeafCert | None = None
    ) -> None:
        self.script = script
        self.requests: list[Any] = []
        # Set by the first request.
        self.called = asyncio.Event()
        self.port = 0
        self._authority = authority
        self._certificate = certificate or authority.issue_cert("127.0.0.1")
        self._watchers: set[asyncio.Queue[str]] = set()
        self._server: grpc.aio.Server | None = None
        answer_the_rest(self)

    async def start(self) -> None:
        """Listens; the second time on the same port as before."""
        # Answers that are put in when it runs, no type checker sees.
        servicer: Any = self
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        inventory_pb2_grpc.add_InventoryServicer_to_server(servicer, server)
        billing_pb2_grpc.add_BillingServicer_to_server(servicer, server)
        insight_pb2_grpc.add_InsightServicer_to_server(servicer, server)
        admin_pb2_grpc.add_AdminServicer_to_server(servicer, server)
        exchange_pb2_grpc.add_ExchangeServicer_to_server(servicer, server)
        closing_pb2_grpc.add_ClosingServicer_to_server(servicer, server)
        analysis_pb2_grpc.add_AnalysisServicer_to_server(servicer, server)
        pair = (self._certificate.private_key_pem.bytes(), self._certificate.cert_chain_pems[0].bytes())
        self.port = server.add_secure_port(f"127.0.0.1:{self.port}", grpc.ssl_server_credentials([pair]))
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Goes away at once, as a killed process does."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    @property
    def settings(self) -> Settings:
        """How to dial it."""
        return Settings(address=f"127.0.0.1:{self.port}", ca=self._authority.cert_pem.bytes(), key=KEY)

    def environment(self, folder: Path) -> dict[str, str]:
        """The same for a process: variables, and files in ``folder``."""
        (folder / "ca.crt").write_bytes(self._authority.cert_pem.bytes())
        (folder / "key").write_text(f"{KEY}\n")
        return {
            "ULLAGE_ADDRESS": f"127.0.0.1:{self.port}",
            "ULLAGE_CA": str(folder / "ca.crt"),
            "ULLAGE_KEY_FILE": str(folder / "key"),
            "HOME": str(folder),
        }

    def tell(self, *nouns: str) -> None:
        """Watchers learn that these changed."""
        for queue in self._watchers:
            for noun in nouns:
                queue.put_nowait(noun)

    def asked(self, kind: type[Row]) -> list[Row]:
        """The requests of one kind, oldest first."""
        return [request for request in self.requests if isinstance(request, kind)]

    async def enter(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.called.set()
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {KEY}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown key")
        if self.script.delay_seconds:
            await asyncio.sleep(self.script.delay_seconds)
        if self.script.failure:
            await context.abort(*self.script.failure)

    async def _missing(self, context: Any, noun: str, number: int) -> NoReturn:
        await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {noun} {number}")
        raise AssertionError

    async def _asset(self, number: int, context: Any) -> inventory_pb2.Asset:
        one = next((one for one in self.script.assets if one.id == number), None)
        if one is None:
            await self._missing(context, "asset", number)
        return one

    async def ListClients(
        self, request: inventory_pb2.ListClientsRequest, context: Any
    ) -> inventory_pb2.ListClientsReply:
        await self.enter(request, context)
        found = [one for one in self.script.clients if has(request.search, one.name)]
        rows, info = await paged(found, request.page, context)
        return inventory_pb2.ListClientsReply(clients=rows, page=info)

    async def GetClient(self, request: inventory_pb2.GetClientRequest, context: Any) -> inventory_pb2.Client:
        await self.enter(request, context)
        one = next((one for one in self.script.clients if one.id == request.id), None)
        return one or await self._missing(context, "client", request.id)

    async def CreateClient(
        self, request: inventory_pb2.CreateClientRequest, context: Any
    ) -> inventory_pb2.Client:
        await self.enter(request, context)
        made = builders.client(len(self.script.clients) + 1, request.name, currency=request.currency)
        self.script.clients.append(made)
        return made

    async def ListAssets(
        self, request: inventory_pb2.ListAssetsRequest, context: Any
    ) -> inventory_pb2.ListAssetsReply:
        await self.enter(request, context)
        wanted: list[Callable[[inventory_pb2.Asset], bool]] = [
            lambda one: has(request.search, one.name, one.external_id, one.description),
            lambda one: request.client_id in {0, one.client_id},
            lambda one: request.source_type in {"", one.source_type},
            lambda one: not request.unassigned or not one.client_id,
            lambda one: not request.unbound or one.series_unbound > 0,
            lambda one: not request.unacknowledged or not one.acknowledged,
            lambda one: one.disregarded == request.disregarded,
        ]
        found = [one for one in self.script.assets if all(holds(one) for holds in wanted)]
        rows, info = await paged(found, request.page, context)
        return inventory_pb2.ListAssetsReply(assets=rows, page=info)

    async def GetAsset(
        self, request: inventory_pb2.GetAssetRequest, context: Any
    ) -> inventory_pb2.AssetDetail:
        await self.enter(request, context)
        one = await self._asset(request.id, context)
        bound = next((b for b in self.script.buckets if b.client_id == one.client_id), None)
        return builders.detail(one, bound)

    async def GetAssetUsage(
        self, request: inventory_pb2.GetAssetUsageRequest, context: Any
    ) -> inventory_pb2.AssetUsage:
        await self.enter(request, context)
        one = await self._asset(request.id, context)
        return builders.usage(builders.detail(one), request.days or 30)

    async def AssignAssets(
        self, request: inventory_pb2.AssignAssetsRequest, context: Any
    ) -> inventory_pb2.AssignAssetsReply:
        await self.enter(request, context)
        names = {one.id: one.name for one in self.script.clients}
        changed = 0
        if request.dry_run:
            return inventory_pb2.AssignAssetsReply(
                changed=len(request.asset_ids), preview=self.script.preview
            )
        for one in self.script.assets:
            if one.id in request.asset_ids and one.client_id != request.client_id:
                one.client_id, one.client_name = request.client_id, names.get(request.client_id, "")
                changed += 1
        return inventory_pb2.AssignAssetsReply(changed=changed)

    async def CreateAssignmentRule(
        self, request: inventory_pb2.CreateAssignmentRuleRequest, context: Any
    ) -> inventory_pb2.AssignmentRule:
        await self.enter(request, context)
        made = inventory_pb2.AssignmentRule(
            id=1, client_id=request.client_id, priority=request.priority, filter=request.filter
        )
        self.script.rules.append(made)
        return made

    async def CreateSuppression(
        self, request: inventory_pb2.CreateSuppressionRequest, context: Any
    ) -> inventory_pb2.CreateSuppressionReply:
        await self.enter(request, context)
        made = inventory_pb2.Suppression(id=1, condition=request.condition, reason=request.reason)
        return inventory_pb2.CreateSuppressionReply(
            suppression=None if request.dry_run else made, preview=self.script.preview
        )

    async def ListBuckets(
        self, request: inventory_pb2.ListBucketsRequest, context: Any
    ) -> inventory_pb2.ListBucketsReply:
        await self.enter(request, context)
        found = [
            one
            for one in self.script.buckets
            if has(request.search, one.name)
            and request.client_id in {0, one.client_id}
            and request.source_type in {"", one.source_type}
            and request.unit_type in {"", one.unit_type}
        ]
        rows, info = await paged(found, request.page, context)
        return inventory_pb2.ListBucketsReply(buckets=rows, page=info)

    async def GetBucket(self, request: inventory_pb2.GetBucketRequest, context: Any) -> inventory_pb2.Bucket:
        await self.enter(request, context)
        one = next((one for one in self.script.buckets if one.id == request.id), None)
        return one or await self._missing(context, "bucket", request.id)

    async def CreateBucket(
        self, request: inventory_pb2.CreateBucketRequest, context: Any
    ) -> inventory_pb2.CreateBucketReply:
        await self.enter(request, context)
        of = next((one for one in self.script.clients if one.id == request.client_id), None)
        if of is None:
            await self._missing(context, "client", request.client_id)
        if request.dry_run:
            return inventory_pb2.CreateBucketReply(preview=self.script.preview)
        made = builders.bucket(
            len(self.script.buckets) + 1, request.name, of, terms=request.terms, filters=request.filters
        )
        self.script.buckets.append(made)
        return inventory_pb2.CreateBucketReply(bucket=made)

    async def ListReadings(
        self, request: billing_pb2.ListReadingsRequest, context: Any
    ) -> billing_pb2.ListReadingsReply:
        await self.enter(request, context)
        found = [
            one
            for one in self.script.readings
            if request.client_id in {0, one.client_id}
            and request.bucket_id in {0, one.bucket_id}
            and request.state in {0, one.state}
            and request.month in {"", builders.month_of(one)}
            and has(request.search, one.client_name, one.bucket_name)
            and request.source_type in {"", one.source_type}
        ]
        rows, info = await paged(found, request.page, context)
        return billing_pb2.ListReadingsReply(readings=rows, page=info)

    async def ListProjections(
        self, request: billing_pb2.ListProjectionsRequest, context: Any
    ) -> billing_pb2.ListProjectionsReply:
        await self.enter(request, context)
        found = [
            one
            for one in self.script.projections
            if request.client_id in {0, one.client_id}
            and has(request.search, one.client_name, one.bucket_name)
            and (not request.over or float(one.percent_of_commit or 0) > 100)
        ]
        rows, info = await paged(found, request.page, context)
        return billing_pb2.ListProjectionsReply(projections=rows, page=info)

    async def RunBilling(self, request: billing_pb2.RunBillingRequest, context: Any) -> billing_pb2.Run:
        await self.enter(request, context)
        return await self._run("billing")

    async def RunJob(self, request: admin_pb2.RunJobRequest, context: Any) -> billing_pb2.Run:
        await self.enter(request, context)
        if request.name not in {"rollup", "binding", "billing", "projection"}:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"name: there is no job {request.name}")
        return await self._run(request.name)

    async def _run(self, job: str) -> billing_pb2.Run:
        await asyncio.sleep(self.script.run_seconds)
        run = builders.job(job, "").last_run
        run.state = self.script.run_state
        return run

    async def Export(
        self, request: exchange_pb2.ExportRequest, context: Any
    ) -> AsyncIterator[exchange_pb2.ExportChunk]:
        await self.enter(request, context)
        for data in self.script.export:
            yield exchange_pb2.ExportChunk(data=data)

    async def Watch(
        self, request: insight_pb2.WatchRequest, context: Any
    ) -> AsyncIterator[insight_pb2.Change]:
        await self.enter(request, context)
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield insight_pb2.Change()
            while True:
                noun = await queue.get()
                if not request.nouns or noun in request.nouns:
                    yield insight_pb2.Change(noun=noun)
        finally:
            self._watchers.discard(queue)


def expired_certificate(authority: trustme.CA) -> trustme.LeafCert:
    """Valid until yesterday."""
    now = dt.datetime.now(dt.UTC)
    return authority.issue_cert(
        "127.0.0.1", not_before=now - dt.timedelta(days=9), not_after=now - dt.timedelta(days=1)
    )

"""An aggregator as one person's key sees it: the lists and figures that screens and commands both read.

Whatever only one place asks for goes by ``ask`` with the contract's own method and message.
"""

from collections.abc import AsyncIterator, Iterable

from tui.client.pages import AssetQuery, Page
from tui.client.watch import Event, watch
from tui.client.wire import Wire
from ullage.v1 import admin_pb2, billing_pb2, closing_pb2, insight_pb2, inventory_pb2


class Aggregator(Wire):
    """Dials when first used; ``close`` when done."""

    async def clients(self, page: Page, *, search: str = "") -> inventory_pb2.ListClientsReply:
        """Clients whose name contains ``search``."""
        request = inventory_pb2.ListClientsRequest(page=page.message(), search=search)
        return await self.ask(self.inventory.ListClients, request)

    async def client(self, client_id: int) -> inventory_pb2.Client:
        """One client."""
        return await self.ask(self.inventory.GetClient, inventory_pb2.GetClientRequest(id=client_id))

    async def assets(self, page: Page, query: AssetQuery) -> inventory_pb2.ListAssetsReply:
        """Assets for which everything in ``query`` holds."""
        return await self.ask(self.inventory.ListAssets, query.message(page))

    async def asset(self, asset_id: int) -> inventory_pb2.AssetDetail:
        """One asset with series, bindings, assignments and agents."""
        return await self.ask(self.inventory.GetAsset, inventory_pb2.GetAssetRequest(id=asset_id))

    async def asset_usage(self, asset_id: int, *, days: int = 30) -> inventory_pb2.AssetUsage:
        """A value per day (UTC) and unit type of the last ``days`` days, at most 31."""
        request = inventory_pb2.GetAssetUsageRequest(id=asset_id, days=days)
        return await self.ask(self.inventory.GetAssetUsage, request)

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
        return await self.ask(self.inventory.ListBuckets, request)

    async def bucket(self, bucket_id: int) -> inventory_pb2.Bucket:
        """One bucket with all its terms."""
        return await self.ask(self.inventory.GetBucket, inventory_pb2.GetBucketRequest(id=bucket_id))

    async def readings(
        self,
        page: Page,
        *,
        client_id: int = 0,
        bucket_id: int = 0,
        state: billing_pb2.PeriodState.ValueType = billing_pb2.PERIOD_STATE_UNSPECIFIED,
        month: str = "",
        search: str = "",
        source_type: str = "",
    ) -> billing_pb2.ListReadingsReply:
        """Billing readings for which everything given holds; ``month`` is a reporting month, "2026-10"."""
        request = billing_pb2.ListReadingsRequest(
            page=page.message(),
            client_id=client_id,
            bucket_id=bucket_id,
            state=state,
            month=month,
            search=search,
            source_type=source_type,
        )
        return await self.ask(self.billing.ListReadings, request)

    async def periods(
        self,
        page: Page,
        *,
        client_id: int = 0,
        state: billing_pb2.PeriodState.ValueType = billing_pb2.PERIOD_STATE_UNSPECIFIED,
        overdue: bool = False,
        month: str = "",
        search: str = "",
    ) -> closing_pb2.ListPeriodsReply:
        """Periods of clients for which everything given holds; ``month`` is a reporting month, "2026-10"."""
        request = closing_pb2.ListPeriodsRequest(
            page=page.message(), client_id=client_id, state=state, overdue=overdue, month=month, search=search
        )
        return await self.ask(self.closing.ListPeriods, request)

    async def projections(
        self, page: Page, *, client_id: int = 0, search: str = "", over: bool = False
    ) -> billing_pb2.ListProjectionsReply:
        """Projections of open periods; ``over``: those above their commit."""
        request = billing_pb2.ListProjectionsRequest(
            page=page.message(), client_id=client_id, search=search, over=over
        )
        return await self.ask(self.billing.ListProjections, request)

    async def dashboard(self) -> insight_pb2.Dashboard:
        """The figures over everything this key may see."""
        return await self.ask(self.insight.GetDashboard, insight_pb2.GetDashboardRequest())

    async def health(self) -> insight_pb2.Health:
        """How the system itself is doing."""
        return await self.ask(self.admin.GetHealth, admin_pb2.GetHealthRequest())

    async def who_am_i(self) -> admin_pb2.Identity:
        """Name and role of the key in use."""
        return await self.ask(self.admin.WhoAmI, admin_pb2.WhoAmIRequest())

    def watch(self, nouns: Iterable[str] = ()) -> AsyncIterator[Event]:
        """News for as long as the caller listens; reconnects by itself, for ever."""
        return watch(self, nouns)

"""What is metered and who owns it, for people: clients, assets, buckets, and the rules between them."""

from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.create_client import create_client
from aggregator.actions.suppress import create_suppression, end_suppression
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.errors import Invalid, NotFound
from aggregator.rpc import convert, convert_intake
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.server import Context
from aggregator.store import assets, buckets, clients, suppressions, usage
from aggregator.store.assets import AssetFilter
from aggregator.store.buckets import BucketFilter
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2, inventory_pb2_grpc

USAGE_DAYS_DEFAULT = 30
USAGE_DAYS_MAX = 31


class InventoryService(inventory_pb2_grpc.InventoryServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListClients(
        self, request: inventory_pb2.ListClientsRequest, context: Context
    ) -> inventory_pb2.ListClientsReply:
        """A page of clients."""
        paging = to_paging(request.page, clients.SORTS)
        search = search_text(request.search)
        async with snapshot(self._db) as seen:
            page = await clients.list_clients(seen, paging, search=search)
        return inventory_pb2.ListClientsReply(
            clients=[convert.client(row, seen.now) for row in page.rows], page=page_info(page, paging)
        )

    async def CreateClient(
        self, request: inventory_pb2.CreateClientRequest, context: Context
    ) -> inventory_pb2.Client:
        """The client as it is from now on."""
        client_id = await create_client(
            self._db,
            name=request.name,
            currency=request.currency,
            time_zone=request.time_zone,
            cycle_unit=request.cycle_unit,
            cycle_count=request.cycle_count,
            cycle_anchor=request.cycle_anchor,
        )
        async with snapshot(self._db) as seen:
            [row] = await clients.rows(seen, [client_id])
        return convert.client(row, seen.now)

    async def ListAssets(
        self, request: inventory_pb2.ListAssetsRequest, context: Context
    ) -> inventory_pb2.ListAssetsReply:
        """A page of the assets that are not disregarded."""
        paging = to_paging(request.page, assets.SORTS)
        wanted = AssetFilter(
            search=search_text(request.search),
            client_id=request.client_id or None,
            source_type=search_text(request.source_type) or None,
            unassigned=request.unassigned,
            unbound=request.unbound,
            unacknowledged=request.unacknowledged,
        )
        async with snapshot(self._db) as seen:
            page, unbound = await assets.list_assets(seen, paging, wanted)
        return inventory_pb2.ListAssetsReply(
            assets=[convert.asset(row, unbound.get(row.id)) for row in page.rows],
            page=page_info(page, paging),
        )

    async def GetAsset(
        self, request: inventory_pb2.GetAssetRequest, context: Context
    ) -> inventory_pb2.AssetDetail:
        """Raises ``NotFound``; a disregarded asset is found."""
        async with snapshot(self._db) as seen:
            detail = await assets.get_asset(seen, request.id)
            if detail is None:
                raise NotFound("asset", request.id)
            latest = await usage.latest(seen, [series.id for series in detail.series])
        return convert.asset_detail(detail, latest)

    async def GetAssetUsage(
        self, request: inventory_pb2.GetAssetUsageRequest, context: Context
    ) -> inventory_pb2.AssetUsage:
        """The last days (UTC) up to today, whose value is of the slots that were rolled up so far."""
        if request.days > USAGE_DAYS_MAX:
            raise Invalid("days", f"at most {USAGE_DAYS_MAX}")
        async with snapshot(self._db) as seen:
            today = seen.slot // UNITS_PER_DAY
            days = range(today + 1 - (request.days or USAGE_DAYS_DEFAULT), today + 1)
            span = {"from_slot": days.start * UNITS_PER_DAY, "to_slot": days.stop * UNITS_PER_DAY}
            if not await assets.exists(seen, request.id):
                raise NotFound("asset", request.id)
            series = await assets.series_of(seen, request.id)
            ids = [row.id for row in series]
            measured = await usage.daily(seen, ids, **span)
            as_of = await usage.rolled_up_to(seen, ids, **span)
        return convert.asset_usage(series, measured, days=days, as_of_slot=as_of)

    async def AssignAssets(
        self, request: inventory_pb2.AssignAssetsRequest, context: Context
    ) -> inventory_pb2.AssignAssetsReply:
        """All of them or, when one cannot be, none."""
        changed = await assign_assets(self._db, asset_ids=request.asset_ids, client_id=request.client_id)
        return inventory_pb2.AssignAssetsReply(changed=changed)

    async def ListAssignmentRules(
        self, request: inventory_pb2.ListAssignmentRulesRequest, context: Context
    ) -> inventory_pb2.ListAssignmentRulesReply:
        """In the order in which they are tried."""
        async with snapshot(self._db) as seen:
            rules = await buckets.assignment_rules(seen)
        return inventory_pb2.ListAssignmentRulesReply(rules=[convert.assignment_rule(row) for row in rules])

    async def CreateAssignmentRule(
        self, request: inventory_pb2.CreateAssignmentRuleRequest, context: Context
    ) -> inventory_pb2.AssignmentRule:
        """The rule as it is from now on; the next binding run applies it."""
        wanted = convert.to_filter("filter", request.filter)
        rule_id = await create_assignment_rule(
            self._db,
            client_id=request.client_id,
            priority=request.priority,
            conditions=wanted.conditions,
        )
        async with snapshot(self._db) as seen:
            [row] = [rule for rule in await buckets.assignment_rules(seen) if rule.id == rule_id]
        return convert.assignment_rule(row)

    async def ListUnitTypes(
        self, request: inventory_pb2.ListUnitTypesRequest, context: Context
    ) -> inventory_pb2.ListUnitTypesReply:
        """All unit types by name."""
        async with snapshot(self._db) as seen:
            unit_types = await buckets.unit_types(seen)
        return inventory_pb2.ListUnitTypesReply(unit_types=[convert.unit_type(row) for row in unit_types])

    async def ListSuppressions(
        self, request: inventory_pb2.ListSuppressionsRequest, context: Context
    ) -> inventory_pb2.ListSuppressionsReply:
        """Those that hold, oldest first; those that have ended only when asked for."""
        async with snapshot(self._db) as seen:
            found = await suppressions.suppressions(seen.conn, ended=request.ended)
        return inventory_pb2.ListSuppressionsReply(
            suppressions=[convert_intake.suppression(row) for row in found]
        )

    async def CreateSuppression(
        self, request: inventory_pb2.CreateSuppressionRequest, context: Context
    ) -> inventory_pb2.Suppression:
        """The suppression; it holds from the next batch on."""
        condition = convert.to_condition("condition", request.condition)
        number = await create_suppression(self._db, condition=condition, reason=request.reason)
        return await self._suppression(number)

    async def EndSuppression(
        self, request: inventory_pb2.EndSuppressionRequest, context: Context
    ) -> inventory_pb2.Suppression:
        """The suppression with what it dropped."""
        await end_suppression(self._db, request.id)
        return await self._suppression(request.id)

    async def _suppression(self, number: int) -> inventory_pb2.Suppression:
        async with snapshot(self._db) as seen:
            row = await suppressions.suppression(seen.conn, number)
        if row is None:
            raise NotFound("suppression", number)
        return convert_intake.suppression(row)

    async def ListBuckets(
        self, request: inventory_pb2.ListBucketsRequest, context: Context
    ) -> inventory_pb2.ListBucketsReply:
        """A page of buckets."""
        paging = to_paging(request.page, buckets.SORTS)
        wanted = BucketFilter(
            search=search_text(request.search),
            client_id=request.client_id or None,
            source_type=search_text(request.source_type) or None,
            unit_type=search_text(request.unit_type) or None,
        )
        async with snapshot(self._db) as seen:
            page = await buckets.list_buckets(seen, paging, wanted)
        return inventory_pb2.ListBucketsReply(
            buckets=[convert.bucket(detail, seen.now) for detail in page.rows], page=page_info(page, paging)
        )

    async def CreateBucket(
        self, request: inventory_pb2.CreateBucketRequest, context: Context
    ) -> inventory_pb2.Bucket:
        """The bucket as it is from now on; the next binding run fills it."""
        terms = request.terms
        bucket_id = await create_bucket(
            self._db,
            client_id=request.client_id,
            name=request.name,
            source_type=request.source_type,
            unit_type=request.unit_type,
            priority=request.priority,
            filters=[
                convert.to_filter(f"filters[{place}]", one)
                for place, one in enumerate(request.filters, start=1)
            ],
            starts_on=terms.starts_on,
            commit=terms.commit,
            base_price=terms.base_price,
            overage_price=terms.overage_price,
            aggregation=terms.aggregation,
        )
        async with snapshot(self._db) as seen:
            detail = await buckets.get_bucket(seen, bucket_id)
        if detail is None:
            raise NotFound("bucket", bucket_id)
        return convert.bucket(detail, seen.now)

"""Assets, for people who look: lists, one asset, its usage."""

from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.errors import Invalid, NotFound
from aggregator.rpc import convert_assets
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.scope import client_of_caller, narrowed
from aggregator.rpc.server import Context
from aggregator.store import assets, usage
from aggregator.store.assets import AssetFilter
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2

USAGE_DAYS_DEFAULT = 30
USAGE_DAYS_MAX = 31


class AssetMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListAssets(
        self, request: inventory_pb2.ListAssetsRequest, context: Context
    ) -> inventory_pb2.ListAssetsReply:
        """A page of the assets that are not disregarded."""
        paging = to_paging(request.page, assets.SORTS)
        wanted = AssetFilter(
            search=search_text(request.search),
            client_id=narrowed(request.client_id),
            source_type=search_text(request.source_type) or None,
            agent=search_text(request.agent) or None,
            label=search_text(request.label) or None,
            bucket_id=request.bucket_id or None,
            unassigned=request.unassigned,
            unbound=request.unbound,
            unacknowledged=request.unacknowledged,
            disregarded=request.disregarded,
            disabled=request.disabled,
            by_hand=request.by_hand,
        )
        async with snapshot(self._db) as seen:
            page, unbound = await assets.list_assets(seen, paging, wanted)
        return inventory_pb2.ListAssetsReply(
            assets=[convert_assets.asset(row, unbound.get(row.id), slot=seen.slot) for row in page.rows],
            page=page_info(page, paging),
        )

    async def GetAsset(
        self, request: inventory_pb2.GetAssetRequest, context: Context
    ) -> inventory_pb2.AssetDetail:
        """Raises ``NotFound``; a disregarded asset is found."""
        async with snapshot(self._db) as seen:
            detail = await assets.get_asset(seen, request.id, client_id=client_of_caller())
            if detail is None:
                raise NotFound("asset", request.id)
            theirs = client_of_caller() in (None, detail.asset.client_id)
            latest = await usage.latest(seen, [one.id for one in detail.series]) if theirs else []
        message = convert_assets.asset_detail(detail, latest, slot=seen.slot)
        if not theirs:
            _forget_owner(message)
        return message

    async def GetAssetUsage(
        self, request: inventory_pb2.GetAssetUsageRequest, context: Context
    ) -> inventory_pb2.AssetUsage:
        """The last days (UTC) up to today, whose value is of the slots that were rolled up so far.

        A client sees those in which the asset was assigned to it.
        """
        if request.days > USAGE_DAYS_MAX:
            raise Invalid("days", f"at most {USAGE_DAYS_MAX}")
        own = client_of_caller()
        async with snapshot(self._db) as seen:
            today = seen.slot // UNITS_PER_DAY
            days = range(today + 1 - (request.days or USAGE_DAYS_DEFAULT), today + 1)
            span = {"from_slot": days.start * UNITS_PER_DAY, "to_slot": days.stop * UNITS_PER_DAY}
            found = await assets.find_asset(seen, request.id, client_id=own)
            if found is None:
                raise NotFound("asset", request.id)
            series = await assets.series_of(seen, found)
            ids = [row.id for row in series]
            measured = await usage.daily(seen, ids, **span, client_id=own)
            as_of = await usage.rolled_up_to(seen, ids, **span)
        return convert_assets.asset_usage(series, measured, days=days, as_of_slot=as_of)


def _forget_owner(message: inventory_pb2.AssetDetail) -> None:
    """Leaves out what a client that had the asset once must not know: whose it is now, and how it does there."""
    for name in (
        "client_id",
        "client_name",
        "description",
        "address",
        "labels",
        "last_seen",
        "unbound_since",
        "unbound_money",
        "days_unbound",
        "series_unbound",
    ):
        message.asset.ClearField(name)
    message.ClearField("overlaps")
    message.ClearField("merged_ids")

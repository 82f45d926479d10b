"""What people do with assets, many at a time."""

from aggregator.actions.acknowledge_assets import acknowledge_assets, describe_assets
from aggregator.actions.assign_assets import assign_assets, release_assets
from aggregator.actions.bind_assets import Times, bind_as_suggested, bind_assets, unbind_assets
from aggregator.actions.merge_assets import merge_assets
from aggregator.actions.set_assets_enabled import disregard_assets, restore_assets, set_assets_enabled
from aggregator.errors import Invalid
from aggregator.rpc import convert_acts
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from ullage.v1 import asset_acts_pb2, inventory_pb2


class AssetActs:
    """Part of the service Inventory. All of the assets of a call or, when one cannot be, none."""

    _db: Database

    async def AssignAssets(
        self, request: inventory_pb2.AssignAssetsRequest, context: Context
    ) -> inventory_pb2.AssignAssetsReply:
        """To a client from a time on, or to nobody."""
        done = await assign_assets(
            self._db,
            asset_ids=request.asset_ids,
            client_id=request.client_id,
            since=convert_acts.given_time(request, "from"),
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.assigned(done)

    async def ReleaseAssets(
        self, request: asset_acts_pb2.ReleaseAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """Back to assignment rules."""
        done = await release_assets(
            self._db,
            asset_ids=request.asset_ids,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.act(done)

    async def AcknowledgeAssets(
        self, request: asset_acts_pb2.AcknowledgeAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """Not new any more; or new again."""
        return convert_acts.act(
            await acknowledge_assets(self._db, asset_ids=request.asset_ids, withdraw=request.withdraw)
        )

    async def DescribeAssets(
        self, request: asset_acts_pb2.DescribeAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """One description for all of them."""
        return convert_acts.act(
            await describe_assets(self._db, asset_ids=request.asset_ids, description=request.description)
        )

    async def SetAssetsEnabled(
        self, request: asset_acts_pb2.SetAssetsEnabledRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """From the hour that has begun."""
        done = await set_assets_enabled(
            self._db,
            asset_ids=request.asset_ids,
            enabled=request.enabled,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.act(done)

    async def DisregardAssets(
        self, request: asset_acts_pb2.DisregardAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """Hidden and not billed."""
        done = await disregard_assets(
            self._db,
            asset_ids=request.asset_ids,
            from_now=request.from_now,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.act(done)

    async def RestoreAssets(
        self, request: asset_acts_pb2.RestoreAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """As if they had never been disregarded."""
        done = await restore_assets(
            self._db,
            asset_ids=request.asset_ids,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.act(done)

    async def BindAssets(
        self, request: asset_acts_pb2.BindAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """By hand, to the buckets that are named or to those that are suggested."""
        times = Times(
            since=convert_acts.given_time(request, "from"),
            until=convert_acts.given_time(request, "to"),
            backdate=request.backdate,
        )
        if request.suggested:
            if request.bucket_ids:
                raise Invalid("bucket_ids", "contradicts suggested; give one of them")
            done = await bind_as_suggested(
                self._db,
                asset_ids=request.asset_ids,
                times=times,
                dry_run=request.dry_run,
                confirmed_assets=request.confirmed_assets,
            )
        else:
            done = await bind_assets(
                self._db,
                asset_ids=request.asset_ids,
                bucket_ids=request.bucket_ids,
                times=times,
                dry_run=request.dry_run,
                confirmed_assets=request.confirmed_assets,
            )
        return convert_acts.act(done)

    async def UnbindAssets(
        self, request: asset_acts_pb2.UnbindAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """Filters decide again."""
        done = await unbind_assets(
            self._db,
            asset_ids=request.asset_ids,
            bucket_ids=request.bucket_ids,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return convert_acts.act(done)

    async def MergeAssets(
        self, request: asset_acts_pb2.MergeAssetsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """One asset of two."""
        done = await merge_assets(
            self._db, asset_id=request.asset_id, into_id=request.into_id, dry_run=request.dry_run
        )
        return convert_acts.act(done)

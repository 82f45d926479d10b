"""What people do with assets, many at a time."""

from aggregator.actions.assign_assets import assign_assets
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from ullage.v1 import inventory_pb2


class AssetActs:
    """Part of the service Inventory."""

    _db: Database

    async def AssignAssets(
        self, request: inventory_pb2.AssignAssetsRequest, context: Context
    ) -> inventory_pb2.AssignAssetsReply:
        """All of them or, when one cannot be, none."""
        changed = await assign_assets(self._db, asset_ids=request.asset_ids, client_id=request.client_id)
        return inventory_pb2.AssignAssetsReply(changed=changed)

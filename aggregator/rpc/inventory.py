"""What is metered and who owns it, for people: clients, assets, buckets, and the rules between them.

The service is put together from one class a noun; each is in a file of its own.
"""

from aggregator.rpc.asset_acts import AssetActs
from aggregator.rpc.assets import AssetMethods
from aggregator.rpc.bucket_acts import BucketActs
from aggregator.rpc.buckets import BucketMethods
from aggregator.rpc.client_acts import ClientActs
from aggregator.rpc.clients import ClientMethods
from aggregator.rpc.rules import RuleMethods
from aggregator.rpc.suggestions import SuggestionMethods
from aggregator.rpc.suppressions import SuppressionMethods
from aggregator.rpc.unit_types import UnitTypeMethods
from aggregator.store.database import Database
from ullage.v1 import inventory_pb2_grpc


class InventoryService(
    AssetActs,
    AssetMethods,
    BucketActs,
    BucketMethods,
    ClientActs,
    ClientMethods,
    RuleMethods,
    SuggestionMethods,
    SuppressionMethods,
    UnitTypeMethods,
    inventory_pb2_grpc.InventoryServicer,
):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

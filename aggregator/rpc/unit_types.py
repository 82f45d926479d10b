"""Unit types, their templates, and provisioning, for people."""

from aggregator.rpc import convert
from aggregator.rpc.server import Context
from aggregator.store import buckets
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2


class UnitTypeMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListUnitTypes(
        self, request: inventory_pb2.ListUnitTypesRequest, context: Context
    ) -> inventory_pb2.ListUnitTypesReply:
        """All unit types by name."""
        async with snapshot(self._db) as seen:
            unit_types = await buckets.unit_types(seen)
        return inventory_pb2.ListUnitTypesReply(unit_types=[convert.unit_type(row) for row in unit_types])

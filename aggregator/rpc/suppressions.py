"""Suppressions, for people."""

from aggregator.actions.suppress import create_suppression, end_suppression
from aggregator.errors import NotFound
from aggregator.rpc import convert, convert_intake
from aggregator.rpc.convert_preview import to_message
from aggregator.rpc.server import Context
from aggregator.store import suppressions
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2


class SuppressionMethods:
    """Part of the service Inventory."""

    _db: Database

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
    ) -> inventory_pb2.CreateSuppressionReply:
        """The suppression, which holds from the next batch on, and what it keeps out of what is known."""
        done = await create_suppression(
            self._db,
            condition=convert.to_condition("condition", request.condition),
            reason=request.reason,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return inventory_pb2.CreateSuppressionReply(
            suppression=None if done.id is None else await self._suppression(done.id),
            preview=to_message(done.preview),
        )

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

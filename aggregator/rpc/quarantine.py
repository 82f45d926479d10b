"""Readings that were not taken, for people."""

from aggregator.actions.settle_quarantine import discard_quarantine, release_quarantine
from aggregator.domain.health import COUNTED_LOOK_BACK
from aggregator.rpc import convert_intake, pages
from aggregator.rpc.server import Context
from aggregator.store import quarantine
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import admin_pb2


class QuarantineMethods:
    """Part of the service Admin."""

    _db: Database

    async def ListQuarantine(
        self, request: admin_pb2.ListQuarantineRequest, context: Context
    ) -> admin_pb2.ListQuarantineReply:
        """What waits for a decision, the most numerous first."""
        async with snapshot(self._db) as seen:
            since = (seen.now - COUNTED_LOOK_BACK).date()
            found = await quarantine.groups(seen.conn, counted_since=since)
        return admin_pb2.ListQuarantineReply(groups=[convert_intake.quarantine_group(row) for row in found])

    async def ListQuarantined(
        self, request: admin_pb2.ListQuarantinedRequest, context: Context
    ) -> admin_pb2.ListQuarantinedReply:
        """Single readings that wait, in order of their ids."""
        paging = pages.to_paging(request.page, ("id",))
        reason = pages.search_text(request.reason)
        async with snapshot(self._db) as seen:
            found = await quarantine.waiting(
                seen.conn, paging, agent_id=request.agent_id or None, reason=reason or None
            )
        return admin_pb2.ListQuarantinedReply(
            readings=[convert_intake.quarantined(row) for row in found.rows],
            page=pages.page_info(found, paging),
        )

    async def ReleaseQuarantine(
        self, request: admin_pb2.SettleQuarantineRequest, context: Context
    ) -> admin_pb2.SettleQuarantineReply:
        """How many were stored, and how many are still not acceptable."""
        done = await release_quarantine(
            self._db, ids=request.ids, agent_id=request.agent_id, reason=request.reason
        )
        return convert_intake.settled(done)

    async def DiscardQuarantine(
        self, request: admin_pb2.SettleQuarantineRequest, context: Context
    ) -> admin_pb2.SettleQuarantineReply:
        """How many will never count."""
        done = await discard_quarantine(
            self._db, ids=request.ids, agent_id=request.agent_id, reason=request.reason
        )
        return convert_intake.settled(done)

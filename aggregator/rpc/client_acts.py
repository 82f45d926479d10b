"""What people do to clients."""

from aggregator.actions.create_client import create_client
from aggregator.actions.erase_client import erase_client
from aggregator.actions.set_client_enabled import set_client_enabled
from aggregator.actions.update_client import client_change, update_client
from aggregator.rpc import convert, convert_preview
from aggregator.rpc.server import Context
from aggregator.store import clients
from aggregator.store.calendars import calendars
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import client_acts_pb2, inventory_pb2


class ClientActs:
    """Part of the service Inventory."""

    _db: Database

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
            contact=request.contact,
            close_after_days=request.close_after_days if request.HasField("close_after_days") else None,
        )
        return await self._client(client_id)

    async def UpdateClient(
        self, request: client_acts_pb2.UpdateClientRequest, context: Context
    ) -> inventory_pb2.UpdateClientReply:
        """The client as it is then, and what changed or, in a dry run, would."""
        change = client_change(
            name=request.name if request.HasField("name") else None,
            contact=request.contact if request.HasField("contact") else None,
            close_after_days=request.close_after_days if request.HasField("close_after_days") else None,
            wait=request.wait,
            currency=request.currency if request.HasField("currency") else None,
            time_zone=request.time_zone if request.HasField("time_zone") else None,
            cycle_unit=request.cycle_unit if request.HasField("cycle_unit") else None,
            cycle_count=request.cycle_count if request.HasField("cycle_count") else None,
            cycle_from=request.cycle_from,
        )
        preview = await update_client(self._db, request.id, change, dry_run=request.dry_run)
        return inventory_pb2.UpdateClientReply(
            client=await self._client(request.id), preview=convert_preview.to_message(preview)
        )

    async def SetClientEnabled(
        self, request: client_acts_pb2.SetClientEnabledRequest, context: Context
    ) -> inventory_pb2.UpdateClientReply:
        """The client as it is then, and the buckets that end or go on."""
        preview = await set_client_enabled(
            self._db, request.id, enabled=request.enabled, on=request.on, dry_run=request.dry_run
        )
        return inventory_pb2.UpdateClientReply(
            client=await self._client(request.id), preview=convert_preview.to_message(preview)
        )

    async def EraseClient(
        self, request: client_acts_pb2.EraseClientRequest, context: Context
    ) -> inventory_pb2.Client:
        """The client without its name."""
        await erase_client(self._db, request.id, name=request.name)
        return await self._client(request.id)

    async def _client(self, client_id: int) -> inventory_pb2.Client:
        async with snapshot(self._db) as seen:
            [row] = await clients.rows(seen, [client_id])
            known = await calendars(seen.conn, [client_id])
        return convert.client(row, known[client_id], seen.now)

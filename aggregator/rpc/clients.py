"""Clients, for people: who they are and how they are changed."""

from aggregator.errors import NotFound
from aggregator.rpc import convert
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.scope import client_of_caller, narrowed
from aggregator.rpc.server import Context
from aggregator.store import clients
from aggregator.store.calendars import calendars
from aggregator.store.clients import ClientFilter
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2


class ClientMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListClients(
        self, request: inventory_pb2.ListClientsRequest, context: Context
    ) -> inventory_pb2.ListClientsReply:
        """A page of clients."""
        paging = to_paging(request.page, clients.SORTS)
        wanted = ClientFilter(
            search=search_text(request.search),
            enabled=request.enabled,
            disabled=request.disabled,
            client_id=client_of_caller(),
        )
        async with snapshot(self._db) as seen:
            page = await clients.list_clients(seen, paging, wanted)
            known = await calendars(seen.conn, [row.id for row in page.rows])
        return inventory_pb2.ListClientsReply(
            clients=[convert.client(row, known[row.id], seen.now) for row in page.rows],
            page=page_info(page, paging),
        )

    async def GetClient(
        self, request: inventory_pb2.GetClientRequest, context: Context
    ) -> inventory_pb2.Client:
        """Raises ``NotFound``, also for another client than the caller's own."""
        narrowed(request.id)
        async with snapshot(self._db) as seen:
            found = await clients.rows(seen, [request.id])
            known = await calendars(seen.conn, [request.id])
        if not found:
            raise NotFound("client", request.id)
        return convert.client(found[0], known[request.id], seen.now)

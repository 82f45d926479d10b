"""Clients, for people: who they are and how they are changed."""

from aggregator.rpc import convert
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.server import Context
from aggregator.store import clients
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
        search = search_text(request.search)
        async with snapshot(self._db) as seen:
            page = await clients.list_clients(seen, paging, search=search)
        return inventory_pb2.ListClientsReply(
            clients=[convert.client(row, seen.now) for row in page.rows], page=page_info(page, paging)
        )

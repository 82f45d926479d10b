"""Erases who a client is: name and contact, in the audit log too. Its figures and what they rest on stay."""

from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import clients_change, evidence
from aggregator.store.database import Database
from aggregator.store.news import announce


async def erase_client(db: Database, client_id: int, *, name: str) -> None:
    """For good. ``name`` is the client's, as a check that this one is meant.

    Raises ``NotFound``, ``Invalid`` for another name, and ``Conflict`` when it is erased already.
    """
    async with db.transaction() as conn:
        client = await clients_change.hold(conn, client_id)
        if client is None:
            raise NotFound("client", client_id)
        if client.erased:
            raise Conflict(f"client {client_id} is erased already")
        if name != client.name:
            raise Invalid(
                "name", f"is not the name of client {client_id}; erasing is for good, so write it exactly"
            )
        erased = f"erased-{client_id}"
        if await clients_change.is_named(conn, erased, other_than=client_id):
            raise Conflict(f"another client is called {erased}; give that one another name first")
        await clients_change.erase(conn, client_id, name=erased)
        await evidence.forget(conn, client_id, name=erased)
        await announce(conn, "client", "bucket", clients=[client_id])

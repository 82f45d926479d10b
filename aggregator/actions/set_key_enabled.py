"""Disables an API key, or enables it again. Every aggregator knows within five seconds, on open streams too."""

from aggregator.errors import Conflict, NotFound
from aggregator.store import keys
from aggregator.store.database import Database


async def set_key_enabled(db: Database, *, key_id: int, enabled: bool) -> None:
    """A key that is so already stays as it is.

    Raises ``NotFound``, and ``Conflict`` for the last enabled admin key: without it nobody could make another one.
    """
    async with db.transaction() as conn:
        held = await keys.hold(conn, key_id)
        if held is None:
            raise NotFound("key", key_id)
        if not enabled and held.enabled and held.role == "admin" and await keys.enabled_admins(conn) == 1:
            raise Conflict(
                f"{held.name} is the last enabled admin key; create another one first, so that somebody can make keys"
            )
        if held.enabled != enabled:
            await keys.set_enabled(conn, key_id, enabled=enabled)

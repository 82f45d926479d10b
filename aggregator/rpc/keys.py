"""API keys, for admins."""

from aggregator.actions.create_key import create_key
from aggregator.actions.set_key_enabled import set_key_enabled
from aggregator.errors import NotFound
from aggregator.rpc.server import Context
from aggregator.store import keys
from aggregator.store.database import Database
from aggregator.store.keys import KeyRow
from aggregator.store.snapshot import snapshot
from ullage.v1 import keys_pb2
from ullage.wire import from_time


class KeyMethods:
    """Part of the service Admin."""

    _db: Database

    async def ListKeys(self, request: keys_pb2.ListKeysRequest, context: Context) -> keys_pb2.ListKeysReply:
        """All of them, those that are enabled first."""
        async with snapshot(self._db) as seen:
            rows = await keys.all_keys(seen.conn)
        return keys_pb2.ListKeysReply(keys=[_message(row) for row in rows])

    async def CreateKey(
        self, request: keys_pb2.CreateKeyRequest, context: Context
    ) -> keys_pb2.CreateKeyReply:
        """The key; its text is in this reply and nowhere else."""
        made = await create_key(self._db, name=request.name, role=request.role, client_id=request.client_id)
        return keys_pb2.CreateKeyReply(api_key=await self._key(made.id), key=made.key)

    async def SetKeyEnabled(
        self, request: keys_pb2.SetKeyEnabledRequest, context: Context
    ) -> keys_pb2.ApiKey:
        """The key as it is from now on."""
        await set_key_enabled(self._db, key_id=request.id, enabled=request.enabled)
        return await self._key(request.id)

    async def _key(self, key_id: int) -> keys_pb2.ApiKey:
        async with snapshot(self._db) as seen:
            row = await keys.key(seen.conn, key_id)
        if row is None:
            raise NotFound("key", key_id)
        return _message(row)


def _message(row: KeyRow) -> keys_pb2.ApiKey:
    return keys_pb2.ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        role=row.role,
        client_id=row.client_id or 0,
        client_name=row.client_name or "",
        enabled=row.enabled,
        created_at=from_time(row.created_at),
        last_used_at=from_time(row.last_used_at) if row.last_used_at else None,
    )

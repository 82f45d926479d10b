"""API keys as the database knows them: by SHA-256, never by text."""

import hashlib
from dataclasses import dataclass

import sql
from aggregator.store.database import Connection, execute, fetch_one, fetch_value

_Q = sql.queries("keys")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who a key belongs to. ``client_id`` is set with the role ``client`` alone."""

    id: int
    name: str
    role: str
    client_id: int | None
    enabled: bool


def digest(key: str) -> bytes:
    """What is stored of a key. It is random, so a slow hash would protect nothing."""
    return hashlib.sha256(key.encode()).digest()


async def find(conn: Connection, sha256: bytes) -> ApiKey | None:
    """The key with this hash, enabled or not."""
    return await fetch_one(conn, ApiKey, _Q["by_digest"], {"sha256": sha256})


async def touch(conn: Connection, key_id: int) -> None:
    """Notes that the key was used, unless that was noted less than a minute ago."""
    await execute(conn, _Q["touch"], {"id": key_id})


async def enabled_admin(conn: Connection) -> str | None:
    """Name of an enabled admin key; holds off other writers of keys until the transaction ends."""
    await execute(conn, _Q["lock"])
    name: str | None = await fetch_value(conn, _Q["enabled_admin"])
    return name


async def insert(conn: Connection, *, name: str, prefix: str, sha256: bytes, role: str) -> bool:
    """False when a key of that name exists."""
    values = {"name": name, "prefix": prefix, "sha256": sha256, "role": role}
    return await execute(conn, _Q["insert"], values) == 1

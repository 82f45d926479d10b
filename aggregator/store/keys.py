"""API keys as the database knows them: by SHA-256, never by text."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("keys")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who a key belongs to. ``client_id`` is set with the role ``client`` alone."""

    id: int
    name: str
    role: str
    client_id: int | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as people see it. ``last_used_at`` is up to a minute old."""

    id: int
    name: str
    prefix: str
    role: str
    client_id: int | None
    client_name: str | None
    enabled: bool
    created_at: datetime
    last_used_at: datetime | None


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


async def enabled_admins(conn: Connection) -> int:
    """How many admin keys are enabled."""
    count: int = await fetch_value(conn, _Q["enabled_admins"])
    return count


async def how_many(conn: Connection) -> int:
    """All keys, enabled or not."""
    count: int = await fetch_value(conn, _Q["how_many"])
    return count


async def client_exists(conn: Connection, client_id: int) -> bool:
    """Whether there is such a client for a key to see."""
    found: bool = await fetch_value(conn, _Q["client_exists"], {"id": client_id})
    return found


async def client_name(conn: Connection, client_id: int) -> str | None:
    """Name of the client that a key sees."""
    name: str | None = await fetch_value(conn, _Q["client_name"], {"id": client_id})
    return name


async def hold(conn: Connection, key_id: int) -> ApiKey | None:
    """The key; holds off other writers of keys until the transaction ends."""
    await execute(conn, _Q["lock"])
    return await fetch_one(conn, ApiKey, _Q["held"], {"id": key_id})


async def insert(
    conn: Connection, *, name: str, prefix: str, sha256: bytes, role: str, client_id: int | None = None
) -> int | None:
    """The new key's id; None when a key of that name exists."""
    values = {"name": name, "prefix": prefix, "sha256": sha256, "role": role, "client_id": client_id}
    number: int | None = await fetch_value(conn, _Q["insert"], values)
    return number


async def set_enabled(conn: Connection, key_id: int, *, enabled: bool) -> None:
    """Whether the key opens anything."""
    await execute(conn, _Q["set_enabled"], {"id": key_id, "enabled": enabled})


async def all_keys(conn: Connection) -> list[KeyRow]:
    """Enabled ones first, by name."""
    return await fetch_all(conn, KeyRow, _Q["keys"], {"id": None})


async def key(conn: Connection, key_id: int) -> KeyRow | None:
    """One of them."""
    return await fetch_one(conn, KeyRow, _Q["keys"], {"id": key_id})

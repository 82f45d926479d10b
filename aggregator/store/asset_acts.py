"""What people do with assets, as it is written; what it means for bindings is planned elsewhere and saved by binding.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("asset_acts")


@dataclass(frozen=True, slots=True)
class HeldAsset:
    """An asset that nobody else changes until the transaction ends. ``merged_into``: it is a part of another."""

    id: int
    name: str
    source_type_id: int
    enabled: bool
    disregarded: bool
    merged_into: int | None


@dataclass(frozen=True, slots=True)
class BucketToBind:
    """What an act has to know of a bucket."""

    id: int
    name: str
    client_id: int
    client_name: str
    source_type_id: int
    unit_type_id: int


@dataclass(frozen=True, slots=True)
class SharedSlots:
    """In how many slots two assets measured one unit type, and the outermost of them."""

    unit_type: str
    kind: str
    slots: int
    first_slot: int
    last_slot: int


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


@dataclass(frozen=True, slots=True)
class _Named:
    id: int
    name: str


async def read_clock(conn: Connection) -> datetime:
    """The database's time."""
    now: datetime = await fetch_value(conn, _Q["clock"])
    return now


async def hold(conn: Connection, assets: Collection[int]) -> list[HeldAsset]:
    """Locks them; those that do not exist are left out."""
    return await fetch_all(conn, HeldAsset, _Q["hold"], {"assets": list(assets)})


async def acknowledge(conn: Connection, assets: Collection[int], *, withdraw: bool = False) -> int:
    """How many were new until now or, with ``withdraw``, are new again."""
    query = _Q["make_new"] if withdraw else _Q["acknowledge"]
    return await execute(conn, query, {"assets": list(assets)})


async def describe(conn: Connection, assets: Collection[int], *, description: str) -> int:
    """How many had another description."""
    return await execute(conn, _Q["describe"], {"assets": list(assets), "description": description})


async def set_enabled(conn: Connection, assets: Collection[int], *, enabled: bool) -> None:
    """Only says so; bindings are the caller's."""
    await execute(conn, _Q["enable"], {"assets": list(assets), "enabled": enabled})


async def disregard(conn: Connection, assets: Collection[int]) -> None:
    """Only says so, and acknowledges; bindings are the caller's."""
    await execute(conn, _Q["disregard"], {"assets": list(assets)})


async def restore(conn: Connection, assets: Collection[int]) -> None:
    """Only says so; bindings are the caller's."""
    await execute(conn, _Q["restore"], {"assets": list(assets)})


async def assigned_by_hand(conn: Connection, assets: Collection[int]) -> list[int]:
    """Those whose client somebody decided."""
    rows = await fetch_all(conn, _Id, _Q["given_by_hand"], {"assets": list(assets)})
    return [row.id for row in rows]


async def give_back(conn: Connection, assets: Collection[int]) -> None:
    """Rules may decide about them again."""
    await execute(conn, _Q["give_back"], {"assets": list(assets)})


async def pause(
    conn: Connection,
    assets: Collection[int],
    *,
    from_slot: int,
    cause: str,
    suppression_id: int | None = None,
) -> None:
    """Filters bind nothing of them from the slot on."""
    params = {
        "assets": list(assets),
        "from_slot": from_slot,
        "cause": cause,
        "suppression_id": suppression_id,
    }
    await execute(conn, _Q["pause"], params)


async def carry_pause(conn: Connection, asset_id: int, *, into_id: int, from_slot: int, to_slot: int) -> None:
    """Pauses of ``asset_id`` that ended at ``to_slot`` are the other's too, from ``from_slot`` on at the earliest."""
    params = {"asset_id": asset_id, "into_id": into_id, "from_slot": from_slot, "to_slot": to_slot}
    await execute(conn, _Q["carry_pause"], params)


async def resume(
    conn: Connection, assets: Collection[int], *, slot: int, cause: str, suppression_id: int | None = None
) -> None:
    """Filters may bind them again from the slot on; with slot 0 as if they had never been paused."""
    params = {"assets": list(assets), "slot": slot, "cause": cause, "suppression_id": suppression_id}
    await execute(conn, _Q["forget_pauses"], params)
    await execute(conn, _Q["end_pauses"], params)


async def paused_by(conn: Connection, suppression_id: int) -> list[int]:
    """Assets that are paused by this suppression."""
    params = {"suppression_id": suppression_id}
    return [row.id for row in await fetch_all(conn, _Id, _Q["paused_by_suppression"], params)]


async def backdate(conn: Connection) -> None:
    """Lets this transaction bind by hand in finalised time."""
    await conn.execute(_Q["backdate"])


async def finalised_slot(conn: Connection, client_id: int) -> int:
    """Before it the client's usage is billed for good."""
    slot: int = await fetch_value(conn, _Q["finalised_slot"], {"client_id": client_id})
    return slot


async def client_names(conn: Connection, ids: Collection[int]) -> Mapping[int, str]:
    """By id; unknown ones are left out."""
    return {row.id: row.name for row in await fetch_all(conn, _Named, _Q["clients"], {"ids": list(ids)})}


async def clients_of(conn: Connection, assets: Collection[int]) -> list[int]:
    """Whose these assets are for as long as nobody decides otherwise."""
    rows = await fetch_all(conn, _Id, _Q["clients_of"], {"assets": list(assets)})
    return [row.id for row in rows]


async def buckets(conn: Connection, ids: Collection[int]) -> list[BucketToBind]:
    """By id; unknown ones are left out."""
    return await fetch_all(conn, BucketToBind, _Q["buckets"], {"ids": list(ids)})


async def merged_ids(conn: Connection, asset_id: int) -> list[int]:
    """Assets that are a part of this one."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["merged_ids"], {"asset_id": asset_id})]


async def shared_slots(conn: Connection, asset_id: int, *, into_id: int) -> Sequence[SharedSlots]:
    """Where both measured something, by unit type."""
    params = {"asset_id": asset_id, "into_id": into_id}
    return await fetch_all(conn, SharedSlots, _Q["overlaps"], params)


async def merge(conn: Connection, asset_id: int, *, into_id: int) -> None:
    """The one is a part of the other from now on, and so are its series."""
    params = {"asset_id": asset_id, "into_id": into_id}
    await execute(conn, _Q["merge"], params)
    await execute(conn, _Q["follow"], params)

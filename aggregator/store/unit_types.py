"""Unit types: reads and writes them, and knows whether what they mean is fixed."""

from dataclasses import asdict, dataclass

import sql
from aggregator.domain.unit_type import UnitType
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("unit_types")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTypeRow(UnitType):
    """As it is kept."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUnitType(UnitTypeRow):
    """``in_use``: kind, divisor, per and slot width are fixed."""

    in_use: bool


async def unit_types(conn: Connection) -> list[ListedUnitType]:
    """All, by name."""
    return await fetch_all(conn, ListedUnitType, _Q["all"])


async def hold(conn: Connection, name: str) -> UnitTypeRow | None:
    """The unit type, held until the transaction ends; None when there is none of that name."""
    return await fetch_one(conn, UnitTypeRow, _Q["hold"], {"name": name})


async def in_use(conn: Connection, unit_type_id: int) -> bool:
    """Whether a series of it was reported."""
    return bool(await fetch_value(conn, _Q["in_use"], {"unit_type_id": unit_type_id}))


async def finalised(conn: Connection, unit_type_id: int) -> bool:
    """Whether a finalised billing reading counts it."""
    return bool(await fetch_value(conn, _Q["finalised"], {"unit_type_id": unit_type_id}))


async def rate_again(conn: Connection, unit_type_id: int) -> int:
    """Has all figures that are not finalised rated again by the next run; how many there are."""
    await execute(conn, _Q["mark_dirty"], {"unit_type_id": unit_type_id})
    rated: int = await fetch_value(conn, _Q["rated"], {"unit_type_id": unit_type_id})
    return rated


async def total(conn: Connection) -> int:
    """How many there are."""
    count: int = await fetch_value(conn, _Q["total"])
    return count


async def insert(conn: Connection, new: UnitType) -> int | None:
    """Its id; None when the name is taken."""
    unit_type_id: int | None = await fetch_value(conn, _Q["insert"], asdict(new))
    return unit_type_id


async def update(conn: Connection, changed: UnitType) -> None:
    """Saves what may change of it, by name."""
    await execute(conn, _Q["update"], asdict(changed))


async def waiting(conn: Connection, *, unit_type: str, reason: str, after: int, ids_max: int) -> list[int]:
    """Ids of quarantined readings of the unit, for that reason, the next ones in order."""
    params = {"unit_type": unit_type, "reason": reason, "after": after, "ids_max": ids_max}
    return [row[0] for row in await (await conn.execute(_Q["waiting"], params)).fetchall()]

"""What the close checklist is made of, and how a period becomes final."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, LiteralString, TypeVar

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.close import (
    Acknowledged,
    BoundBucket,
    Covered,
    Facts,
    Item,
    Quarantined,
    Silent,
    UnboundAsset,
)
from aggregator.domain.period import Period
from aggregator.store.billing import Billed
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("closing")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subject:
    """A client as it is closed."""

    id: int
    name: str
    finalised_slot: int
    close_after_days: int | None
    currency: str

    @property
    def billed(self) -> Billed:
        """The client as billing sees it."""
        return Billed(self.id, self.finalised_slot)


@dataclass(frozen=True, slots=True)
class Target:
    """A period of a client of which facts are wanted."""

    client_id: int
    period: Period


@dataclass(frozen=True, slots=True)
class _Waiting:
    place: int
    agents: int
    assets: int


async def subjects(conn: Connection, client_ids: Collection[int]) -> list[Subject]:
    """Unknown ones are left out."""
    return await fetch_all(conn, Subject, _Q["subject"], {"client_ids": list(client_ids)})


async def clock(conn: Connection) -> datetime:
    """The database's time."""
    now: datetime = await fetch_value(conn, _Q["clock"])
    return now


async def hold(conn: Connection, client_id: int) -> None:
    """Holds the client against runs until the end of the transaction; ``Unavailable`` when that takes too long."""
    await conn.execute(_Q["patience"])
    await conn.execute(_Q["lock_client"], {"client_id": client_id})


async def move_finalised(conn: Connection, client: Billed, *, to_slot: int) -> bool:
    """Has the client's finalised time end there; False when it is not any more what was thought."""
    params = {"client_id": client.id, "finalised_slot": client.finalised_slot, "to_slot": to_slot}
    return await execute(conn, _Q["move_finalised"], params) == 1


async def facts(conn: Connection, targets: Sequence[Target]) -> list[Facts]:
    """Of each target, in their order."""
    if not targets:
        return []
    params = {
        "places": list(range(len(targets))),
        "client_ids": [t.client_id for t in targets],
        "from_slots": [t.period.slots(width=1)[0] for t in targets],
        "to_slots": [t.period.to_slot for t in targets],
        "starts": [t.period.start for t in targets],
        "ends": [t.period.end for t in targets],
    }
    silent = await _by_place(conn, Silent, _Q["silent"], params)
    covered = await _by_place(conn, Covered, _Q["covered"], params)
    quarantined = await _by_place(conn, Quarantined, _Q["quarantined"], params)
    unbound = await _by_place(conn, UnboundAsset, _Q["unbound"], params)
    bound = await _by_place(conn, BoundBucket, _Q["bound"], params)
    waiting = await fetch_all(conn, _Waiting, _Q["waiting"], params)
    return [
        Facts(
            silent=silent.get(place, ()),
            covered=covered.get(place, ()),
            quarantined=quarantined.get(place, ()),
            unbound=unbound.get(place, ()),
            bound=bound.get(place, ()),
            not_rated=_not_rated(waiting[place]),
        )
        for place in range(len(targets))
    ]


async def acknowledged(conn: Connection, targets: Sequence[Target]) -> list[Sequence[Acknowledged]]:
    """What was acknowledged of each target, in their order."""
    params = {
        "places": list(range(len(targets))),
        "client_ids": [t.client_id for t in targets],
        "starts": [t.period.start for t in targets],
    }
    found = await _by_place(conn, Acknowledged, _Q["acknowledged"], params)
    return [found.get(place, ()) for place in range(len(targets))]


async def acknowledge(conn: Connection, target: Target, items: Collection[Item], *, reason: str) -> int:
    """Writes down that somebody saw them; those that are acknowledged already stay as they are."""
    return await execute(conn, _Q["acknowledge"], {**_keys(target, items), "reason": reason})


async def withdraw(conn: Connection, target: Target, items: Collection[Item]) -> int:
    """Takes acknowledgements away; how many there were."""
    return await execute(conn, _Q["withdraw"], _keys(target, items))


async def finalise_readings(conn: Connection, target: Target, *, open_items: Sequence[str]) -> int:
    """The readings of the period, for good; how many."""
    params = {
        "client_id": target.client_id,
        "period_start": target.period.start,
        "open_items": Jsonb(list(open_items)),
    }
    return await execute(conn, _Q["finalise_readings"], params)


async def finalise_adjustments(conn: Connection, target: Target) -> int:
    """The adjustments that stand in the period, for good; how many."""
    params = {"client_id": target.client_id, "period_start": target.period.start}
    return await execute(conn, _Q["finalise_adjustments"], params)


async def buckets_read(conn: Connection, target: Target) -> list[int]:
    """The client's buckets with a reading in the period."""
    params = {"client_id": target.client_id, "period_start": target.period.start}
    return [row[0] for row in await (await conn.execute(_Q["readings_of"], params)).fetchall()]


async def _by_place(
    conn: Connection, shape: type[T], query: LiteralString, params: Mapping[str, Any]
) -> dict[int, list[T]]:
    """Rows by the place of their target; the statement has that column beside those of the shape."""
    cursor = await conn.execute(query, params)
    names = [column.name for column in cursor.description or ()]
    wanted = {one.name for one in fields(shape)}  # type: ignore[arg-type]
    found: dict[int, list[T]] = {}
    for row in await cursor.fetchall():
        values = dict(zip(names, row, strict=True))
        place = values.pop("place")
        assert values.keys() == wanted  # noqa: S101 - a statement and its class belong together
        found.setdefault(place, []).append(shape(**values))
    return found


def _not_rated(waiting: _Waiting) -> list[str]:
    found = []
    if waiting.agents:
        found.append(
            f"readings of {waiting.agents} agents in the period are not rolled up yet: the job rollup does it within a "
            "minute, or run it"
        )
    if waiting.assets:
        found.append(
            f"{waiting.assets} assets are to be assigned and bound anew: the job binding does it within a minute, or run it"
        )
    return found


def _keys(target: Target, items: Collection[Item]) -> dict[str, Any]:
    return {
        "client_id": target.client_id,
        "period_start": target.period.start,
        "kinds": [item.kind.value for item in items],
        "subjects": [item.subject for item in items],
    }

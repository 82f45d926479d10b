"""Loads what suggestions are judged by: traits, the assets that share them, and where those are bound."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sql
from aggregator.domain.suggest import Neighbours, Subject, Trait
from aggregator.store.database import Connection, fetch_all

_Q = sql.queries("suggest")

# Of each trait the oldest and the newest assets, so many of each, are asked.
NEIGHBOURS_MAX = 10


@dataclass(frozen=True, slots=True)
class _Subject:
    id: int
    client_id: int | None
    unit_types: list[int]


@dataclass(frozen=True, slots=True)
class _Trait:
    asset_id: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class _Neighbours:
    kind: str
    value: str
    client_id: int
    assets: list[int]


@dataclass(frozen=True, slots=True)
class _Bound:
    asset_id: int
    unit_type_id: int
    bucket_id: int


@dataclass(frozen=True, slots=True)
class _Name:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class BucketName(_Name):
    """A bucket as a suggestion names it."""

    unit_type: str


async def subjects(conn: Connection, ids: Sequence[int]) -> list[Subject]:
    """Those of the assets for which something can be suggested: neither disabled nor disregarded nor merged."""
    traits: defaultdict[int, list[Trait]] = defaultdict(list)
    for row in await fetch_all(conn, _Trait, _Q["traits"], {"ids": list(ids)}):
        traits[row.asset_id].append(Trait(row.kind, row.value))
    return [
        Subject(id=row.id, client_id=row.client_id, unit_types=row.unit_types, traits=traits[row.id])
        for row in await fetch_all(conn, _Subject, _Q["subjects"], {"ids": list(ids)})
    ]


async def neighbours(conn: Connection, traits: Collection[Trait]) -> Neighbours:
    """Per trait and client some of the assets that have the trait."""
    ordered = sorted(traits)
    params = {
        "kinds": [trait.kind for trait in ordered],
        "values": [trait.value for trait in ordered],
        "limit": NEIGHBOURS_MAX,
    }
    found: defaultdict[Trait, dict[int, Sequence[int]]] = defaultdict(dict)
    for row in await fetch_all(conn, _Neighbours, _Q["neighbours"], params):
        found[Trait(row.kind, row.value)][row.client_id] = row.assets
    return found


async def bound(conn: Connection, ids: Collection[int]) -> Mapping[int, Mapping[int, int]]:
    """By asset and unit type the enabled bucket to which it is bound now."""
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in await fetch_all(conn, _Bound, _Q["bound"], {"ids": list(ids)}):
        found[row.asset_id].setdefault(row.unit_type_id, row.bucket_id)
    return found


async def asset_names(conn: Connection, ids: Collection[int]) -> dict[int, str]:
    """By id."""
    return {row.id: row.name for row in await fetch_all(conn, _Name, _Q["asset_names"], {"ids": list(ids)})}


async def client_names(conn: Connection, ids: Collection[int]) -> dict[int, str]:
    """By id."""
    return {row.id: row.name for row in await fetch_all(conn, _Name, _Q["client_names"], {"ids": list(ids)})}


async def bucket_names(conn: Connection, ids: Collection[int]) -> dict[int, BucketName]:
    """By id."""
    rows = await fetch_all(conn, BucketName, _Q["bucket_names"], {"ids": list(ids)})
    return {row.id: row for row in rows}

"""What files in and out need of the database: what names in them mean, and the rows of exports, in parts.

Converts nothing to text; what a file looks like is said in actions/import_table.py and export_table.py.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString, Protocol, TypeVar

import sql
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("exchange")

EXPORT_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class AssetKey:
    """What a line says of the asset that it means: its id, or else source type and external id; "" says nothing."""

    id: int | None
    source_type: str
    external_id: str
    agent: str
    site: str


@dataclass(frozen=True, slots=True)
class Count:
    """What a contract counts; ``unit_type_id`` None: assets."""

    client_id: int
    source_type_id: int
    unit_type_id: int | None
    quantity: Decimal
    as_of: date


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client as a file has it."""

    id: int
    name: str
    currency: str
    time_zone: str
    cycle_unit: str
    cycle_count: int
    cycle_anchor: date
    close_after_days: int | None
    contact: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class BucketLine:
    """A bucket with one of its terms; what is of the terms is None for a bucket without any."""

    id: int
    client: str
    name: str
    source_type: str
    unit_type: str
    priority: int
    enabled: bool
    reviewed: bool
    filters: Sequence[Sequence[Mapping[str, str]]]
    starts_on: date | None
    commit: Decimal | None
    base_price: Decimal | None
    overage_price: Decimal | None
    aggregation: str | None
    percentile: Decimal | None
    package: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    tiers: Sequence[Mapping[str, str]] | None
    gap_hold: int | None
    prorate: bool | None


@dataclass(frozen=True, slots=True)
class AssignmentLine:
    """An asset with whose it is now."""

    id: int
    source_type: str
    external_id: str
    name: str
    agent: str
    site: str
    client: str
    from_slot: int
    by_hand: bool


@dataclass(frozen=True, slots=True)
class ContractLine:
    """A contracted count; ``unit_type`` empty: of assets."""

    id: int
    client: str
    source_type: str
    unit_type: str
    quantity: Decimal
    as_of: date


@dataclass(frozen=True, slots=True)
class ReconciliationRow:
    """What a contract counts and what is metered (None: nothing is), the latter in steps.

    ``unit_type`` and what belongs to it are None where assets are counted.
    """

    client_id: int
    client_name: str
    source_type: str
    unit_type: str | None
    symbol: str | None
    divisor: int | None
    precision: int | None
    contracted: Decimal
    as_of: date
    steps: Decimal | None
    unbound: Decimal


@dataclass(frozen=True, slots=True)
class _Named:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class _Found:
    place: int
    id: int


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


_Line = TypeVar("_Line", bound=_HasId)


async def hold_imports(conn: Connection) -> None:
    """One file at a time, until this transaction ends."""
    await conn.execute(_Q["hold_imports"])


async def clients_by_name(conn: Connection, names: Collection[str]) -> dict[str, int]:
    """Ids of the clients that have one of these names."""
    return {
        row.name: row.id
        for row in await fetch_all(conn, _Named, _Q["clients_by_name"], {"names": list(names)})
    }


async def bucket_by_name(conn: Connection, *, client_id: int, name: str) -> BucketLine | None:
    """The client's bucket of that name, with terms that do not matter."""
    params = {"client_id": client_id, "name": name}
    return await fetch_one(conn, BucketLine, _Q["bucket_by_name"], params)


def filters_of(line: BucketLine) -> list[Filter]:
    """Its filters as the domain has them."""
    return [
        Filter(
            tuple(Condition(one["field"], Operator(one["operator"]), one["pattern"]) for one in conditions)
        )
        for conditions in line.filters
    ]


async def assets_by_key(conn: Connection, keys: Sequence[AssetKey]) -> list[list[int]]:
    """For each key the assets that it may mean: none, one, or several that it does not tell apart."""
    found: list[list[int]] = [[] for _ in keys]
    params = {
        "ids": [key.id for key in keys],
        "source_types": [key.source_type for key in keys],
        "external_ids": [key.external_id for key in keys],
        "agents": [key.agent for key in keys],
        "sites": [key.site for key in keys],
    }
    for row in await fetch_all(conn, _Found, _Q["assets_by_key"], params):
        if row.id not in found[row.place - 1]:
            found[row.place - 1].append(row.id)
    return found


async def assigned_so(
    conn: Connection, assets: Sequence[int], *, client_id: int, from_slot: int | None, by_hand: bool
) -> set[int]:
    """Those that are the client's already, from that slot on; None: from whenever. ``by_hand``: decided by somebody."""
    params = {
        "assets": list(assets),
        "client_id": client_id,
        "from_slot": from_slot,
        "by_hand": by_hand,
    }
    return {asset for (asset,) in await (await conn.execute(_Q["assigned_so"], params)).fetchall()}


async def save_count(conn: Connection, count: Count) -> str:
    """``created``, ``changed`` or ``unchanged``."""
    params = {
        "client_id": count.client_id,
        "source_type_id": count.source_type_id,
        "unit_type_id": count.unit_type_id,
        "quantity": count.quantity,
        "as_of": count.as_of,
    }
    done: str = await fetch_value(conn, _Q["save_count"], params)
    return done


async def remove_other_counts(conn: Connection, kept: Sequence[Count]) -> int:
    """Removes what the clients of these counts have beside them; how many those were."""
    params = {
        "clients": sorted({count.client_id for count in kept}),
        "kept_clients": [count.client_id for count in kept],
        "source_types": [count.source_type_id for count in kept],
        "unit_types": [count.unit_type_id or 0 for count in kept],
    }
    return await execute(conn, _Q["remove_counts"], params)


def client_lines(conn: Connection, *, client_id: int | None) -> AsyncIterator[ClientLine]:
    """All clients by id, or the one; erased ones are left out."""
    return _lines(conn, ClientLine, _Q["export_clients"], client_id=client_id)


def bucket_lines(conn: Connection, *, client_id: int | None, now: datetime) -> AsyncIterator[BucketLine]:
    """Buckets by id, each with the terms in force or else those that start next."""
    return _lines(conn, BucketLine, _Q["export_buckets"], client_id=client_id, now=now)


def assignment_lines(conn: Connection, *, client_id: int | None, slot: int) -> AsyncIterator[AssignmentLine]:
    """Assets that are somebody's in the slot, by id."""
    return _lines(conn, AssignmentLine, _Q["export_assignments"], client_id=client_id, slot=slot)


def contract_lines(conn: Connection, *, client_id: int | None) -> AsyncIterator[ContractLine]:
    """Contracted counts in the order in which they came."""
    return _lines(conn, ContractLine, _Q["export_contracts"], client_id=client_id)


async def reconciliation(
    conn: Connection, *, client_id: int | None, slot: int, month: date, seen_slot: int
) -> list[ReconciliationRow]:
    """By client, source type and unit type, of clients with a contract. ``month``: of which amounts are."""
    params = {"client_id": client_id, "slot": slot, "month": month, "seen_slot": seen_slot}
    return await fetch_all(conn, ReconciliationRow, _Q["reconciliation"], params)


async def _lines(
    conn: Connection, shape: type[_Line], query: LiteralString, **params: Any
) -> AsyncIterator[_Line]:
    after = 0
    while True:
        rows = await fetch_all(conn, shape, query, {**params, "after": after, "limit": EXPORT_ROWS_AT_ONCE})
        for row in rows:
            yield row
        if len(rows) < EXPORT_ROWS_AT_ONCE:
            return
        after = rows[-1].id

"""Writes buckets and rules. What they may say is checked before; what is taken or missing is told here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sql
from aggregator.domain.bucket import NewBucket
from aggregator.domain.match import Condition
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("inventory")


@dataclass(frozen=True, slots=True)
class ClientState:
    """What an act on a client has to know of it."""

    id: int
    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    id: int
    name: str


async def client_for_change(conn: Connection, client_id: int) -> ClientState | None:
    """The client, held until the transaction ends; None when there is none."""
    return await fetch_one(conn, ClientState, _Q["client_for_change"], {"client_id": client_id})


async def source_types(conn: Connection) -> dict[str, int]:
    """Ids by name."""
    return {kind.name: kind.id for kind in await fetch_all(conn, _Kind, _Q["source_types"])}


async def unit_types(conn: Connection) -> dict[str, int]:
    """Ids by name."""
    return {kind.name: kind.id for kind in await fetch_all(conn, _Kind, _Q["unit_types"])}


async def insert_bucket(conn: Connection, new: NewBucket) -> int | None:
    """Its id, with filters and terms saved; None when the client has a bucket of that name."""
    params = {
        "client_id": new.client_id,
        "name": new.name,
        "source_type_id": new.source_type_id,
        "unit_type_id": new.unit_type_id,
        "priority": new.priority,
    }
    bucket_id: int | None = await fetch_value(conn, _Q["insert_bucket"], params)
    if bucket_id is None:
        return None
    if new.filters:
        filters = [_stored(one.conditions) for one in new.filters]
        await execute(conn, _Q["insert_filters"], {"bucket_id": bucket_id, "filters": filters})
    terms = {
        "bucket_id": bucket_id,
        "starts_on": new.terms.starts_on,
        "commit": new.terms.commit,
        "base_price": new.terms.base_price,
        "overage_price": new.terms.overage_price,
        "aggregation": new.terms.aggregation.value,
    }
    await execute(conn, _Q["insert_terms"], terms)
    return bucket_id


async def insert_rule(
    conn: Connection, *, client_id: int, priority: int, conditions: Sequence[Condition]
) -> int:
    """The id of the new assignment rule."""
    params = {"client_id": client_id, "priority": priority, "conditions": _stored(conditions)}
    rule_id: int = await fetch_value(conn, _Q["insert_rule"], params)
    return rule_id


def _stored(conditions: Sequence[Condition]) -> str:
    """As the column keeps them: JSON."""
    return json.dumps(
        [{"field": c.field, "operator": c.operator.value, "pattern": c.pattern} for c in conditions]
    )

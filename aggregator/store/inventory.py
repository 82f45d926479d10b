"""Writes buckets and rules. What they may say is checked before; what is taken or missing is told here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sql
from aggregator.domain.bucket import NewBucket
from aggregator.domain.match import Condition
from aggregator.store import agreements
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("inventory")


@dataclass(frozen=True, slots=True)
class ClientState:
    """What an act on a client has to know of it."""

    id: int
    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class HeldRule:
    """An assignment rule; ``filters`` as ``rules.read_filters`` reads them."""

    id: int
    client_id: int
    priority: int
    filters: str


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
        "reviewed": new.reviewed,
        "template_id": new.template_id,
    }
    bucket_id: int | None = await fetch_value(conn, _Q["insert_bucket"], params)
    if bucket_id is None:
        return None
    await agreements.replace_filters(conn, bucket_id, [stored(one.conditions) for one in new.filters])
    await agreements.add_terms(conn, bucket_id, new.terms)
    return bucket_id


async def insert_rule(
    conn: Connection, *, client_id: int, priority: int, conditions: Sequence[Condition]
) -> int:
    """The id of the new assignment rule."""
    params = {"client_id": client_id, "priority": priority, "conditions": stored(conditions)}
    rule_id: int = await fetch_value(conn, _Q["insert_rule"], params)
    return rule_id


async def hold_rule(conn: Connection, rule_id: int) -> HeldRule | None:
    """The rule, kept from other changes until the transaction ends; None when there is none."""
    return await fetch_one(conn, HeldRule, _Q["hold_rule"], {"rule_id": rule_id})


async def update_rule(
    conn: Connection, rule_id: int, *, priority: int, conditions: Sequence[Condition]
) -> None:
    """Saves what it takes, and before which others."""
    params = {"rule_id": rule_id, "priority": priority, "conditions": stored(conditions)}
    await execute(conn, _Q["update_rule"], params)


async def delete_rule(conn: Connection, rule_id: int) -> None:
    """Takes the rule away; what it assigned is for the binding run."""
    await execute(conn, _Q["delete_rule"], {"rule_id": rule_id})


def stored(conditions: Sequence[Condition]) -> str:
    """As the column keeps them: JSON."""
    return json.dumps(
        [{"field": c.field, "operator": c.operator.value, "pattern": c.pattern} for c in conditions]
    )

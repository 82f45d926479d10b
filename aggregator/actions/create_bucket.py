"""Creates a bucket with its filters and first terms; the next binding run fills it."""

from collections.abc import Mapping, Sequence

from aggregator.actions import given
from aggregator.actions.buckets_changed import Changed, settle
from aggregator.actions.given_terms import GivenTerms, read_terms
from aggregator.domain.bucket import NewBucket
from aggregator.domain.match import Filter
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import agreements, binding, inventory
from aggregator.store.database import Connection, Database
from aggregator.store.inventory import ClientState


async def create_bucket(
    db: Database,
    *,
    client_id: int,
    name: str,
    source_type: str,
    unit_type: str,
    priority: int,
    filters: Sequence[Filter],
    terms: GivenTerms,
    dry_run: bool = False,
    confirmed_assets: int = 0,
) -> Changed:
    """The new bucket's id (0 in a dry run) and what it takes.

    Without a filter it takes every asset of the client with this source type. Raises ``Invalid`` naming the field,
    ``NotFound`` for an unknown client, and ``Conflict`` when it is disabled, has a bucket of that name, or when more has to
    be confirmed.
    """
    cleaned = given.name("name", name)
    agreed = read_terms("terms", terms)
    checked = given.filters("filters", filters)
    given.priority("priority", priority)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        client = await client_to_change(conn, client_id)
        new = NewBucket(
            client_id=client.id,
            name=cleaned,
            source_type_id=_id_of("source_type", source_type, await inventory.source_types(conn)),
            unit_type_id=_id_of("unit_type", unit_type, await inventory.unit_types(conn)),
            priority=priority,
            filters=checked,
            terms=agreed,
        )
        bucket_id = await inventory.insert_bucket(conn, new)
        if bucket_id is None:
            raise Conflict(f"{client.name} has a bucket {cleaned} already; choose another name")
        held = await agreements.hold(conn, [bucket_id])
        preview = await settle(
            conn, held, takes=[checked], confirmed_assets=None if dry_run else confirmed_assets
        )
    return Changed(0 if dry_run else bucket_id, preview)


async def client_to_change(conn: Connection, client_id: int) -> ClientState:
    """The client, held. Raises ``NotFound``, and ``Conflict`` when it is disabled."""
    client = await inventory.client_for_change(conn, client_id)
    if client is None:
        raise NotFound("client", client_id)
    if not client.enabled:
        raise Conflict(f"the client {client.name} is disabled; enable it first")
    return client


def _id_of(field: str, name: str, known: Mapping[str, int]) -> int:
    if name not in known:
        raise Invalid(field, f"must be one of {', '.join(known)}")
    return known[name]

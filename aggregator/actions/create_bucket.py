"""Creates a bucket with its filters and first terms; the next binding run fills it."""

from collections.abc import Mapping, Sequence

from aggregator.actions import given
from aggregator.domain.bucket import FirstTerms, NewBucket
from aggregator.domain.match import Filter
from aggregator.domain.terms import Aggregation
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding, inventory
from aggregator.store.database import Connection, Database
from aggregator.store.inventory import ClientState
from aggregator.store.news import announce


async def create_bucket(
    db: Database,
    *,
    client_id: int,
    name: str,
    source_type: str,
    unit_type: str,
    priority: int,
    filters: Sequence[Filter],
    starts_on: str,
    commit: str,
    base_price: str,
    overage_price: str,
    aggregation: str,
) -> int:
    """The id of the new bucket; numbers and the day come as text.

    Without a filter it takes every asset of the client with this source type. Raises ``Invalid`` naming the field,
    ``NotFound`` for an unknown client, and ``Conflict`` when it is disabled or has a bucket of that name.
    """
    cleaned = given.name("name", name)
    terms = FirstTerms(
        starts_on=given.day("terms.starts_on", starts_on),
        commit=given.number("terms.commit", commit, places_max=given.QUANTITY_PLACES_MAX),
        base_price=given.number("terms.base_price", base_price, places_max=given.PRICE_PLACES_MAX),
        overage_price=given.number("terms.overage_price", overage_price, places_max=given.PRICE_PLACES_MAX),
        aggregation=_aggregation(aggregation),
    )
    checked = given.filters("filters", filters)
    given.priority("priority", priority)
    async with db.transaction() as conn:
        await binding.hold_rules(conn)
        client = await client_to_change(conn, client_id)
        new = NewBucket(
            client_id=client.id,
            name=cleaned,
            source_type_id=_id_of("source_type", source_type, await inventory.source_types(conn)),
            unit_type_id=_id_of("unit_type", unit_type, await inventory.unit_types(conn)),
            priority=priority,
            filters=checked,
            terms=terms,
        )
        bucket_id = await inventory.insert_bucket(conn, new)
        if bucket_id is None:
            raise Conflict(f"{client.name} has a bucket {cleaned} already; choose another name")
        await binding.flag_assets_of_client(conn, client.id)
        await announce(conn, "bucket")
    return bucket_id


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


def _aggregation(text: str) -> Aggregation:
    try:
        return Aggregation(text)
    except ValueError as error:
        raise Invalid("terms.aggregation", f"must be one of {', '.join(Aggregation)}") from error

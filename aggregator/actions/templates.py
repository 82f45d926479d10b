"""Creates, replaces and deletes the templates by which buckets are provisioned; says which buckets they would make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aggregator.actions import given, given_calendar
from aggregator.actions.provision import Provisioned, provision_clients
from aggregator.domain.match import Condition
from aggregator.domain.preview import Preview
from aggregator.domain.provision import Price
from aggregator.domain.slot import slot_of
from aggregator.domain.terms import read_aggregation
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding, inventory
from aggregator.store import provision as store
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.provision import NewTemplate

TEMPLATES_MAX = 1_000
PRICES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTemplate:
    """A template as it was given; numbers are text. ``prices``: (currency, base price, overage price)."""

    source_type: str
    unit_type: str
    conditions: Sequence[Condition]
    aggregation: str
    commit: str
    prices: Sequence[tuple[str, str, str]]
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Templated:
    """A template's id, 0 where a dry run made none, and the buckets that the next provisioning would make by it."""

    id: int
    preview: Preview


async def create_template(db: Database, asked: AskedTemplate, *, dry_run: bool = False) -> Templated:
    """Raises ``Invalid`` naming the field, and ``Conflict`` when there are too many."""
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        if await store.hold_templates(conn) >= TEMPLATES_MAX:
            raise Conflict(f"there are {TEMPLATES_MAX} templates already; delete one, or put two together")
        template_id = await store.insert_template(conn, await _read(conn, asked))
        await announce(conn, "bucket")
        preview = await _preview(conn, template_id)
    return Templated(id=0 if dry_run else template_id, preview=preview)


async def update_template(
    db: Database, template_id: int, asked: AskedTemplate, *, dry_run: bool = False
) -> Templated:
    """Replaces all of it; buckets that were made by it stay as they are. Raises ``Invalid`` and ``NotFound``."""
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        await store.hold_templates(conn)
        if not await store.update_template(conn, template_id, await _read(conn, asked)):
            raise NotFound("template", template_id)
        await announce(conn, "bucket")
        preview = await _preview(conn, template_id)
    return Templated(id=template_id, preview=preview)


async def delete_template(db: Database, template_id: int) -> None:
    """Buckets that were made by it stay. Raises ``NotFound``."""
    async with db.transaction() as conn:
        await store.hold_templates(conn)
        if not await store.delete_template(conn, template_id):
            raise NotFound("template", template_id)
        await announce(conn, "bucket")


async def _preview(conn: Connection, template_id: int) -> Preview:
    """Provisions, and takes it back."""
    done = Provisioned()
    now = await store.now(conn)
    async with conn.transaction(force_rollback=True):
        concerned = await store.clients(conn, slot=slot_of(now), client_id=None)
        await provision_clients(conn, concerned, done, now=now, template_id=template_id, estimate=True)
    return done.preview()


async def _read(conn: Connection, asked: AskedTemplate) -> NewTemplate:
    try:
        aggregation, percentile = read_aggregation(asked.aggregation)
    except ValueError as error:
        raise Invalid("template.aggregation", str(error)) from error
    conditions = given.conditions("template.filter", asked.conditions) if asked.conditions else ()
    if len(asked.prices) > PRICES_MAX:
        raise Invalid("template.prices", f"has {len(asked.prices)}; at most {PRICES_MAX} are taken")
    prices: dict[str, Price] = {}
    for place, (currency, base, overage) in enumerate(asked.prices, start=1):
        field = f"template.prices[{place}]"
        code = given_calendar.currency(f"{field}.currency", currency).code
        if code in prices:
            raise Invalid(f"{field}.currency", f"is there twice; give one price in {code}")
        prices[code] = Price(
            base=given.number(f"{field}.base_price", base, places_max=given.PRICE_PLACES_MAX),
            overage=given.number(f"{field}.overage_price", overage, places_max=given.PRICE_PLACES_MAX),
        )
    return NewTemplate(
        source_type_id=_id("template.source_type", asked.source_type, await inventory.source_types(conn)),
        unit_type_id=_id("template.unit_type", asked.unit_type, await inventory.unit_types(conn)),
        conditions=conditions,
        aggregation=aggregation,
        percentile=percentile,
        commit=given.number("template.commit", asked.commit or "0", places_max=given.QUANTITY_PLACES_MAX),
        prices=prices,
        enabled=asked.enabled,
    )


def _id(field: str, name: str, known: Mapping[str, int]) -> int:
    if name not in known:
        raise Invalid(field, f"must be one of {', '.join(known)}")
    return known[name]

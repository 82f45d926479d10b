"""Templates as they are kept, what decides about a client's buckets, and what provisioning made or could not decide."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sql
from aggregator.domain.match import Condition, Facts, Operator
from aggregator.domain.provision import Kind, Metered, Price, Problem, Template, Wanted
from aggregator.domain.terms import Aggregation
from aggregator.store import rules
from aggregator.store.database import Connection, execute, fetch_all, fetch_value

_Q = sql.queries("provision")

Conditions = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplate:
    """A template as somebody asks for it, checked; ``prices`` by currency."""

    source_type_id: int
    unit_type_id: int
    conditions: tuple[Condition, ...]
    aggregation: Aggregation
    percentile: Decimal | None
    commit: Decimal
    prices: Mapping[str, Price]
    enabled: bool


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as it is kept; ``prices`` are [currency, base, overage] as text."""

    id: int
    source_type_id: int
    unit_type_id: int
    source_type: str
    unit_type: str
    conditions: Conditions
    aggregation: str
    percentile: Decimal | None
    commit: Decimal
    enabled: bool
    prices: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """What provisioning did not guess."""

    client_id: int
    client_name: str
    source_type: str
    unit_type: str
    reason: str
    detail: str
    assets: int
    found_at: datetime


@dataclass(frozen=True, slots=True)
class _MeteredRow:
    asset_id: int
    source_type_id: int
    unit_type_id: int
    source_type: str
    external_id: str
    name: str
    address: str
    labels: Mapping[str, str]
    agent: str
    site: str
    from_slot: int | None


async def now(conn: Connection) -> datetime:
    """The database's time."""
    at: datetime = await fetch_value(conn, _Q["now"])
    return at


async def hold_templates(conn: Connection) -> int:
    """Keeps templates from being changed or used until the transaction ends; how many there are."""
    await conn.execute(_Q["hold_templates"])
    total: int = await fetch_value(conn, _Q["templates_total"])
    return total


async def share_templates(conn: Connection) -> None:
    """Keeps templates from being changed until the transaction ends."""
    await conn.execute(_Q["share_templates"])


async def template_rows(conn: Connection, *, enabled_only: bool = False) -> list[TemplateRow]:
    """Oldest first."""
    return await fetch_all(conn, TemplateRow, _Q["templates"], {"enabled_only": enabled_only})


async def templates(conn: Connection) -> list[Template]:
    """Those that are enabled, oldest first."""
    return [_template(row) for row in await template_rows(conn, enabled_only=True)]


async def clients(conn: Connection, *, slot: int, client_id: int | None) -> list[int]:
    """Clients about which templates may have something to say."""
    rows = await conn.execute(_Q["clients"], {"slot": slot, "client_id": client_id})
    return [row[0] for row in await rows.fetchall()]


async def had(conn: Connection, client_id: int) -> tuple[set[Kind], set[str]]:
    """Kinds and names of all buckets that the client ever had."""
    rows = await (await conn.execute(_Q["had"], {"client_id": client_id})).fetchall()
    return {(source, unit) for source, unit, _ in rows}, {name for _, _, name in rows}


async def metered(conn: Connection, client_id: int, *, slot: int) -> list[Metered]:
    """The client's series of kinds that it never had a bucket of."""
    rows = await fetch_all(conn, _MeteredRow, _Q["metered"], {"client_id": client_id, "slot": slot})
    return [
        Metered(
            asset_id=row.asset_id,
            kind=(row.source_type_id, row.unit_type_id),
            facts=Facts(
                source_type=row.source_type,
                external_id=row.external_id,
                name=row.name,
                address=row.address,
                agent=row.agent,
                site=row.site,
                labels=row.labels,
            ),
            from_slot=row.from_slot,
        )
        for row in rows
    ]


async def insert_bucket(
    conn: Connection, client_id: int, wanted: Wanted, *, starts_on: date, ends_on: date | None
) -> int:
    """The id of the new bucket, with filter and terms."""
    params = {
        "client_id": client_id,
        "template_id": wanted.template.id,
        "name": wanted.name,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "base_price": wanted.price.base,
        "overage_price": wanted.price.overage,
    }
    bucket_id: int = await fetch_value(conn, _Q["insert_bucket"], params)
    return bucket_id


async def note_problems(conn: Connection, client_id: int, problems: Collection[Problem]) -> None:
    """Writes the client's problems anew."""
    await execute(conn, _Q["forget_problems"], {"client_id": client_id})
    params = {
        "client_id": client_id,
        "source_types": [one.kind[0] for one in problems],
        "unit_types": [one.kind[1] for one in problems],
        "reasons": [one.reason.value for one in problems],
        "details": [one.detail for one in problems],
        "assets": [one.assets for one in problems],
    }
    await execute(conn, _Q["note_problems"], params)


async def problems(conn: Connection, *, client_id: int | None = None) -> list[ProblemRow]:
    """What the last runs did not guess, by client."""
    return await fetch_all(conn, ProblemRow, _Q["problems"], {"client_id": client_id})


async def insert_template(conn: Connection, new: NewTemplate) -> int:
    """Its id."""
    template_id: int = await fetch_value(conn, _Q["insert_template"], _columns(new))
    await _add_prices(conn, template_id, new.prices)
    return template_id


async def update_template(conn: Connection, template_id: int, new: NewTemplate) -> bool:
    """Replaces all of it; False when there is none."""
    if not await execute(conn, _Q["update_template"], {"template_id": template_id, **_columns(new)}):
        return False
    await execute(conn, _Q["remove_prices"], {"template_id": template_id})
    await _add_prices(conn, template_id, new.prices)
    return True


async def delete_template(conn: Connection, template_id: int) -> bool:
    """Buckets made by it stay; False when there is none."""
    return bool(await execute(conn, _Q["delete_template"], {"template_id": template_id}))


async def _add_prices(conn: Connection, template_id: int, prices: Mapping[str, Price]) -> None:
    params = {
        "template_id": template_id,
        "currencies": list(prices),
        "base_prices": [price.base for price in prices.values()],
        "overage_prices": [price.overage for price in prices.values()],
    }
    await execute(conn, _Q["add_prices"], params)


def _columns(new: NewTemplate) -> dict[str, Any]:
    return {
        "source_type_id": new.source_type_id,
        "unit_type_id": new.unit_type_id,
        "conditions": json.dumps(
            [{"field": c.field, "operator": c.operator.value, "pattern": c.pattern} for c in new.conditions]
        ),
        "aggregation": new.aggregation.value,
        "percentile": new.percentile,
        "commit": new.commit,
        "enabled": new.enabled,
    }


def _template(row: TemplateRow) -> Template:
    filters = json.dumps([row.conditions] if row.conditions else [])
    return Template(
        id=row.id,
        kind=(row.source_type_id, row.unit_type_id),
        source_type=row.source_type,
        unit_type=row.unit_type,
        conditions=tuple(
            Condition(c["field"], Operator(c["operator"]), c["pattern"]) for c in row.conditions
        ),
        fits=rules.fitting(filters).fits,
        aggregation=Aggregation(row.aggregation),
        percentile=row.percentile,
        commit=row.commit,
        prices={currency: Price(Decimal(base), Decimal(over)) for currency, base, over in row.prices},
    )

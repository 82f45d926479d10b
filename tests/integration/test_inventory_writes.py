"""Creating clients, buckets and rules: what is saved, what is refused and by which field."""

from dataclasses import replace
from typing import Any

import pytest

from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.create_client import create_client
from aggregator.actions.given_terms import GivenTerms
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store.database import Database
from tests.rollup_world import Conn, opened

CLIENT: dict[str, Any] = {
    "name": "Brook & Sons",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "cycle_unit": "month",
    "cycle_count": 1,
    "cycle_anchor": "2026-01-01",
}
BUCKET: dict[str, Any] = {
    "name": "memory",
    "source_type": "vm",
    "unit_type": "ram",
    "priority": 0,
    "filters": [],
    "terms": GivenTerms(
        starts_on="2026-01-01",
        commit="64",
        base_price="2.50",
        overage_price="0.0000000001",
        aggregation="avg",
    ),
}


def terms(change: dict[str, Any]) -> dict[str, Any]:
    return {"terms": replace(BUCKET["terms"], **change)}


WEB = Condition("name", Operator.GLOB, "web-*")


async def rows(conn: Conn, query: str, *params: object) -> list[tuple[Any, ...]]:
    found = await (await conn.execute(query, params)).fetchall()
    await conn.rollback()
    return found


@pytest.mark.storage
async def test_a_client_is_saved_with_its_currencys_digits(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        for currency, digits in (("EUR", 2), ("JPY", 0), ("KWD", 3)):
            key = await create_client(db, **CLIENT | {"name": f"  in {currency} ", "currency": currency})
            saved = await rows(
                conn, "select name, currency, currency_digits, finalised_slot from client where id = %s", key
            )
            assert saved == [(f"in {currency}", currency, digits, 0)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "x" * 129),
        ("name", "a\nb"),
        ("name", "a\u202eb"),
        ("currency", "eur"),
        ("currency", "ZZZ"),
        ("currency", ""),
        ("time_zone", "Europe/Bonn"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
        ("cycle_unit", "day"),
        ("cycle_count", 0),
        ("cycle_count", 61),
        ("cycle_anchor", "2026-02-30"),
        ("cycle_anchor", ""),
        ("cycle_anchor", "1066-10-14"),
    ],
)
async def test_a_client_with_a_bad_field_is_refused_by_its_name(
    dsn: str, conn: Conn, field: str, value: object
) -> None:
    async with opened(dsn) as db:
        with pytest.raises(Invalid) as refused:
            await create_client(db, **CLIENT | {field: value})
    assert refused.value.field == field
    assert await rows(conn, "select from client") == []


async def test_two_clients_cannot_have_one_name(dsn: str) -> None:
    async with opened(dsn) as db:
        await create_client(db, **CLIENT)
        with pytest.raises(Conflict, match="Brook & Sons already"):
            await create_client(db, **CLIENT | {"currency": "USD"})


@pytest.mark.storage
async def test_a_bucket_is_saved_with_filters_and_terms(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        client = await create_client(db, **CLIENT)
        filters = [Filter((WEB,)), Filter((WEB, Condition("label:env", Operator.EQUALS, 'pr"od')))]
        await create_bucket(db, client_id=client, **BUCKET | {"filters": filters})
    assert await rows(conn, "select conditions from bucket_filter order by id") == [
        ([{"field": "name", "operator": "glob", "pattern": "web-*"}],),
        (
            [
                {"field": "name", "operator": "glob", "pattern": "web-*"},
                {"field": "label:env", "operator": "equals", "pattern": 'pr"od'},
            ],
        ),
    ]
    terms = await rows(
        conn,
        "select b.name, t.name, u.name, starts_on::text, commit::text, base_price::text, overage_price::text, aggregation"
        " from bucket b join source_type t on t.id = source_type_id join unit_type u on u.id = unit_type_id"
        " join bucket_terms on bucket_id = b.id",
    )
    assert terms == [("memory", "vm", "ram", "2026-01-01", "64", "2.50", "0.0000000001", "avg")]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("name", {"name": "\t"}),
        ("source_type", {"source_type": "vmm"}),
        ("unit_type", {"unit_type": ""}),
        ("priority", {"priority": 2**31 - 1}),
        ("terms.starts_on", terms({"starts_on": "soon"})),
        ("terms.commit", terms({"commit": "-1"})),
        ("terms.commit", terms({"commit": ""})),
        ("terms.commit", terms({"commit": "NaN"})),
        ("terms.commit", terms({"commit": "1e1000"})),
        ("terms.commit", terms({"commit": "9" * 17})),
        ("terms.base_price", terms({"base_price": "0.00000000001"})),
        ("terms.base_price", terms({"base_price": "1,5"})),
        ("terms.overage_price", terms({"overage_price": "Infinity"})),
        ("terms.aggregation", terms({"aggregation": "median"})),
        ("terms.aggregation", terms({"aggregation": "p101"})),
        ("terms.ends_on", terms({"ends_on": "2026-01-01"})),
        ("terms.package", terms({"package": "0"})),
        ("terms.minimum", terms({"minimum": "-1"})),
        ("terms.maximum", terms({"minimum": "2", "maximum": "1"})),
        ("terms.gap_rule", terms({"gap_rule": "hold"})),
        ("terms.gap_rule", terms({"gap_rule": "hold 0"})),
        ("terms.gap_rule", terms({"gap_rule": "hold 289"})),
        ("terms.tiers[1].above", terms({"tiers": [("1", "1")]})),
        ("terms.tiers[2].above", terms({"tiers": [("0", "1"), ("0", "2")]})),
        ("terms.tiers[1].price", terms({"tiers": [("0", "0.00000000001")]})),
        ("terms.tiers", terms({"tiers": [(str(n), "1") for n in range(51)]})),
        (
            "filters[2].pattern",
            {"filters": [Filter((WEB,)), Filter((Condition("name", Operator.REGEX, "("),))]},
        ),
        ("filters[1].field", {"filters": [Filter((Condition("owner", Operator.EQUALS, "x"),))]}),
        ("filters[1].conditions", {"filters": [Filter(())]}),
        ("filters", {"filters": [Filter((WEB,))] * 51}),
    ],
)
async def test_a_bucket_with_a_bad_field_is_refused_by_its_name(
    dsn: str, conn: Conn, field: str, change: dict[str, object]
) -> None:
    async with opened(dsn) as db:
        client = await create_client(db, **CLIENT)
        with pytest.raises(Invalid) as refused:
            await create_bucket(db, client_id=client, **BUCKET | change)
    assert refused.value.field == field
    assert await rows(conn, "select from bucket") == []


async def test_a_bucket_needs_a_client_and_a_name_of_its_own(dsn: str) -> None:
    async with opened(dsn) as db:
        with pytest.raises(NotFound):
            await create_bucket(db, client_id=7, **BUCKET)
        client = await create_client(db, **CLIENT)
        await create_bucket(db, client_id=client, **BUCKET)
        with pytest.raises(Conflict, match="Brook & Sons has a bucket memory already"):
            await create_bucket(db, client_id=client, **BUCKET)
        other = await create_client(db, **CLIENT | {"name": "Other"})
        await create_bucket(db, client_id=other, **BUCKET)


async def test_a_disabled_client_gets_neither_buckets_nor_rules(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        client = await create_client(db, **CLIENT)
        await conn.execute("update client set enabled = false, disabled_on = current_date")
        await conn.commit()
        with pytest.raises(Conflict, match="disabled"):
            await create_bucket(db, client_id=client, **BUCKET)
        with pytest.raises(Conflict, match="disabled"):
            await create_assignment_rule(db, client_id=client, priority=0, conditions=[WEB])


@pytest.mark.parametrize(
    ("field", "priority", "conditions"),
    [
        ("priority", -(2**31), [WEB]),
        ("filter.conditions", 0, []),
        ("filter.pattern", 0, [Condition("address", Operator.CIDR, "10.0.0.0/99")]),
    ],
)
async def test_a_rule_with_a_bad_field_is_refused_by_its_name(
    dsn: str, field: str, priority: int, conditions: list[Condition]
) -> None:
    async with opened(dsn) as db:
        client = await create_client(db, **CLIENT)
        with pytest.raises(Invalid) as refused:
            await create_assignment_rule(db, client_id=client, priority=priority, conditions=conditions)
    assert refused.value.field == field


async def test_a_rule_needs_a_client(dsn: str) -> None:
    async with opened(dsn) as db:
        with pytest.raises(NotFound):
            await create_assignment_rule(db, client_id=7, priority=0, conditions=[WEB])


async def test_what_is_created_is_announced(dsn: str) -> None:
    async with opened(dsn) as db, listening(db) as heard:
        client = await create_client(db, **CLIENT)
        assert await heard() == {f"client {client}"}
        await create_bucket(db, client_id=client, **BUCKET)
        assert await heard() == {f"bucket {client}"}


class listening:  # noqa: N801  reads as what it does
    """Nouns that were announced since the last question."""

    def __init__(self, db: Database) -> None:
        self._context = db.dedicated()

    async def __aenter__(self) -> Any:
        self._conn = await self._context.__aenter__()
        await self._conn.execute("listen ullage_change")
        return self._heard

    async def __aexit__(self, *_: object) -> None:
        await self._context.__aexit__(None, None, None)

    async def _heard(self) -> set[str]:
        return {notify.payload async for notify in self._conn.notifies(timeout=0.5)}

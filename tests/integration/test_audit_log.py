"""The audit log as the database writes it, whoever changes a record and however."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import errors

from aggregator.store import audit
from aggregator.store.database import Database, acting
from tests.builders import World

ASSETS = 10_000


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=3)
    yield database
    await database.close()


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("set timezone = 'UTC'")
        yield World(conn)


@dataclass(frozen=True)
class Entry:
    action: str
    table: str
    record: str
    client: int | None
    old: dict[str, Any] | None
    new: dict[str, Any] | None


async def newest(world: World) -> tuple[str, str, list[Entry]]:
    """Actor, act and entries of the newest group."""
    actor, act, number = await world.one("select actor, act, id from audit_group order by id desc limit 1")
    asked = await world.conn.execute(
        (
            "select action, table_name, record_id, client_id, old_values, new_values from audit_entry"
            " where group_id = %s order by id"
        ),
        [number],
    )
    return actor, act, [Entry(*row) for row in await asked.fetchall()]


async def groups(world: World) -> int:
    [count] = await world.one("select count(*) from audit_group")
    return int(count)


async def made(world: World) -> dict[str, int]:
    """One record of each noun."""
    agent = await world.agent("agent-1")
    client = await world.client("Acme")
    asset = await world.asset("web-1", agent=agent)
    bucket = await world.bucket(client, conditions=[])
    series = await world.series(asset)
    [unit] = await world.one("select id from unit_type where name = 'ram-used'")
    return {
        "agent": agent,
        "client": client,
        "asset": asset,
        "bucket": bucket,
        "series": series,
        "unit": unit,
    }


# What somebody types into psql, on one record of each table, and what the entry of an update says.
CHANGES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "client": ("", "contact = 'x@example.org'", {"contact": ""}, {"contact": "x@example.org"}),
    "client_cycle": (
        (
            "insert into client_cycle (client_id, ended_on, currency, currency_digits, time_zone, cycle_unit, cycle_count,"
            " cycle_anchor) values (%(client)s, '2026-02-01', 'EUR', 2, 'UTC', 'month', 1, '2024-01-01')"
        ),
        "currency = 'USD'",
        {"currency": "EUR"},
        {"currency": "USD"},
    ),
    "asset": ("", "description = 'x', rebind = true", {"description": ""}, {"description": "x"}),
    "asset_pause": (
        "insert into asset_pause (asset_id, from_slot, cause) values (%(asset)s, 5, 'disabled')",
        "to_slot = 9",
        {"to_slot": 2147483647},
        {"to_slot": 9},
    ),
    "assignment": (
        "insert into assignment (asset_id, client_id, from_slot) values (%(asset)s, %(client)s, 5)",
        "to_slot = 9",
        {"to_slot": 2147483647},
        {"to_slot": 9},
    ),
    "binding": (
        "insert into binding (series_id, bucket_id, from_slot, by_hand) values (%(series)s, %(bucket)s, 5, true)",
        "to_slot = 9",
        {"to_slot": 2147483647},
        {"to_slot": 9},
    ),
    "assignment_rule": (
        "insert into assignment_rule (client_id, priority, conditions) values (%(client)s, 1, '[]')",
        "priority = 2",
        {"priority": 1},
        {"priority": 2},
    ),
    "bucket": ("", "reviewed = false", {"reviewed": True}, {"reviewed": False}),
    "bucket_filter": ("", "conditions = '[1]'", {"conditions": []}, {"conditions": [1]}),
    "bucket_terms": ("", "base_price = 1.10", {"base_price": 1}, {"base_price": 1.1}),
    "unit_type": ("", "symbol = 'x'", {"symbol": "GiB"}, {"symbol": "x"}),
    "template": (
        "insert into template (source_type_id, unit_type_id, aggregation) values (1, %(unit)s, 'avg')",
        "enabled = false",
        {"enabled": True},
        {"enabled": False},
    ),
    "template_price": (
        (
            "with t as (insert into template (source_type_id, unit_type_id, aggregation) values (1, %(unit)s, 'avg')"
            " returning id) insert into template_price select id, 'EUR', 1, 2 from t"
        ),
        "base_price = 3",
        {"base_price": 1},
        {"base_price": 3},
    ),
    "suppression": (
        "insert into suppression (field, operator, pattern, reason) values ('name', 'equals', 'x', 'test')",
        "reason = 'other'",
        {"reason": "test"},
        {"reason": "other"},
    ),
    "contract_count": (
        (
            "insert into contract_count (client_id, unit_type_id, source_type_id, quantity, as_of)"
            " values (%(client)s, %(unit)s, 1, 712, '2026-01-01')"
        ),
        "quantity = 713",
        {"quantity": 712},
        {"quantity": 713},
    ),
    "api_key": (
        (
            "insert into api_key (name, prefix, sha256, role, last_used_at)"
            " values ('ops', 'ullage_abc', 'hash-of-a-key', 'viewer', now())"
        ),
        "enabled = false, sha256 = 'hash-of-another'",
        {"enabled": True},
        {"enabled": False},
    ),
    "agent": ("", "state = 'held'", {"state": "active"}, {"state": "held"}),
    "enrolment_token": (
        "insert into enrolment_token (sha256, site, expires_at) values ('hash-of-a-token', 'here', '2026-01-01')",
        "revoked_at = '2026-01-01', used_key = 'hash-of-a-key'",
        {"revoked_at": None},
        {"revoked_at": "2026-01-01T00:00:00+00:00"},
    ),
    "acknowledgement": (
        (
            "insert into acknowledgement (client_id, period_start, kind, subject, reason, made_by)"
            " values (%(client)s, '2026-01-01', 'unbound', 'asset:1', 'not billed', 'ops')"
        ),
        "reason = 'other'",
        {"reason": "not billed"},
        {"reason": "other"},
    ),
}


async def test_every_audited_table_is_tried_here(world: World) -> None:
    asked = await world.conn.execute(
        "select distinct tgrelid::regclass::text from pg_trigger where tgname like 'audit_%' and not tgisinternal"
    )
    assert {name for (name,) in await asked.fetchall()} == {*CHANGES, "quarantine", "certificate"}


@pytest.mark.storage
@pytest.mark.parametrize("table", CHANGES)
async def test_what_is_typed_into_psql_is_written_down_as_the_database_users(
    world: World, table: str
) -> None:
    insert, change, old, new = CHANGES[table]
    ids = await made(world)
    if insert:
        await world.conn.execute(insert.encode(), ids)
        actor, _, entries = await newest(world)
        assert (entries[-1].action, entries[-1].table, entries[-1].old) == ("insert", table, None)
    await world.conn.execute(f"update {table} set {change}".encode())  # noqa: S608
    [user] = await world.one("select current_user")
    actor, act, entries = await newest(world)
    assert (actor, act) == (f"db:{user}", "")
    assert {(e.action, e.table) for e in entries} == {("update", table)}
    assert (entries[0].old, entries[0].new) == (old, new) or table == "unit_type"
    before = await groups(world)
    await world.conn.execute(f"update {table} set {change}".encode())  # noqa: S608
    assert await groups(world) == before, "nothing changed, so nothing is written down"
    [text] = await world.one("select coalesce(string_agg(to_jsonb(e)::text, ''), '') from audit_entry e")
    assert "hash-of" not in text
    assert "686173682d6f66" not in text


async def test_a_certificate_is_written_down_unless_it_renews_another(world: World) -> None:
    agent = await world.agent()
    for number, way in enumerate(("by-hand", "renew"), start=1):
        await world.insert(
            "certificate",
            returning="agent_id",
            serial=f"{number}f",
            agent_id=agent,
            generation=number,
            not_after=datetime(2026, 1, 1, tzinfo=UTC),
            way=way,
            authority="ab",
        )
    _, _, [entry] = await newest(world)
    assert (entry.action, entry.table, entry.record) == ("insert", "certificate", "1f")


@pytest.mark.parametrize(
    "table", ["assignment", "binding", "assignment_rule", "bucket_filter", "asset_pause"]
)
async def test_a_deleted_decision_is_kept_whole(world: World, table: str) -> None:
    ids = await made(world)
    await world.conn.execute((CHANGES[table][0] or "select 1").encode(), ids)
    row = await world.one(f"select to_jsonb(t) from {table} t")  # noqa: S608
    await world.conn.execute(f"delete from {table}".encode())  # noqa: S608
    _, _, [entry] = await newest(world)
    assert (entry.action, entry.record, entry.new) == ("delete", str(row[0]["id"]), None)
    assert entry.old is not None
    assert entry.old.items() <= row[0].items()


async def test_what_rules_and_filters_do_is_no_decision(world: World) -> None:
    ids = await made(world)
    rule = await world.insert("assignment_rule", client_id=ids["client"], priority=1, conditions="[]")
    before = await groups(world)
    await world.insert(
        "assignment", asset_id=ids["asset"], client_id=ids["client"], from_slot=1, rule_id=rule
    )
    await world.insert("binding", series_id=ids["series"], bucket_id=ids["bucket"], from_slot=1)
    for table in ("assignment", "binding"):
        await world.conn.execute(f"update {table} set to_slot = 7".encode())  # noqa: S608
        await world.conn.execute(f"delete from {table}".encode())  # noqa: S608
    await world.conn.execute("update asset set rebind = true, name = 'said by its agent'")
    await world.conn.execute("update agent set generation = generation + 1")
    assert await groups(world) == before


async def test_a_transaction_is_one_group_of_whoever_acts(db: Database, world: World) -> None:
    ids = await made(world)
    key = await world.insert("api_key", name="alice", prefix="p", sha256=b"1", role="admin")
    with acting("alice", act="Inventory/DescribeAssets", key_id=key, request_id="r1"):
        async with db.transaction() as conn:
            assert await audit.group_of(conn) == 0
            await conn.execute("update asset set description = 'x'")
            await conn.execute("update bucket set priority = 7")
            group = await audit.group_of(conn)
    row = await world.one("select actor, key_id, request_id, act from audit_group where id = %s", group)
    assert row == ("alice", key, "r1", "Inventory/DescribeAssets")
    _, _, entries = await newest(world)
    assert [(e.table, e.client) for e in entries] == [("asset", None), ("bucket", ids["client"])]
    async with db.transaction() as conn:
        assert await audit.group_of(conn) == 0
        await conn.execute("update asset set description = 'y'")
    assert (await newest(world))[0].startswith("db:")


async def test_what_is_rolled_back_was_never_done(db: Database, world: World) -> None:
    await made(world)
    before = await groups(world)
    with acting("alice", act="test"):
        async with db.transaction() as conn:
            async with conn.transaction(force_rollback=True):
                await conn.execute("update asset set description = 'x'")
                assert await audit.group_of(conn)
            assert await audit.group_of(conn) == 0
            await conn.execute("update asset set description = 'y'")
    assert await groups(world) == before + 1
    actor, _, [entry] = await newest(world)
    assert (actor, entry.new) == ("alice", {"description": "y"})


async def test_many_assets_are_many_entries_of_one_group(world: World) -> None:
    ids = await made(world)
    await world.conn.execute(
        (
            "insert into asset (source_type_id, scope, external_id, name, agent_id)"
            " select 1, 'agent:1', 'x' || n, 'x' || n, %s from generate_series(1, %s) n"
        ),
        [ids["agent"], ASSETS],
    )
    before = await groups(world)
    await world.conn.execute("update asset set acknowledged_at = now() where name like 'x%'")
    assert await groups(world) == before + 1
    assert len((await newest(world))[2]) == ASSETS


async def test_the_log_is_written_once(world: World) -> None:
    await made(world)
    for statement in (
        "update audit_entry set new_values = '{}'",
        "update audit_group set actor = 'nobody'",
        "delete from audit_entry",
        "delete from audit_group",
        "truncate audit_entry",
        "truncate audit_group cascade",
    ):
        with pytest.raises(errors.RestrictViolation, match="never changed"):
            await world.conn.execute(statement.encode())


async def test_an_erased_clients_name_is_in_no_entry(world: World) -> None:
    client = await world.client("Secretive Ltd")
    other = await world.client("Kept Ltd")
    await world.conn.execute("update client set contact = 'boss@secretive.example', cycle_count = 2")
    await world.conn.execute(
        "update client set name = 'erased-1', contact = '', erased_at = now() where id = %s", [client]
    )
    [text] = await world.one("select string_agg(to_jsonb(e)::text, '') from audit_entry e")
    assert "Secretive" not in text
    [kept] = await world.one(
        "select string_agg(new_values::text, '') from audit_entry where record_id = %s", str(other)
    )
    assert "Kept Ltd" in kept
    assert "boss@secretive.example" in kept
    [figures] = await world.one(
        "select count(*) from audit_entry where record_id = %s and new_values @> '{\"cycle_count\": 2}'",
        str(client),
    )
    assert figures == 1


async def test_settled_quarantine_is_an_entry_for_each_agent_and_reason(world: World) -> None:
    agent = await world.agent()
    now = (await world.one("select now()"))[0]
    ids = [await world.quarantined(agent, now) for _ in range(3)]
    await world.conn.execute("update quarantine set settled_at = now(), settlement = 'discarded'")
    _, _, [entry] = await newest(world)
    assert entry.record == f"{agent}/negative"
    assert entry.new == {"settlement": "discarded", "readings": 3, "first_ids": ids}

"""Taking back what somebody decided: each kind of it, and what keeps it from being taken back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
import pytest

from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.undo import Undone, undo
from aggregator.domain.slot import slot_of
from aggregator.errors import Conflict, Denied, NotFound
from aggregator.rpc.audit import AuditMethods
from aggregator.rpc.caller import Caller, become
from aggregator.rpc.server import Context
from aggregator.store.database import Database, acting
from tests.builders import World, hour
from ullage.v1 import audit_pb2, types_pb2

CONTEXT = cast(Context, None)
HOST = [{"field": "source_type", "operator": "equals", "pattern": "host"}]


class Methods(AuditMethods):
    def __init__(self, db: Database) -> None:
        self._db = db


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


async def all_of(world: World, query: str, *params: Any) -> list[Any]:
    asked = await world.conn.execute(query.encode(), params)
    return list(await asked.fetchall())


async def newest(world: World) -> int:
    [number] = await world.one("select max(id) from audit_group")
    return int(number)


async def state(world: World) -> list[Any]:
    """Everything that undoing may change, without ids of what the program worked out by itself."""
    queries = (
        "select id, acknowledged_at, enabled, description, assigned_by_hand, disregarded_at from asset order by id",
        "select asset_id, client_id, from_slot, to_slot, rule_id from assignment order by 1, 3",
        "select series_id, bucket_id, from_slot, to_slot, by_hand from binding order by 1, 3",
        "select id, client_id, priority, conditions from assignment_rule order by id",
        "select id, bucket_id, conditions from bucket_filter order by id",
        "select id, name, priority, reviewed from bucket order by id",
        "select asset_id, from_slot, to_slot, cause from asset_pause order by 1, 2",
    )
    return [await all_of(world, query) for query in queries]


class Estate:
    """Two clients with a bucket each, and assets of the first by a rule."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def build(self, db: Database) -> "Estate":
        world = self.world
        self.agent = await world.agent("agent-1")
        self.one, self.two = await world.client("One"), await world.client("Two")
        self.bucket_one = await world.bucket(self.one, conditions=HOST)
        self.bucket_two = await world.bucket(self.two, conditions=HOST)
        self.other = await world.bucket(self.one)
        self.assets = [await world.asset(f"web-{n}", agent=self.agent) for n in range(3)]
        self.series = [await world.series(asset) for asset in self.assets]
        now = datetime.now(UTC)
        for series in self.series:
            await world.measured(series, now - timedelta(days=2), now)
        self.rule = await world.insert(
            "assignment_rule",
            client_id=self.one,
            priority=1,
            conditions='[{"field": "name", "operator": "glob", "pattern": "web-*"}]',
        )
        await self.rebind(db)
        return self

    async def rebind(self, db: Database) -> None:
        from aggregator.actions.rebind import rebind

        await self.world.conn.execute("update asset set rebind = true")
        await rebind(db)


@pytest.fixture
async def estate(world: World, db: Database) -> Estate:
    return await Estate(world).build(db)


CHANGES = {
    "acknowledge": "update asset set acknowledged_at = now()",
    "describe": "update asset set description = 'a web server'",
    "bucket": "update bucket set name = name || '-x', priority = 9, reviewed = false",
    "filter": 'update bucket_filter set conditions = \'[{"field": "name", "operator": "equals", "pattern": "web-1"}]\'',
    "filter added": "insert into bucket_filter (bucket_id, conditions) select min(id), '[]' from bucket",
    "filters removed": "delete from bucket_filter",
    "rule changed": "update assignment_rule set priority = 7",
    "rule added": (
        "insert into assignment_rule (client_id, priority, conditions)"
        ' select max(id), 9, \'[{"field": "name", "operator": "equals", "pattern": "web-1"}]\' from client'
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_was_changed_is_set_back_and_bindings_follow(
    db: Database, world: World, estate: Estate, change: str
) -> None:
    before = await state(world)
    await world.conn.execute(CHANGES[change].encode())
    group = await newest(world)
    await estate.rebind(db)
    after = await state(world)
    assert after != before
    undone = await undo(db, group_id=group)
    assert await state(world) == before
    assert (undone.group.undoes, undone.group.act) == (group, f"undo {group}")
    again = await undo(db, group_id=undone.group.id)
    assert await state(world) == after
    assert again.group.undoes == undone.group.id
    assert await world.one("select undone_by from audit_group where id = %s", group) == (undone.group.id,)


async def test_an_assignment_by_hand_is_set_back_to_what_rules_say(
    db: Database, world: World, estate: Estate
) -> None:
    before = await state(world)
    await world.conn.execute("delete from dirty")
    await assign_assets(db, asset_ids=estate.assets, client_id=estate.two)
    group = await newest(world)
    after = await state(world)
    assert {row[1] for row in after[2]} == {estate.bucket_two}
    await world.conn.execute("delete from dirty")
    undone = await undo(db, group_id=group)
    assert await state(world) == before
    dirty = await all_of(world, "select distinct bucket_id from dirty order by 1")
    assert dirty == [(estate.bucket_one,), (estate.bucket_two,)]
    await undo(db, group_id=undone.group.id)
    assert await state(world) == after


async def test_an_assignment_by_hand_that_was_taken_over_comes_back(
    db: Database, world: World, estate: Estate
) -> None:
    await assign_assets(db, asset_ids=estate.assets[:1], client_id=estate.two)
    before = await state(world)
    await assign_assets(db, asset_ids=estate.assets[:1], client_id=0)
    group = await newest(world)
    assert await state(world) != before
    await undo(db, group_id=group)
    assert await state(world) == before


async def test_what_was_given_back_to_rules_is_by_hand_again(
    db: Database, world: World, estate: Estate
) -> None:
    await assign_assets(db, asset_ids=estate.assets[:1], client_id=estate.two)
    before = await state(world)
    async with world.conn.transaction():
        await world.conn.execute("delete from assignment where rule_id is null")
        await world.conn.execute("update asset set assigned_by_hand = false")
    group = await newest(world)
    await estate.rebind(db)
    await undo(db, group_id=group)
    assert await state(world) == before


async def test_a_binding_by_hand_makes_way_and_comes_back(db: Database, world: World, estate: Estate) -> None:
    other = await world.bucket(estate.one, conditions=None)
    before = await state(world)
    start = slot_of(hour(datetime.now(UTC)) - timedelta(hours=5))
    async with world.conn.transaction():
        await world.conn.execute("delete from binding where series_id = %s", [estate.series[0]])
        await world.insert(
            "binding", series_id=estate.series[0], bucket_id=other, from_slot=start, by_hand=True
        )
    group = await newest(world)
    await estate.rebind(db)
    after = await state(world)
    undone = await undo(db, group_id=group)
    assert await state(world) == before
    await undo(db, group_id=undone.group.id)
    assert await state(world) == after


async def test_a_disabled_asset_is_bound_again_and_an_enabled_one_is_not(
    db: Database, world: World, estate: Estate
) -> None:
    before = await state(world)
    start = slot_of(hour(datetime.now(UTC)) - timedelta(hours=5))
    asset = estate.assets[0]
    async with world.conn.transaction():
        await world.insert("asset_pause", asset_id=asset, from_slot=start, cause="disabled")
    await estate.rebind(db)
    async with world.conn.transaction():
        # As the act does it: in one transaction, so in one group.
        await world.conn.execute("delete from asset_pause")
        await world.insert("asset_pause", asset_id=asset, from_slot=start, cause="disabled")
        await world.conn.execute("update asset set enabled = false where id = %s", [asset])
    group = await newest(world)
    after = await state(world)
    undone = await undo(db, group_id=group)
    changed = await state(world)
    assert changed[0] == before[0]
    await undo(db, group_id=undone.group.id)
    assert await state(world) == after


async def test_what_was_changed_since_is_named_with_who_and_when(
    db: Database, world: World, estate: Estate
) -> None:
    await world.conn.execute("update asset set description = 'one'")
    group = await newest(world)
    with acting("alice", act="test"):
        async with db.transaction() as conn:
            await conn.execute("update asset set description = 'two' where id = %s", [estate.assets[0]])
    later = await newest(world)
    before = await state(world)
    with pytest.raises(
        Conflict,
        match=rf"asset {estate.assets[0]} was changed by alice at \d{{4}}-.* \(audit group {later}\)",
    ):
        await undo(db, group_id=group)
    assert await state(world) == before
    await undo(db, group_id=later)
    await undo(db, group_id=group)


async def test_a_later_decision_in_the_same_time_is_in_the_way(
    db: Database, world: World, estate: Estate
) -> None:
    await assign_assets(db, asset_ids=estate.assets[:1], client_id=estate.two)
    async with world.conn.transaction():
        await world.conn.execute("delete from assignment where rule_id is null")
    group = await newest(world)
    with acting("bob", act="test"):
        async with db.transaction() as conn:
            await conn.execute(
                "insert into assignment (asset_id, client_id, from_slot) values (%s, %s, 7)",
                [estate.assets[0], estate.one],
            )
    with pytest.raises(Conflict, match="was changed by bob"):
        await undo(db, group_id=group)


async def test_finalised_time_is_not_set_back(db: Database, world: World, estate: Estate) -> None:
    await assign_assets(db, asset_ids=estate.assets, client_id=estate.two)
    group = await newest(world)
    now = slot_of(hour(datetime.now(UTC)))
    await world.conn.execute("update client set finalised_slot = %s", [now])
    with pytest.raises(Conflict, match="finalised"):
        await undo(db, group_id=group)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update bucket_terms set base_price = 7", "terms and prices cannot be undone"),
        ("update client set contact = 'x'", "client changed cannot be undone"),
        ("update client set finalised_slot = 9", "client changed cannot be undone"),
        ("update agent set state = 'held'", "agent changed cannot be undone"),
        ("update bucket set enabled = false", "cannot be undone"),
        (
            "insert into api_key (name, prefix, sha256, role) values ('a', 'b', 'c', 'viewer')",
            "keys cannot be undone",
        ),
    ],
)
async def test_money_keys_and_agents_are_not_undone(
    db: Database, world: World, estate: Estate, change: str, why: str
) -> None:
    await world.conn.execute(change.encode())
    with pytest.raises(Conflict, match=why):
        await undo(db, group_id=await newest(world))
    listed = await Methods(db).ListAudit(audit_pb2.ListAuditRequest(group_id=await newest(world)), CONTEXT)
    assert not any(entry.reversible for entry in listed.entries)


async def test_nothing_is_undone_twice_nor_what_never_was(db: Database, world: World, estate: Estate) -> None:
    with pytest.raises(NotFound, match="audit group 999999"):
        await undo(db, group_id=999999)
    await world.conn.execute("update asset set description = 'one'")
    group = await newest(world)
    undone = await undo(db, group_id=group)
    with pytest.raises(Conflict, match=f"was undone by group {undone.group.id}"):
        await undo(db, group_id=group)


async def test_a_dry_run_shows_what_would_be_and_changes_nothing(
    db: Database, world: World, estate: Estate
) -> None:
    await world.conn.execute("update asset set description = 'one'")
    before, group = await state(world), await newest(world)
    shown: Undone = await undo(db, group_id=group, dry_run=True)
    assert [(entry.table_name, entry.new_values) for entry in shown.entries] == [
        ("asset", '{"description": ""}')
    ] * 3
    assert (await state(world), await newest(world)) == (before, group)


async def test_undoing_a_suppression_ends_it_and_says_what_is_gone(
    db: Database, world: World, estate: Estate
) -> None:
    number = await world.insert(
        "suppression", field="name", operator="equals", pattern="web-1", reason="noise"
    )
    group = await newest(world)
    await world.insert(
        "suppression_hit",
        returning="suppression_id",
        suppression_id=number,
        agent_id=estate.agent,
        readings=41,
        last_hit_at=datetime.now(UTC),
    )
    with acting("alice", act="test"):
        undone = await undo(db, group_id=group)
    assert "41 readings" in undone.notes[0]
    ended, by = await world.one("select ended_at, ended_by from suppression")
    assert (ended is not None, by) == (True, "alice")
    await undo(db, group_id=undone.group.id)
    assert await world.one("select ended_at, ended_by from suppression") == (None, "")


async def test_who_may_do_it_may_undo_it_and_nobody_else(db: Database, world: World, estate: Estate) -> None:
    methods = Methods(db)
    await world.conn.execute("update asset set description = 'one'")
    asset_group = await newest(world)
    await world.conn.execute("update bucket set priority = 3")
    bucket_group = await newest(world)
    become(Caller(key_name="money", role="billing"))
    with pytest.raises(Denied, match="admin or operator"):
        await methods.UndoAudit(audit_pb2.UndoAuditRequest(group_id=asset_group), CONTEXT)
    reply = await methods.UndoAudit(audit_pb2.UndoAuditRequest(group_id=bucket_group), CONTEXT)
    assert (reply.group.undoes, len(reply.entries)) == (bucket_group, 3)


async def test_the_log_is_listed_by_page_and_by_what_is_asked(
    db: Database, world: World, estate: Estate
) -> None:
    methods = Methods(db)
    for text in ("one", "two", "three"):
        with acting("alice", act=f"test {text}"):
            async with db.transaction() as conn:
                await conn.execute("update asset set description = %s", [text])
    everything: list[audit_pb2.AuditEntry] = []
    page = types_pb2.PageRequest(size=2)
    while True:
        reply = await methods.ListAudit(audit_pb2.ListAuditRequest(page=page, actor="alice"), CONTEXT)
        everything += reply.entries
        if not reply.page.next:
            break
        page.after = reply.page.next
    assert reply.page.total == len(everything) == 9
    assert [entry.id for entry in everything] == sorted((e.id for e in everything), reverse=True)
    assert {(e.table, e.actor, e.reversible) for e in everything} == {("asset", "alice", True)}
    one = await methods.ListAudit(
        audit_pb2.ListAuditRequest(table="asset", record_id=str(estate.assets[0]), actor="alice"), CONTEXT
    )
    assert [entry.new_values for entry in one.entries] == [
        '{"description": "three"}',
        '{"description": "two"}',
        '{"description": "one"}',
    ]
    since = audit_pb2.ListAuditRequest(actor="alice")
    since.until.CopyFrom(everything[-1].at)
    assert not (await methods.ListAudit(since, CONTEXT)).entries

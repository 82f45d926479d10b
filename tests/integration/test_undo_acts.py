"""Taking back what the program's own acts did: the world is as before, and as after them when that is taken back in turn."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from aggregator.actions.acknowledge_assets import acknowledge_assets, describe_assets
from aggregator.actions.assign_assets import assign_assets, release_assets
from aggregator.actions.bind_assets import bind_assets, unbind_assets
from aggregator.actions.change_assignment_rule import delete_assignment_rule, update_assignment_rule
from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.actions.merge_assets import merge_assets
from aggregator.actions.rebind import rebind
from aggregator.actions.set_assets_enabled import disregard_assets, restore_assets, set_assets_enabled
from aggregator.actions.suppress import create_suppression
from aggregator.actions.undo import undo
from aggregator.domain.match import Condition, Operator
from aggregator.errors import Conflict
from aggregator.store.database import Database, acting
from tests.builders import World
from tests.integration.test_undo import CONTEXT, Estate, Methods, newest, state
from ullage.v1 import audit_pb2, types_pb2

WEB_1 = [Condition("name", Operator.EQUALS, "web-1")]
ACTS: dict[str, Callable[[Database, Estate], Awaitable[object]]] = {
    "acknowledge": lambda db, e: acknowledge_assets(db, asset_ids=e.assets),
    "describe": lambda db, e: describe_assets(db, asset_ids=e.assets, description="web server"),
    "assign": lambda db, e: assign_assets(db, asset_ids=e.assets[:2], client_id=e.two),
    "assign from a time on": lambda db, e: assign_assets(
        db, asset_ids=e.assets[:2], client_id=e.two, since=datetime.now(UTC) - timedelta(hours=9)
    ),
    "unassign from a time on": lambda db, e: assign_assets(
        db, asset_ids=e.assets[:2], client_id=0, since=datetime.now(UTC) - timedelta(hours=9)
    ),
    "unassign": lambda db, e: assign_assets(db, asset_ids=e.assets[:2], client_id=0),
    "disable": lambda db, e: set_assets_enabled(db, asset_ids=e.assets[:2], enabled=False),
    "disregard": lambda db, e: disregard_assets(db, asset_ids=e.assets[:2]),
    "disregard from now": lambda db, e: disregard_assets(db, asset_ids=e.assets[:2], from_now=True),
    "bind": lambda db, e: bind_assets(db, asset_ids=e.assets[:1], bucket_ids=[e.other]),
    "change a rule": lambda db, e: update_assignment_rule(db, e.rule, priority=3, conditions=WEB_1),
    "delete a rule": lambda db, e: delete_assignment_rule(db, e.rule),
    "create a rule": lambda db, e: create_assignment_rule(db, client_id=e.two, priority=9, conditions=WEB_1),
}


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


@pytest.fixture
async def estate(world: World, db: Database) -> Estate:
    return await Estate(world).build(db)


async def there_and_back(db: Database, world: World, act: Awaitable[object]) -> None:
    before = await state(world)
    await act
    await rebind(db)
    group, after = await newest(world), await state(world)
    assert after != before
    undone = await undo(db, group_id=group)
    assert await state(world) == before
    again = await undo(db, group_id=undone.group.id)
    assert await state(world) == after
    await undo(db, group_id=again.group.id)
    assert await state(world) == before


@pytest.mark.parametrize("act", ACTS)
async def test_an_act_is_taken_back_and_that_again(
    db: Database, world: World, estate: Estate, act: str
) -> None:
    await there_and_back(db, world, ACTS[act](db, estate))


async def test_enabling_and_restoring_are_taken_back(db: Database, world: World, estate: Estate) -> None:
    await set_assets_enabled(db, asset_ids=estate.assets[:1], enabled=False)
    await disregard_assets(db, asset_ids=estate.assets[1:2])
    await there_and_back(db, world, set_assets_enabled(db, asset_ids=estate.assets[:1], enabled=True))
    await there_and_back(db, world, restore_assets(db, asset_ids=estate.assets[1:2]))


async def test_what_ends_a_decision_by_hand_is_taken_back(db: Database, world: World, estate: Estate) -> None:
    await bind_assets(db, asset_ids=estate.assets[:1], bucket_ids=[estate.other])
    await there_and_back(db, world, unbind_assets(db, asset_ids=estate.assets[:1]))
    await there_and_back(db, world, release_assets(db, asset_ids=estate.assets[:1]))


async def test_a_suppression_is_ended_and_what_it_kept_out_is_bound_again(
    db: Database, world: World, estate: Estate
) -> None:
    before = await state(world)
    await create_suppression(db, condition=WEB_1[0], reason="noise", confirmed_assets=0)
    await undo(db, group_id=await newest(world))
    assert await state(world) == before


async def test_merging_cannot_be_taken_back(db: Database, world: World, estate: Estate) -> None:
    await merge_assets(db, asset_id=estate.assets[0], into_id=estate.assets[1])
    with pytest.raises(Conflict, match="merging cannot be undone"):
        await undo(db, group_id=await newest(world))


async def test_the_last_act_that_can_be_taken_back_is_found_a_group_at_a_time(
    db: Database, world: World, estate: Estate
) -> None:
    methods = Methods(db)
    with acting("bob", act="Inventory/DescribeAssets"):
        await describe_assets(db, asset_ids=estate.assets[:1], description="another's")
    with acting("alice", act="Inventory/DescribeAssets"):
        await describe_assets(db, asset_ids=estate.assets, description="mine")
    wanted = await newest(world)
    for price in (7, 8):
        with acting("alice", act="Inventory/SetTerms"):
            async with db.transaction() as conn:
                await conn.execute("update bucket_terms set base_price = %s", [price])

    async def steps() -> list[audit_pb2.AuditEntry]:
        """One entry a group, from the newest back to one that can be undone and is no undo."""
        seen: list[audit_pb2.AuditEntry] = []
        request = audit_pb2.ListAuditRequest(page=types_pb2.PageRequest(size=1), actor="alice")
        while True:
            [entry] = (await methods.ListAudit(request, CONTEXT)).entries
            seen.append(entry)
            if entry.reversible and not entry.undoes:
                return seen
            request.until.CopyFrom(entry.at)

    assert [entry.reversible for entry in await steps()] == [False, False, True]
    assert (await steps())[-1].group_id == wanted
    with acting("alice", act="Inventory/DescribeAssets"):
        await describe_assets(db, asset_ids=estate.assets[1:], description="later")
    later = await newest(world)
    assert [entry.group_id for entry in await steps()] == [later]
    with acting("alice", act="Admin/UndoAudit"):
        undone = await undo(db, group_id=later)
    found = await steps()
    # The undo, what it took back, the two that nobody can, and the first.
    assert [(entry.undoes, entry.undone_by) for entry in found[:2]] == [(later, 0), (0, undone.group.id)]
    assert (len(found), found[-1].group_id) == (5, wanted)

"""What people see and decide of readings on their way in: suppressions, quarantine, totals and agents, as messages."""

import psycopg
import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.jobs import Jobs
from aggregator.rpc.admin import AdminService
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.ingest_batches import MINUTE_US, NOON_US, RAM, Series, Spool, Tick, encoded, sealed, tombstone
from tests.ingest_intake import intake
from ullage.v1 import admin_pb2, agents_pb2, inventory_pb2, types_pb2

TMP = Series("ram", "container", "c1", "tmp-1")
STRANGE = Series("gigaparsec")


@pytest.fixture
def admin(db: Database, jobs: Jobs) -> AdminService:
    return AdminService(db, jobs)


@pytest.fixture
def inventory(db: Database) -> InventoryService:
    return InventoryService(db)


def suppress(
    pattern: str, *, operator: int = types_pb2.OPERATOR_GLOB
) -> inventory_pb2.CreateSuppressionRequest:
    condition = types_pb2.Condition(
        field="name", operator=types_pb2.Operator.ValueType(operator), pattern=pattern
    )
    return inventory_pb2.CreateSuppressionRequest(condition=condition, reason="builds")


@pytest.mark.storage
async def test_a_suppression_is_made_counts_and_is_ended(
    inventory: InventoryService, dsn: str, context: Context
) -> None:
    made = (await inventory.CreateSuppression(suppress("tmp-*"), context)).suppression
    assert (made.condition.pattern, made.reason, made.HasField("ended_at")) == ("tmp-*", "builds", False)
    async with intake(dsn) as into:
        await into.offer(Spool().seal(encoded(Tick([(RAM, 1), (TMP, 2)]))))
    [listed] = (
        await inventory.ListSuppressions(inventory_pb2.ListSuppressionsRequest(), context)
    ).suppressions
    assert (listed.id, listed.assets, listed.readings, listed.HasField("last_hit")) == (made.id, 1, 1, True)
    ended = await inventory.EndSuppression(inventory_pb2.EndSuppressionRequest(id=made.id), context)
    assert ended.HasField("ended_at")
    for asked, count in ((False, 0), (True, 1)):
        request = inventory_pb2.ListSuppressionsRequest(ended=asked)
        assert len((await inventory.ListSuppressions(request, context)).suppressions) == count


async def test_a_suppression_that_cannot_be_names_the_field(
    inventory: InventoryService, context: Context
) -> None:
    with pytest.raises(Invalid, match=r"^condition\.operator: "):
        await inventory.CreateSuppression(suppress("x", operator=99), context)
    with pytest.raises(NotFound):
        await inventory.EndSuppression(inventory_pb2.EndSuppressionRequest(id=1), context)


@pytest.mark.storage
async def test_quarantine_is_listed_by_agent_and_reason_and_released(
    admin: AdminService, dsn: str, context: Context
) -> None:
    async with intake(dsn) as into:
        ticks = (Tick([(STRANGE, n), (RAM, -1)], at=NOON_US + n * MINUTE_US) for n in range(3))
        await into.offer(Spool().seal(encoded(*ticks)))
    groups = (await admin.ListQuarantine(admin_pb2.ListQuarantineRequest(), context)).groups
    assert {(g.agent_name, g.reason, g.readings, g.counted_only) for g in groups} == {
        ("web1", "negative", 3, 0),
        ("web1", "unknown_unit", 3, 0),
    }
    [strange] = [group for group in groups if group.reason == "unknown_unit"]
    assert (strange.example_external_id, strange.example_unit_type, strange.example_value) == (
        "h1",
        "gigaparsec",
        2,
    )
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "insert into unit_type (name, symbol, description, kind, divisor, precision, slot_minutes)"
            " values ('gigaparsec', 'Gpc', 'far', 'level', 1, 0, 60)"
        )
    wanted = admin_pb2.SettleQuarantineRequest(agent_id=strange.agent_id, reason="unknown_unit")
    done = await admin.ReleaseQuarantine(wanted, context)
    assert (done.settled, done.kept) == (3, 0)
    wanted.reason = "negative"
    assert (await admin.DiscardQuarantine(wanted, context)).settled == 3
    assert not (await admin.ListQuarantine(admin_pb2.ListQuarantineRequest(), context)).groups


@pytest.mark.storage
async def test_totals_balance_in_health_whatever_became_of_readings(
    admin: AdminService, inventory: InventoryService, dsn: str, context: Context
) -> None:
    await inventory.CreateSuppression(suppress("tmp-*"), context)
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(encoded(Tick([(RAM, 1), (TMP, 2), (STRANGE, 3)]))))
        await into.offer(sealed(spool.epoch, 2, tombstone(4)))
    told = await admin.GetHealth(admin_pb2.GetHealthRequest(), context)
    assert (told.read, told.stored, told.ever_quarantined, told.suppressed) == (3, 1, 1, 1)
    assert (told.unbalanced_agents, told.unbalanced_batches, told.agents_lost) == (0, 0, 1)
    [agent] = (await admin.ListAgents(agents_pb2.ListAgentsRequest(), context)).agents
    assert (agent.batches, agent.readings, agent.tombstones, agent.quarantined) == (4, 1, 1, 1)
    assert not agent.HasField("heartbeat_at")
    with psycopg.connect(dsn) as conn:
        conn.execute("update quarantine_day set kept = kept + 1")
    told = await admin.GetHealth(admin_pb2.GetHealthRequest(), context)
    assert (told.state, told.unbalanced_agents) == ("critical", 1)

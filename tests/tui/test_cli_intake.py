"""``ullage suppressions``, ``quarantine`` and ``agents``: what they ask of the aggregator, and what they say of it."""

import pytest

from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import admin_pb2, agents_pb2, inventory_pb2, types_pb2

GROUP = admin_pb2.QuarantineGroup(
    agent_id=3,
    agent_name="web1",
    reason="unknown_unit",
    readings=7,
    example_source_type="host",
    example_external_id="=h1",
    example_unit_type="gigaparsec",
    example_value=9,
    counted_only=2,
)


async def test_a_suppression_is_added_listed_and_ended(ullage: Command, aggregator: Scripted) -> None:
    added = await ullage(
        *("suppressions", "add", "name", "exact", "tmp-1", "--reason", "builds", "--format", "json")
    )
    assert added.code == 0
    asked = aggregator.asked(inventory_pb2.CreateSuppressionRequest)[0]
    assert (asked.condition.field, asked.condition.pattern, asked.reason) == ("name", "tmp-1", "builds")
    assert asked.condition.operator == types_pb2.OPERATOR_EQUALS
    assert added.json[0]["type"] == "equals"
    aggregator.script.suppressions = [inventory_pb2.Suppression(id=4, condition=asked.condition, readings=12)]
    listed = await ullage("suppressions", "list", "--ended", "--format", "json")
    assert [(row["id"], row["readings"], row["ended_at"]) for row in listed.json] == [(4, 12, None)]
    assert aggregator.asked(inventory_pb2.ListSuppressionsRequest)[0].ended
    aggregator.script.answers["EndSuppression"] = inventory_pb2.Suppression(id=4, readings=12)
    ended = await ullage("suppressions", "end", "4")
    assert "12 readings of its time were dropped" in ended.err
    assert aggregator.asked(inventory_pb2.EndSuppressionRequest)[0].id == 4


async def test_quarantine_is_listed_with_an_example_that_no_spreadsheet_calculates(
    ullage: Command, aggregator: Scripted
) -> None:
    aggregator.script.quarantine = [GROUP]
    listed = await ullage("quarantine", "list", "--format", "json")
    assert listed.json[0]["example"] == "host =h1 gigaparsec = 9"
    assert (listed.json[0]["readings"], listed.json[0]["counted_only"]) == (7, 2)


async def test_quarantined_readings_are_released_by_agent_and_reason_and_discarded_by_id(
    ullage: Command, aggregator: Scripted
) -> None:
    answers = aggregator.script.answers
    answers["ReleaseQuarantine"] = admin_pb2.SettleQuarantineReply(settled=2, kept=1)
    answers["DiscardQuarantine"] = admin_pb2.SettleQuarantineReply(settled=3)
    released = await ullage("quarantine", "release", "--agent", "3", "--reason", "unknown_unit")
    assert released.err == "2 readings released, 1 still not acceptable and kept.\n"
    discarded = await ullage("quarantine", "discard", "8", "9", "--yes")
    assert discarded.err == "3 readings discarded.\n"
    first, second = aggregator.asked(admin_pb2.SettleQuarantineRequest)
    assert (first.agent_id, first.reason, list(second.ids)) == (3, "unknown_unit", [8, 9])


@pytest.mark.parametrize("given", [(), ("--agent", "3"), ("8", "--agent", "3", "--reason", "future")])
async def test_what_to_settle_must_be_said_in_one_way(ullage: Command, given: tuple[str, ...]) -> None:
    done = await ullage("quarantine", "release", *given)
    assert done.code == 2
    assert "ids" in done.err


async def test_agents_are_listed_with_their_last_heartbeat(ullage: Command, aggregator: Scripted) -> None:
    told = agents_pb2.Agent(id=1, name="web1", spool_state="slow", unacknowledged=5, clock_offset_ms=-3000)
    told.heartbeat_at.FromSeconds(1_772_366_400)
    told.failed_collectors.append("libvirt")
    aggregator.script.agents = [told, agents_pb2.Agent(id=2, name="web2")]
    web1, web2 = (await ullage("agents", "list", "--format", "json")).json
    assert (web1["spool"], web1["unacknowledged"], web1["clock_offset_ms"]) == ("slow", 5, -3000)
    assert web1["failed_collectors"] == ["libvirt"]
    assert (web2["spool"], web2["unacknowledged"], web2["clock_offset_ms"]) == (None, None, None)

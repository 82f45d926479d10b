"""The demo's world is the same whoever makes it again, and none of its days needs another."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.demo.folder import State
from deploy.demo.simulated import Simulation
from deploy.demo.world import build
from ullage.v1.ingest_pb2 import Batch, Dictionary

ROOT = Path(__file__).parents[4]
STATE = State(first_day="2026-07-01", switch_day="2026-10-01")
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
HASH = """
from hashlib import sha256
from deploy.demo.folder import State
from deploy.demo.simulated import Simulation
from deploy.demo.world import build
state = State(first_day="2026-07-01", switch_day="2026-10-01")
found = sha256()
for number, agent in enumerate(build(days=state.days).agents):
    simulation = Simulation(agent, number, state)
    for seq in (1, state.days - 1, state.days, state.days + 1):
        found.update(simulation.payload(seq).payload)
print(found.hexdigest())
"""


def test_another_process_makes_the_same_bytes() -> None:
    made = {
        subprocess.run(
            [sys.executable, "-c", HASH],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1
    assert made.pop().strip()


def test_a_silent_agent_sends_its_hourly_days_and_no_more() -> None:
    agents = list(enumerate(build(days=STATE.days).agents))
    last = {agent.silent: Simulation(agent, number, STATE).last_seq(NOON) for number, agent in agents}
    assert last == {True: STATE.days, False: STATE.days + 144}


def test_a_unit_type_that_came_later_is_not_in_the_days_before() -> None:
    number, agent = next(
        (number, agent)
        for number, agent in enumerate(build(days=STATE.days).agents)
        if any(shape.born for thing in agent.things for shape in thing.shapes)
    )
    born = max(shape.born for thing in agent.things for shape in thing.shapes)
    simulation = Simulation(agent, number, STATE)
    before, after = (Batch.FromString(simulation.payload(day + 1).payload) for day in (born - 1, born))
    units = [
        {series.unit_type for series in Dictionary.FromString(batch.dictionary).series}
        for batch in (before, after)
    ]
    assert units[1] - units[0] == {"gpu"}
    assert {len(tick.series) for tick in after.ticks} == {len(before.ticks[0].series) + 1}


@pytest.mark.parametrize("days", [90, 200, 365])
def test_monday_has_some_forty_new_assets_of_which_no_rule_takes_any(days: int) -> None:
    world = build(days=days)
    things = [thing for agent in world.agents for thing in agent.things]
    prefixes = tuple(f"{client.prefix}-" for client in world.clients if client.prefix)
    new = [thing for thing in things if thing.probably and not thing.name.startswith(("packer-", "lab-"))]
    assert 40 <= len(new) <= 50
    assert all(days - 6 < thing.born < days and not thing.client for thing in new)
    assert not [thing.name for thing in new if thing.name.startswith(prefixes)]
    assert Counter(thing.probably for thing in new).most_common(2) == [
        ("Alder Logistics", 12),
        ("Granite Mutual", 8),
    ]
    assert len({(thing.source_type, thing.external_id) for thing in things}) == len(things)

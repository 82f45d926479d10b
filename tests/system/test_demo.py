"""The whole way of a reading, by the programs themselves: `make demo` without a screen, killed and run again.

The demo's simulated agents know every batch they ever sent, so what was stored and what it is billed at can be told
exactly (oracle.py).
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from deploy.demo.folder import THIS_AGENT, State
from deploy.demo.office import PAGE_ROWS, Office
from deploy.demo.plans import BucketPlan, TemplatePlan, World
from deploy.demo.programs import ready_line, running
from deploy.demo.simulated import Simulation
from deploy.demo.world import build
from tests.system import oracle
from ullage.v1 import admin_pb2, agents_pb2, billing_pb2, closing_pb2, inventory_pb2, keys_pb2, types_pb2
from ullage.wire import to_time

ROOT = Path(__file__).parents[2]
DAYS = 90
RUN_SECONDS_MAX = 300
END_SECONDS_MAX = 30


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT,
        env={**os.environ, "ONCE": "1", "ULLAGE_DEMO_DIR": str(folder), "ULLAGE_DEMO_DAYS": str(DAYS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(demo: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = demo.communicate(timeout=RUN_SECONDS_MAX)
    assert demo.returncode == 0, err
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def programs_of(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


def programs_left(folder: Path) -> list[str]:
    """Those that still run when they have had time to end."""
    deadline = time.monotonic() + END_SECONDS_MAX
    while (left := programs_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def kill_in_the_backfill(folder: Path) -> None:
    """When some simulated agents are done and others are not."""
    demo = start(folder)
    assert demo.stderr is not None
    assert demo.stdout is not None
    for line in demo.stderr:
        if line.startswith("sending"):
            break
    time.sleep(1.0)
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    demo.stderr.close()
    demo.stdout.close()


@dataclass(frozen=True, slots=True)
class Answers:
    """What the API tells of the demo when it is served again."""

    agents: list[Any]
    assets: list[Any]
    readings: list[Any]
    adjustments: list[Any]
    suggestions: list[Any]
    quarantine: list[Any]
    suppressions: list[Any]
    buckets: list[Any]
    problems: list[Any]
    keys: list[Any]
    checklist: Any


async def answers(folder: Path) -> Answers:
    log = folder / "logs" / "answers.log"
    async with running(
        "ullage-aggregator", "--config", str(folder / "aggregator.toml"), "serve", log=log
    ) as program:
        ready = await ready_line(program, since_byte=0)
        office = Office.open(address=ready["people"], ca=folder / "ca" / "ca.crt", key_file=folder / "key")
        ask, every = office.ask, types_pb2.PageRequest(size=PAGE_ROWS)
        readings: list[Any] = []
        after = ""
        while True:
            page = types_pb2.PageRequest(size=PAGE_ROWS, after=after)
            reply = await ask(office.billing.ListReadings, billing_pb2.ListReadingsRequest(page=page))
            readings += reply.readings
            after = reply.page.next
            if not after:
                break
        eastgate = closing_pb2.GetChecklistRequest(client_id=(await office.clients())["Eastgate Housing"])
        units = await ask(office.inventory.ListUnitTypes, inventory_pb2.ListUnitTypesRequest())
        buckets = await ask(office.inventory.ListBuckets, inventory_pb2.ListBucketsRequest(page=every))
        adjusted = await ask(office.closing.ListAdjustments, closing_pb2.ListAdjustmentsRequest(page=every))
        kept_out = await ask(office.inventory.ListSuppressions, inventory_pb2.ListSuppressionsRequest())
        aside = await ask(office.admin.ListQuarantine, admin_pb2.ListQuarantineRequest())
        found = Answers(
            agents=list((await ask(office.admin.ListAgents, agents_pb2.ListAgentsRequest())).agents),
            assets=list(await office.all_assets()),
            readings=readings,
            adjustments=list(adjusted.adjustments),
            suggestions=await office.suggestions(),
            quarantine=list(aside.groups),
            suppressions=list(kept_out.suppressions),
            buckets=list(buckets.buckets),
            problems=list(units.problems),
            keys=list((await ask(office.admin.ListKeys, keys_pb2.ListKeysRequest())).keys),
            checklist=await ask(office.closing.GetChecklist, eastgate),
        )
        await office.channel.close()
    return found


def assert_stored_once(found: Answers, world: World, state: State) -> None:
    """And what was not stored is counted as dropped or put aside."""
    by_name = {agent.name: agent for agent in found.agents}
    fates: Counter[str] = Counter()
    for number, simulated in enumerate(world.agents):
        stored = by_name[simulated.name]
        assert stored.batches >= state.days
        expected = oracle.readings_through(Simulation(simulated, number, state), stored.batches)
        assert stored.readings == expected[oracle.STORED], simulated.name
        fates += expected
    assert by_name[THIS_AGENT].readings > 0
    assert sum(one.readings for one in found.suppressions) == fates[oracle.SUPPRESSED] > 0
    assert sum(one.readings for one in found.quarantine) == fates[oracle.QUARANTINED] > 0


def billed(world: World, state: State, *, client: str, finalised: bool) -> dict[tuple[str, str], datetime]:
    """From when each asset counts for the client; what was found later counts in periods that were not final by then."""
    midnight = datetime.combine(state.first, datetime.min.time(), UTC)
    return {
        (thing.source_type, thing.external_id): midnight + timedelta(days=thing.found_from)
        for agent in world.agents
        for thing in agent.things
        if thing.client == client and not (finalised and thing.found_from)
    }


def plan_of(world: World, row: Any) -> BucketPlan | TemplatePlan:
    """By which the bucket was made: the client's agreement, or a template."""
    client = next(client for client in world.clients if client.name == row.client_name)
    for bucket in client.buckets:
        if bucket.name == row.bucket_name:
            return bucket
    return next(
        one for one in world.templates if row.bucket_name.startswith(f"{one.source_type} {one.unit_type}")
    )


def assert_billed_to_the_last_digit(found: Answers, world: World, state: State) -> None:
    measured = oracle.measured(world, state)
    checked = set()

    def quantity(row: Any, start: datetime, end: datetime, *, finalised: bool) -> Decimal:
        mine = billed(world, state, client=row.client_name, finalised=finalised)
        return oracle.quantity(measured, plan_of(world, row), mine=mine, start=start, end=end)

    for reading in found.readings:
        start_at, end_at = to_time(reading.period_start), to_time(reading.period_end)
        covered = start_at.date() > state.first and end_at <= oracle.whole_periods_end(state)
        if not covered or reading.client_name == "House" or len(reading.segments) > 1:
            continue
        finalised = reading.state == billing_pb2.PERIOD_STATE_FINALISED
        expected = quantity(reading, start_at, end_at, finalised=finalised)
        assert Decimal(reading.quantity) == expected, (reading.client_name, reading.bucket_name, start_at)
        assert Decimal(reading.used) + Decimal(reading.buffer) + Decimal(reading.overage) == Decimal(
            reading.cost
        )
        checked.add(reading.aggregation)
    assert checked == {"sum", "avg", "max", "last", "count"}
    assert found.adjustments, "what was found late is billed by adjustments"
    for row in found.adjustments:
        start_at, end_at = to_time(row.of_start), to_time(row.of_end)
        now_known = quantity(row, start_at, end_at, finalised=False)
        assert Decimal(row.delta_quantity) == now_known - quantity(row, start_at, end_at, finalised=True)
        assert Decimal(row.amount.amount) > 0


def assert_monday_has_its_work(found: Answers, world: World) -> None:
    """Some forty new assets to see to: most with a good suggestion, some with none, and each suggestion is right."""
    new = {
        (thing.source_type, thing.external_id): thing
        for agent in world.agents
        for thing in agent.things
        if thing.probably and not thing.name.startswith(("packer-", "lab-"))
    }
    waiting = {
        asset.id: new[asset.source_type, asset.external_id]
        for asset in found.assets
        if (asset.source_type, asset.external_id) in new
    }
    assert len(waiting) == len(new) >= 40
    unassigned = {asset.id for asset in found.assets if not asset.client_id and not asset.acknowledged}
    assert waiting.keys() <= unassigned
    suggested = {one.asset_id: one for one in found.suggestions if one.asset_id in waiting}
    assert {one.client_name == waiting[one.asset_id].probably for one in suggested.values()} == {True}
    assert sum(one.confidence >= 90 and bool(one.buckets) for one in suggested.values()) >= 25
    assert any(one.confidence < 80 for one in suggested.values()), "one of them may be doubted"
    groups = Counter(one.group for one in suggested.values())
    assert sorted(groups.values())[-2:] == [8, 12]
    assert len(waiting) - len(suggested) >= 5


def assert_the_rest_of_the_desk(found: Answers) -> None:
    """What the other screens are about is there too."""
    assert sorted(agent.state for agent in found.agents if agent.state != "active") == ["held"]
    assert {bucket.client_name for bucket in found.buckets if not bucket.reviewed and bucket.provisioned} == {
        *("Brightwater Clinics", "Cobalt Foundry", "Kestrel Air")
    }
    assert {problem.client_name for problem in found.problems} == {"Eastgate Housing", "Harbour Lines"}
    assert {key.role for key in found.keys} == {"admin", "operator", "billing", "viewer", "client"}
    assert {item.kind for item in found.checklist.items} >= {"unbound", "quarantine"}
    assert {item.open for item in found.checklist.items} == {True, False}


def test_the_demo_killed_and_run_again_stores_each_reading_once_and_bills_to_the_last_digit(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    kill_in_the_backfill(folder)
    assert programs_left(folder) == [], "programs outlived the demo that was killed"

    first = finish(start(folder))
    assert programs_of(folder) == []
    world = build(days=DAYS)
    assert first["assets"] >= 250
    assert 40 <= first["unbound"] < first["assets"]
    assert 25 <= first["suggested"] < first["unbound"]
    agreed = sum(len(client.buckets) for client in world.clients)
    assert agreed < first["buckets"] < agreed + 10, "provisioning adds some"
    assert 0 < first["projections"] <= first["buckets"]
    assert first["billing_readings"] >= 2 * agreed
    assert {"cpu", "vcpu", "ram", "ram-used"} <= first["host"].keys()
    assert Decimal(first["host"]["ram"]) > Decimal(first["host"]["ram-used"]) > 0

    second = finish(start(folder))
    same = ("assets", "buckets", "unbound", "suggested")
    assert [second[name] for name in same] == [first[name] for name in same]

    state = State(**json.loads((folder / "state.json").read_text("utf-8")))
    assert date.fromisoformat(state.first_day) < date.fromisoformat(state.switch_day)
    found = asyncio.run(answers(folder))
    assert programs_left(folder) == []
    assert_stored_once(found, world, state)
    assert_billed_to_the_last_digit(found, world, state)
    assert_monday_has_its_work(found, world)
    assert_the_rest_of_the_desk(found)


def test_the_demo_says_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"another": "program"}')
    demo = start(tmp_path)
    _, err = demo.communicate(timeout=RUN_SECONDS_MAX)
    assert demo.returncode == 1
    assert "make clean" in err
    assert "Traceback" not in err

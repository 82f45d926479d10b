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
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from deploy.demo.book import PAGE_ROWS, Office
from deploy.demo.folder import THIS_AGENT, State
from deploy.demo.programs import ready_line, running
from deploy.demo.simulated import Simulation
from deploy.demo.world import World, build
from tests.system import oracle
from ullage.v1 import agents_pb2, billing_pb2, types_pb2
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


async def answers(folder: Path) -> tuple[list[Any], list[Any]]:
    """All agents and all billing readings, as the API tells them."""
    log = folder / "logs" / "answers.log"
    async with running(
        "ullage-aggregator", "--config", str(folder / "aggregator.toml"), "serve", log=log
    ) as program:
        ready = await ready_line(program, since_byte=0)
        office = Office.open(address=ready["people"], ca=folder / "ca" / "ca.crt", key_file=folder / "key")
        agents = await office.ask(office.admin.ListAgents, agents_pb2.ListAgentsRequest())
        readings: list[Any] = []
        after = ""
        while True:
            page = types_pb2.PageRequest(size=PAGE_ROWS, after=after)
            reply = await office.ask(office.billing.ListReadings, billing_pb2.ListReadingsRequest(page=page))
            readings += reply.readings
            after = reply.page.next
            if not after:
                break
        await office.channel.close()
    return list(agents.agents), readings


def assert_stored_once(agents: list[Any], world: World, state: State) -> None:
    by_name = {agent.name: agent for agent in agents}
    for number, simulated in enumerate(world.agents):
        stored = by_name[simulated.name]
        assert stored.batches >= state.days
        expected = oracle.readings_through(Simulation(simulated, number, state), stored.batches)
        assert stored.readings == expected, simulated.name
    assert by_name[THIS_AGENT].readings > 0


def assert_billed_to_the_last_digit(readings: list[Any], world: World, state: State) -> None:
    clients = {client.name: client for client in world.clients}
    mine: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for agent in world.agents:
        for thing in agent.things:
            mine[thing.client].add((thing.source_type, thing.external_id))
    measured = oracle.measured(world, state)
    checked = set()
    for reading in readings:
        start_at, end_at = to_time(reading.period_start), to_time(reading.period_end)
        covered = start_at.date() > state.first and end_at <= oracle.whole_periods_end(state)
        if not covered or reading.client_name == "House":
            continue
        plan = next(b for b in clients[reading.client_name].buckets if b.name == reading.bucket_name)
        expected = oracle.quantity(measured, plan, mine=mine[reading.client_name], start=start_at, end=end_at)
        assert Decimal(reading.quantity) == expected, (reading.client_name, plan.name, start_at)
        assert Decimal(reading.used) + Decimal(reading.buffer) + Decimal(reading.overage) == Decimal(
            reading.cost
        )
        checked.add(plan.aggregation)
    assert checked == {"sum", "avg", "max", "last", "count"}


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
    assert 0 < first["unbound"] < first["assets"]
    assert first["buckets"] == sum(len(client.buckets) for client in world.clients)
    assert 0 < first["projections"] <= first["buckets"]
    assert first["billing_readings"] >= 2 * first["buckets"]
    assert {"cpu", "vcpu", "ram", "ram-used"} <= first["host"].keys()
    assert Decimal(first["host"]["ram"]) > Decimal(first["host"]["ram-used"]) > 0

    second = finish(start(folder))
    assert (second["assets"], second["buckets"]) == (first["assets"], first["buckets"])

    state = State(**json.loads((folder / "state.json").read_text("utf-8")))
    assert date.fromisoformat(state.first_day) < date.fromisoformat(state.switch_day)
    agents, readings = asyncio.run(answers(folder))
    assert programs_left(folder) == []
    assert_stored_once(agents, world, state)
    assert_billed_to_the_last_digit(readings, world, state)


def test_the_demo_says_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"another": "program"}')
    demo = start(tmp_path)
    _, err = demo.communicate(timeout=RUN_SECONDS_MAX)
    assert demo.returncode == 1
    assert "make clean" in err
    assert "Traceback" not in err

"""kill -9 of agent, aggregator and database at random moments, judged by what was sealed and what was truly used.

ULLAGE_FAULT_SECONDS (60) makes it longer, ULLAGE_FAULT_SEED repeats a run's choices. Rows 1, 2, 3, 4, 6, 7, 19 and 56 of the
catalogue.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy import timescaledb
from tests.faults.rig import Program, Rig, eventually, rig

SECONDS = float(os.environ.get("ULLAGE_FAULT_SECONDS", "60"))
SEED = int(os.environ.get("ULLAGE_FAULT_SEED", str(random.SystemRandom().randrange(1 << 32))))
AGENTS = 3
# The player of faults on the wire: replayed, reordered and unheard batches, cut connections.
PLAYERS = 2
PLAY_SECONDS_MAX = 120.0


def kill_at_random(made: Rig, *, seconds: float) -> None:
    """One fault after the other; what was killed is back within two seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(made.chance.uniform(0.2, 2.0))
        kind = made.chance.choice(("agent", "agent", "aggregator", "database"))
        if kind == "database":
            made.crash_database()
            continue
        victim = made.chance.choice(made.agents if kind == "agent" else made.aggregators)
        victim.kill()
        time.sleep(made.chance.uniform(0.0, 2.0))
        victim.start()


def settled(made: Rig, agent: Program) -> bool:
    try:
        spool, ledger = made.spool(agent), made.ledger(agent)
    except psycopg.OperationalError:
        # The last fault was a crash of the database, which is still at its recovery.
        return False
    return bool(spool) and spool.keys() <= ledger.keys()


def assert_ledger_is_what_was_sealed(made: Rig, agent: Program) -> int:
    spool, ledger = made.spool(agent), made.ledger(agent)
    assert spool == ledger, agent.name
    for epoch in {batch.epoch for batch in ledger.values()}:
        expected = 1
        for batch in sorted((b for b in ledger.values() if b.epoch == epoch), key=lambda b: b.seq):
            assert batch.seq == expected, f"{agent.name} has a hole before {batch.seq}"
            expected = batch.through + 1
    return len(ledger)


def assert_usage_is_true(made: Rig, agent: Program) -> int:
    """Amounts tile time, and each is what the counter moved on between the levels at its ends."""
    amounts, levels = made.readings(agent, "net-out"), made.readings(agent, "disk-used")
    level_at = {at: value for _, at, value in levels}
    assert len(level_at) == len(levels), "a tick was stored twice"
    previous_end = None
    for since, at, value in amounts:
        assert previous_end is None or since == previous_end, f"{agent.name}: a hole or an overlap at {since}"
        if since in level_at:
            assert value == level_at[at] - level_at[since], f"{agent.name} at {at}"
        previous_end = at
    assert amounts
    first, last = amounts[0][0], amounts[-1][1]
    assert sum(value for *_, value in amounts) == level_at[last] - level_at[first]
    assert level_at[last] == int((agent.cwd / "counter").read_text()), (
        "the last step of the counter is missing"
    )
    return sum(value for *_, value in amounts)


@contextmanager
def play(made: Rig) -> Iterator[subprocess.Popen[str]]:
    """Agents that misbehave on the wire while the programs are killed; it fails if a batch is never taken."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "agent", "simulate", "--address", f"127.0.0.1:{made.ports[0]}"),
            *("--credentials", str(made.folder / "players"), "--agents", str(PLAYERS), "--series", "20"),
            *("--interval", "0.2", "--duration", str(SECONDS), "--replay", "0.2", "--reorder", "0.1"),
            *("--drop-acks", "0.2", "--kill", "0.02", "--seed", str(SEED)),
        ],
        env=made.agents[0].environment,
        cwd=made.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_whatever_is_killed_the_ledger_is_what_was_sealed_and_usage_is_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        timescaledb.running(for_tests=True) as dsn,
        rig(dsn, tmp_path, seed=SEED, agents=AGENTS, aggregators=2, players=PLAYERS) as made,
    ):
        made.start()
        eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
        with play(made) as player:
            kill_at_random(made, seconds=SECONDS)
            # From here on nothing goes wrong, and nobody helps.
            played = json.loads(player.communicate(timeout=PLAY_SECONDS_MAX)[0])
        eventually(lambda: all(settled(made, agent) for agent in made.agents), "the spools are empty")
        before = {agent.name: len(made.ledger(agent)) for agent in made.agents}
        eventually(
            lambda: all(len(made.ledger(agent)) > before[agent.name] for agent in made.agents),
            "a fresh batch is taken",
        )
        for agent in made.agents:
            assert agent.end() == 0, agent.tail()
        batches = sum(assert_ledger_is_what_was_sealed(made, agent) for agent in made.agents)
        used = sum(assert_usage_is_true(made, agent) for agent in made.agents)
        sealed = {name: played["oracle"][name] for name in ("batches", "readings", "value_sum")}
        assert made.players() == sealed
        crashes = {
            "agent": sum(agent.kills for agent in made.agents),
            "aggregator": sum(one.kills for one in made.aggregators),
            "database": made.database_kills,
        }
        reconnects = sum(agent.log_has("connected to the aggregator") for agent in made.agents)
        wire = {name: played[name] for name in ("applied", "duplicate", "gap", "replayed", "dropped_acks")}
        with capsys.disabled():
            sys.stdout.write(
                f"\nkill -9, seed {SEED}: {crashes}; {batches} batches of agents over {reconnects} connections, "
                f"{used} steps used; on the wire {sealed}, {wire}\n"
            )
        assert all(crashes.values()), f"nothing was proven: {crashes}"
        assert all(wire.values()), f"nothing was proven: {wire}"
        assert reconnects > len(made.agents)
        assert made.aggregators[0].end() == 0

"""A database that is set back, slow or full, under running agents and aggregators (rows 8, 9 and 10 of the catalogue)."""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent import cursor
from deploy import timescaledb
from tests.faults.rig import Program, Rig, eventually, fill, rig

SEED = random.SystemRandom().randrange(1 << 32)
# Beside what a process gains while it warms up.
GROWTH_MIB_MAX = 64
SMALL_MIB = 48

SLOW = """
create function sleep_a_while() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return null; end $$;
create trigger slow after insert on batch for each statement execute function sleep_a_while();
"""


@contextmanager
def fresh(tmp_path: Path, *, agents: int, options: str = "") -> Iterator[tuple[Rig, str]]:
    """A rig on a database of its own, and the DSN of the server's other database to rule it from."""
    with timescaledb.running(for_tests=True) as server:
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute(f"create database live {options}".encode())
        with rig(
            make_conninfo(server, dbname="live"), tmp_path, seed=SEED, agents=agents, aggregators=1
        ) as made:
            made.start()
            eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
            yield made, server


def all_settled(made: Rig) -> bool:
    return all(made.spool(agent).keys() <= made.ledger(agent).keys() for agent in made.agents)


def end_and_compare(made: Rig) -> int:
    """Ends the agents; then the ledger is what was sealed. How many batches that is."""
    eventually(lambda: all_settled(made), "the spools are empty", seconds_max=120)
    for agent in made.agents:
        assert agent.end() == 0, agent.tail()
        assert made.spool(agent) == made.ledger(agent)
    return sum(len(made.ledger(agent)) for agent in made.agents)


def rss_mib(program: Program) -> int:
    assert program.process is not None
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def assert_no_early_acknowledgement(made: Rig, agent: Program) -> None:
    """What the agent has noted as acknowledged is in the ledger; its cursor is read first."""
    noted = cursor.decode((agent.cwd / "spool" / cursor.NAME).read_bytes())
    assert noted is not None
    ledger = made.ledger(agent)
    assert any(one.acked for one in noted.epochs), "nothing was proven: nothing is acknowledged yet"
    for one in noted.epochs:
        stored = max((b.through for b in ledger.values() if b.epoch == one.epoch), default=0)
        assert one.acked <= stored, f"{agent.name} was told of {one.acked}, and {stored} are stored"


def grow_by(made: Rig, batches: int) -> None:
    """Until each agent has sealed that many more."""
    before = {agent.name: len(made.spool(agent)) for agent in made.agents}
    eventually(
        lambda: all(len(made.spool(agent)) >= before[agent.name] + batches for agent in made.agents),
        f"{batches} more batches are sealed",
    )


def test_a_backup_restored_under_running_agents_is_refilled_from_what_they_keep(tmp_path: Path) -> None:
    with fresh(tmp_path, agents=2) as (made, server):
        aggregator = made.aggregators[0]
        # A copy made by the server needs the database to itself for a moment.
        aggregator.kill()
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'live'")
            conn.execute("create database backup template live")
        aggregator.start()
        grow_by(made, 2)
        eventually(lambda: all_settled(made), "what is newer than the backup is stored")
        newer = {agent.name: len(made.ledger(agent)) for agent in made.agents}
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute("drop database live with (force)")
            conn.execute("create database live template backup")
        assert all(len(made.ledger(agent)) < newer[agent.name] for agent in made.agents), (
            "nothing was set back"
        )
        grow_by(made, 1)
        end_and_compare(made)
        for agent in made.agents:
            assert len(made.ledger(agent)) > newer[agent.name]


def test_a_slow_database_is_waited_for_with_bounded_memory_and_no_early_acknowledgement(
    tmp_path: Path,
) -> None:
    with fresh(tmp_path, agents=2) as (made, _):
        with psycopg.connect(made.dsn) as conn:
            conn.execute(SLOW)
        grow_by(made, 1)
        before = rss_mib(made.aggregators[0])
        stored = {agent.name: len(made.ledger(agent)) for agent in made.agents}
        grow_by(made, 2)
        assert rss_mib(made.aggregators[0]) <= before + GROWTH_MIB_MAX
        # What is not committed is acknowledged to nobody: it waits in the spools.
        for agent in made.agents:
            assert_no_early_acknowledgement(made, agent)
            ahead = len(made.spool(agent)) - len(made.ledger(agent))
            assert ahead > 0 or len(made.ledger(agent)) > stored[agent.name]
        with psycopg.connect(made.dsn) as conn:
            conn.execute("drop trigger slow on batch")
        end_and_compare(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_under_the_database_holds_agents_up_and_nothing_else(tmp_path: Path) -> None:
    if os.environ.get("ULLAGE_TEST_DSN"):
        pytest.skip("the server is not ours to fill")
    installation = timescaledb.prepare()
    small = Path(tempfile.mkdtemp(prefix="small-", dir=installation.servers()))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "none", str(small)], check=True)
    try:
        space = small / "space"
        space.mkdir()
        identity = installation.identity()
        if identity.uid is not None and identity.gid is not None:
            os.chown(space, identity.uid, identity.gid)
        with timescaledb.running(for_tests=True) as server:
            with psycopg.connect(server, autocommit=True) as conn:
                conn.execute(f"create tablespace small location '{installation.inside(space)}'".encode())
                conn.execute("create database live tablespace small")
            live = make_conninfo(server, dbname="live")
            with rig(live, tmp_path, seed=SEED, agents=1, aggregators=1) as made:
                made.start()
                eventually(lambda: bool(made.ledger(made.agents[0])), "first batches are stored")
                filler = small / "filler"
                fill(filler)
                # Pages that the tables have already take some more.
                with psycopg.connect(live, autocommit=True) as conn, pytest.raises(psycopg.errors.DiskFull):
                    conn.execute("create table more as select * from generate_series(1, 1000000)")
                grow_by(made, 2)
                assert made.aggregators[0].process is not None
                assert made.aggregators[0].process.poll() is None
                filler.unlink()
                end_and_compare(made)
            with psycopg.connect(server, autocommit=True) as conn:
                conn.execute("drop database live with (force)")
    finally:
        for _ in range(50):
            if subprocess.run(["umount", str(small)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        small.rmdir()

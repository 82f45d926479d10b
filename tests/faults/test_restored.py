"""A dump taken with pg_dump while everything runs, and restored while the agents run (row 8 of the catalogue)."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy import timescaledb
from tests.faults.rig import Rig, eventually, rig
from tests.faults.test_kill_nine import assert_ledger_is_what_was_sealed, assert_usage_is_true, settled
from tests.servers import Database

SEED = random.SystemRandom().randrange(1 << 32)
NEWER_BATCHES = 3
DUMP_SECONDS_MAX = 60.0


def tool(name: str) -> list[str]:
    """The server's own pg_dump or pg_restore: one of another release may refuse."""
    if os.environ.get("ULLAGE_TEST_DSN"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed here")
        return [name]
    found = timescaledb.prepare()
    inside = [] if found.chroot is None else ["chroot", str(found.chroot)]
    return [*inside, f"{found.programs}/{name}"]


def ran(argv: list[str], *, given: bytes = b"") -> bytes:
    done = subprocess.run(argv, input=given, capture_output=True, timeout=DUMP_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout


def restore(dsn: str, dump: bytes) -> None:
    """The same name, empty, filled between TimescaleDB's two calls. Whoever is connected is cut off."""
    name = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(name))
        conn.execute(sql.SQL("create database {} template template0").format(name))
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create extension if not exists timescaledb")
        conn.execute("select timescaledb_pre_restore()")
    ran([*tool("pg_restore"), "--no-owner", "--dbname", dsn], given=dump)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("select timescaledb_post_restore()")


def newest_are_stored(made: Rig, before: dict[str, int]) -> bool:
    return all(len(made.ledger(agent)) >= before[agent.name] + NEWER_BATCHES for agent in made.agents)


def test_a_dump_restored_under_running_agents_is_filled_up_again_from_their_spools(
    empty_database: Database, tmp_path: Path
) -> None:
    if empty_database.kind != "timescaledb":
        pytest.skip("without TimescaleDB a restore is plain pg_restore")
    dsn = empty_database.dsn
    with rig(dsn, tmp_path, seed=SEED, agents=2, aggregators=1) as made:
        made.start()
        eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
        dump = ran([*tool("pg_dump"), "--format=custom", "--dbname", dsn])
        dumped = {agent.name: len(made.ledger(agent)) for agent in made.agents}
        eventually(lambda: newest_are_stored(made, dumped), "batches newer than the dump are stored")
        newest = {agent.name: max(made.ledger(agent)) for agent in made.agents}
        aggregator = made.aggregators[0]
        aggregator.kill()
        restore(dsn, dump)
        for agent in made.agents:
            assert newest[agent.name] not in made.ledger(agent), "the dump set nothing back"
        aggregator.start()
        eventually(lambda: all(settled(made, agent) for agent in made.agents), "what was lost is sent again")
        for agent in made.agents:
            assert agent.end() == 0, agent.tail()
            assert_ledger_is_what_was_sealed(made, agent)
            assert newest[agent.name] in made.ledger(agent)
            assert assert_usage_is_true(made, agent) > 0
        with psycopg.connect(dsn) as conn:
            lost = conn.execute("select count(*) from batch where through > seq").fetchone()
        assert lost == (0,), "a tombstone stands for what the agents still keep"

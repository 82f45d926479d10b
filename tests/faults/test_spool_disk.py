"""A spool's file system that is full or gone, under a running agent (rows 11 and 16 of the catalogue)."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import timescaledb
from tests.faults.rig import Program, Rig, eventually, fill, rig
from tests.faults.test_kill_nine import assert_usage_is_true

SEED = random.SystemRandom().randrange(1 << 32)
SMALL_MIB = 6

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


@contextmanager
def small_spool(agent: Program) -> Iterator[Path]:
    """The agent's spool on a file system of a few MiB."""
    spool = agent.cwd / "spool"
    spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "none", str(spool)], check=True)
    try:
        yield spool
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.process.kill()
            agent.process.wait()
        subprocess.run(["umount", str(spool)], check=True)


def test_on_a_full_disk_amounts_wait_in_the_counters_and_none_is_lost(tmp_path: Path) -> None:
    with (
        timescaledb.running(for_tests=True) as dsn,
        rig(dsn, tmp_path, seed=SEED, agents=1, aggregators=1) as made,
    ):
        agent = made.agents[0]
        with small_spool(agent) as spool:
            made.start()
            eventually(lambda: bool(made.ledger(agent)), "first batches are stored")
            fill(spool / "filler")
            counter = agent.cwd / "counter"
            held = len(made.ledger(agent))
            at = int(counter.read_text())
            eventually(
                lambda: int(counter.read_text()) > at + 8_000_000,
                "the counter goes on while nothing can be sealed",
            )
            stuck = len(made.ledger(agent))
            assert agent.process is not None
            assert agent.process.poll() is None, agent.tail()
            (spool / "filler").unlink()
            eventually(
                lambda: len(made.ledger(agent)) > stuck, "sealing goes on without a restart", seconds_max=120
            )
            assert stuck <= held + 4
            assert agent.end() == 0, agent.tail()
            assert made.spool(agent) == made.ledger(agent)
            assert_usage_is_true(made, agent)


def test_a_spool_that_is_deleted_under_its_agent_begins_a_new_epoch_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    with (
        timescaledb.running(for_tests=True) as dsn,
        rig(dsn, tmp_path, seed=SEED, agents=1, aggregators=1) as made,
    ):
        agent = made.agents[0]
        made.start()
        eventually(lambda: len(made.ledger(agent)) > 1, "first batches are stored")
        shutil.rmtree(agent.cwd / "spool")
        first = {batch.epoch for batch in made.ledger(agent).values()}
        eventually(
            lambda: {batch.epoch for batch in made.ledger(agent).values()} > first,
            "a new epoch is stored",
            seconds_max=120,
        )
        assert agent.end() == 0, agent.tail()
        assert_nothing_twice(made, agent)


def assert_nothing_twice(made: Rig, agent: Program) -> None:
    amounts = made.readings(agent, "net-out")
    levels = {at: value for _, at, value in made.readings(agent, "disk-used")}
    previous = None
    for since, at, value in amounts:
        assert previous is None or since >= previous, "a span overlaps the one before"
        if since in levels:
            assert value == levels[at] - levels[since]
        previous = at
    moved = levels[amounts[-1][1]] - min(levels.values())
    assert sum(value for *_, value in amounts) <= moved

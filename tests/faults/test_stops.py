"""Programs that are stopped, started twice or cut off for a while: rows 24, 25, 52 and 53 of the catalogue."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.rig import END_SECONDS_MAX, eventually, rig
from tests.faults.test_kill_nine import assert_ledger_is_what_was_sealed, assert_usage_is_true, settled
from tests.servers import Database

SEED = random.SystemRandom().randrange(1 << 32)
FROZEN_SECONDS = 4.0


def test_a_second_agent_on_one_spool_ends_at_once_and_says_why(
    empty_database: Database, tmp_path: Path
) -> None:
    """Row 53: the first goes on undisturbed."""
    with rig(empty_database.dsn, tmp_path, seed=SEED, agents=1, aggregators=1) as made:
        made.start()
        [agent] = made.agents
        eventually(lambda: bool(made.ledger(agent)), "a first batch is stored")
        second = subprocess.run(
            agent.argv,
            cwd=agent.cwd,
            env=agent.environment,
            capture_output=True,
            text=True,
            timeout=END_SECONDS_MAX,
            check=False,
        )
        assert second.returncode != 0
        assert "another agent works on spool.directory" in second.stdout + second.stderr
        before = len(made.ledger(agent))
        eventually(lambda: len(made.ledger(agent)) > before, "the first agent goes on")
        assert agent.end() == 0, agent.tail()
        assert assert_ledger_is_what_was_sealed(made, agent) > before


def test_an_aggregator_that_is_away_frozen_and_stopped_costs_no_reading(
    empty_database: Database, tmp_path: Path
) -> None:
    """Rows 24, 25 and 52: no server, one that does not answer, and one that ends in order; the agent drains at its end."""
    with rig(empty_database.dsn, tmp_path, seed=SEED, agents=2, aggregators=1) as made:
        made.start()
        [aggregator] = made.aggregators
        eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
        assert aggregator.process is not None
        os.kill(aggregator.process.pid, signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        os.kill(aggregator.process.pid, signal.SIGCONT)
        assert aggregator.end() == 0, aggregator.tail()
        away = {agent.name: len(made.spool(agent)) for agent in made.agents}
        eventually(
            lambda: all(len(made.spool(agent)) > away[agent.name] for agent in made.agents), "agents seal on"
        )
        aggregator.start()
        eventually(lambda: all(settled(made, agent) for agent in made.agents), "the spools are empty")
        for agent in made.agents:
            assert agent.end() == 0, agent.tail()
            assert assert_ledger_is_what_was_sealed(made, agent) > away[agent.name]
            assert assert_usage_is_true(made, agent) > 0
        assert aggregator.end() == 0, aggregator.tail()

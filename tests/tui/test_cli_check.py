"""``ullage check`` as a monitoring system calls it."""

from pathlib import Path

import grpc
import pytest

from tests.tui import builders
from tests.tui.commands import Command, finish, start
from tests.tui.scripted import Scripted
from ullage.wire import from_time


async def test_check_is_one_line_with_performance_data(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("check")
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert done.out.startswith("ULLAGE OK - 12 agents, 0 silent;")
    assert (
        " | agents=12;;;0 agents_silent=0;;;0 quarantined=0;;;0 unbalanced_batches=0;;;0 unbalanced_agents=0;;;0 "
        "agents_spool=0;;;0 agents_clock=0;;;0 agents_lost=0;;;0 agents_conflict=0;;;0 reading_age="
        in done.out
    )


@pytest.mark.parametrize(
    ("state", "code"), [("ok", 0), ("warning", 1), ("critical", 2), ("purple", 3), ("", 3)]
)
async def test_check_follows_the_plugin_codes(
    ullage: Command, aggregator: Scripted, state: str, code: int
) -> None:
    health = builders.health(state=state, problems=["hv-03 | is\nsilent"] if code else [])
    aggregator.script.dashboard.health.CopyFrom(health)
    done = await ullage("check")
    assert done.code == code
    assert done.out.split()[1] == ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code]
    assert done.out.count("|") == 1
    assert done.out.count("\n") == 1


async def test_check_leaves_out_what_never_happened(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.dashboard.health.CopyFrom(
        builders.health(last_billing=None, last_reading=from_time(builders.NOW))
    )
    done = await ullage("check")
    assert "billing_age" not in done.out
    assert "billing never" in done.out


async def test_check_of_an_aggregator_that_fails_or_is_away_is_critical(
    ullage: Command, aggregator: Scripted
) -> None:
    aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
    failed = await ullage("check")
    assert (failed.code, "Error 4711" in failed.out) == (2, True)
    await aggregator.stop()
    done = await ullage("check")
    assert (done.code, done.out.startswith("ULLAGE CRITICAL - Nothing listens")) == (2, True)


async def test_check_that_could_not_check_is_unknown(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    unset = await finish(await start("check", environment={"HOME": str(tmp_path)}))
    option = await ullage("check", "--nonsense")
    refused = await ullage("check", ULLAGE_KEY="ullage_wrong0123456789abcdef")
    for done in (unset, option, refused):
        assert (done.code, done.out.startswith("ULLAGE UNKNOWN - "), done.out.count("\n")) == (3, True, 1)

"""The program as an operator starts it: a process, its exit code, its streams, its signals."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from agent.disk import Occupied, SystemDisk, sole_owner
from agent.identity import SystemClock
from agent.spool import Spool
from tests.unit.agent.certificates import AGENT, Authority, write
from tests.unit.agent.made import payload
from tests.unit.agent.scripted import Scripted, serving
from ullage.v1 import ingest_pb2

AUTHORITY = Authority()
GOOD = AUTHORITY.agent()
PROGRAM = [sys.executable, "-m", "agent"]
WAIT_SECONDS = 30


def configured(folder: Path, *, address: str = "127.0.0.1:1", interval: int = 1) -> Path:
    """A configuration file beside good certificates."""
    write(folder, ca=AUTHORITY.pem, pair=GOOD)
    path = folder / "agent.toml"
    path.write_text(
        f'[aggregator]\naddress = "{address}"\nca = "ca.crt"\ncertificate = "agent.crt"\nkey = "agent.key"\n'
        f'[collect]\ninterval_seconds = {interval}\n[process_groups]\npython = ["python*"]\n'
        '[spool]\ndirectory = "spool"\n'
    )
    return path


def start(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )


@asynccontextmanager
async def started(*arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


def ticks(aggregator: Scripted) -> list[ingest_pb2.Tick]:
    return [tick for stored in aggregator.payloads for tick in ingest_pb2.Batch.FromString(stored).ticks]


def test_help_shows_a_configuration_that_can_be_copied() -> None:
    done = start("--help")
    assert done.returncode == 0
    assert "[aggregator]" in done.stdout
    assert "collect --once" in done.stdout


@pytest.mark.parametrize("command", ["run", "check", "collect"])
def test_a_wrong_configuration_names_all_problems_on_stderr_and_exits_2(tmp_path: Path, command: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('[collect]\ninterval_seconds = 0\n[spol]\ndirectory = "x"\n')
    done = start(command, "--config", path)
    assert (done.returncode, done.stdout) == (2, "")
    for key in ("collect.interval_seconds", "spol", "aggregator.address", "spool.directory"):
        assert f"\n{key}: " in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda folder: (folder / "agent.crt").unlink(), "cannot be read"),
        (lambda folder: (folder / "agent.key").write_bytes(AUTHORITY.agent().key), "do not belong together"),
        (lambda folder: (folder / "ca.crt").write_bytes(Authority().pem), "not of the authority"),
    ],
)
def test_wrong_credentials_are_refused_in_words_and_exit_1(
    tmp_path: Path, spoil: Callable[[Path], object], text: str
) -> None:
    path = configured(tmp_path)
    spoil(tmp_path)
    for command in ("run", "check"):
        done = start(command, "--config", path)
        assert done.returncode == 1
        assert text in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_collect_once_prints_what_would_be_sent_and_needs_no_certificate(tmp_path: Path) -> None:
    path = configured(tmp_path)
    for name in ("ca.crt", "agent.crt", "agent.key"):
        (tmp_path / name).unlink()
    done = start("collect", "--once", "--config", path)
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    [tick] = printed["ticks"]
    assert tick["since"] < tick["ticked_at"]
    # Levels and amounts.
    assert {"vcpu", "ram", "ram-used", "cpu"} <= {reading["unit_type"] for reading in tick["readings"]}
    assert "cpu" in {counter["unit_type"] for counter in printed["counters"]}
    assert printed["failures"] == {}
    assert not (tmp_path / "spool").exists()


async def test_check_of_an_agent_that_would_work_exits_0(tmp_path: Path) -> None:
    aggregator = Scripted()
    async with serving(aggregator, AUTHORITY) as address:
        path = configured(tmp_path, address=address)
        done = await asyncio.to_thread(start, "check", "--config", path)
    assert AGENT in done.stdout
    assert "it knows this agent" in done.stdout
    # The scripted aggregator has no clock.
    assert [
        line for line in done.stdout.splitlines() if line.startswith("PROBLEM") and "clock" not in line
    ] == []
    assert aggregator.stored == {}


def test_check_without_an_aggregator_exits_3(tmp_path: Path) -> None:
    done = start("check", "--config", configured(tmp_path))
    assert done.returncode == 3
    assert "cannot be reached" in done.stdout


async def test_an_agent_meters_this_host_until_sigterm_and_leaves_nothing_behind(tmp_path: Path) -> None:
    aggregator = Scripted()
    async with serving(aggregator, AUTHORITY) as address:
        path = configured(tmp_path, address=address)
        async with started("run", "--config", path) as process:
            await until(lambda: len(ticks(aggregator)) >= 3)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_SECONDS):
                _, err = await process.communicate()
        assert process.returncode == 0
    found = ticks(aggregator)
    assert found[0].since_us == found[0].ticked_at_us
    for before, after in zip(found, found[1:], strict=False):  # noqa: RUF007 - both ends are named
        assert after.since_us == before.ticked_at_us
    # The last one is off the grid: it was taken because of the signal.
    assert all(tick.ticked_at_us % 1_000_000 == 0 for tick in found[1:-1])
    events = [json.loads(line)["event"] for line in err.decode().splitlines() if line.startswith("{")]
    assert events[0] == "agent started"
    assert events[-1] == "everything was delivered"
    assert b"PRIVATE" not in err


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with started("run", "--config", configured(tmp_path)) as process:
        assert process.stderr is not None
        await process.stderr.readline()
        # Nobody takes what it has, so it would go on trying.
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(WAIT_SECONDS):
            while b"stopping" not in await process.stderr.readline():
                pass
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130


async def test_a_second_agent_on_the_same_spool_is_refused(tmp_path: Path) -> None:
    path = configured(tmp_path)
    async with started("run", "--config", path) as first:
        assert first.stderr is not None
        await first.stderr.readline()
        done = await asyncio.to_thread(start, "run", "--config", path)
        assert done.returncode == 1
        assert "another agent works on" in done.stderr
        checked = await asyncio.to_thread(start, "check", "--config", path)
        assert "in use: an agent is running" in checked.stdout


def test_a_spool_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Occupied, match="cannot be used"), sole_owner(tmp_path / "file" / "spool"):
        pass


def test_the_spool_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with sole_owner(tmp_path / "spool"):
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / "spool") == ["lock"]  # noqa: PTH208 - names alone


async def test_what_was_not_delivered_is_sent_by_the_next_process_and_amounts_go_on(tmp_path: Path) -> None:
    aggregator = Scripted()
    async with serving(aggregator, AUTHORITY) as address:
        path = configured(tmp_path, address="127.0.0.1:1")
        async with started("run", "--config", path) as process:
            await until(lambda: any((tmp_path / "spool").glob("*.seg")))
            await asyncio.sleep(2.5)
            process.kill()
        checked = await asyncio.to_thread(start, "check", "--config", path)
        assert "batches wait, the oldest of" in checked.stdout
        printed = json.loads((await asyncio.to_thread(start, "collect", "--once", "--config", path)).stdout)
        configured(tmp_path, address=address)
        async with started("run", "--config", path) as process:
            await until(lambda: len(ticks(aggregator)) >= 4)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_SECONDS):
                assert await process.wait() == 0
    found = ticks(aggregator)
    assert len({epoch for epoch, _ in aggregator.stored}) == 1
    assert [seq for _, seq in aggregator.stored] == list(range(1, len(aggregator.stored) + 1))
    # Over the kill as well: each span begins where the one before it ended.
    for before, after in zip(found, found[1:], strict=False):  # noqa: RUF007 - both ends are named
        assert after.since_us == before.ticked_at_us
    last_of_first = printed["ticks"][0]["since"]
    assert any(abs(_micros(last_of_first) - tick.ticked_at_us) < 1000 for tick in found)


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


async def test_a_spool_of_another_agent_is_refused_with_advice_and_exit_1(tmp_path: Path) -> None:
    path = configured(tmp_path)
    Spool(SystemDisk(tmp_path / "spool"), agent=b"o" * 16, clock=SystemClock()).append([payload(1)])
    for command in ("run", "check"):
        done = await asyncio.to_thread(start, command, "--config", path)
        assert done.returncode in {1, 3}
        if command == "run":
            assert done.returncode == 1
            assert "give this one another spool.directory" in done.stderr
            assert "Traceback" not in done.stderr


async def test_a_spool_folder_deleted_under_a_running_agent_is_made_again_and_reported(
    tmp_path: Path,
) -> None:
    aggregator = Scripted()
    async with serving(aggregator, AUTHORITY) as address:
        path = configured(tmp_path, address=address)
        async with started("run", "--config", path) as process:
            await until(lambda: len(ticks(aggregator)) >= 2)
            shutil.rmtree(tmp_path / "spool")
            await until(lambda: len({epoch for epoch, _ in aggregator.stored}) == 2)
            second = await asyncio.to_thread(start, "run", "--config", path)
            assert "another agent works on" in second.stderr
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
    assert b"files of the spool were deleted" in err
    assert aggregator.hellos[-1].predecessor == aggregator.hellos[0].epochs[-1]
    found = ticks(aggregator)
    for before, after in zip(found, found[1:], strict=False):  # noqa: RUF007 - both ends are named
        assert after.since_us == before.ticked_at_us

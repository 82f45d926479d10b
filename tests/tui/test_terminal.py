"""With and without a terminal: no escape into a pipe, and questions that a person on a terminal answers."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.tui.scripted import Scripted
from tests.tui.terminals import take
from ullage.v1 import asset_acts_pb2, closing_pb2

ENDS_WITHIN_SECONDS = 10.0


async def test_without_a_terminal_there_is_a_status_and_a_hint(aggregator: Scripted, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **aggregator.environment(tmp_path), "TERM": "xterm-256color"},
    )
    out, err = await process.communicate()
    assert process.returncode == 2
    assert out.decode().startswith("ULLAGE OK - 12 agents")
    assert "no terminal" in err.decode()
    assert b"\x1b" not in out + err


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
async def test_streams_that_are_closed_are_no_terminal(
    aggregator: Scripted, tmp_path: Path, closed: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$0" -m tui {closed}', sys.executable),
        stdout=subprocess.PIPE,
        env=environment(aggregator, tmp_path, "xterm-256color"),
    )
    out, _ = await process.communicate()
    assert process.returncode == 2
    assert out.decode().startswith("ULLAGE OK - 12 agents")


def environment(aggregator: Scripted, folder: Path, term: str) -> dict[str, str]:
    return {**os.environ, **aggregator.environment(folder), "TERM": term}


async def test_a_dumb_terminal_gets_the_status_too(aggregator: Scripted, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(aggregator, tmp_path, "dumb"),
    )
    os.close(terminal)
    assert await asyncio.wait_for(process.wait(), ENDS_WITHIN_SECONDS) == 2
    written = os.read(controller, 65536)
    os.close(controller)
    assert b"ULLAGE OK" in written
    assert b"\x1b" not in written


async def test_a_hangup_ends_the_program(aggregator: Scripted, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(aggregator, tmp_path, "xterm-256color"),
    )
    os.close(terminal)
    await asyncio.sleep(2.0)
    process.send_signal(signal.SIGHUP)
    assert await asyncio.wait_for(process.wait(), ENDS_WITHIN_SECONDS) == -signal.SIGHUP
    os.close(controller)


@pytest.mark.parametrize(("answer", "code", "acts"), [(b"y\n", 0, 1), (b"\n", 130, 0), (b"\x03", 130, 0)])
async def test_what_filters_found_is_asked_about_on_a_terminal(
    aggregator: Scripted, tmp_path: Path, answer: bytes, code: int, acts: int
) -> None:
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", "assets", "ack", "--new"),
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=environment(aggregator, tmp_path, "xterm-256color"),
        # The terminal is its own, so that Ctrl+C on it is a signal to it.
        preexec_fn=partial(take, terminal),
    )
    os.close(terminal)
    seen = b""
    while b"[y/N]" not in seen:
        seen += await asyncio.to_thread(os.read, controller, 65536)
    assert b"Acknowledge 5 assets?" in seen
    os.write(controller, answer)
    assert await asyncio.wait_for(process.wait(), ENDS_WITHIN_SECONDS) == code
    os.close(controller)
    assert len(aggregator.asked(asset_acts_pb2.AcknowledgeAssetsRequest)) == acts


@pytest.mark.parametrize(
    ("answer", "code", "days"), [(b"Acme\n", 0, ["", "2026-10-01"]), (b"yes\n", 1, [""])]
)
async def test_a_period_is_finalised_by_typing_the_clients_name(
    aggregator: Scripted, tmp_path: Path, answer: bytes, code: int, days: list[str]
) -> None:
    period = closing_pb2.Period(client_name="Acme", first_day="2026-10-01", last_day="2026-10-31")
    aggregator.script.answers["Finalise"] = closing_pb2.FinaliseReply(period=period, readings=3)
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", "billing", "finalise", "1"),
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=environment(aggregator, tmp_path, "xterm-256color"),
        preexec_fn=partial(take, terminal),
    )
    os.close(terminal)
    seen = b""
    while b"Type the client's name" not in seen:
        seen += await asyncio.to_thread(os.read, controller, 65536)
    assert b"Acme, 2026-10-01 to 2026-10-31: 3 readings" in seen
    os.write(controller, answer)
    assert await asyncio.wait_for(process.wait(), ENDS_WITHIN_SECONDS) == code
    os.close(controller)
    assert [asked.first_day for asked in aggregator.asked(closing_pb2.FinaliseRequest)] == days

"""The SSH end: whatever happens to the terminal, the program ends or goes on, and leaves the terminal as it was."""

import asyncio
import os
import signal
import termios
from pathlib import Path

import pytest

from tests.tui.scripted import Scripted
from tests.tui.terminals import HEALTHY, Terminal, on_terminal

LEFT_SCREEN = b"\x1b[?1049l"
SHOWN_CURSOR = b"\x1b[?25h"
MAIN = "from tui.__main__ import main; main()"
HANGUP_IGNORED = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {MAIN}"
RESIDENT_GROWTH_BYTES_MAX = 64 << 20


def restored(terminal: Terminal) -> bool:
    """Whether a shell can go on in it."""
    flags = terminal.local_flags()
    tail = terminal.drawn[terminal.drawn.rfind(LEFT_SCREEN) :]
    return (
        LEFT_SCREEN in tail and SHOWN_CURSOR in tail and bool(flags & termios.ICANON and flags & termios.ECHO)
    )


def resident(process_id: int) -> int:
    """Bytes of memory."""
    for line in Path(f"/proc/{process_id}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.parametrize("own", [True, False], ids=["its own terminal", "a terminal of others"])
@pytest.mark.parametrize("program", [MAIN, HANGUP_IGNORED], ids=["default", "ignored"])
async def test_a_window_that_is_closed_ends_the_program(
    aggregator: Scripted, tmp_path: Path, program: str, own: bool
) -> None:
    async with on_terminal(aggregator, tmp_path, program=program, own=own) as terminal:
        await terminal.until(HEALTHY)
        terminal.close()
        assert await terminal.ends() in {-signal.SIGHUP, 129}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_to_end_leaves_the_terminal_as_it_was(
    aggregator: Scripted, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        terminal.process.send_signal(number)
        assert await terminal.ends() == code
        assert restored(terminal)


async def test_q_leaves_the_terminal_as_it_was(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert restored(terminal)


async def test_a_connection_that_stalls_costs_no_memory_and_is_caught_up_with(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        before = resident(terminal.process.pid)
        terminal.stop_reading()
        for _ in range(25):
            terminal.press(b"2")
            await asyncio.sleep(0.05)
            terminal.press(b"1")
            await asyncio.sleep(0.05)
        assert resident(terminal.process.pid) - before < RESIDENT_GROWTH_BYTES_MAX
        terminal.read_on()
        since = len(terminal.drawn)
        terminal.press(b"?")
        await terminal.until(b"Quit", since=since)
        terminal.press(b"\x1b")
        await asyncio.sleep(0.5)
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert restored(terminal)


@pytest.mark.parametrize("how", ["closed", "terminated"])
async def test_a_program_whose_connection_stalls_can_be_ended(
    aggregator: Scripted, tmp_path: Path, how: str
) -> None:
    async with on_terminal(aggregator, tmp_path, own=False) as terminal:
        await terminal.until(HEALTHY)
        terminal.stop_reading()
        for _ in range(50):
            terminal.press(b"21")
            await asyncio.sleep(0.05)
        if how == "closed":
            terminal.close()
            assert await terminal.ends() == 129
        else:
            terminal.process.send_signal(signal.SIGTERM)
            assert await terminal.ends() == 143
            assert terminal.local_flags() & termios.ICANON


async def test_ctrl_z_gives_the_terminal_back_and_fg_draws_again(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        terminal.press(b"\x1a")
        await asyncio.to_thread(os.waitid, os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        await asyncio.sleep(0.1)
        assert restored(terminal)
        since = len(terminal.drawn)
        terminal.process.send_signal(signal.SIGCONT)
        await terminal.until(HEALTHY, since=since)
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert restored(terminal)


async def test_a_program_that_was_stopped_from_outside_leaves_the_terminal_as_it_was(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        terminal.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.2)
        since = len(terminal.drawn)
        terminal.process.send_signal(signal.SIGCONT)
        await terminal.until(HEALTHY, since=since)
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert restored(terminal)


async def test_a_program_that_is_told_to_go_on_while_it_starts_reads_its_keys_once(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        while HEALTHY not in terminal.drawn:
            terminal.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.005)
            assert terminal.process.returncode is None
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert restored(terminal)


async def test_a_small_window_that_changes_its_size_all_the_time_is_drawn(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with on_terminal(aggregator, tmp_path, size=(20, 60)) as terminal:
        for digit in b"12345":
            terminal.press(bytes([digit]))
            for rows, columns in ((24, 80), (2, 5), (60, 200), (20, 60)):
                terminal.resize(rows, columns)
                await asyncio.sleep(0.1)
        terminal.resize(24, 80)
        terminal.press(b"1")
        since = len(terminal.drawn)
        await terminal.until(HEALTHY, since=since)
        terminal.press(b"q")
        assert await terminal.ends() == 0

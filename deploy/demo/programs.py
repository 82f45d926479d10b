"""Starts Ullage's own programs as an operator's service manager would, and ends them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
TIED = Path(__file__).with_name("tied.py")
READY_SECONDS_MAX = 60.0
END_SECONDS_MAX = 20.0
COMMAND_SECONDS_MAX = 120.0
LOG_LINES_SHOWN = 12


class DemoError(Exception):
    """The demo cannot go on; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program and where it logs."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:])


async def command(name: str, *arguments: str) -> str:
    """Runs one of our programs to its end; its standard output. Raises ``DemoError`` when it refuses."""
    process = await asyncio.create_subprocess_exec(
        str(BIN / name),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS_MAX)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise DemoError(f"`{name} {' '.join(arguments)}` failed:\n{err.decode('utf-8', 'replace').strip()}")
    return out.decode()


@asynccontextmanager
async def running(name: str, *arguments: str, log: Path) -> AsyncIterator[Program]:
    """One of our programs in the background, ended (SIGTERM, then SIGKILL) when the block ends."""
    # Its own session: Ctrl+C on the terminal is for the demo, which ends its programs in order.
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(TIED),
            str(os.getpid()),
            str(BIN / name),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        yield Program(name, process, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), END_SECONDS_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()


async def ready_line(program: Program, *, since_byte: int) -> dict[str, str]:
    """Waits for the log line with event "ready"; its fields. Raises ``DemoError`` when the program ends before it."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
    while asyncio.get_running_loop().time() < deadline:
        with program.log.open("rb") as log:
            log.seek(since_byte)
            for line in log.read().splitlines():
                if b'"ready"' in line:
                    fields: dict[str, str] = json.loads(line)
                    return fields
        if program.process.returncode is not None:
            raise DemoError(f"{program.name} ended before it was ready:\n{program.tail()}")
        await asyncio.sleep(0.05)
    raise DemoError(f"{program.name} was not ready after {READY_SECONDS_MAX:.0f} s:\n{program.tail()}")

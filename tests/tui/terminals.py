"""The real program on a real terminal (a pty), whose other side is a person at the end of an SSH connection."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import sys
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.tui.scripted import Scripted

ENDS_WITHIN_SECONDS = 15.0
HEALTHY = b"healthy"
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|P.*?\x1b\\|[=>78M])", re.DOTALL)


class Terminal:
    """One side of a pty; the other is the program's stdin, stdout and stderr."""

    def __init__(self, controller: int, process: Process) -> None:
        self.process = process
        self.drawn = b""
        self._controller: int | None = controller
        os.set_blocking(controller, False)
        self.read_on()

    def read_on(self) -> None:
        """Takes what the program draws, from now on."""
        assert self._controller is not None
        asyncio.get_running_loop().add_reader(self._controller, self._read)

    def stop_reading(self) -> None:
        """Takes nothing more: a connection that stalls."""
        assert self._controller is not None
        asyncio.get_running_loop().remove_reader(self._controller)

    def _read(self) -> None:
        assert self._controller is not None
        try:
            self.drawn += os.read(self._controller, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            # The program has ended.
            self.stop_reading()

    def press(self, keys: bytes) -> None:
        assert self._controller is not None
        os.write(self._controller, keys)

    def resize(self, rows: int, columns: int) -> None:
        assert self._controller is not None
        termios.tcsetwinsize(self._controller, (rows, columns))

    def local_flags(self) -> int:
        """How the terminal is set: a shell needs ICANON and ECHO in it."""
        assert self._controller is not None
        return int(termios.tcgetattr(self._controller)[3])

    def close(self) -> None:
        """The window, or the connection, is gone."""
        if self._controller is not None:
            asyncio.get_running_loop().remove_reader(self._controller)
            os.close(self._controller)
            self._controller = None

    async def until(self, words: bytes, *, since: int = 0) -> None:
        """Waits for what is drawn after the first ``since`` bytes."""
        async with asyncio.timeout(ENDS_WITHIN_SECONDS):
            while words not in _SEQUENCE.sub(b"", self.drawn[since:]):
                await asyncio.sleep(0.02)
                assert self.process.returncode is None, self.drawn[-2000:].decode("utf-8", "replace")

    async def ends(self) -> int:
        """The exit code."""
        return await asyncio.wait_for(self.process.wait(), ENDS_WITHIN_SECONDS)


@asynccontextmanager
async def on_terminal(
    aggregator: Scripted,
    folder: Path,
    *arguments: str,
    program: str = "from tui.__main__ import main; main()",
    size: tuple[int, int] = (24, 80),
    own: bool = True,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Terminal]:
    """The program on a terminal of rows and columns; ``own``: it gets the signals of that terminal. Gone afterwards."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TEXTUAL_"))
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={
            **inherited,
            **aggregator.environment(folder),
            "TERM": "xterm-256color",
            **(environment or {}),
        },
        preexec_fn=partial(take, terminal) if own else None,
    )
    os.close(terminal)
    shown = Terminal(controller, process)
    try:
        yield shown
    finally:
        shown.close()
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


def take(terminal: int) -> None:
    """In a new process: the terminal becomes the one that controls it."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

"""What a person at the terminal waits for, and what goes over the line: the real program against a real aggregator.

The world is that of queries.large_world, the terminal a pty. Painted is what follows a key until the line is quiet for a
moment; the time is that of its last byte. The idle bytes are those of a dashboard that nobody touches.
"""

import asyncio
import math
import os
import pty
import re
import select
import signal
import statistics
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aggregator.bench.machine import cpu_seconds
from aggregator.bench.queries import fill
from aggregator.bench.site import site
from aggregator.store.database import Database
from bench.registry import Figure, benchmark

ASSETS = 100_000
WINDOWS = ((80, 24), (120, 40))
STARTS = 5
ROUNDS = 4
KEYS = 40
PAGES = 20
IDLE_SECONDS = 30.0
# The line is quiet: everything that belongs to a key has been painted; a new screen asks the aggregator first.
KEY_QUIET_SECONDS = 0.3
SCREEN_QUIET_SECONDS = 1.0
FIRST_SECONDS_MAX = 2.0
PAINT_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 20.0
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07)")
_DOWN, _UP, _PAGE_DOWN, _PAGE_UP = b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[5~"
_ASSETS, _SCREENS = b"3", b"23451"


@benchmark("terminal.large_world")
async def large_world(dsn: str, scale: float) -> list[Figure]:
    """Start, switch, cursor and page in two sizes of window, with and without ``--slow-link``."""
    return await asyncio.to_thread(_measure, dsn, max(1_000, round(ASSETS * scale)), min(scale, 1.0))


@dataclass(frozen=True, slots=True)
class _Painted:
    """What followed a key; ``seconds`` until its last byte, and what the program's processor time was of that."""

    seconds: float
    content: bytes
    processor_seconds: float


class _Program:
    """``ullage`` on one side of a pty."""

    def __init__(self, controller: int, pid: int) -> None:
        self.pid = pid
        self._controller = controller

    def press(self, keys: bytes, quiet_seconds: float) -> _Painted:
        """Until the line is quiet again; a key that paints nothing takes no time."""
        used, began = cpu_seconds(self.pid), time.perf_counter()
        os.write(self._controller, keys)
        content, last = b"", began
        while time.perf_counter() - began < PAINT_SECONDS_MAX:
            patience = quiet_seconds if content else FIRST_SECONDS_MAX
            if not select.select([self._controller], [], [], patience)[0]:
                break
            content += os.read(self._controller, 1 << 16)
            last = time.perf_counter()
        return _Painted(last - began, content, cpu_seconds(self.pid) - used)

    def idle(self, seconds: float) -> bytes:
        """What comes without a key."""
        until = time.perf_counter() + seconds
        content = b""
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._controller], [], [], left)[0]:
                content += os.read(self._controller, 1 << 16)
        return content

    def first(self, began: float, words: bytes) -> _Painted:
        """Until these words are painted."""
        content = b""
        while words not in _SEQUENCE.sub(b"", content):
            left = began + PAINT_SECONDS_MAX - time.perf_counter()
            if left <= 0 or not select.select([self._controller], [], [], left)[0]:
                raise TimeoutError(
                    f"{words!r} was not painted within {PAINT_SECONDS_MAX:g} s: {content[-500:]!r}"
                )
            content += os.read(self._controller, 1 << 16)
        return _Painted(time.perf_counter() - began, content, cpu_seconds(self.pid))


@dataclass(frozen=True, slots=True)
class _Person:
    """Who starts the program, and in which window."""

    environment: dict[str, str]
    columns: int
    rows: int
    arguments: tuple[str, ...]

    @contextmanager
    def program(self) -> Iterator[_Program]:
        """Gone afterwards."""
        controller, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (self.rows, self.columns))
        process = subprocess.Popen(
            [sys.executable, "-m", "tui", *self.arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=self.environment,
            start_new_session=True,
        )
        os.close(terminal)
        try:
            yield _Program(controller, process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(STOP_SECONDS_MAX)
            os.close(controller)


def _measure(dsn: str, assets: int, share: float) -> list[Figure]:
    with site(dsn) as own, own.serving() as serving:
        key = own.bootstrap_key()
        asyncio.run(_filled(own.dsn, assets))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ULLAGE_", "TEXTUAL_"))
        }
        environment = kept | {
            # As installed: there the bytecode has been written.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(own.folder / "bytecode"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "ULLAGE_ADDRESS": serving.people,
            "ULLAGE_CA": str(own.folder / "tls" / "ca.crt"),
            "ULLAGE_KEY_FILE": str(key),
            "XDG_CONFIG_HOME": str(own.folder / "nothing"),
        }
        figures: list[Figure] = []
        for columns, rows in WINDOWS:
            for arguments in ((), ("--slow-link",)):
                person = _Person(environment, columns, rows, arguments)
                figures += _figures(person, assets, share)
        return figures


async def _filled(dsn: str, assets: int) -> None:
    db = await Database.open(dsn)
    try:
        await fill(db, assets=assets)
    finally:
        await db.close()


def _figures(person: _Person, assets: int, share: float) -> list[Figure]:
    """Of one window, with or without ``--slow-link``."""
    counted = f"{assets:,}".encode()
    starts: list[_Painted] = []
    with person.program() as program:
        # The first start writes bytecode.
        program.first(time.perf_counter(), counted)
    for _ in range(max(2, round(STARTS * share))):
        began = time.perf_counter()
        with person.program() as program:
            starts.append(program.first(began, counted))
    with person.program() as program:
        program.first(time.perf_counter(), counted)
        program.idle(1.0)
        idle_seconds = max(5.0, IDLE_SECONDS * share)
        idle = program.idle(idle_seconds)
        rounds = max(2, round(ROUNDS * share))
        switches = [
            program.press(bytes([digit]), SCREEN_QUIET_SECONDS) for _ in range(rounds) for digit in _SCREENS
        ]
        program.press(_ASSETS, SCREEN_QUIET_SECONDS)
        moves = _repeated(program, (_DOWN,) * 10 + (_UP,) * 5, max(10, round(KEYS * share)))
        pages = _repeated(program, (_PAGE_DOWN,) * 5 + (_PAGE_UP,) * 3, max(8, round(PAGES * share)))
        memory = _resident_mib(program.pid)
    name = f"terminal {person.columns}×{person.rows}{', slow link' if person.arguments else ''}"
    return [
        *_both(f"{name}: start to first figures", "start", starts, {"assets": float(assets)}),
        *_both("", "switch of screen", switches, {}),
        *_both("", "cursor move", moves, {}),
        *_both("", "page", pages, {}),
        Figure(name="", value=float(len(idle)), unit="bytes idle", sizes={"seconds": idle_seconds}),
        Figure(name="", value=memory, unit="MiB memory"),
    ]


def _repeated(program: _Program, keys: Sequence[bytes], times: int) -> list[_Painted]:
    painted = [program.press(keys[place % len(keys)], KEY_QUIET_SECONDS) for place in range(times)]
    # A key at the end of a list paints nothing.
    return [one for one in painted if one.content]


def _both(name: str, what: str, painted: Sequence[_Painted], more: dict[str, float]) -> list[Figure]:
    """Median time and bytes, with the 95th percentiles beside them, and the mean of the program's processor time."""
    times = [1000 * one.seconds for one in painted]
    processor = statistics.mean(1000 * one.processor_seconds for one in painted)
    sizes = [float(len(one.content)) for one in painted]
    return [
        Figure(
            name=name,
            value=statistics.median(times),
            unit=f"ms a {what} (median)",
            sizes={"ms p95": _p95(times), "ms of processor": processor, **more},
        ),
        Figure(
            name="",
            value=statistics.median(sizes),
            unit=f"bytes a {what} (median)",
            sizes={"bytes p95": _p95(sizes)},
        ),
    ]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 95 / 100) - 1]


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return math.nan

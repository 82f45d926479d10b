"""Running ``ullage`` as a script does: its streams and its exit code."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def csv(self) -> list[dict[str, str]]:
        """stdout as rows under a header."""
        return list(csv.DictReader(io.StringIO(self.out, newline="")))


Command = Callable[..., Awaitable[Done]]


class Worker:
    """A process that runs commands one after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tui.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._free = threading.Lock()

    async def run(self, *arguments: str, environment: dict[str, str], stdin: str = "") -> Done:
        """What the command left behind."""
        request = {
            "arguments": arguments,
            "environment": _surroundings() | environment,
            "stdin": stdin,
        }
        done = Done(**json.loads(await asyncio.to_thread(self._ask, json.dumps(request))))
        assert "Traceback" not in done.err
        return done

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._free:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
            return self._process.stdout.readline()

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _surroundings() -> dict[str, str]:
    """The environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ULLAGE_")}


async def start(*arguments: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tui",
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_surroundings() | environment,
    )


async def finish(process: asyncio.subprocess.Process) -> Done:
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Done(process.returncode, out.decode(), err.decode())

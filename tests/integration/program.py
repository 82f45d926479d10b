"""The aggregator as a process: a folder made by its own commands, and `serve` run on it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from ullage.channel import Identity

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
DEADLINE_SECONDS = 20.0
CONFIG = """
[database]
dsn_file = "dsn"
[agents]
listen = "127.0.0.1:{agents}"
[people]
listen = "127.0.0.1:{people}"
[tls]
ca = "tls/ca.crt"
certificate = "tls/server.crt"
key = "tls/server.key"
[authority]
directory = "authority"
"""


class Site:
    """A folder with a configuration, and the program run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ULLAGE_")
        } | {"COLUMNS": "120"}

    def configure(self, *, agents: int = 0, people: int = 0, more: str = "") -> None:
        text = CONFIG.format(agents=agents, people=people) + more
        (self.folder / "aggregator.toml").write_text(text)

    def command(self, *words: str) -> list[str]:
        config = str(self.folder / "aggregator.toml")
        return [sys.executable, "-m", "aggregator", "--config", config, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_SECONDS_MAX,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return done

    def must(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def identity(self, folder: str) -> Identity:
        path = self.folder / folder
        return Identity((path / "agent.crt").read_bytes(), (path / "agent.key").read_bytes())

    @property
    def ca(self) -> bytes:
        return (self.folder / "tls/ca.crt").read_bytes()


class Running:
    """`serve` as a process; its log lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self._lines: Queue[str | None] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: str) -> dict[str, Any]:
        try:
            while (line := self._lines.get(timeout=READY_SECONDS_MAX)) is not None:
                self.log.append(json.loads(line))
                if self.log[-1]["event"] == event:
                    return self.log[-1]
        except Empty:
            pass
        raise AssertionError(f"no event {event} in {self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS_MAX)
        self._reader.join(STOP_SECONDS_MAX)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def serving(site: Site) -> Iterator[tuple[Running, dict[str, Any]]]:
    process = subprocess.Popen(
        site.command("serve"), env=site.environment, cwd=site.folder, stderr=subprocess.PIPE, text=True
    )
    running = Running(process)
    try:
        yield running, running.wait_for("ready")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        running._reader.join(STOP_SECONDS_MAX)
        process.stderr.close()

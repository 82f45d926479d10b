"""Real programs on a real TimescaleDB, which a test may kill at any moment and start again.

Each agent meters a counter that the test owns: a program (the `exec` collector) moves a file on by a random step and
prints where it stands, as a counter and as a level. So the true usage is in the readings themselves: what was counted
between two ticks must be the difference of their levels.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from agent.segment import HEADER_BYTES, decode_header, scan
from tests.integration.program import Site

WAIT_SECONDS_MAX = 60.0
END_SECONDS_MAX = 20.0

# Moves on by up to a million steps a tick; the new value is on disk before it is printed, as a kernel's counter would be.
COUNTER = """\
import json, os, random, sys
path = sys.argv[1]
value = (int(open(path).read()) if os.path.exists(path) else 1000) + random.randrange(1_000_000)
with open(path + ".new", "w") as new:
    new.write(str(value))
os.replace(path + ".new", path)
thing = {"source_type": "database", "external_id": sys.argv[2], "value": value}
print(json.dumps({**thing, "unit_type": "net-out", "kind": "counter", "reset_identity": "one"}))
print(json.dumps({**thing, "unit_type": "disk-used", "kind": "level"}))
"""

AGENT = """\
[aggregator]
address = "127.0.0.1:{port}"
ca = "ca.crt"
certificate = "agent.crt"
key = "agent.key"
[collect]
interval_seconds = 1
collectors = ["exec"]
[[exec]]
name = "counter"
command = ["{python}", "{program}", "{counter}", "{name}"]
source_types = ["database"]
[spool]
directory = "spool"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(holds: Callable[[], bool], what: str, *, seconds_max: float = WAIT_SECONDS_MAX) -> None:
    deadline = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds_max:.0f} s: {what}"
        time.sleep(0.2)


def fill(path: Path) -> None:
    """A file that takes all the space there is."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


@dataclass
class Program:
    """One of our programs, started again whenever the test wants."""

    name: str
    argv: list[str]
    cwd: Path
    environment: dict[str, str]
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.cwd / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, cwd=self.cwd, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL, and gone."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended by itself: {self.tail()}"
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def end(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS_MAX)

    def tail(self) -> str:
        return (self.cwd / f"{self.name}.log").read_text("utf-8", "replace")[-3000:]

    def log_has(self, text: str) -> int:
        return (self.cwd / f"{self.name}.log").read_text("utf-8", "replace").count(text)


@dataclass(frozen=True)
class Batch:
    """A sealed batch, as the spool has it or as the ledger has it."""

    epoch: bytes
    seq: int
    through: int
    sha256: bytes


@dataclass
class Rig:
    """Two aggregators on one database and some agents, each of which may know both."""

    dsn: str
    folder: Path
    chance: random.Random
    aggregators: list[Program] = field(default_factory=list)
    agents: list[Program] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    database_kills: int = 0

    def set_up(self, *, agents: int, aggregators: int, players: int) -> None:
        site = Site(self.folder)
        (self.folder / "dsn").write_text(self.dsn)
        (self.folder / "dsn").chmod(0o600)
        site.configure()
        site.must("ca", "create")
        site.must("ca", "issue", "server", "--host", "localhost", "--host", "127.0.0.1", "--out", "tls")
        site.must("migrate")
        base = (self.folder / "aggregator.toml").read_text()
        for number in range(aggregators):
            self.ports.append(free_port())
            config = self.folder / f"aggregator{number}.toml"
            config.write_text(
                base.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{self.ports[-1]}"', 1)
            )
            argv = [sys.executable, "-m", "aggregator", "--config", str(config), "serve"]
            self.aggregators.append(Program(f"aggregator{number}", argv, self.folder, site.environment))
        for number in range(players):
            site.must(
                "ca",
                "issue",
                "agent",
                f"player{number}",
                "--site",
                "here",
                "--out",
                f"players/player{number}",
            )
        (self.folder / "counter.py").write_text(COUNTER)
        for number in range(agents):
            name = f"agent{number}"
            site.must("ca", "issue", "agent", name, "--site", "here", "--out", name)
            own = self.folder / name
            (own / "agent.toml").write_text(
                AGENT.format(
                    port=self.ports[number % aggregators],
                    python=sys.executable,
                    program=self.folder / "counter.py",
                    counter=own / "counter",
                    name=name,
                )
            )
            argv = [sys.executable, "-m", "agent", "run", "--config", str(own / "agent.toml")]
            self.agents.append(Program(name, argv, own, site.environment))

    def start(self) -> None:
        for program in (*self.aggregators, *self.agents):
            program.start()

    def crash_database(self) -> None:
        """SIGKILL to a backend: the server ends every session at once and recovers from its log, as after a crash."""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.dsn, autocommit=True) as conn:
            row = conn.execute(
                "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
                " and application_name = 'ullage' order by backend_start desc limit 1"
            ).fetchone()
            if row is not None:
                os.kill(row[0], signal.SIGKILL)
                self.database_kills += 1

    def spool(self, agent: Program) -> dict[tuple[bytes, int], Batch]:
        """Every batch that the agent's segments hold, also those acknowledged long ago."""
        found = {}
        for path in sorted((agent.cwd / "spool").rglob("*.seg")):
            data = path.read_bytes()
            header = decode_header(data[:HEADER_BYTES])
            for one in scan(data).found:
                record = one.record
                found[header.epoch, record.seq] = Batch(
                    header.epoch, record.seq, record.last, record.content.sha256
                )
        return found

    def ledger(self, agent: Program) -> dict[tuple[bytes, int], Batch]:
        with psycopg.connect(self.dsn) as conn:
            rows = conn.execute(
                "select b.epoch, b.seq, b.through, b.sha256 from batch b join agent a on a.id = b.agent_id"
                " where a.name = %s",
                [agent.name],
            ).fetchall()
        return {(bytes(e), seq): Batch(bytes(e), seq, through, bytes(h)) for e, seq, through, h in rows}

    def players(self) -> dict[str, int]:
        """What is stored of all simulated agents."""
        with psycopg.connect(self.dsn) as conn:
            row = conn.execute(
                "select (select count(*) from batch b join agent a on a.id = b.agent_id where a.name like 'player%'),"
                " coalesce(sum(cardinality(t.series)), 0)::bigint,"
                " coalesce(sum((select sum(v) from unnest(t.value) as v)), 0)::bigint"
                " from tick t join agent a on a.id = t.agent_id where a.name like 'player%'"
            ).fetchone()
        assert row is not None
        return {"batches": row[0], "readings": row[1], "value_sum": row[2]}

    def readings(self, agent: Program, unit_type: str) -> list[tuple[float, float, int]]:
        """(since, ticked_at, value) of the agent's counter, oldest first."""
        with psycopg.connect(self.dsn) as conn:
            return [
                (since.timestamp(), at.timestamp(), value)
                for since, at, value in conn.execute(
                    "select t.since, t.ticked_at, t.value[array_position(t.series, s.id)] from tick t"
                    " join agent g on g.id = t.agent_id join asset a on a.agent_id = g.id or a.external_id = g.name"
                    " join series s on s.asset_id = a.id join unit_type u on u.id = s.unit_type_id"
                    " where g.name = %s and a.external_id = %s and u.name = %s and s.id = any(t.series)"
                    " order by t.ticked_at",
                    [agent.name, agent.name, unit_type],
                ).fetchall()
            ]


@contextmanager
def rig(
    dsn: str, folder: Path, *, seed: int, agents: int, aggregators: int, players: int = 0
) -> Iterator[Rig]:
    """Everything that was started is gone at the end, however the test ends."""
    made = Rig(dsn, folder, random.Random(seed))
    try:
        made.set_up(agents=agents, aggregators=aggregators, players=players)
        yield made
    finally:
        for program in (*made.agents, *made.aggregators):
            if program.process is not None and program.process.poll() is None:
                program.process.kill()
                program.process.wait()

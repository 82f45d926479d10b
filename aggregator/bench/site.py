"""A whole installation to be measured: scratch database, authority, an aggregator process, and agents' certificates.

Responsible for putting it together and for leaving nothing behind. TLS is on and the database's durability is as it is
set there: what is measured is what an operator would run.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import sql
from aggregator import authority
from aggregator.actions.run_job import JOBS
from aggregator.errors import Conflict, Unavailable
from aggregator.store.migrate import migrate

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
PROGRAM_SECONDS_MAX = 3600.0
_Q = sql.queries("bench")
_CONFIG = """
[database]
dsn_file = "dsn"
[agents]
listen = "127.0.0.1:0"
batches_per_second_max = 1000000
readings_per_second_max = 1000000000
[people]
listen = "127.0.0.1:0"
[tls]
ca = "tls/ca.crt"
certificate = "tls/server.crt"
key = "tls/server.key"
[log]
level = "info"
[jobs]
rollup_seconds = 86400
provisioning_seconds = 86400
binding_seconds = 86400
billing_seconds = 86400
projection_seconds = 86400
control_totals_seconds = 86400
"""


@dataclass(frozen=True, slots=True)
class Serving:
    """An aggregator process and where it listens, for agents and for people."""

    pid: int
    address: str
    people: str


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a configuration, certificates of agents below ``agents/``, and the DSN of its database."""

    folder: Path
    dsn: str

    def certify(self, agents: int) -> None:
        """Registers so many agents and issues their certificates, in folders named by number."""
        own = authority.load_authority(self.folder / "authority")
        uuids = [uuid4() for _ in range(agents)]
        names = [f"bench-{number:06}" for number in range(agents)]
        with psycopg.connect(self.dsn) as conn:
            conn.execute(_Q["register_agents"], {"uuids": uuids, "names": names})
        now = datetime.now(UTC)
        for uuid, name in zip(uuids, names, strict=True):
            issued = authority.issue_agent(own, uuid, now=now)
            place = self.folder / "agents" / name
            place.mkdir(mode=0o700, parents=True)
            for file, content in (("agent.crt", issued.certificate), ("ca.crt", own.pem)):
                (place / file).write_bytes(content)
            (place / "agent.key").touch(mode=0o600)
            (place / "agent.key").write_bytes(issued.key)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Serving]:
        """`ullage-aggregator serve` for the block, from when it has nothing to do but to take readings in.

        Raises ``Unavailable`` when it does not become ready.
        """
        log = self.folder / f"serve-{secrets.token_hex(2)}.log"
        with log.open("wb") as handle:
            process = subprocess.Popen(
                self._aggregator("serve"), stderr=handle, stdout=handle, cwd=self.folder, env=_environment()
            )
        try:
            ready = _ready(process, log)
            self._wait_for_jobs()
            yield Serving(process.pid, ready["agents"], ready["people"])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait_for_jobs(self) -> None:
        until = time.monotonic() + READY_SECONDS_MAX
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            while conn.execute(_Q["jobs_at_rest"], {"jobs": len(JOBS)}).fetchone() != (True,):
                if time.monotonic() > until:
                    raise Unavailable(f"the aggregator's jobs did not end within {READY_SECONDS_MAX:g} s")
                time.sleep(0.1)

    def bootstrap_key(self) -> Path:
        """A file with the first API key, an admin's."""
        file = self.folder / "key"
        words = self._aggregator("keys", "bootstrap", "--name", "bench", "--out", str(file))
        subprocess.run(words, cwd=self.folder, env=_environment(), capture_output=True, check=True)
        return file

    def roll_up(self) -> dict[str, Any]:
        """`ullage-aggregator jobs run rollup`: its report."""
        return _report(self._aggregator("jobs", "run", "rollup"), self.folder)

    def bill(self) -> dict[str, Any]:
        """`ullage-aggregator jobs run billing`: its report."""
        return _report(self._aggregator("jobs", "run", "billing"), self.folder)

    def simulate(self, address: str, words: Sequence[str]) -> dict[str, Any]:
        """`ullage-agent simulate` with this site's agents: its report. Raises ``Conflict`` when it fails."""
        where = ["--address", address, "--credentials", str(self.folder / "agents")]
        return _report([sys.executable, "-m", "agent", "simulate", *where, *words], self.folder)

    def ledger(self) -> dict[str, int]:
        """What is stored: batches, ticks, readings and the sum of all values."""
        with psycopg.connect(self.dsn) as conn:
            cursor = conn.execute(_Q["ledger"])
            row = cursor.fetchone()
            names = [column.name for column in cursor.description or ()]
        return {name: int(value) for name, value in zip(names, row or (), strict=True)}

    def check(self, oracle: dict[str, int]) -> None:
        """Raises ``Conflict`` unless what was sealed is stored, all of it and once: no figure counts otherwise."""
        stored = self.ledger()
        wrong = [
            f"{name}: sealed {oracle[name]}, stored {stored[name]}"
            for name in ("batches", "readings", "value_sum")
            if oracle[name] != stored[name]
        ]
        if wrong:
            raise Conflict(
                f"the ledger is not what was sealed ({'; '.join(wrong)}): this is a bug, report it"
            )

    def _aggregator(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "aggregator", "--config", str(self.folder / "aggregator.toml"), *words]


@contextlib.contextmanager
def site(server_dsn: str | None) -> Iterator[Site]:
    """A site with a migrated scratch database on that server, or on an embedded one of its own; all removed at the end.

    The role of the DSN must be allowed to create databases.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ullage-bench-")))
        if server_dsn is None:
            from aggregator.embedded import EmbeddedServer

            server_dsn = stack.enter_context(EmbeddedServer(folder / "postgresql", temporary=True)).dsn
        dsn = stack.enter_context(_scratch(server_dsn))
        asyncio.run(migrate(dsn))
        (folder / "dsn").touch(mode=0o600)
        (folder / "dsn").write_text(dsn)
        (folder / "aggregator.toml").write_text(_CONFIG)
        now = datetime.now(UTC)
        own = authority.create_authority(folder / "authority", now=now)
        issued = authority.issue_server(own, ["127.0.0.1", "localhost"], now=now)
        files = {"server.crt": issued.certificate, "server.key": issued.key, "ca.crt": own.pem}
        authority.write_new(folder / "tls", files)
        yield Site(folder, dsn)


@contextlib.contextmanager
def _scratch(server_dsn: str) -> Iterator[str]:
    name = f"ullage_bench_{secrets.token_hex(4)}"
    quoted = {"name": psycopg.sql.Identifier(name)}
    try:
        with psycopg.connect(server_dsn, autocommit=True) as admin:
            admin.execute(psycopg.sql.SQL(_Q["create_database"]).format(**quoted))
    except psycopg.errors.InsufficientPrivilege:
        role = conninfo_to_dict(server_dsn).get("user", "of the DSN")
        raise Conflict(
            f"role {role} may not create a scratch database: name one that may, or leave --dsn-file out"
        ) from None
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"the database server cannot be reached ({type(error).__name__}): check --dsn-file and that it runs"
        ) from None
    try:
        yield make_conninfo(server_dsn, dbname=name)
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as admin:
            admin.execute(psycopg.sql.SQL(_Q["drop_database"]).format(**quoted))


def _environment() -> dict[str, str]:
    """Ours without what would change the programs' configuration."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("ULLAGE_")}


def _ready(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """What it says when it listens."""
    until = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_text("utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "ready":
                    return {name: str(event[name]) for name in ("agents", "people")}
        time.sleep(0.05)
    said = log.read_text("utf-8", errors="replace")[-1000:]
    raise Unavailable(f"the aggregator did not become ready within {READY_SECONDS_MAX:g} s:\n{said}")


def _report(words: list[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        words,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_SECONDS_MAX,
    )
    if done.returncode:
        raise Conflict(f"`{' '.join(words[2:4])}` failed ({done.returncode}): {done.stderr[-1000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report

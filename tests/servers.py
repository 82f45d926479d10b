"""The database servers of a test session, and cheap fresh databases on them.

A server starts when the first test asks for it, so tests that need none pay nothing. Each test gets a clone of a
database that was migrated once (about 20 ms). Not responsible for what is in the tables.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from aggregator.embedded import running as embedded_running
from aggregator.store.migrate import migrate
from deploy.timescaledb import running as timescaledb_running

Kind = Literal["timescaledb", "plain"]
CLONE_TRIES_MAX = 20
CLONE_RETRY_SECONDS = 0.25
PLAIN_SETTINGS = {"full_page_writes": "off", "max_connections": "120"}


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database of one test's own."""

    dsn: str
    kind: Kind


def plain_only() -> bool:
    """Whether the session was allowed to do without TimescaleDB."""
    return os.environ.get("ULLAGE_TEST_PLAIN") == "1" and not os.environ.get("ULLAGE_TEST_DSN")


def kinds(*, storage: bool) -> list[Kind]:
    """On which servers a test runs."""
    if plain_only():
        return ["plain"]
    return ["timescaledb", "plain"] if storage else ["timescaledb"]


class Server:
    """One running server with its migrated template."""

    def __init__(self, kind: Kind, dsn: str) -> None:
        self.kind: Kind = kind
        self._dsn = dsn
        self._prefix = f"ullage_test_{secrets.token_hex(4)}"
        self._count = 0
        self._admin = psycopg.connect(dsn, autocommit=True)
        self._template: str | None = None

    def close(self) -> None:
        """Remove what was made here: an existing server must be left as it was found."""
        if self._template is not None:
            self._drop(self._template)
        self._admin.close()

    def offers_timescaledb(self) -> bool:
        """Whether the extension can be created."""
        asked = self._admin.execute("select from pg_available_extensions where name = 'timescaledb'")
        return asked.fetchone() is not None

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[Database]:
        """A new database, dropped at the end."""
        if migrated and self._template is None:
            self._template = self._migrated_template()
        self._count += 1
        name = f"{self._prefix}_{self._count}"
        self._create(name, self._template if migrated else None)
        try:
            yield Database(dsn=make_conninfo(self._dsn, dbname=name), kind=self.kind)
        finally:
            self._drop(name)

    def _migrated_template(self) -> str:
        name = f"{self._prefix}_template"
        self._create(name, None)
        # In a thread: a test's event loop may be set up in this one.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(lambda: asyncio.run(migrate(make_conninfo(self._dsn, dbname=name)))).result()
        return name

    def _create(self, name: str, template: str | None) -> None:
        template = template or "template1"
        statement = sql.SQL("create database {} template {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        for attempt in range(1, CLONE_TRIES_MAX + 1):
            try:
                self._admin.execute(statement)
            except psycopg.errors.ObjectInUse:
                # TimescaleDB's background workers of an existing server visit new databases for a moment.
                if attempt == CLONE_TRIES_MAX:
                    raise
                self._admin.execute("select pg_sleep(%s)", [CLONE_RETRY_SECONDS])
            else:
                return

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


class Servers:
    """The session's servers, started when first asked for."""

    def __init__(self) -> None:
        self._started: dict[Kind, Server] = {}
        self._stack = ExitStack()

    def get(self, kind: Kind) -> Server:
        """The server of that kind. Raises `deploy.timescaledb.Unobtainable` where it cannot be had."""
        if kind not in self._started:
            self._started[kind] = self._start(kind)
        return self._started[kind]

    def close(self) -> None:
        """End every server that was started here."""
        self._stack.close()

    def _start(self, kind: Kind) -> Server:
        if kind == "timescaledb":
            dsn = self._stack.enter_context(timescaledb_running(for_tests=True))
        else:
            folder = Path(tempfile.mkdtemp(prefix="ullage-test-"))
            plain = embedded_running(folder, fsync=False, settings=PLAIN_SETTINGS, temporary=True)
            dsn = self._stack.enter_context(plain)
        server = Server(kind, dsn)
        self._stack.callback(server.close)
        if kind == "timescaledb" and not server.offers_timescaledb():
            raise RuntimeError("ULLAGE_TEST_DSN names a server without TimescaleDB")
        return server

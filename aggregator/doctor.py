"""Examines everything that serving needs, one check after another, and says what to do about each problem.

Changes nothing and prints no secrets, so that its output can be shown to others.
"""

import asyncio
import resource
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aggregator import authority, rotation
from aggregator.cli.opened import database_address
from aggregator.config import Config, ConfigError, split_address
from aggregator.embedded import EmbeddedError
from aggregator.errors import Conflict, UllageError
from aggregator.listening import why_not
from aggregator.store.database import Database
from aggregator.store.migrate import check_schema
from aggregator.store.server_facts import ServerFacts, server_clock, server_facts

CLOCK_DIFFERENCE_MAX = timedelta(seconds=2)
CERTIFICATE_LEFT_MIN = timedelta(days=14)
# A connection for each agent, and some for people and the database.
FILES_MIN = 4_096
POSTGRESQL_MIN = 150_000
CONNECT_SECONDS_MAX = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``remedy`` says what to do where it is not well."""

    name: str
    ok: bool
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str | bool]:
        return asdict(self)


def examine(load: Callable[[], Config]) -> list[Check]:
    """All checks that can be made; with an unusable configuration only what is wrong with that."""
    try:
        config = load()
    except ConfigError as error:
        return [Check("configuration", False, each, "mend this first") for each in error.problems]
    return [
        Check("configuration", True, "every key is known and has a usable value"),
        *_database(config),
        *_tls(config),
        *_authority(config),
        _port(config, "agents.listen", config.agents.listen),
        _port(config, "people.listen", config.people.listen),
        _files(),
    ]


def _database(config: Config) -> Iterator[Check]:
    secret = config.database.dsn_file
    if secret is not None and authority.open_to_others(secret):
        yield Check("database.dsn_file", False, f"{secret} can be read by others", f"chmod 600 {secret}")
    embedded = config.database.embedded_directory
    if embedded is not None and not (embedded / "pgdata").exists():
        yield Check("database", False, f"there is none in {embedded} yet", "run `ullage-aggregator migrate`")
        return
    try:
        with database_address(config) as dsn:
            yield from asyncio.run(_database_checks(dsn))
    except ConfigError as error:
        for problem in error.problems:
            yield Check("database", False, problem)
    except (UllageError, EmbeddedError) as error:
        yield Check("database", False, str(error))


async def _database_checks(dsn: str) -> list[Check]:
    db = await Database.open(dsn, connections_max=1)
    try:
        async with db.transaction() as conn:
            facts = await server_facts(conn)
            before = datetime.now(UTC)
            theirs = await server_clock(conn)
            after = datetime.now(UTC)
            try:
                await check_schema(conn)
                schema = Check("schema", True, "current")
            except Conflict as error:
                schema = Check("schema", False, str(error))
    finally:
        await db.close()
    return [*_facts(facts), schema, _clock(theirs - (before + (after - before) / 2))]


def _facts(facts: ServerFacts) -> Iterator[Check]:
    new_enough = facts.version_number >= POSTGRESQL_MIN
    yield Check(
        "database",
        new_enough,
        f"PostgreSQL {facts.version} answers",
        "" if new_enough else f"use PostgreSQL {POSTGRESQL_MIN // 10_000} or newer",
    )
    if facts.timescaledb:
        yield Check("timescaledb", True, f"TimescaleDB {facts.timescaledb}")
    elif facts.timescaledb_offered:
        yield Check(
            "timescaledb",
            True,
            "offered by the server and not in this database: it is used in databases that are migrated from now on",
        )
    else:
        yield Check("timescaledb", True, "not there; plain tables serve a first try and small installations")
    yield Check(
        "encoding",
        facts.encoding == "UTF8",
        facts.encoding,
        "" if facts.encoding == "UTF8" else "create the database with the encoding UTF8",
    )
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        value: str = getattr(facts, name)
        yield Check(
            name,
            value == "on",
            value,
            "" if value == "on" else f"set {name} = on, or a crash loses acknowledged readings",
        )


def _clock(difference: timedelta) -> Check:
    well = abs(difference) <= CLOCK_DIFFERENCE_MAX
    return Check(
        "clock",
        well,
        f"the database is {difference.total_seconds():+.3f} s from this machine",
        "" if well else "synchronise both clocks (chrony or systemd-timesyncd)",
    )


def _tls(config: Config) -> Iterator[Check]:
    tls, now = config.tls, datetime.now(UTC)
    problems = authority.server_problems(ca=tls.ca, certificate=tls.certificate, key=tls.key, now=now)
    for problem in problems:
        key, _, text = problem.partition(": ")
        yield Check(key, False, text, "`ullage-aggregator ca issue server` makes all three files")
    if authority.open_to_others(tls.key):
        yield Check("tls.key", False, f"{tls.key} can be read by others", f"chmod 600 {tls.key}")
    if problems:
        return
    certificate, authorities = authority.load_certificate(tls.certificate), rotation.read_bundle(tls.ca)
    # Of several, during a rotation, the one that counts.
    known = rotation.known_by(certificate, authorities)
    yield _validity("tls.certificate", certificate.not_valid_after_utc, now)
    yield _validity("tls.ca", (known or authorities[0]).not_valid_after_utc, now)
    own = known is not None
    yield Check(
        "tls.certificate",
        own,
        f"{'issued' if own else 'not issued'} by tls.ca",
        "" if own else "agents and people must trust its issuer; `ca issue server` makes one of tls.ca",
    )


def _validity(name: str, end: datetime, now: datetime) -> Check:
    left = end - now
    well = left >= CERTIFICATE_LEFT_MIN
    text = f"valid until {end:%Y-%m-%d %H:%M} UTC" if left > timedelta() else f"expired on {end:%Y-%m-%d}"
    return Check(
        name, well, text, "" if well else "issue a new one (an authority: `ullage-aggregator ca rotate`)"
    )


def _authority(config: Config) -> Iterator[Check]:
    if config.authority is None:
        yield Check("authority", True, "none here; this aggregator issues no certificates")
        return
    directory = config.authority.directory
    try:
        own = authority.load_authority(directory)
    except Conflict as error:
        yield Check("authority", False, str(error))
        return
    yield _validity("authority", own.certificate.not_valid_after_utc, datetime.now(UTC))
    folder_open = bool(directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    yield Check(
        "authority.directory",
        not folder_open,
        f"{directory} {'can be changed by others' if folder_open else 'belongs to its owner alone'}",
        f"chmod 700 {directory}" if folder_open else "",
    )


def _port(config: Config, key: str, listen: str) -> Check:
    """Free, or served by an aggregator with our certificate; anything else is in the way."""
    host, port = split_address(listen)
    if port == 0:
        return Check(key, True, f"{listen}: any free port")
    reason = why_not(host, port)
    if reason is None:
        return Check(key, True, f"{listen} is free")
    if _served(host, port, config.tls.ca):
        return Check(key, True, f"{listen} is served by an aggregator")
    return Check(key, False, f"{listen} cannot be listened on", reason)


def _served(host: str, port: int, ca: Path) -> bool:
    """Whether something there shows a server certificate of our authority."""
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    try:
        context = ssl.create_default_context(cafile=str(ca))
        # Which name it is reached by is the clients' business; here only who answers.
        context.check_hostname = False
        with (
            socket.create_connection((reach, port), timeout=CONNECT_SECONDS_MAX) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except OSError:
        return False


def _files() -> Check:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    well = hard == resource.RLIM_INFINITY or hard >= FILES_MIN
    shown = "no limit" if hard == resource.RLIM_INFINITY else f"at most {hard}"
    remedy = "" if well else f"raise the hard limit to {FILES_MIN} or more (LimitNOFILE= of the unit)"
    return Check("open files", well, shown, remedy)

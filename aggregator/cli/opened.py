"""What commands open before they work: the configuration and the database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.config import Config, ConfigError, database_dsn, load

if TYPE_CHECKING:
    from aggregator.store.database import Database


def configuration(context: click.Context, *, serving: bool = False) -> Config:
    """The configuration that --config names. Raises ``ConfigError``.

    Sets up logging: as it says when ``serving``; other commands speak for themselves and log only what is wrong.
    """
    from ullage import log

    options = context.find_root().params
    log.configure("debug" if options["debug"] else "warning")
    config = load(Path(options["config"]))
    if serving and not options["debug"]:
        log.configure(config.log.level)
    return config


@contextmanager
def database_address(config: Config) -> Iterator[str]:
    """The DSN for the block; the embedded database runs while the block does, or longer if it ran before.

    Raises ``EmbeddedError`` when it cannot be started.
    """
    from aggregator.embedded import running

    dsn = database_dsn(config)
    if dsn is not None:
        yield dsn
        return
    directory = config.database.embedded_directory
    if directory is None:
        raise ConfigError("of the database", ["database: no database is named"])
    with running(directory) as dsn:
        yield dsn


@asynccontextmanager
async def opened_database(dsn: str) -> AsyncIterator["Database"]:
    """A small pool on a database whose schema is current. Raises ``Unavailable`` or ``Conflict``."""
    from aggregator.store.database import Database
    from aggregator.store.migrate import check_schema

    # A pool goes on trying for a while; someone who waits for an answer wants it at once.
    async with Database(dsn).dedicated():
        pass
    db = await Database.open(dsn, connections_max=4)
    try:
        async with db.transaction() as conn:
            await check_schema(conn)
        yield db
    finally:
        await db.close()


def authority_directory(config: Config) -> Path:
    """Where the authority lies. Raises ``ConfigError`` on an aggregator that has none."""
    if config.authority is None:
        raise ConfigError(
            "of the authority", ["authority.directory: missing; name the folder that holds ca.crt and ca.key"]
        )
    return config.authority.directory

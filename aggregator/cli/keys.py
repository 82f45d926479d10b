"""`keys …`: the first API key."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from aggregator.cli.opened import configuration, database_address, opened_database
from aggregator.errors import Conflict


@click.group()
def keys() -> None:
    """API keys, by which people and programs are known."""


@keys.command("bootstrap")
@click.option("--name", required=True, help="Whose key it is, such as the name of an admin.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the key to a new file (mode 0600) instead of the terminal.",
)
@click.pass_context
def bootstrap(context: click.Context, name: str, out: Path | None) -> None:
    """Make the first admin key, while there is none.

    The key is shown once and stored nowhere; lose it, and only another admin key can replace it.

    \b
    Example:
      ullage-aggregator --config aggregator.toml keys bootstrap --name alice --out ~/.config/ullage/key
    """
    if out is None and not sys.stdout.isatty():
        raise click.UsageError("stdout is not a terminal; say with --out FILE where the key may be written")
    config = configuration(context)
    with database_address(config) as dsn:
        if out is None:
            click.echo(asyncio.run(_bootstrap(dsn, name)))
            click.echo("Keep this key: it is not shown again.", err=True)
            return
        with _new_secret_file(out) as descriptor:
            os.write(descriptor, f"{asyncio.run(_bootstrap(dsn, name))}\n".encode())
            os.fsync(descriptor)
    click.echo(f"the key is in {out}", err=True)


async def _bootstrap(dsn: str, name: str) -> str:
    from aggregator.actions.bootstrap_key import bootstrap_key

    async with opened_database(dsn) as db:
        return await bootstrap_key(db, name=name)


@contextmanager
def _new_secret_file(path: Path) -> Iterator[int]:
    """A new file that only its owner can read, opened before there is a secret to lose; removed when the block fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} exists and is not overwritten; name another file") from None
    except OSError as error:
        raise Conflict(f"{path} cannot be written: {error.strerror}") from None
    try:
        yield descriptor
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)

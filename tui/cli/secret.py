"""Secrets that the aggregator tells once: to stdout alone, or into a file that only its owner can read."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from tui.cli.session import EXIT_FAILED, Failure

out_option = click.option(
    "--out",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it into this new file, which only you can read, instead of on stdout.",
)


@contextmanager
def safe(out: Path | None) -> Iterator[Callable[[str], None]]:
    """A place to put a secret, ready before it is asked for: one that cannot be kept is never made.

    The file must not exist yet; it is removed again when nothing was put into it.
    """
    if out is None:
        yield click.echo
        return
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failure(f"{out} cannot be made: {error.strerror}. Nothing was created.", EXIT_FAILED) from None
    put = False

    def write(secret: str) -> None:
        nonlocal put
        file.write(f"{secret}\n")
        put = True

    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            yield write
    finally:
        if not put:
            with suppress(OSError):
                out.unlink()

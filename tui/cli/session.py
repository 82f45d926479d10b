"""What every command does: find the settings, dial, run, and turn what goes wrong into words and an exit code.

0 ok · 1 refused or failed · 2 usage or configuration · 3 aggregator not reachable · 130 interrupted.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from tui.format import clean
from tui.settings import Given, SettingsError, load

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_AWAY = 3
EXIT_INTERRUPTED = 130
# A line on stderr.
WORDS_CHARACTERS_MAX = 1000

Result = TypeVar("Result")

_EXIT = {
    Kind.SETTINGS: EXIT_USAGE,
    Kind.REFUSED: EXIT_FAILED,
    Kind.DENIED: EXIT_FAILED,
    Kind.AWAY: EXIT_AWAY,
    Kind.FAILED: EXIT_FAILED,
}


class Failure(Exception):
    """Ends the command with this text on stderr, a line a sentence, and this exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def say(words: str) -> None:
    """Words for the person, apart from the data; nothing in them is interpreted by the terminal."""
    for line in words.splitlines():
        click.echo(clean(line, WORDS_CHARACTERS_MAX), err=True)


def run(work: Callable[[Aggregator], Awaitable[Result]]) -> Result:
    """The result of ``work`` with an aggregator dialled by the current command's settings."""
    given = click.get_current_context().find_object(Given) or Given()
    try:
        settings = load(given)
    except SettingsError as error:
        raise Failure(str(error), EXIT_USAGE) from None

    async def dialled() -> Result:
        async with Aggregator(settings) as aggregator:
            return await work(aggregator)

    try:
        return asyncio.run(dialled())
    except CallFailed as error:
        failure = Failure(f"{error}{_remedy(error)}", _EXIT[error.kind])
    # The error and the call it came from hold on to one another, and gRPC waits two seconds for calls at exit.
    gc.collect()
    raise failure


def _remedy(error: CallFailed) -> str:
    """How this program says what the aggregator asks for in the contract's words."""
    takes = {parameter.name for parameter in click.get_current_context().command.params}
    if error.kind is Kind.REFUSED and "confirmed" in takes and "confirmed" in str(error):
        return "\nThe dry run is --dry-run; the number is given as --confirm N."
    return ""


def has_terminal() -> bool:
    """Whether somebody is there to answer a question, which is asked on stderr; a stream that was closed is None."""
    return all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))

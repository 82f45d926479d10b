"""Runs of jobs as commands start them: what they have done so far and how long they may take is said while they run.

The run belongs to the aggregator: a command that ends, is interrupted or loses its connection leaves it going.
"""

import asyncio
import shutil
import sys
from collections.abc import Awaitable
from datetime import timedelta

import click

from tui.cli.session import say
from tui.client import Aggregator
from tui.failures import CallFailed, Kind
from tui.format import clean, cut, duration
from ullage.v1 import admin_pb2, billing_pb2

# How often the aggregator is asked how far it is.
POLL_SECONDS = 1.0
# Without a terminal each line stays, so there are fewer.
LINE_SECONDS = 10.0
RUNNING = "running"
_LINE_CHARACTERS_MAX = 160


async def followed(aggregator: Aggregator, job: str, call: Awaitable[billing_pb2.Run]) -> billing_pb2.Run:
    """What the run did, once it has ended; until then its progress on stderr."""
    running = asyncio.ensure_future(call)
    teller = Teller()
    try:
        while True:
            done, _ = await asyncio.wait({running}, timeout=POLL_SECONDS)
            if done:
                return await running
            now = await _under_way(aggregator, job)
            if now is not None:
                teller.tell(progress_words(now))
    except asyncio.CancelledError:
        teller.end()
        say(f"The run goes on in the aggregator; `ullage jobs list` says how far {job} is.")
        raise
    except CallFailed as error:
        if error.kind is not Kind.AWAY:
            raise
        teller.end()
        raise CallFailed(
            Kind.AWAY, f"{error} If the run had begun it goes on; `ullage jobs list` says how far it is."
        ) from None
    finally:
        teller.end()
        running.cancel()


async def _under_way(aggregator: Aggregator, job: str) -> billing_pb2.Run | None:
    """The job's run; None when there is none, or nobody says."""
    try:
        reply = await aggregator.ask(aggregator.admin.ListJobs, admin_pb2.ListJobsRequest())
    except CallFailed:
        return None
    return next(
        (one.last_run for one in reply.jobs if one.name == job and one.last_run.state == RUNNING), None
    )


def progress_words(run: billing_pb2.Run) -> str:
    """``billing: 12 of 48, pairs 12, readings 96; about 2 min left``."""
    steps = f"{run.done:,} of {run.total:,}" if run.total else "at work"
    counts = "".join(f", {name.replace('_', ' ')} {count:,}" for name, count in sorted(run.counts.items()))
    left = ""
    if run.HasField("seconds_left"):
        left = f"; about {duration(timedelta(seconds=run.seconds_left))} left"
    return f"{run.job}: {steps}{counts}{left}"


class Teller:
    """One line that is drawn over on a terminal; elsewhere a line now and then, of a ``patient`` one the first too."""

    def __init__(self, *, patient: bool = False) -> None:
        self._drawn = 0
        self._said_at = asyncio.get_running_loop().time() if patient else None
        self._terminal = sys.stderr.isatty()

    def tell(self, words: str) -> None:
        """Replaces what was told before."""
        words = clean(words, _LINE_CHARACTERS_MAX)
        if self._terminal:
            # A line that wraps could not be drawn over.
            words = cut(words, shutil.get_terminal_size().columns - 1)
            click.echo(f"\r{words.ljust(self._drawn)}", err=True, nl=False)
            self._drawn = len(words)
            return
        now = asyncio.get_running_loop().time()
        if self._said_at is None or now - self._said_at >= LINE_SECONDS:
            self._said_at = now
            say(words)

    def end(self) -> None:
        """Leaves the terminal on an empty line."""
        if self._drawn:
            click.echo(f"\r{' ' * self._drawn}\r", err=True, nl=False)
            self._drawn = 0

"""Questions on a terminal, which Ctrl+C always ends.

Python notices an interrupt between two of its own steps and in a read that waits, but not in the moment between writing a
prompt and beginning to read: the read then waits on, and the person sits before a prompt that seems dead. So what is waited
for here is the answer or a signal, whichever comes first; only what is there is read.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from tui.cli.session import WORDS_CHARACTERS_MAX
from tui.format import clean

_YES = {"y", "yes"}
_NO = {"", "n", "no"}


def agree(question: str) -> None:
    """Goes on only after a yes. Raises ``click.Abort`` on a no, on Ctrl+C and at the end of what can be read."""
    while True:
        said = answer(f"{clean(question, WORDS_CHARACTERS_MAX)} [y/N]: ").strip().casefold()
        if said in _YES:
            return
        if said in _NO:
            raise click.Abort
        click.echo("Please answer y or n.", err=True)


def answer(prompt: str) -> str:
    """The line that was typed after ``prompt`` on stderr, without its end. Raises ``click.Abort`` as above."""
    try:
        with _signals() as arrived:
            click.echo(prompt, nl=False, err=True)
            while sys.stdin not in select.select([sys.stdin, arrived], [], [])[0]:
                # Signals that end nothing; those that do have raised by now.
                os.read(arrived, 4096)
            line = sys.stdin.readline()
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.Abort from None
    if not line:
        click.echo(err=True)
        raise click.Abort
    return line.rstrip("\n")


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read as soon as a signal has arrived that Python handles."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        os.close(reader)

"""Questions on a terminal: what counts as a yes, and that no Ctrl+C is lost."""

import os
import pty
import select
import signal
import subprocess
import sys

import pytest

ENDS_WITHIN_SECONDS = 10.0

# Writing the prompt sends this process an interrupt, in the very step between the prompt and the read.
INTERRUPTED_BY_ITS_PROMPT = """
import fcntl, os, signal, sys
reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(reader, fcntl.F_SETSIG, signal.SIGINT)
fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
os.dup2(writer, 2)

def once(*_):
    fcntl.fcntl(reader, fcntl.F_SETFL, 0)
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, once)
import click
from tui.cli.question import agree
try:
    agree("Really?")
except click.Abort:
    sys.exit(130)
"""

ASKS = """
import sys
import click
from tui.cli.question import agree
try:
    agree("Really?")
except click.Abort:
    sys.exit(130)
"""


def start(program: str) -> tuple[subprocess.Popen[bytes], int]:
    """The program with a terminal as its stdin and stderr, and the other side of that terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal
    )
    os.close(terminal)
    return process, controller


def until(controller: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        assert select.select([controller], [], [], ENDS_WITHIN_SECONDS)[0], seen
        seen += os.read(controller, 4096)
    return seen


def test_an_interrupt_between_the_prompt_and_the_read_is_not_lost() -> None:
    process, controller = start(INTERRUPTED_BY_ITS_PROMPT)
    try:
        assert process.wait(ENDS_WITHIN_SECONDS) == 130
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def test_nothing_in_a_question_acts_on_the_terminal() -> None:
    process, controller = start(ASKS.replace("Really?", "\\x1b[2JReally?"))
    assert b"\x1b" not in until(controller, b"[y/N]: ")
    os.write(controller, b"n\n")
    assert process.wait(ENDS_WITHIN_SECONDS) == 130
    os.close(controller)


@pytest.mark.parametrize(
    ("typed", "code"), [(b"y\n", 0), (b" Yes \n", 0), (b"n\n", 130), (b"\n", 130), (b"\x04", 130)]
)
def test_only_a_yes_goes_on(typed: bytes, code: int) -> None:
    process, controller = start(ASKS)
    until(controller, b"Really? [y/N]: ")
    os.write(controller, typed)
    assert process.wait(ENDS_WITHIN_SECONDS) == code
    os.close(controller)


def test_what_is_neither_yes_nor_no_is_asked_again() -> None:
    process, controller = start(ASKS)
    until(controller, b"[y/N]: ")
    os.write(controller, b"perhaps\n")
    assert b"Please answer y or n." in until(controller, b"n.\r\nReally? [y/N]: ")
    os.write(controller, b"y\n")
    assert process.wait(ENDS_WITHIN_SECONDS) == 0
    os.close(controller)


def test_a_signal_that_ends_nothing_leaves_the_question_open() -> None:
    process, controller = start(f"import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n{ASKS}")
    until(controller, b"[y/N]: ")
    for _ in range(3):
        process.send_signal(signal.SIGUSR1)
    os.write(controller, b"y\n")
    assert process.wait(ENDS_WITHIN_SECONDS) == 0
    os.close(controller)

"""How the screens end when nobody presses q: the terminal is gone, or a signal says so.

A terminal that does not take what is written to it stops the program in the middle of a write, event loop and all; so
nothing here depends on the event loop alone.
"""

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# As a shell says it of a program that a signal has ended: 128 and the signal's number.
EXIT_TERMINAL_GONE = 129
# How long an orderly end may take after a signal.
END_SECONDS_MAX = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 2.0
# Main screen, cursor shown, no reports of mouse, focus and pasting, plain keys, default style.
_RESTORED = b"\x1b[?1000;1002;1003;1006;1004;2004l\x1b[<u\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m"


@contextmanager
def ending(end: Callable[[int], object]) -> Iterator[None]:
    """While the screens run in the current event loop; ``end`` gets the exit code and ends them in an orderly way."""
    loop = asyncio.get_running_loop()
    terminal = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
    attributes = termios.tcgetattr(terminal)

    def forced(number: int, _frame: FrameType | None) -> None:
        _restore(terminal, attributes)
        os._exit(asked[0] if asked else 128 + number)

    def signalled(number: int, _frame: FrameType | None) -> None:
        asked.append(128 + number)
        signal.signal(signal.SIGALRM, forced)
        signal.setitimer(signal.ITIMER_REAL, END_SECONDS_MAX)
        loop.call_soon_threadsafe(end, 128 + number)

    asked: list[int] = []
    # Some parents have it ignored; a program on a closed terminal would go on for ever.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = {number: signal.signal(number, signalled) for number in _SIGNALS}
    ended = threading.Event()
    threading.Thread(target=_look, args=(terminal, ended), name="terminal-watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        # Whatever happened to the screens.
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, attributes)


def _look(terminal: int, ended: threading.Event) -> None:
    """Ends the program as soon as its terminal is closed: nothing can be drawn or restored then."""
    poll = select.poll()
    poll.register(terminal, 0)
    while not ended.is_set():
        if poll.poll(_LOOK_SECONDS * 1000):
            os._exit(EXIT_TERMINAL_GONE)


def _restore(terminal: int, attributes: list[int | list[bytes | int]]) -> None:
    """As much of it as a terminal takes that is slow or stuck."""
    with suppress(termios.error, OSError):
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        if select.select([], [terminal], [], 0)[1]:
            os.write(terminal, _RESTORED)

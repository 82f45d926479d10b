"""Keys take effect in the order in which they were typed, also when many arrive at once, as over a slow link.

Textual gives every key to the widget that has the focus when the key arrives, and acts on what is bound to a key only
after it has risen to the program: of a backspace and a digit in one packet the digit comes first, and what is typed
behind Enter goes into the field before (its issue 6605). In a form of prices that is money.
"""

import asyncio
from collections import deque
from typing import TypeVar

from textual import events
from textual.app import App
from textual.message import Message

# An act may post a message (first time round), whose handler posts another (second), which moves the focus (third).
ROUNDS = 3
# The widget that was asked may be gone with its screen; then nothing answers. Looked at several times, because a
# program that was stopped for longer finds all of its timers due.
UNANSWERED_SECONDS = 0.05
LOOKS = 5

Result = TypeVar("Result")


class Risen(Message):
    """Follows a key from where it went up to the program: when it is there, so was the key."""

    def __init__(self, number: int, *, answered: bool = True) -> None:
        super().__init__()
        self.number = number
        self.answered = answered


class InOrder(App[Result]):
    """A program whose next key waits until the one before it has done what it does."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        self._rounds_left = 0
        # Of the newest that was sent after a key.
        self._number = 0

    async def on_event(self, event: events.Event) -> None:
        """Keys and pasted text queue up; everything else goes its way."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            if not self._rounds_left:
                await self._next()
        else:
            await super().on_event(event)

    async def _next(self) -> None:
        self._rounds_left = ROUNDS
        await super().on_event(self._typed.popleft())
        self._follow()

    def _follow(self) -> None:
        self._number += 1
        self._look(self._number, LOOKS)
        _ = (self.focused or self.screen).post_message(Risen(self._number))

    def _look(self, number: int, left: int) -> None:
        if number != self._number:
            return
        if left:
            asyncio.get_running_loop().call_later(UNANSWERED_SECONDS, self._look, number, left - 1)
        else:
            self.post_message(Risen(number, answered=False))

    async def on_risen(self, message: Risen) -> None:
        """Another time round, or the next key."""
        if message.number != self._number:
            return
        self._rounds_left = self._rounds_left - 1 if message.answered else 0
        if not self.screen_stack:
            # The program is ending.
            self._typed.clear()
        elif self._rounds_left:
            self._follow()
        elif self._typed:
            await self._next()

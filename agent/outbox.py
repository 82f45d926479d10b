"""What the uplink needs of a spool: batches in order, and a place to write down what the aggregator said of them.

Two keep this promise: the durable spool of an agent (spool.py) and one in memory for programs that can make their batches
again (memory.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from agent.amounts import Baselines
from agent.seal import Payload, Sealed

# An epoch and a number within it.
Number = tuple[bytes, int]


State = Literal["ok", "slow", "full"]


class Inbox(Protocol):
    """What collecting needs of a spool."""

    @property
    def baselines(self) -> Baselines:
        """The counters at the last tick that is safely in it; empty before the first."""

    @property
    def state(self) -> State:
        """``slow``: nearly full; ``full``: the last append was refused. The agent ticks more slowly in both."""

    def append(self, payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
        """Numbers and keeps them, all or none, with the counters at their last tick. False when it cannot."""

    def count_resets(self, resets: int) -> None:
        """Adds to the counters that went backwards."""


class Outbox(Protocol):
    """Belongs to one event loop and has one reader. No method waits for the network; those that write to disk say so."""

    # Set when there may be more to read; the reader clears it.
    appended: asyncio.Event

    @property
    def epoch(self) -> bytes:
        """The epoch under which the next batch will be numbered."""

    @property
    def predecessor(self) -> bytes:
        """The epoch that ``epoch`` follows; empty for the first."""

    @property
    def waiting(self) -> int:
        """Numbers that are given and not settled."""

    def epochs(self) -> tuple[bytes, ...]:
        """Those to name in a Hello, oldest first; ``epoch`` is the last."""

    def welcome(self, cursors: Mapping[bytes, int]) -> str:
        """Takes note of the last number that the aggregator has applied per epoch.

        Lower than what was acknowledged: its database was restored, and what is still kept is offered again. Returns why
        a new Hello must be said (the epochs have changed), or nothing.
        """

    def next_batch(self, after: Number | None) -> Sealed | None:
        """The first one to offer, or the first behind a number; None when there is none now. May write a tombstone."""

    def acknowledge(self, batch: Sealed) -> None:
        """It is committed at the aggregator. Writes the cursor, now or soon."""

    def refuse(self, batch: Sealed, reason: str) -> str:
        """It will never be taken: its payload is put aside, and a tombstone has its number from here on.

        Returns why that could not be done, or nothing.
        """

    def conflict(self, batch: Sealed) -> str:
        """Another content stands under its number: the payload is sealed again in an epoch that nobody else has used.

        Returns why that could not be done, or nothing.
        """

    async def drained(self) -> None:
        """Returns when nothing is waiting."""

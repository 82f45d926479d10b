"""Sealed batches that are not acknowledged yet, kept on disk: what has a number survives the process and the host.

A group of batches is numbered, written and synced before the first attempt to send it, and its bytes never change. The
counters behind them (baselines) travel in the same records, so after a restart the next difference begins where the last
sealed one ended. The files are the business of shelf.py, their layout of segment.py, what is left after a crash of
recover.py; here are the numbers: which batch is next, what is settled, what must be said instead of what is lost.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from agent.amounts import Baselines, Stamp
from agent.disk import Disk
from agent.memory import MemorySpool
from agent.outbox import Number
from agent.seal import Payload, Sealed

SPOOL_BYTES_MAX = 512 * 1024 * 1024
# From this part of the cap on the agent ticks more slowly.
SLOW_PERCENT = 80

# Still imported from here.
__all__ = ["MemorySpool", "Spool"]

State = Literal["ok", "slow", "full"]

log = logging.getLogger(__name__)


class Moment(Protocol):
    """The part of the clock that the spool needs."""

    def stamp(self) -> Stamp:
        """Now."""


class Spool:
    """An ``Outbox`` on a ``Disk``; what it promises holds on a disk that loses what was not synced."""

    def __init__(self, disk: Disk, *, agent: bytes, clock: Moment, bytes_max: int = SPOOL_BYTES_MAX) -> None:
        """Opens the folder, whatever state it is in, and makes it where there is none.

        ``agent``: the 16 bytes of the certificate's uuid. Raises ``recover.Unusable`` when the folder is not this
        agent's, ``OSError`` when it cannot be read at all.
        """
        raise NotImplementedError

    appended: asyncio.Event
    baselines: Baselines
    state: State
    held_bytes: int
    bytes_max: int
    epoch: bytes
    predecessor: bytes
    waiting: int
    last_error: str
    oldest_us: int | None

    def epochs(self) -> tuple[bytes, ...]:
        """Oldest first."""
        raise NotImplementedError

    def append(self, payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
        """Numbers and keeps them durably, all or none. False when there is no room or the disk refuses."""
        raise NotImplementedError

    def welcome(self, cursors: Mapping[bytes, int]) -> str:
        """See ``Outbox``."""
        raise NotImplementedError

    def next_batch(self, after: Number | None) -> Sealed | None:
        """See ``Outbox``."""
        raise NotImplementedError

    def acknowledge(self, batch: Sealed) -> None:
        """See ``Outbox``."""
        raise NotImplementedError

    def refuse(self, batch: Sealed, reason: str) -> str:
        """See ``Outbox``."""
        raise NotImplementedError

    def conflict(self, batch: Sealed) -> str:
        """See ``Outbox``."""
        raise NotImplementedError

    async def drained(self) -> None:
        """See ``Outbox``."""
        raise NotImplementedError


def new_epoch() -> bytes:
    """128 random bits."""
    return os.urandom(16)

"""Sealed batches that are not acknowledged yet, in the order in which they must be delivered.

This spool is in memory and does not survive a restart: what is in it then is lost, and so are the amounts between the
last tick and the first one after the restart, because the baselines go with it. What the interface promises is what the
durable spool will promise: an append is all or nothing, a sealed batch keeps its bytes, nothing is dropped silently.

It belongs to one event loop and has one reader.
"""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agent.amounts import Baselines
from agent.seal import Payload, Sealed

SPOOL_BYTES_MAX = 16 * 1024 * 1024
REJECTED_BATCHES_MAX = 100
EPOCH_BYTES = 16
# What a batch costs beside its payload, for the sum.
_BATCH_OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Rejected:
    """A batch that the aggregator will never take, kept for a human to look at."""

    batch: Sealed
    reason: str


class MemorySpool:
    """Batches have a position that only grows; ``first`` is the oldest one held, ``end`` where the next one will be."""

    def __init__(
        self, *, bytes_max: int = SPOOL_BYTES_MAX, epoch: bytes | None = None, last_seq: int = 0
    ) -> None:
        """Goes on after ``last_seq`` of ``epoch`` where one is given, else begins a new epoch."""
        self.bytes_max = bytes_max
        self.first = 0
        self.bytes = 0
        # The newest REJECTED_BATCHES_MAX; `rejected_total` counts all.
        self.rejected: deque[Rejected] = deque(maxlen=REJECTED_BATCHES_MAX)
        self.rejected_total = 0
        # Set when there may be more to read; the reader clears it.
        self.appended = asyncio.Event()
        self._freed = asyncio.Event()
        self._batches: deque[Sealed] = deque()
        # The counters at the last tick that is safely in the spool: where the next difference must begin.
        self._baselines: Baselines = {}
        self.start_epoch()
        if epoch is not None:
            self._epoch, self._last_seq = epoch, last_seq

    @property
    def end(self) -> int:
        """The position after the newest batch."""
        return self.first + len(self._batches)

    @property
    def epoch(self) -> bytes:
        """The epoch under which the next batch will be numbered."""
        return self._epoch

    @property
    def last_seq(self) -> int:
        """The last number given in that epoch, 0 for none."""
        return self._last_seq

    @property
    def baselines(self) -> Baselines:
        """As given with the last batch appended; empty before the first."""
        return self._baselines

    @property
    def oldest_us(self) -> int | None:
        """Wall time of the oldest tick that is not acknowledged; None when all are."""
        return self._batches[0].content.first_us if self._batches else None

    def epochs(self) -> tuple[bytes, ...]:
        """Epochs of the batches held, oldest first, and the one for new batches."""
        return tuple(dict.fromkeys([*(batch.epoch for batch in self._batches), self._epoch]))

    def append(self, payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
        """Numbers and keeps them, all or none. False when they do not fit: nothing was changed, nothing is dropped.

        ``baselines`` are the counters at the last tick in the payloads; they become the spool's with the batches.
        """
        size = sum(_size(payload) for payload in payloads)
        if self.bytes + size > self.bytes_max:
            return False
        for payload in payloads:
            self._number(payload)
        self.bytes += size
        if baselines is not None:
            self._baselines = baselines
        self.appended.set()
        return True

    def get(self, position: int) -> Sealed:
        """The batch at a position within ``first`` and ``end``."""
        return self._batches[position - self.first]

    def find(self, epoch: bytes, seq: int) -> int | None:
        """The position of a batch, None when it is not held."""
        for position, batch in enumerate(self._batches, self.first):
            if batch.seq == seq and batch.epoch == epoch:
                return position
        return None

    def acknowledge(self) -> None:
        """The oldest batch is committed at the aggregator."""
        self._take_oldest()

    def reject(self, reason: str) -> None:
        """The oldest batch was refused for good: put it aside.

        Its number stays free for ever, so the batches behind it, none of which is stored, get numbers of a new epoch.
        """
        self.rejected.append(Rejected(self._take_oldest(), reason))
        self.rejected_total += 1
        self.renumber()

    def reissue(self) -> None:
        """Another content is stored under the oldest batch's number: number it anew, behind all others.

        From here on batches are numbered in an epoch that nobody else has used.
        """
        batch = self._take_oldest()
        if batch.epoch == self._epoch:
            self.start_epoch()
        self._number(batch.content)
        self.bytes += _size(batch.content)
        self.appended.set()

    def renumber(self) -> None:
        """Gives every batch held a number of a new epoch. Only when the aggregator has stored none of them."""
        self.start_epoch()
        waiting, self._batches = self._batches, deque()
        for batch in waiting:
            self._number(batch.content)

    def start_epoch(self) -> None:
        """Batches appended from here on are numbered in a new epoch; those held keep their numbers."""
        self._epoch = os.urandom(EPOCH_BYTES)
        self._last_seq = 0

    async def drained(self) -> None:
        """Returns when everything that was appended is acknowledged or put aside."""
        while self._batches:
            await self._wait_freed()

    async def room(self, payload: Payload) -> None:
        """Returns when ``append`` would take it, for a producer that would rather wait than be refused."""
        while self._batches and self.bytes + _size(payload) > self.bytes_max:
            await self._wait_freed()

    async def _wait_freed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    def _number(self, payload: Payload) -> None:
        self._last_seq += 1
        self._batches.append(Sealed(self._epoch, self._last_seq, payload))

    def _take_oldest(self) -> Sealed:
        batch = self._batches.popleft()
        self.first += 1
        self.bytes -= _size(batch.content)
        self._freed.set()
        return batch


def _size(payload: Payload) -> int:
    return len(payload.payload) + _BATCH_OVERHEAD_BYTES

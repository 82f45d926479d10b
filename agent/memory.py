"""A spool in memory, for programs that can make their batches again: the demo's simulated agents, the load generator.

Nothing of it survives the process. It keeps the promises of ``Outbox`` with the means of a list.
"""

import asyncio
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.amounts import Baselines
from agent.cursor import Totals
from agent.outbox import Number, State
from agent.seal import Payload, Sealed, bury
from agent.segment import EPOCH_BYTES
from ullage.v1 import ingest_pb2

SPOOL_BYTES_MAX = 16 * 1024 * 1024
REJECTED_BATCHES_MAX = 100
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
        self.held_bytes = 0
        self.last_error = ""
        # The newest REJECTED_BATCHES_MAX; `rejected_total` counts all.
        self.rejected: deque[Rejected] = deque(maxlen=REJECTED_BATCHES_MAX)
        self.rejected_total = 0
        self.totals = Totals()
        # Set when there may be more to read; the reader clears it.
        self.appended = asyncio.Event()
        self._freed = asyncio.Event()
        self._batches: deque[Sealed] = deque()
        self._positions: dict[Number, int] = {}
        # The counters at the last tick that is in the spool: where the next difference must begin.
        self.baselines: Baselines = {}
        self.epoch = epoch or os.urandom(EPOCH_BYTES)
        self.predecessor = b""
        self.last_seq = last_seq

    @property
    def end(self) -> int:
        """The position after the newest batch."""
        return self.first + len(self._batches)

    @property
    def waiting(self) -> int:
        """Batches that are not acknowledged."""
        return len(self._batches)

    @property
    def oldest_us(self) -> int | None:
        """Wall time of the oldest tick that is not acknowledged; None when all are."""
        return self._batches[0].content.first_us if self._batches else None

    @property
    def state(self) -> State:
        """``full`` once a batch did not fit."""
        return "full" if self.last_error else "ok"

    def epochs(self) -> tuple[bytes, ...]:
        """Epochs of the batches held, oldest first, and the one for new batches."""
        return tuple(dict.fromkeys([*(batch.epoch for batch in self._batches), self.epoch]))

    def count_resets(self, resets: int) -> None:
        """Counters that went backwards."""
        self.totals = replace(self.totals, counter_resets=self.totals.counter_resets + resets)

    def append(self, payloads: Sequence[Payload], *, baselines: Baselines | None = None) -> bool:
        """Numbers and keeps them, all or none. False when they do not fit: nothing was changed, nothing is dropped.

        ``baselines`` are the counters at the last tick in the payloads; they become the spool's with the batches.
        """
        size = sum(_size(payload) for payload in payloads)
        if self.held_bytes + size > self.bytes_max:
            self.last_error = "the spool in memory is full"
            return False
        for payload in payloads:
            self._number(payload)
        self.last_error = ""
        if baselines is not None:
            self.baselines = baselines
        self.appended.set()
        return True

    def get(self, position: int) -> Sealed:
        """The batch at a position within ``first`` and ``end``."""
        return self._batches[position - self.first]

    def welcome(self, cursors: Mapping[bytes, int]) -> str:
        """See ``Outbox``. What was acknowledged is not kept here: a tombstone stands for what is asked for again."""
        for epoch, cursor in cursors.items():
            held = next((batch for batch in self._batches if batch.epoch == epoch), None)
            if held is not None and held.seq > cursor + 1:
                self._stand_for(epoch, cursor + 1, held.seq - 1)
        if cursors.get(self.epoch, 0) <= self.last_seq:
            return ""
        self.start_epoch()
        return "the aggregator is ahead of this agent's numbers"

    def next_batch(self, after: Number | None) -> Sealed | None:
        """See ``Outbox``."""
        position = self.first if after is None else self._positions.get(after, self.first - 1) + 1
        return self.get(position) if self.first <= position < self.end else None

    def acknowledge(self, batch: Sealed) -> None:
        """It is committed at the aggregator, and so is what comes before it in its epoch."""
        while self._batches and self._batches[0].epoch == batch.epoch and self._batches[0].seq <= batch.seq:
            self._take_oldest()

    def refuse(self, batch: Sealed, reason: str) -> str:
        """The oldest batch was refused for good: it is put aside, and a tombstone has its number."""
        if batch.through:
            return "the aggregator refuses a tombstone"
        self.rejected.append(Rejected(self._take_oldest(), reason))
        self.rejected_total += 1
        self._stand_for(batch.epoch, batch.seq, batch.seq, reason="refused", detail=reason)
        return ""

    def conflict(self, batch: Sealed) -> str:
        """Another content is stored under the oldest batch's number: it is numbered anew, behind all others."""
        self._take_oldest()
        if batch.epoch == self.epoch:
            self.start_epoch()
        if not batch.through:
            self._number(batch.content)
        self.appended.set()
        return ""

    def start_epoch(self) -> None:
        """Batches appended from here on are numbered in a new epoch; those held keep their numbers."""
        self.predecessor = self.epoch
        self.epoch = os.urandom(EPOCH_BYTES)
        self.last_seq = 0

    async def drained(self) -> None:
        """Returns when everything that was appended is acknowledged or put aside."""
        while self._batches:
            await self._wait_freed()

    async def room(self, payload: Payload) -> None:
        """Returns when ``append`` would take it, for a producer that would rather wait than be refused."""
        while self._batches and self.held_bytes + _size(payload) > self.bytes_max:
            await self._wait_freed()

    async def _wait_freed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    def _number(self, payload: Payload) -> None:
        self.last_seq += 1
        batch = Sealed(self.epoch, self.last_seq, payload)
        self._positions[batch.epoch, batch.last] = self.end
        self._batches.append(batch)
        self.held_bytes += _size(payload)

    def _stand_for(
        self, epoch: bytes, seq: int, through: int, *, reason: str = "dropped", detail: str = ""
    ) -> None:
        grave = ingest_pb2.Tombstone(through=through, reason=reason, detail=detail)
        batch = Sealed(epoch, seq, bury(grave, boot_id=""), through)
        self.first -= 1
        self._batches.appendleft(batch)
        self._positions[epoch, through] = self.first
        self.held_bytes += _size(batch.content)
        self.totals = replace(self.totals, tombstones=self.totals.tombstones + 1)

    def _take_oldest(self) -> Sealed:
        batch = self._batches.popleft()
        self._positions.pop((batch.epoch, batch.last), None)
        self.first += 1
        self.held_bytes -= _size(batch.content)
        self._freed.set()
        return batch


def _size(payload: Payload) -> int:
    return len(payload.payload) + _BATCH_OVERHEAD_BYTES

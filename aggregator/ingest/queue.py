"""The line in front of the database: one line for each agent, served in turn, so that nobody waits behind another's backlog.

Bounded in batches and bytes; what is in it too long is handed back. Knows no database.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from aggregator.ingest.judge import Offered
from ullage.v1 import ingest_pb2

QUEUE_BATCHES_MAX = 2_048
QUEUE_BYTES_MAX = 64 * 1024 * 1024
# Agents wait 60 s for an answer, and a group may take 30 s: whoever waited this long is better told to come again.
QUEUE_SECONDS_MAX = 20.0


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(eq=False, slots=True)
class Waiting:
    """A batch and who waits for its acknowledgement."""

    batch: Offered
    answer: asyncio.Future[ingest_pb2.Ack] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    since: float = field(default_factory=_now)

    @property
    def readings(self) -> int:
        """Readings that the database has to take for it."""
        return self.batch.readings

    def settle(self, answer: ingest_pb2.Ack) -> None:
        """Gives the answer; it is already done only when whoever waited went away and cancelled it."""
        if not self.answer.done():
            self.answer.set_result(answer)


class FairQueue:
    """Waiting batches: in order within an agent, in turn between agents."""

    def __init__(self) -> None:
        self._lines: OrderedDict[int, deque[Waiting]] = OrderedDict()
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether another one has to wait."""
        return self._count >= QUEUE_BATCHES_MAX or self._bytes >= QUEUE_BYTES_MAX

    def put(self, waiting: Waiting) -> None:
        """At the end of its agent's line."""
        self._lines.setdefault(waiting.batch.agent_id, deque()).append(waiting)
        self._count += 1
        self._bytes += len(waiting.batch.payload)

    def take(self, *, batches_max: int, readings_max: int) -> list[Waiting]:
        """The next group: one of each agent in turn, until either limit is reached."""
        group: list[Waiting] = []
        readings = 0
        while self._lines and len(group) < batches_max and readings < readings_max:
            agent_id, line = self._lines.popitem(last=False)
            waiting = self._leave(line.popleft())
            readings += waiting.readings
            group.append(waiting)
            if line:
                self._lines[agent_id] = line
        return group

    def overdue(self) -> list[Waiting]:
        """Takes out everything that has waited longer than ``QUEUE_SECONDS_MAX``, and what is behind it in its line."""
        limit = _now() - QUEUE_SECONDS_MAX
        late = [agent_id for agent_id, line in self._lines.items() if line[0].since < limit]
        return [self._leave(waiting) for agent_id in late for waiting in self._lines.pop(agent_id)]

    def drain(self) -> list[Waiting]:
        """Takes out everything."""
        everything = [waiting for line in self._lines.values() for waiting in line]
        self._lines.clear()
        self._count = self._bytes = 0
        return everything

    def _leave(self, waiting: Waiting) -> Waiting:
        self._count -= 1
        self._bytes -= len(waiting.batch.payload)
        return waiting

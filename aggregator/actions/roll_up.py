"""Rolls touched slots up: the one way in which readings become the slots that everything else is computed from.

Slots that are still open, or ended less than a minute ago, stay touched. Any number of roll-ups may run at once and
beside ingest; each agent is one transaction's at a time.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aggregator.actions.progress import Progress, silent
from aggregator.store import rollup
from aggregator.store.database import Database
from aggregator.store.late import note_late
from aggregator.store.news import announce
from aggregator.store.unbound import price_stale

# After its end a slot waits for the ticks that are on their way.
SETTLE = timedelta(seconds=60)
# One transaction takes about that many touches and agents, so that it stays short and its sort in memory.
TOUCHES_PER_TRANSACTION_MAX = 4_000
AGENTS_PER_TRANSACTION_MAX = 64
# Transactions at work at the same time.
LANES = 2
# Afterwards usage that is bound to nothing is priced, so many series a transaction.
SERIES_PRICED_MAX = 5_000


@dataclass(slots=True)
class _Counts:
    slots: int = 0
    readings: int = 0
    agents: set[int] = field(default_factory=set)
    # Agents that are done with, also those that another roll-up was at.
    passed: int = 0

    def told(self) -> dict[str, int]:
        """As people are told."""
        return {"slots": self.slots, "readings": self.readings, "agents": len(self.agents)}


async def roll_up(db: Database, *, now: datetime, progress: Progress = silent) -> dict[str, int]:
    """Rolls up what is due at ``now``; returns how many slots, readings (once per slot they fell in) and agents.

    What another roll-up is doing at this moment is left to it.
    """
    ended_by = now - SETTLE
    async with db.transaction() as conn:
        due = await rollup.due_agents(conn, ended_by=ended_by)
    counts = _Counts()
    chunks = _chunks(due)

    async def lane() -> None:
        for agents in chunks:
            while await _roll_chunk(db, agents, ended_by=ended_by, counts=counts):
                pass
            counts.passed += len(agents)
            await progress(counts.told(), done=counts.passed, total=len(due))

    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(LANES):
                lanes.create_task(lane())
    except ExceptionGroup as group:
        # The lanes fail for one and the same reason, and callers know kinds of errors, not groups.
        raise group.exceptions[0] from group
    await _price_unbound(db, now=now)
    return counts.told()


async def _price_unbound(db: Database, *, now: datetime) -> None:
    priced = SERIES_PRICED_MAX
    while priced == SERIES_PRICED_MAX:
        async with db.transaction() as conn:
            priced = await price_stale(conn, now=now, series_max=SERIES_PRICED_MAX)


async def _roll_chunk(db: Database, agents: Sequence[int], *, ended_by: datetime, counts: _Counts) -> bool:
    """One transaction; True when there may be more to do for these agents."""
    async with db.transaction() as conn:
        mine = await rollup.lock_agents(conn, agents)
        taken = await rollup.take_touches(
            conn, mine, ended_by=ended_by, touches_max=TOUCHES_PER_TRANSACTION_MAX
        )
        if not taken.slots:
            return False
        await note_late(conn, taken)
        rolled = await rollup.roll(conn, taken)
        await rollup.mark_dirty(conn, taken)
        await announce(conn, "asset", "bucket")
    counts.slots += rolled.slots
    counts.readings += rolled.readings
    counts.agents.update(taken.agents)
    return taken.touches == TOUCHES_PER_TRANSACTION_MAX


def _chunks(due: Sequence[rollup.DueAgent]) -> Iterator[list[int]]:
    """Agents together that fit into one transaction; one with more than fits is alone."""
    chunk: list[int] = []
    touches = 0
    for agent in due:
        full = touches + agent.touches > TOUCHES_PER_TRANSACTION_MAX
        if chunk and (full or len(chunk) == AGENTS_PER_TRANSACTION_MAX):
            yield chunk
            chunk, touches = [], 0
        chunk.append(agent.agent_id)
        touches += agent.touches
    if chunk:
        yield chunk

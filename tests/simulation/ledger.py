"""The database of the simulation: the tables of ingest in memory, with transactions, row locks and restores.

Answers the statements of ``sql/queries/ingest.sql`` by their names, as far as the commit of a group uses them; one that it
does not know is an error, so that a new statement is thought about here too. READ COMMITTED: every statement sees what is
committed when it begins and what its own transaction wrote; a locked cursor is read again when the lock is had.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sql
from aggregator.errors import Unavailable
from tests.simulation.chance import Chance
from tests.simulation.tables import (
    BatchRow,
    Copy,
    CursorRow,
    Key,
    Number,
    Tables,
    batch_row,
    insert_batches,
    tick_row,
)

EPOCH_OF_TIME = datetime(2026, 1, 5, tzinfo=UTC)
_NAMES = {text: name for name, text in sql.queries("ingest").items()}
# Levels with this remainder are what the database does not take: their batch spoils its group and is refused.
POISON_OF, POISON = 97, 13


class Ledger:
    """The database server. ``perfect`` ends the faults."""

    def __init__(
        self, chance: Chance, moved: Callable[[int, bytes, int], None], *, lies: bool = False
    ) -> None:
        """``moved`` is told of every cursor that is committed.

        ``lies``: now and then it says that a transaction is committed which is not.
        """
        self.lies = lies
        self.moved = moved
        self.tables = Tables()
        self.perfect = False
        self.away_until = 0.0
        self.slow_until = 0.0
        # Connections of an older generation are broken.
        self.generation = 0
        self.chance = chance
        self._locks: dict[object, asyncio.Lock] = {}

    def now(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    def restart(self, seconds: float) -> None:
        """Every connection breaks; open transactions are rolled back."""
        self.generation += 1
        self.away_until = self.now() + seconds

    def restore(self, backup: Tables) -> None:
        """The database is an earlier one."""
        self.restart(self.chance.between(1, 20))
        self.tables = backup.copy()

    def lock(self, key: object) -> asyncio.Lock:
        """Of a row."""
        return self._locks.setdefault(key, asyncio.Lock())

    async def delay(self) -> None:
        """What a statement takes."""
        if self.perfect or self.chance.happens(0.9):
            return
        mean = 12.0 if self.now() < self.slow_until else 0.05
        await asyncio.sleep(self.chance.wait(mean))


class LedgerDatabase:
    """An aggregator's pool (aggregator.store.database.Database, as much of it as ingest uses)."""

    def __init__(self, ledger: Ledger, on_commit: Callable[[str], None]) -> None:
        """``on_commit`` is called right before and right after a commit takes effect, and may kill the process."""
        self.dead = False
        self._ledger = ledger
        self._generation = ledger.generation
        self._on_commit = on_commit

    def kill(self) -> None:
        """The process is no more."""
        self.dead = True

    def _killed(self) -> bool:
        return self.dead

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        ledger = self._ledger
        await ledger.delay()
        broken = self._generation != ledger.generation
        self._generation = ledger.generation
        if self.dead or broken or ledger.now() < ledger.away_until:
            raise Unavailable("the database is away or busy; try again in a moment")
        transaction = Transaction(ledger)
        try:
            yield transaction
            await self._commit(transaction)
        finally:
            transaction.release()

    async def _commit(self, transaction: "Transaction") -> None:
        """An answer that is lost leaves open whether it took effect."""
        ledger = self._ledger
        early = ledger.chance.happens(0.5)
        if transaction.writes:
            if not early:
                await ledger.delay()
            self._on_commit("before commit")
        if self._killed() or self._generation != ledger.generation:
            raise Unavailable("the database is away or busy; try again in a moment")
        if not (ledger.lies and ledger.chance.happens(0.02)):
            transaction.apply()
        if transaction.writes:
            self._on_commit("after commit")
            if early:
                await ledger.delay()
            lost = not ledger.perfect and ledger.chance.happens(0.01)
            if self._killed() or lost:
                ledger.chance.tell("commit unknown")
                raise Unavailable("the database is away or busy; try again in a moment")


class Answer:
    """Rows (psycopg.AsyncCursor, after a statement)."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows
        self.rowcount = len(rows)

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    async def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None


class Transaction:
    """A connection in a transaction (psycopg.AsyncConnection, as much of it as a group commit uses)."""

    def __init__(self, ledger: Ledger) -> None:
        self.writes: list[Callable[[Tables], None]] = []
        self._ledger = ledger
        self._tables = ledger.tables
        self._held: dict[object, asyncio.Lock] = {}
        self._opened: dict[Key, CursorRow] = {}

    def release(self) -> None:
        """Gives the locks back."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def apply(self) -> None:
        """All of it at once."""
        for write in self.writes:
            write(self._tables)

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def cursor(self, *, row_factory: Callable[..., Any] = tuple) -> AsyncIterator["Cursor"]:
        yield Cursor(self, row_factory)

    def take_copy(self, statement: str, copy: Copy) -> None:
        """What a COPY brought."""
        getattr(self, f"_{_name(statement)}")(copy)

    async def execute(self, statement: str, params: Mapping[str, Any] | None = None) -> Answer:
        await self._ledger.delay()
        return Answer(await getattr(self, f"_{_name(statement)}")(params or {}))

    async def _take(self, key: object) -> None:
        if key not in self._held:
            lock = self._ledger.lock(key)
            await lock.acquire()
            self._held[key] = lock

    async def _lock_ingest(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _one_look(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _clock(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [(self._now(),)]

    def _now(self) -> datetime:
        return EPOCH_OF_TIME + timedelta(seconds=self._ledger.now())

    async def _world(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [(1, f"base-{self._ledger.generation}")]

    async def _clock_and_world(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [(self._now(), 1, f"base-{self._ledger.generation}")]

    async def _suppressions(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _unit_types(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _floor(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return [(datetime(1, 1, 1, tzinfo=UTC),)]

    async def _stopped_agents(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _cursors_of_agent(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        agent = params["agent_id"]
        found = {epoch: self._tables.cursors.get((agent, epoch)) for epoch in params["epochs"]}
        return [(agent, epoch, row.last_seq) for epoch, row in found.items() if row is not None]

    async def _hold_agents(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        for number in sorted(params["ids"]):
            await self._take(number)
        return []

    async def _open_cursors(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        rows = zip(params["agents"], params["epochs"], params["predecessors"], strict=True)
        # Judged by what was there before the statement.
        known = {**self._tables.cursors, **self._opened}
        for agent, epoch, predecessor in sorted(rows):
            mine = {key[1]: row.opened for key, row in known.items() if key[0] == agent}
            if epoch in mine or len(mine) >= params["epochs_max"]:
                continue
            newest = max(mine, key=lambda epoch: mine[epoch], default=None)
            if newest is None:
                began = "first"
            elif not predecessor:
                began = "unnamed"
            elif predecessor == newest:
                began = "next"
            elif predecessor not in mine:
                began = "unknown"
            else:
                self._ledger.chance.tell("epoch not opened", f"{agent} {epoch.hex()[:6]}")
                continue
            self._tables.opened += 1
            self._opened[agent, epoch] = CursorRow(0, predecessor, began, self._tables.opened)
        opened = dict(self._opened)
        self.writes.append(lambda tables: tables.cursors.update(opened))
        return []

    async def _not_opened(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        rows = []
        for agent, epoch in zip(params["agents"], params["epochs"], strict=True):
            mine = {key[1]: row.opened for key, row in self._tables.cursors.items() if key[0] == agent}
            newest = max(mine, key=lambda epoch: mine[epoch], default=None)
            rows.append((agent, epoch, "active", len(mine), newest))
        return rows

    async def _lock_cursors(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        rows = []
        for key in sorted(zip(params["agents"], params["epochs"], strict=True)):
            if key in self._tables.cursors:
                await self._take(key)
            row = self._tables.cursors.get(key, self._opened.get(key))
            if row is not None:
                rows.append((*key, row.last_seq))
        return rows

    async def _stored_hashes(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        numbers = zip(params["agents"], params["epochs"], params["seqs"], strict=True)
        found = [self._tables.batches.get(number) for number in numbers]
        return [(row.agent_id, row.epoch, row.seq, row.sha256) for row in found if row is not None]

    async def _move_cursors(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        names = ("agents", "epochs", "seqs", "read", "stored", "quarantined")
        rows = list(zip(*(params[name] for name in names), strict=True))

        def move(tables: Tables) -> None:
            for agent, epoch, last_seq, read, stored, quarantined in rows:
                self._ledger.chance.note(f"cursor of {agent} {epoch.hex()[:6]} is {last_seq}")
                self._ledger.moved(agent, epoch, last_seq)
                row = tables.cursors[agent, epoch]
                tables.cursors[agent, epoch] = replace(
                    row,
                    last_seq=last_seq,
                    read=row.read + read,
                    stored=row.stored + stored,
                    quarantined=row.quarantined + quarantined,
                )

        self.writes.append(move)
        return []

    async def _insert_lost(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        columns = ("agent_id", "epoch", "seq", "sha256", "through")
        row = BatchRow(*(params[name] for name in columns))
        self.writes.append(lambda tables: insert_batches(tables, [row]))
        return []

    async def _keep_rejected(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        number = _number(params)
        self.writes.append(lambda tables: tables.rejected.update({number: params["reason"]}))
        return []

    async def _keep_conflict(self, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        number = _number(params)
        self.writes.append(
            lambda tables: tables.conflicts.update({number: tables.conflicts.get(number, 0) + 1})
        )
        return []

    async def _quarantined_today(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    async def _count_quarantined(self, _: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return []

    def _copy_ticks(self, copy: Copy) -> None:
        rows = [tick_row(fields) for fields in copy.binary()]
        if any(value % POISON_OF == POISON for row in rows for value in row.values[-1:]):
            raise ValueError("this database does not like these figures")
        self.writes.append(lambda tables: tables.ticks.extend(rows))

    def _copy_batches(self, copy: Copy) -> None:
        rows = [batch_row(fields) for fields in copy.binary()]
        self.writes.append(lambda tables: insert_batches(tables, rows))

    def _copy_touched(self, copy: Copy) -> None:
        """What the roll-up has to do is not looked at here."""

    def _copy_quarantine(self, copy: Copy) -> None:
        rows = [(row[0], row[3], row[4], row[5], row[6], row[9]) for row in copy.rows]
        self.writes.append(lambda tables: tables.quarantine.extend(rows))


class Cursor:
    """psycopg.AsyncCursor, as much of it as ingest uses."""

    def __init__(self, transaction: Transaction, shape: Callable[..., Any]) -> None:
        self._transaction = transaction
        self._shape = shape
        self._answer = Answer([])

    async def execute(self, statement: str, params: Mapping[str, Any] | None = None) -> Answer:
        self._answer = await self._transaction.execute(statement, params)
        return self._answer

    async def fetchall(self) -> list[Any]:
        return [self._shape(*row) for row in await self._answer.fetchall()]

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchall()), None)

    @asynccontextmanager
    async def copy(self, statement: str) -> AsyncIterator[Copy]:
        copy = Copy()
        yield copy
        self._transaction.take_copy(statement, copy)


def _name(statement: str) -> str:
    return _NAMES[statement]


def _number(params: Mapping[str, Any]) -> Number:
    return params["agent_id"], params["epoch"], params["seq"]

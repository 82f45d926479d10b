"""Collects the batches of many agents into groups and commits one after the other, with a bounded queue in front.

What is stored and how is group.py's; this is responsible for who waits, for how long, and for what is said when the database
is away or a batch spoils its group. Nothing is acknowledged before it is committed, and nothing is kept in memory instead.
"""

import asyncio
from collections.abc import Sequence
from logging import getLogger

import psycopg

import sql
from aggregator.errors import Unavailable
from aggregator.ingest.admit import Admitted
from aggregator.ingest.aside import keep_rejected
from aggregator.ingest.group import store_group
from aggregator.ingest.judge import RETRY_MS, Offered
from aggregator.ingest.queue import FairQueue, Waiting
from aggregator.ingest.rules import Outdated
from aggregator.store.database import Database
from ullage.log import fields
from ullage.v1 import ingest_pb2

_Q = sql.queries("ingest")
_log = getLogger(__name__)

GROUP_BATCHES_MAX = 512
GROUP_READINGS_MAX = 250_000
# How long an agent's stream is held up by a full queue before it is told to come back.
SUBMIT_SECONDS_MAX = 5.0
# A group that takes longer counts as failed: the retry finds out what became of it.
# Agents wait 60 s for an answer.
GROUP_SECONDS_MAX = 30.0
# Rules that move faster than batches can be admitted again: the agents come back a moment later.
READMISSIONS_MAX = 3
PROBE_SECONDS = 1.0
STOP_SECONDS_MAX = 10.0
SLOW = "the database is slow; keep the batch and offer it again"
AWAY = "the database is away; keep the batch and offer it again"


class Committer:
    """The one queue into the database. Begin with ``await start()``, end with ``await stop()``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._queue = FairQueue()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._ready = False
        # How often the database came back after it had been away.
        self.recoveries = 0

    @property
    def ready(self) -> bool:
        """Whether batches are taken: started, and the database answered when last asked."""
        return self._ready and not self._stopping

    async def start(self) -> None:
        """Begins to commit. The database need not be there yet."""
        self._ready = await self._answers()
        self._task = asyncio.create_task(self._run(), name="ingest-committer")

    async def stop(self) -> None:
        """Commits what is queued, then ends; what is left after ``STOP_SECONDS_MAX`` is answered BUSY."""
        self._stopping = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_SECONDS_MAX)
            self._task.cancel()
            self._task = None
        self._answer_all_busy()

    async def submit(self, batch: Offered) -> asyncio.Future[ingest_pb2.Ack]:
        """Queues a batch; the future is its acknowledgement.

        Waits while the queue is full, which holds up the agent's stream: back-pressure reaches the agent itself.
        """
        waiting = Waiting(batch)
        if self.ready and self._queue.full and not await self._wait_for_room():
            waiting.settle(busy(batch.epoch, batch.seq, SLOW))
            return waiting.answer
        if not self.ready:
            waiting.settle(busy(batch.epoch, batch.seq, AWAY))
            return waiting.answer
        self._queue.put(waiting)
        self._work.set()
        return waiting.answer

    async def _wait_for_room(self) -> bool:
        """False when there was none in time. When it returns True there is, or the database is away."""
        try:
            async with asyncio.timeout(SUBMIT_SECONDS_MAX):
                while self.ready and self._queue.full:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._ready:
                await self._recover()
            elif self._queue:
                await self._commit(self._next_group())
            else:
                self._work.clear()
                await self._work.wait()

    def _next_group(self) -> list[Waiting]:
        self._answer_busy(self._queue.overdue(), SLOW)
        group = self._queue.take(batches_max=GROUP_BATCHES_MAX, readings_max=GROUP_READINGS_MAX)
        self._room.set()
        return group

    async def _commit(self, group: list[Waiting]) -> None:
        """Answers every batch of the group, whatever happens."""
        try:
            answers = await self._store(group)
        except (Unavailable, TimeoutError) as error:
            self._lose_database(group, error)
        except asyncio.CancelledError:
            self._answer_busy(group, AWAY)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, each batch gets an answer
            _log.exception("group failed", extra=fields(batches=len(group)))
            if len(group) == 1:
                await self._fail_alone(group[0], error)
            else:
                await self._commit_singly(group)
        else:
            for waiting, answer in zip(group, answers, strict=True):
                waiting.settle(answer)

    async def _commit_singly(self, group: list[Waiting]) -> None:
        for i, waiting in enumerate(group):
            if not self._ready:
                self._answer_busy(group[i:], AWAY)
                return
            await self._commit([waiting])

    async def _store(self, group: list[Waiting]) -> list[ingest_pb2.Ack]:
        """Has everything admitted again that was admitted under rules that do not hold any more."""
        for _ in range(READMISSIONS_MAX):
            batches = [waiting.batch for waiting in group]
            try:
                async with asyncio.timeout(GROUP_SECONDS_MAX), self._db.transaction() as conn:
                    answers = await store_group(conn, batches)
            except Outdated as moved:
                for waiting in group:
                    batch = waiting.batch
                    if batch.world != moved.world and batch.again is not None:
                        waiting.batch = await batch.again(moved.world)
            else:
                _tell_committed(batches, answers)
                return answers
        reason = "the rules are changing; offer the batch again"
        return [busy(waiting.batch.epoch, waiting.batch.seq, reason) for waiting in group]

    async def _fail_alone(self, waiting: Waiting, error: Exception) -> None:
        """A batch that spoils a group of its own: refused where its data is at fault, else it may come again."""
        batch = waiting.batch
        about = fields(agent_id=batch.agent_id, epoch=batch.epoch.hex(), seq=batch.seq)
        if not is_fault_of_data(error):
            _log.error("batch could not be stored", extra=about)
            waiting.settle(
                busy(
                    batch.epoch,
                    batch.seq,
                    "this aggregator failed on the batch; its log says why",
                    after_ms=60_000,
                )
            )
            return
        _log.error("batch refused: the database does not take it", extra=about)
        reason = "the database does not take this content"
        try:
            async with asyncio.timeout(GROUP_SECONDS_MAX), self._db.transaction() as conn:
                await keep_rejected(conn, batch, reason)
        except (Unavailable, TimeoutError) as away:
            self._lose_database([waiting], away)
            return
        except psycopg.Error as other:
            # A refused batch without its record would be lost silently; the agent keeps it instead.
            _log.error("refused batch could not be kept", exc_info=other, extra=about)
            waiting.settle(
                busy(
                    batch.epoch,
                    batch.seq,
                    "this aggregator failed on the batch; its log says why",
                    after_ms=60_000,
                )
            )
            return
        answer = ingest_pb2.Ack(epoch=batch.epoch, seq=batch.seq, reason=reason)
        answer.outcome = ingest_pb2.OUTCOME_REFUSED
        waiting.settle(answer)

    def _lose_database(self, group: list[Waiting], error: Exception) -> None:
        cause = error.__cause__ or error
        _log.warning(
            "ingest: the database is away", extra=fields(cause=type(cause).__name__, batches=len(group))
        )
        self._ready = False
        self._answer_busy(group, AWAY)
        self._answer_all_busy()

    def _answer_all_busy(self) -> None:
        self._answer_busy(self._queue.drain(), AWAY)
        self._room.set()

    @staticmethod
    def _answer_busy(group: list[Waiting], reason: str) -> None:
        for waiting in group:
            waiting.settle(busy(waiting.batch.epoch, waiting.batch.seq, reason))

    async def _recover(self) -> None:
        """Returns when the database answers, or when there is no more need of it."""
        while not self._stopping:
            if await self._answers():
                _log.info("ingest: the database is back")
                self.recoveries += 1
                self._ready = True
                return
            await asyncio.sleep(PROBE_SECONDS)
        self._answer_all_busy()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(GROUP_SECONDS_MAX), self._db.transaction() as conn:
                await conn.execute(_Q["clock"])
        except (Unavailable, TimeoutError):
            return False
        return True


def _tell_committed(batches: Sequence[Offered], answers: Sequence[ingest_pb2.Ack]) -> None:
    for batch, answer in zip(batches, answers, strict=True):
        if answer.outcome == ingest_pb2.OUTCOME_APPLIED and isinstance(batch.content, Admitted):
            batch.content.committed()


def busy(epoch: bytes, seq: int, reason: str, *, after_ms: int = RETRY_MS) -> ingest_pb2.Ack:
    """Not now: nothing is known to be stored of it, and it may be offered again."""
    answer = ingest_pb2.Ack(epoch=epoch, seq=seq, reason=reason, retry_after_ms=after_ms)
    answer.outcome = ingest_pb2.OUTCOME_BUSY
    return answer


def is_fault_of_data(error: Exception) -> bool:
    """Whether the content is to blame, rather than the database's state or this program.

    No content can break a foreign key: that is an agent that a restored database does not know, and it keeps its data.
    """
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return False
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError | ValueError | OverflowError)

"""One group commit: batches of many agents compared with their cursors and stored in one transaction, or not at all.

Every statement that makes a batch count exactly once is here. The order of locks (shared ingest lock, cursors by key) is the
same for every group on every aggregator, so groups wait for each other but never in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import numpy as np

import sql
from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted
from aggregator.ingest.decode import Later, Refused
from aggregator.ingest.quarantine import Quarantined
from aggregator.ingest.rows import HEADER, TRAILER, batch_row, stored_field, touched_rows
from aggregator.ingest.touch import Reach, expand
from aggregator.store.database import Connection, execute
from ullage.v1 import ingest_pb2
from ullage.wire import from_micros

_Q = sql.queries("ingest")

RETRY_MS = 1_000
UNREAD_RETRY_MS = 10
_COPY_BYTES = 1024 * 1024

Epoch = tuple[int, bytes]
Number = tuple[int, bytes, int]
# What came of reading the payload; None where it was not read because its number was not the next.
Content = Admitted | Refused | Later | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Offered:
    """A batch as an agent offers it. ``sha256`` is of the payload as received, not as claimed."""

    agent_id: int
    epoch: bytes
    seq: int
    sha256: bytes
    received_us: int
    payload: bytes
    content: Content

    @property
    def key(self) -> Epoch:
        """Of its cursor."""
        return self.agent_id, self.epoch

    @property
    def number(self) -> Number:
        """Its identity, for ever."""
        return self.agent_id, self.epoch, self.seq


async def store_group(conn: Connection, group: Sequence[Offered]) -> list[ingest_pb2.Ack]:
    """Stores what can be stored; one answer per batch, to be given only after ``conn`` has committed."""
    cursors, stored_at = await _lock(conn, group)
    old = [batch for batch in group if batch.seq <= cursors.get(batch.key, 0)]
    answers = judge(group, cursors=cursors, hashes=await _hashes(conn, old))
    applied = [
        (batch, batch.content)
        for batch, answer in zip(group, answers, strict=True)
        if answer.outcome == ingest_pb2.OUTCOME_APPLIED and isinstance(batch.content, Admitted)
    ]
    if applied:
        await _store(conn, applied, stored_at)
    for batch, answer in zip(group, answers, strict=True):
        if answer.outcome == ingest_pb2.OUTCOME_REFUSED:
            await keep_rejected(conn, batch, answer.reason)
    return answers


def judge(
    group: Sequence[Offered], *, cursors: Mapping[Epoch, int], hashes: Mapping[Number, bytes]
) -> list[ingest_pb2.Ack]:
    """The outcome of each batch, in order, given the last number of each epoch and the hashes stored under old numbers.

    An epoch without cursor is unknown. A number at or below the cursor is a duplicate for ever; it is a conflict only
    while another hash is still stored under it.
    """
    last, known = dict(cursors), dict(hashes)
    answers = []
    for batch in group:
        answer = _judge_one(batch, last.get(batch.key), known.get(batch.number))
        if answer.outcome == ingest_pb2.OUTCOME_APPLIED:
            last[batch.key] = batch.seq
            known[batch.number] = batch.sha256
        answers.append(answer)
    return answers


def _judge_one(batch: Offered, last: int | None, known: bytes | None) -> ingest_pb2.Ack:
    answer = ingest_pb2.Ack(epoch=batch.epoch, seq=batch.seq)
    content = batch.content
    if last is not None and batch.seq <= last:
        if known is None or known == batch.sha256:
            answer.outcome = ingest_pb2.OUTCOME_DUPLICATE
        else:
            answer.outcome = ingest_pb2.OUTCOME_CONFLICT
            answer.reason = "another content is stored under this number and stands: seal into a new epoch"
    elif batch.seq != (last or 0) + 1:
        answer.outcome = ingest_pb2.OUTCOME_GAP
        answer.expected = (last or 0) + 1
    elif content is None:
        # Its number was not the next when it came, so it was not read. Now it is: another stream was quicker.
        answer.outcome = ingest_pb2.OUTCOME_BUSY
        answer.reason = "the number before this one has only just arrived; offer the batch again"
        answer.retry_after_ms = UNREAD_RETRY_MS
    elif isinstance(content, Refused):
        answer.outcome = ingest_pb2.OUTCOME_REFUSED
        answer.reason = content.reason
    elif isinstance(content, Later):
        answer.outcome = ingest_pb2.OUTCOME_BUSY
        answer.reason = content.reason
        answer.retry_after_ms = content.retry_after_ms
    elif last is None:
        answer.outcome = ingest_pb2.OUTCOME_BUSY
        answer.reason = f"this agent has had {limits.EPOCHS_PER_AGENT_MAX} epochs: find out why its spool is lost so often"
        answer.retry_after_ms = 60 * RETRY_MS
    else:
        answer.outcome = ingest_pb2.OUTCOME_APPLIED
        answer.read = content.totals.read
        answer.stored = content.totals.stored
        answer.quarantined = content.totals.quarantined
        answer.rejected.extend(content.faulty.rejected)
    return answer


async def keep_rejected(conn: Connection, batch: Offered, reason: str) -> None:
    """Keeps a batch that will never be taken as evidence, up to a number per agent."""
    await execute(
        conn,
        _Q["keep_rejected"],
        {
            "agent_id": batch.agent_id,
            "epoch": batch.epoch,
            "seq": batch.seq,
            "sha256": batch.sha256,
            "payload": batch.payload[: limits.PAYLOAD_BYTES_MAX],
            "reason": reason,
            "batches_max": limits.REJECTED_BATCHES_PER_AGENT_MAX,
        },
    )


async def _lock(conn: Connection, group: Sequence[Offered]) -> tuple[dict[Epoch, int], datetime]:
    """Holds the ingest lock and the cursors until the transaction ends; the cursors, and the time of storing.

    The time is read after the lock is held: what was stored at or before a run's cutoff is then visible to that run.
    """
    everyone = sorted({batch.key for batch in group})
    opening = sorted({batch.key for batch in group if batch.seq == 1 and isinstance(batch.content, Admitted)})
    async with conn.pipeline():
        await conn.execute(_Q["lock_ingest"])
        if opening:
            await conn.execute(
                _Q["open_cursors"], {**_keys(opening), "epochs_max": limits.EPOCHS_PER_AGENT_MAX}
            )
        locked = await conn.execute(_Q["lock_cursors"], _keys(everyone))
        clock = await conn.execute(_Q["clock"])
        cursors = {(agent, epoch): last for agent, epoch, last in await locked.fetchall()}
        stored_at: datetime = (await clock.fetchall())[0][0]
    return cursors, stored_at


async def _hashes(conn: Connection, old: Sequence[Offered]) -> dict[Number, bytes]:
    if not old:
        return {}
    numbers = {**_keys(batch.key for batch in old), "seqs": [batch.seq for batch in old]}
    found = await conn.execute(_Q["stored_hashes"], numbers)
    return {(agent, epoch, seq): sha256 for agent, epoch, seq, sha256 in await found.fetchall()}


async def _store(conn: Connection, applied: Sequence[tuple[Offered, Admitted]], stored_at: datetime) -> None:
    stored = stored_field(stored_at)
    ticks = [row for _, content in applied for row in content.rows]
    if ticks:
        await _copy(conn, _Q["copy_ticks"], stored.join(ticks) + stored)
    batches = [
        batch_row(
            agent_id=batch.agent_id,
            epoch=batch.epoch,
            seq=batch.seq,
            sha256=batch.sha256,
            received_us=batch.received_us,
            stored_at=stored_at,
            totals=content.totals,
        )
        for batch, content in applied
    ]
    await _copy(conn, _Q["copy_batches"], b"".join(batches))
    await _copy(conn, _Q["copy_touched"], _touched(applied))
    await _quarantine(conn, applied, stored_at)
    last = {batch.key: batch.seq for batch, _ in applied}
    await execute(conn, _Q["move_cursors"], {**_keys(last), "seqs": list(last.values())})


def _touched(applied: Sequence[tuple[Offered, Admitted]]) -> bytes:
    """Every slot that the group reaches into, once per agent and width."""
    runs = [content.reach for _, content in applied]
    agent = np.repeat(
        np.array([batch.agent_id for batch, _ in applied], np.int64), [len(reach.width) for reach in runs]
    )
    reach = Reach(
        np.concatenate([r.width for r in runs]),
        np.concatenate([r.first for r in runs]),
        np.concatenate([r.last for r in runs]),
    )
    return touched_rows(*expand(agent, reach))


async def _quarantine(
    conn: Connection, applied: Sequence[tuple[Offered, Admitted]], stored_at: datetime
) -> None:
    if not any(content.faulty.readings for _, content in applied):
        return
    async with conn.cursor() as cursor, cursor.copy(_Q["copy_quarantine"]) as copy:
        for batch, content in applied:
            for reading in content.faulty.readings:
                await copy.write_row((*batch.number, *_quarantine_row(reading), stored_at))


def _quarantine_row(reading: Quarantined) -> tuple[object, ...]:
    return (
        *(reading.source_type, reading.external_id, reading.unit_type, reading.value),
        *(from_micros(reading.since_us), from_micros(reading.ticked_us), reading.reason),
    )


async def _copy(conn: Connection, statement: LiteralString, rows: bytes) -> None:
    async with conn.cursor() as cursor, cursor.copy(statement) as copy:
        data = memoryview(HEADER + rows + TRAILER)
        for start in range(0, len(data), _COPY_BYTES):
            await copy.write(data[start : start + _COPY_BYTES])


def _keys(keys: Iterable[Epoch]) -> dict[str, list[object]]:
    agents: list[object] = []
    epochs: list[object] = []
    for agent, epoch in keys:
        agents.append(agent)
        epochs.append(epoch)
    return {"agents": agents, "epochs": epochs}

"""One group commit: batches of many agents compared with their cursors and stored in one transaction, or not at all.

Every statement that makes a batch count exactly once is here. The order of locks (shared ingest lock, cursors by key) is the
same for every group on every aggregator, so groups wait for each other but never in a circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import numpy as np

import sql
from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted
from aggregator.ingest.aside import count_suppressed, keep_conflict, keep_late, keep_rejected, quarantine
from aggregator.ingest.decode import Lost
from aggregator.ingest.judge import Epoch, Number, Offered, judge, why_not_opened
from aggregator.ingest.rows import HEADER, TRAILER, batch_row, stored_field, touched_rows
from aggregator.ingest.rules import Outdated, World
from aggregator.ingest.touch import Reach, expand
from aggregator.store.database import Connection, execute, fetch_all
from ullage.v1 import ingest_pb2
from ullage.wire import from_micros

_Q = sql.queries("ingest")

# The epoch under which the aggregators themselves store readings that were released. No agent may use it.
OWN_EPOCH = bytes(limits.EPOCH_BYTES)
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    """What a group sees once it holds its locks."""

    cursors: dict[Epoch, int]
    stored_at: datetime
    world: World


@dataclass(frozen=True, slots=True)
class _NotOpened:
    agent_id: int
    epoch: bytes
    state: str
    epochs: int
    newest: bytes | None


async def store_group(conn: Connection, group: Sequence[Offered]) -> list[ingest_pb2.Ack]:
    """Stores what can be stored; one answer per batch, to be given only after ``conn`` has committed.

    Raises ``Outdated``, having stored nothing, when a batch was admitted under rules that do not hold any more.
    """
    held = await _lock(conn, group)
    if any(batch.world is not None and batch.world != held.world for batch in group):
        raise Outdated(held.world)
    old = [batch for batch in group if batch.seq <= held.cursors.get(batch.key, 0)]
    closed = sorted({batch.key for batch in group if batch.opens} - held.cursors.keys())
    answers = judge(
        group,
        cursors=held.cursors,
        hashes=await _hashes(conn, old),
        shut=await _not_opened(conn, closed) if closed else {},
    )
    told = list(zip(group, answers, strict=True))
    applied = [batch for batch, answer in told if answer.outcome == ingest_pb2.OUTCOME_APPLIED]
    if applied:
        await store(conn, applied, held.stored_at)
    for batch, answer in told:
        if answer.outcome == ingest_pb2.OUTCOME_REFUSED:
            await keep_rejected(conn, batch, answer.reason)
        elif answer.outcome == ingest_pb2.OUTCOME_CONFLICT:
            await keep_conflict(conn, batch)
    return answers


async def _lock(conn: Connection, group: Sequence[Offered]) -> _Held:
    """Holds the ingest lock and the cursors until the transaction ends.

    The time is read after the lock is held: what was stored at or before a run's cutoff is then visible to that run.
    """
    everyone = sorted({batch.key for batch in group})
    opening = {batch.key: batch.predecessor for batch in group if batch.opens}
    async with conn.pipeline():
        await conn.execute(_Q["lock_ingest"])
        if opening:
            await conn.execute(_Q["hold_agents"], {"ids": sorted({agent for agent, _ in opening})})
            await conn.execute(
                _Q["open_cursors"],
                {
                    **_keys(opening),
                    "predecessors": list(opening.values()),
                    "epochs_max": limits.EPOCHS_PER_AGENT_MAX,
                    "own_epoch": OWN_EPOCH,
                },
            )
        locked = await conn.execute(_Q["lock_cursors"], _keys(everyone))
        clock = await conn.execute(_Q["clock_and_world"])
        cursors = {(agent, epoch): last for agent, epoch, last in await locked.fetchall()}
        stored_at, version, base = (await clock.fetchall())[0]
    return _Held(cursors, stored_at, World(version, base))


@dataclass(frozen=True, slots=True)
class Own:
    """The server's own cursor of an agent, held until the transaction ends."""

    last: int
    stored_at: datetime
    world: World


async def hold_own_cursor(conn: Connection, agent_id: int) -> Own:
    """Holds the ingest lock and the agent's cursor under the server's own epoch, in the order of every group."""
    key = (agent_id, OWN_EPOCH)
    await conn.execute(_Q["lock_ingest"])
    await conn.execute(_Q["open_own_cursor"], {"agent_id": agent_id, "epoch": OWN_EPOCH})
    [(_, _, last)] = await (await conn.execute(_Q["lock_cursors"], _keys([key]))).fetchall()
    [(stored_at, version, base)] = await (await conn.execute(_Q["clock_and_world"])).fetchall()
    return Own(last, stored_at, World(version, base))


async def _not_opened(conn: Connection, closed: Sequence[Epoch]) -> dict[Epoch, str]:
    found = await fetch_all(conn, _NotOpened, _Q["not_opened"], {**_keys(closed), "own_epoch": OWN_EPOCH})
    return {
        (one.agent_id, one.epoch): why_not_opened(state=one.state, epochs=one.epochs, newest=one.newest)
        for one in found
    }


async def _hashes(conn: Connection, old: Sequence[Offered]) -> dict[Number, bytes]:
    if not old:
        return {}
    numbers = {**_keys(batch.key for batch in old), "seqs": [batch.seq for batch in old]}
    found = await conn.execute(_Q["stored_hashes"], numbers)
    return {(agent, epoch, seq): sha256 for agent, epoch, seq, sha256 in await found.fetchall()}


async def store(conn: Connection, batches: Sequence[Offered], stored_at: datetime) -> None:
    """Stores batches whose cursors are held and stand right before them."""
    applied = [(batch, batch.content) for batch in batches if isinstance(batch.content, Admitted)]
    if applied:
        await _store_readings(conn, applied, stored_at)
    for batch in batches:
        if isinstance(batch.content, Lost):
            await _store_lost(conn, batch, batch.content, stored_at)
    await _move_cursors(conn, batches, stored_at)


async def _store_readings(
    conn: Connection, applied: Sequence[tuple[Offered, Admitted]], stored_at: datetime
) -> None:
    stored = stored_field(stored_at)
    ticks = [row for _, content in applied for row in content.rows]
    if ticks:
        # The last column of every row, also after the last one.
        await _copy(conn, _Q["copy_ticks"], stored.join([*ticks, b""]))
    rows = [
        batch_row(
            agent_id=batch.agent_id,
            epoch=batch.epoch,
            seq=batch.seq,
            sha256=batch.sha256,
            received_us=batch.received_us,
            stored_at=stored_at,
            totals=content.totals,
            clock=batch.clock,
        )
        for batch, content in applied
    ]
    await _copy(conn, _Q["copy_batches"], b"".join(rows))
    await _copy(conn, _Q["copy_touched"], _touched(applied))
    await keep_late(conn, applied, stored_at)
    await quarantine(conn, applied, stored_at)
    await count_suppressed(conn, applied, stored_at)


async def _store_lost(conn: Connection, batch: Offered, lost: Lost, stored_at: datetime) -> None:
    """A tombstone is a row of `batch` of its own, and nothing else."""
    await execute(
        conn,
        _Q["insert_lost"],
        {
            "agent_id": batch.agent_id,
            "epoch": batch.epoch,
            "seq": batch.seq,
            "through": lost.through,
            "sha256": batch.sha256,
            "received_at": from_micros(batch.received_us),
            "stored_at": stored_at,
            "clock_offset_ms": batch.clock.offset_ms,
            "clock_flagged": batch.clock.flagged,
            "reason": lost.reason,
            "from": None if lost.from_us is None else from_micros(lost.from_us),
            "to": None if lost.to_us is None else from_micros(lost.to_us),
            "detail": lost.detail,
        },
    )


async def _move_cursors(conn: Connection, batches: Sequence[Offered], stored_at: datetime) -> None:
    last: dict[Epoch, int] = {}
    sums: dict[Epoch, list[int]] = {}
    for batch in batches:
        last[batch.key] = batch.through
        sums_of = sums.setdefault(batch.key, [0, 0, 0, 0])
        if isinstance(batch.content, Admitted):
            totals = batch.content.totals
            sums_of[0] += totals.read
            sums_of[1] += totals.stored
            sums_of[2] += totals.quarantined
            sums_of[3] += totals.suppressed
    columns = zip(
        ("read", "stored", "quarantined", "suppressed"), zip(*sums.values(), strict=True), strict=True
    )
    await execute(
        conn,
        _Q["move_cursors"],
        {
            **_keys(last),
            "at": stored_at,
            "seqs": list(last.values()),
            **{name: list(values) for name, values in columns},
        },
    )


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


async def _copy(conn: Connection, statement: LiteralString, rows: bytes) -> None:
    async with conn.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(HEADER)
        data = memoryview(rows)
        for start in range(0, len(data), _COPY_BYTES):
            await copy.write(data[start : start + _COPY_BYTES])
        await copy.write(TRAILER)


def _keys(keys: Iterable[Epoch]) -> dict[str, list[object]]:
    agents: list[object] = []
    epochs: list[object] = []
    for agent, epoch in keys:
        agents.append(agent)
        epochs.append(epoch)
    return {"agents": agents, "epochs": epochs}

"""What a group keeps beside its readings: quarantined ones, what suppressions dropped, refused batches and conflicts.

Runs inside the group's transaction, and costs nothing where there is nothing to keep.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import sql
from aggregator.ingest import limits
from aggregator.ingest.admit import Admitted
from aggregator.ingest.judge import Offered
from aggregator.ingest.quarantine import Quarantined
from aggregator.store.database import Connection, execute
from ullage.wire import from_micros

_Q = sql.queries("ingest")

Applied = Sequence[tuple[Offered, Admitted]]


async def quarantine(conn: Connection, applied: Applied, stored_at: datetime) -> None:
    """Keeps every reading that was not taken, and counts them by day; above the day's limit they are only counted."""
    faulty = [(batch, content.faulty.readings) for batch, content in applied if content.faulty.readings]
    if not faulty:
        return
    agents = sorted({batch.agent_id for batch, _ in faulty})
    found = await conn.execute(_Q["quarantined_today"], {"agents": agents, "at": stored_at})
    today: dict[int, int] = dict(await found.fetchall())
    kept: Counter[tuple[int, str]] = Counter()
    counted: Counter[tuple[int, str]] = Counter()
    async with conn.cursor() as cursor, cursor.copy(_Q["copy_quarantine"]) as copy:
        for batch, readings in faulty:
            room = max(0, limits.QUARANTINED_PER_DAY_MAX - today.get(batch.agent_id, 0))
            today[batch.agent_id] = today.get(batch.agent_id, 0) + min(room, len(readings))
            for reading in readings[:room]:
                await copy.write_row((*batch.number, *_row(reading), stored_at))
            kept.update((batch.agent_id, reading.reason) for reading in readings[:room])
            counted.update((batch.agent_id, reading.reason) for reading in readings[room:])
    keys = sorted({*kept, *counted})
    await execute(
        conn,
        _Q["count_quarantined"],
        {
            "at": stored_at,
            "agents": [agent for agent, _ in keys],
            "reasons": [reason for _, reason in keys],
            "kept": [kept[key] for key in keys],
            "counted_only": [counted[key] for key in keys],
        },
    )


async def keep_late(conn: Connection, applied: Applied, stored_at: datetime) -> None:
    """Lists readings of time before the floor; nothing else is made of them."""
    found = [(batch.agent_id, content.late) for batch, content in applied if content.late is not None]
    if not found:
        return
    async with conn.cursor() as cursor, cursor.copy(_Q["copy_too_late"]) as copy:
        for agent_id, late in found:
            columns = (late.series, late.values, late.since, late.ticked_at)
            for series, value, since, at in zip(*(column.tolist() for column in columns), strict=True):
                await copy.write_row(
                    (agent_id, series, value, from_micros(since), from_micros(at), stored_at, "below-floor")
                )


async def count_suppressed(conn: Connection, applied: Applied, stored_at: datetime) -> None:
    """Readings by suppression and agent; an asset counts once for a suppression, for the agent that was the first.

    An asset that is counted already changes nothing, so neither what is offered again nor another aggregator counts it
    twice.
    """
    readings: Counter[tuple[int, int]] = Counter()
    assets: dict[tuple[int, bytes], int] = {}
    for batch, content in applied:
        for hit in content.hits:
            readings[hit.rule, batch.agent_id] += hit.readings
            for asset in hit.assets:
                assets.setdefault((hit.rule, asset), batch.agent_id)
    if not readings:
        return
    keys = sorted(readings)
    await execute(
        conn,
        _Q["count_suppressed"],
        {
            "at": stored_at,
            "rules": [rule for rule, _ in keys],
            "agents": [agent for _, agent in keys],
            "readings": [readings[key] for key in keys],
            "asset_rules": [rule for rule, _ in assets],
            "asset_agents": list(assets.values()),
            "assets": [asset for _, asset in assets],
            "assets_max": limits.SUPPRESSED_ASSETS_PER_AGENT_MAX,
        },
    )


async def keep_rejected(conn: Connection, batch: Offered, reason: str) -> None:
    """Keeps a batch that will never be taken as evidence, up to a number per agent."""
    await execute(
        conn,
        _Q["keep_rejected"],
        {**_evidence(batch), "reason": reason, "batches_max": limits.REJECTED_BATCHES_PER_AGENT_MAX},
    )


async def keep_conflict(conn: Connection, batch: Offered) -> None:
    """Keeps other content under a stored number as evidence, up to a number per agent; repetitions are counted."""
    await execute(
        conn, _Q["keep_conflict"], {**_evidence(batch), "conflicts_max": limits.CONFLICTS_PER_AGENT_MAX}
    )


def _evidence(batch: Offered) -> dict[str, object]:
    return {
        "agent_id": batch.agent_id,
        "epoch": batch.epoch,
        "seq": batch.seq,
        "sha256": batch.sha256,
        "payload": batch.payload[: limits.PAYLOAD_BYTES_MAX],
    }


def _row(reading: Quarantined) -> tuple[object, ...]:
    return (
        *(reading.source_type, reading.external_id, reading.unit_type, reading.value),
        *(from_micros(reading.since_us), from_micros(reading.ticked_us), reading.reason),
    )

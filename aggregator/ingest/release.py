"""Takes quarantined readings in after all, the way every reading goes: resolved, admitted, stored, touched, counted.

They come in a batch of the agent under the server's own epoch, numbered like any other. Readings are held until the
transaction ends, so two people who release the same ones store them once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from typing import Any

import numpy as np

import sql
from aggregator.errors import Conflict
from aggregator.ingest.admit import Resolved, admit, faults
from aggregator.ingest.agents import Agent
from aggregator.ingest.decode import Columns, Refused
from aggregator.ingest.group import OWN_EPOCH, Own, hold_own_cursor, store
from aggregator.ingest.judge import Offered
from aggregator.ingest.quarantine import Fault
from aggregator.ingest.resolve import Resolver
from aggregator.ingest.rules import Outdated, Rules, RuleSet
from aggregator.store.database import Connection, Database, execute, fetch_all
from ullage.v1 import ingest_pb2
from ullage.wire import to_micros

_Q = sql.queries("quarantine")

# Of one batch.
READINGS_MAX = 5_000
TRIES_MAX = 3

Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reading in quarantine."""

    id: int
    agent_id: int
    epoch: bytes
    seq: int
    source_type: str
    external_id: str
    unit_type: str
    value: int
    since: datetime
    ticked_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """How many readings were settled, and how many are still not acceptable and stay."""

    settled: int
    kept: int


@dataclass(frozen=True, slots=True)
class _KnownAsset:
    source_type: str
    external_id: str
    name: str
    address: str
    labels: dict[str, str]


async def release(db: Database, *, ids: Sequence[int] = (), agent_id: int = 0, reason: str = "") -> Settled:
    """Releases readings by id, or all of an agent and reason. Raises ``Unavailable``; what is released by then stays so."""
    rules, resolver = Rules(db), Resolver(db)
    settled = kept = after = 0
    while True:
        wanted = {"ids": list(ids), "agent_id": agent_id, "reason": reason}
        async with db.transaction() as conn:
            chunk = await fetch_all(
                conn, Waiting, _Q["waiting"], {**wanted, "after": after, "readings_max": READINGS_MAX}
            )
            agents = await fetch_all(conn, Agent, _Q["agents"], {"ids": [one.agent_id for one in chunk]})
        if not chunk:
            return Settled(settled, kept)
        after = chunk[-1].id
        for agent in agents:
            done = await _release(db, rules, resolver, agent, [w for w in chunk if w.agent_id == agent.id])
            settled += done.settled
            kept += done.kept


async def _release(
    db: Database, rules: Rules, resolver: Resolver, agent: Agent, waiting: list[Waiting]
) -> Settled:
    known = await rules.current()
    for _ in range(TRIES_MAX):
        try:
            return await _try(db, known, resolver, agent, waiting)
        except Outdated as moved:
            known = await rules.of(moved.world)
    raise Conflict("the rules changed all the while; release again")


async def _try(
    db: Database, rules: RuleSet, resolver: Resolver, agent: Agent, waiting: list[Waiting]
) -> Settled:
    dictionary, index = await _dictionary(db, agent, waiting)
    encoded = dictionary.SerializeToString()
    # Asked of the database at most once for these readings: nothing that was learnt grows old.
    resolved = await resolver.resolve(agent, encoded, rules=rules, now_us=0)
    if isinstance(resolved, Refused):
        raise Conflict(f"these readings cannot be released together: {resolved.reason}")
    async with db.transaction() as conn:
        held = await hold_own_cursor(conn, agent.id)
        if held.world != rules.world:
            raise Outdated(held.world)
        found = await conn.execute(_Q["hold"], {"ids": [one.id for one in waiting]})
        free = {number for (number,) in await found.fetchall()}
        mine = [one for one in waiting if one.id in free]
        good = _acceptable(mine, index, encoded, resolved, now_us=to_micros(held.stored_at))
        if good:
            await _store(conn, agent, good, _columns(good, index, encoded), resolved, held, rules.floor_us)
    return Settled(len(good), len(mine) - len(good))


async def _dictionary(
    db: Database, agent: Agent, waiting: Sequence[Waiting]
) -> tuple[ingest_pb2.Dictionary, dict[tuple[str, str, str], int]]:
    """What the readings are of, described as it is known already; and the index of each series in it."""
    wanted = sorted({(one.source_type, one.external_id) for one in waiting})
    params = {
        "source_types": [source_type for source_type, _ in wanted],
        "external_ids": [external_id for _, external_id in wanted],
        "agent_scope": agent.scope("agent"),
        "site_scope": agent.scope("site"),
    }
    async with db.transaction() as conn:
        assets = await fetch_all(conn, _KnownAsset, _Q["known_assets"], params)
    known = {(asset.source_type, asset.external_id): asset for asset in assets}
    dictionary = ingest_pb2.Dictionary()
    place: dict[Identity, int] = {}
    for number, (source_type, external_id) in enumerate(wanted):
        asset = known.get((source_type, external_id))
        place[source_type, external_id] = number
        dictionary.assets.add(
            source_type=source_type,
            external_id=external_id,
            name=asset.name if asset else external_id,
            address=asset.address if asset else "",
            labels=asset.labels if asset else {},
        )
    index: dict[tuple[str, str, str], int] = {}
    for one in waiting:
        key = (one.source_type, one.external_id, one.unit_type)
        if key not in index:
            index[key] = len(index)
            dictionary.series.add(asset=place[key[:2]], unit_type=one.unit_type)
    return dictionary, index


def _acceptable(
    waiting: list[Waiting],
    index: dict[tuple[str, str, str], int],
    encoded: bytes,
    resolved: Resolved,
    *,
    now_us: int,
) -> list[Waiting]:
    """Those that nothing is wrong with any more."""
    ordered = _ordered(waiting)
    if not ordered:
        return []
    found = faults(_columns(waiting, index, encoded), resolved, now_us=now_us)
    return [one for one, fault in zip(ordered, found.tolist(), strict=True) if fault == Fault.NONE]


def _ordered(waiting: Sequence[Waiting]) -> list[Waiting]:
    return [one for _, one in _by_tick(waiting)]


def _by_tick(waiting: Sequence[Waiting]) -> list[tuple[tuple[Any, ...], Waiting]]:
    """Each with the tick that it came in, in order; a second reading of a series at the same moment is a tick of its own."""
    seen: Counter[tuple[Any, ...]] = Counter()
    found = []
    for one in sorted(waiting, key=lambda one: one.id):
        moment = (one.ticked_at, one.since, one.epoch, one.seq)
        series = (*moment, one.source_type, one.external_id, one.unit_type)
        found.append(((*moment, seen[series]), one))
        seen[series] += 1
    return sorted(found, key=lambda pair: pair[0])


def _columns(waiting: Sequence[Waiting], index: dict[tuple[str, str, str], int], encoded: bytes) -> Columns:
    """As ticks that say nothing of collectors; in ``_ordered`` order."""
    by_tick = _by_tick(waiting)
    ordered = [one for _, one in by_tick]
    ticks = [(at, len(list(group))) for at, group in groupby(by_tick, key=lambda pair: pair[0])]
    return Columns(
        dictionary=encoded,
        boot_id="",
        series=np.array([index[o.source_type, o.external_id, o.unit_type] for o in ordered], np.uint32),
        values=np.array([one.value for one in ordered], np.int64),
        counts=np.array([count for _, count in ticks], np.int64),
        ticked_at=np.array([to_micros(at[0]) for at, _ in ticks], np.int64),
        since=np.array([to_micros(at[1]) for at, _ in ticks], np.int64),
        boottime=np.zeros(len(ticks), np.int64),
        reported=[()] * len(ticks),
        failed=[()] * len(ticks),
    )


async def _store(
    conn: Connection,
    agent: Agent,
    good: Sequence[Waiting],
    columns: Columns,
    resolved: Resolved,
    held: Own,
    floor_us: int,
) -> None:
    stored_at = held.stored_at
    now_us = to_micros(stored_at)
    content = admit(columns, resolved, agent_id=agent.id, now_us=now_us, floor_us=floor_us)
    if isinstance(content, Refused):
        raise Conflict(f"these readings cannot be released together: {content.reason}")
    ids = sorted(one.id for one in good)
    batch = Offered(
        agent_id=agent.id,
        epoch=OWN_EPOCH,
        seq=held.last + 1,
        sha256=sha256(repr(ids).encode()).digest(),
        received_us=now_us,
        payload=b"",
        content=content,
    )
    await store(conn, [batch], stored_at)
    await execute(conn, _Q["release"], {"ids": ids, "at": stored_at})

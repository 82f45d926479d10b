"""What agents say of themselves: kept as the last word of each, cleaned, and no more often than is of use."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

import sql
from aggregator.ingest import limits
from aggregator.ingest.clean import clean_name
from aggregator.ingest.clocks import offset_us
from aggregator.ingest.clones import sighted
from aggregator.store.database import Database, fetch_one
from ullage.v1 import ingest_pb2
from ullage.wire import from_micros

_Q = sql.queries("ingest")

AGENTS_MAX = 50_000
COUNT_MAX = 2**63 - 1
FAILED_MAX = limits.COLLECTORS_PER_TICK_MAX
SPOOL_STATES = ("ok", "slow", "full")


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    name: str
    boot_before: str | None


class Heartbeats:
    """The heartbeats of one aggregator's agents."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # By boot as well: of two hosts with one identity both must be heard.
        self._last: OrderedDict[tuple[UUID, str], float] = OrderedDict()

    async def take(
        self, uuid: UUID, said: ingest_pb2.HeartbeatRequest, *, received_us: int, generation: int = 0
    ) -> bool:
        """Keeps it; one that follows too soon on the last is dropped. False when there is no such active agent.

        ``generation``: of the certificate it came with. One that shows two hosts with one identity has the agent held.

        Raises ``Unavailable``.
        """
        now = asyncio.get_running_loop().time()
        key = (uuid, said.boot_id[: limits.NAME_CHARACTERS_MAX])
        last = self._last.get(key)
        if last is not None and now - last < limits.HEARTBEAT_SECONDS_MIN:
            return True
        async with self._db.transaction() as conn:
            # The next one says it again.
            await conn.execute(_Q["need_not_last"])
            params = _params(uuid, said, received_us) | {"generation": generation}
            known = await fetch_one(conn, _Known, _Q["heartbeat"], params)
            if known is None:
                return False
            boot_id = clean_name(said.boot_id)
            if boot_id != known.boot_before:
                two = await sighted(
                    conn, agent_id=known.id, name=known.name, boot_id=boot_id, generation=generation
                )
                if two:
                    return False
        self._last[key] = now
        self._last.move_to_end(key)
        if len(self._last) > AGENTS_MAX:
            self._last.popitem(last=False)
        return True


def _params(uuid: UUID, said: ingest_pb2.HeartbeatRequest, received_us: int) -> dict[str, object]:
    return {
        "uuid": uuid,
        "version": clean_name(said.version),
        "boot_id": clean_name(said.boot_id),
        "clock_offset_ms": offset_us(received_us, said.wall_us) // 1000,
        "spool_bytes": _count(said.spool_bytes),
        "spool_bytes_max": _count(said.spool_bytes_max),
        "unacknowledged": _count(said.unacknowledged),
        "oldest_at": _time(said.oldest_us),
        "spool_state": said.spool_state if said.spool_state in SPOOL_STATES else "ok",
        "failed": [clean_name(name) for name in said.failed[:FAILED_MAX]],
        "last_error": clean_name(said.last_error, characters_max=limits.DETAIL_CHARACTERS_MAX),
        "tombstones": _count(said.tombstones),
        "counter_resets": _count(said.counter_resets),
    }


def _count(number: int) -> int:
    """What a column holds of an unsigned number."""
    return min(number, COUNT_MAX)


def _time(micros: int) -> object:
    """None for 0 and for what is no time."""
    if not limits.TIME_US_MIN <= micros <= limits.TIME_US_MAX or not micros:
        return None
    return from_micros(micros)

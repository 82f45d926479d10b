"""Decides about quarantined readings: taken in after all, or never."""

from collections.abc import Sequence

from aggregator.errors import Invalid
from aggregator.ingest.release import Settled, release
from aggregator.store import quarantine
from aggregator.store.database import Database
from aggregator.store.news import announce

IDS_MAX = 10_000
REASON_CHARACTERS_MAX = 64


async def release_quarantine(db: Database, *, ids: Sequence[int], agent_id: int, reason: str) -> Settled:
    """Stores what is acceptable now; the rest stays. Raises ``Invalid`` naming the field."""
    _check(ids, agent_id, reason)
    return await release(db, ids=ids, agent_id=agent_id, reason=reason)


async def discard_quarantine(db: Database, *, ids: Sequence[int], agent_id: int, reason: str) -> Settled:
    """They stay on record and never count. Raises ``Invalid`` naming the field."""
    _check(ids, agent_id, reason)
    async with db.transaction() as conn:
        settled = await quarantine.discard(conn, ids=ids, agent_id=agent_id, reason=reason)
        await announce(conn, "agent")
    return Settled(settled, 0)


def _check(ids: Sequence[int], agent_id: int, reason: str) -> None:
    if bool(ids) == bool(agent_id or reason):
        raise Invalid("ids", "name either single readings or an agent and a reason")
    if len(ids) > IDS_MAX:
        raise Invalid("ids", f"has {len(ids)}; at most {IDS_MAX} are taken at once")
    if any(number < 1 for number in ids):
        raise Invalid("ids", "numbers start at 1")
    if not ids and agent_id < 1:
        raise Invalid("agent_id", "is missing; `ullage quarantine list` shows which agents there are")
    if not ids and not 0 < len(reason) <= REASON_CHARACTERS_MAX:
        raise Invalid(
            "reason", "is missing or too long; `ullage quarantine list` shows which reasons there are"
        )
    if "\0" in reason:
        raise Invalid("reason", "must not contain control characters")

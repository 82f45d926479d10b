"""Decides whether agents may report."""

from collections.abc import Sequence

from aggregator.actions.given import text
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import agents
from aggregator.store.database import Database
from aggregator.store.news import announce

STATES = ("active", "held", "retired", "revoked")
AGENTS_AT_ONCE_MAX = 10_000
REASON_CHARACTERS_MAX = 500
# Somebody will ask why.
REASONED = frozenset({"held", "revoked"})


async def set_agents_state(db: Database, ids: Sequence[int], *, state: str, reason: str) -> int:
    """How many were in another state before. Open connections of those that may not report end within five seconds.

    Raises ``Conflict`` where one is revoked: that is final, and then nothing is changed.
    """
    wanted = sorted(set(ids))
    if not wanted or len(wanted) > AGENTS_AT_ONCE_MAX:
        raise Invalid("ids", f"name 1 to {AGENTS_AT_ONCE_MAX} agents")
    if state not in STATES:
        raise Invalid("state", f"must be one of {', '.join(STATES)}")
    why = text("reason", reason, characters_max=REASON_CHARACTERS_MAX)
    if state in REASONED and not why:
        raise Invalid("reason", f"say why they are {state}")
    async with db.transaction() as conn:
        held = await agents.held(conn, wanted)
        missing = set(wanted) - {agent.id for agent in held}
        if missing:
            raise NotFound("agent", min(missing))
        final = [agent.name for agent in held if agent.state == "revoked" and state != "revoked"]
        if final:
            raise Conflict(
                f"{final[0]} is revoked, which is final: enrol its host as a new agent, or leave it out"
            )
        changing = [agent.id for agent in held if agent.state != state]
        if not changing:
            return 0
        await agents.set_state(conn, changing, state=state, reason=why)
        if state == "active":
            await agents.forget_boots(conn, changing)
        await announce(conn, "agent")
    return len(changing)

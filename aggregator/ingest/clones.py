"""Two hosts with one identity: told by boots and certificates that come back, and held until somebody decides.

A host has one boot at a time and its boots never come back; a certificate that was followed by a newer one is not used any
more. Where either happens an agent's key is on two hosts, or a host was set back to a snapshot of its memory.
"""

from logging import getLogger

from aggregator.store import enrolment
from aggregator.store.database import Connection
from aggregator.store.news import announce
from ullage.log import fields

_log = getLogger(__name__)

# What the former boot had sent may arrive for so long after the next one was heard of.
GRACE_SECONDS = 10.0
HELD = (
    "two hosts report as this agent: one is a copy of the other, or was set back to a snapshot of its memory. Let the one "
    "that keeps the name enrol anew with `ullage agents token create --for`, and the other with a token of its own; or make "
    "the agent active again if there is only one"
)


async def sighted(
    conn: Connection,
    *,
    agent_id: int,
    name: str,
    boot_id: str,
    generation: int,
    grace_seconds: float = GRACE_SECONDS,
) -> bool:
    """Records where an agent was seen. True when that shows two hosts: then the agent is held with this transaction."""
    if not boot_id:
        return False
    two = await enrolment.sight(
        conn, agent_id=agent_id, boot_id=boot_id, generation=generation, grace_seconds=grace_seconds
    )
    if two and await enrolment.hold_clones(conn, agent_id, HELD):
        await announce(conn, "agent")
        _log.warning("agent held: two hosts report as it", extra=fields(agent=name, boot_id=boot_id))
    return two

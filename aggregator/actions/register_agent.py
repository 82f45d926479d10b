"""Gives an agent its identity, before a certificate is made for it."""

from uuid import UUID, uuid4

from aggregator.actions.names import valid_name
from aggregator.errors import Conflict
from aggregator.store import agents
from aggregator.store.database import Database
from aggregator.store.news import announce


async def register_agent(db: Database, *, name: str, site: str) -> UUID:
    """The agent's uuid: new for a new name, the same again for a known one.

    Raises ``Conflict`` when the name belongs to another site (its assets would change their scope) or to an agent that
    is no longer allowed to report.
    """
    valid_name("name", name)
    valid_name("site", site)
    async with db.transaction() as conn:
        if await agents.register(conn, uuid=uuid4(), name=name, site=site):
            await announce(conn, "agent")
        agent = await agents.by_name(conn, name)
    if agent is None:
        raise Conflict(f"agent {name} was removed just now; try again")
    if agent.site != site:
        raise Conflict(f"agent {name} belongs to the site {agent.site}; name that, or another agent")
    if agent.state != "active":
        raise Conflict(f"agent {name} is {agent.state} and gets no certificate")
    return agent.uuid

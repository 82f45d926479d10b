"""Issues an agent's certificate and its key to whoever stands at the aggregator, without a token."""

from aggregator import authority
from aggregator.actions.certify import BY_HAND, Certified, certify
from aggregator.actions.register_agent import register_agent
from aggregator.errors import Conflict
from aggregator.issuing import Issuer
from aggregator.store import enrolment
from aggregator.store.database import Database


async def issue_by_hand(db: Database, issuer: Issuer, *, name: str, site: str) -> tuple[Certified, bytes]:
    """The certificate and its key, PEM; the agent is registered if its name is new. What it had before stays valid.

    Raises ``Conflict`` as ``register_agent`` does.
    """
    uuid = await register_agent(db, name=name, site=site)
    key, key_pem = authority.new_key()
    async with db.transaction() as conn:
        agent = await enrolment.certified_agent(conn, uuid=uuid)
        if agent is None:
            raise Conflict(f"agent {name} was removed just now; try again")
        return await certify(conn, issuer, agent, key.public_key(), way=BY_HAND), key_pem

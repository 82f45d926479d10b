"""Gives an agent its next certificate, by the one it has."""

from uuid import UUID

from aggregator.actions.certify import RENEW, Certified, certify
from aggregator.certificate_request import key_hash, proven_key
from aggregator.errors import Denied, Invalid
from aggregator.ingest.agents import not_active, outdated
from aggregator.ingest.clones import sighted
from aggregator.issuing import Issuer
from aggregator.store import enrolment
from aggregator.store.database import Database, acting

_ANOTHER_KEY = (
    "the request must be signed with the key of the certificate that is renewed; for another key enrol anew with a token "
    "made with --for this agent"
)


async def renew(
    db: Database,
    issuer: Issuer,
    *,
    uuid: UUID,
    generation: int,
    certified_key: bytes,
    csr: bytes,
    boot_id: str,
) -> Certified:
    """``uuid``, ``generation`` and ``certified_key`` (SHA-256) are of the connection's certificate.

    Raises ``Denied`` for an agent that may not go on, and where two hosts prove to have one identity.
    """
    key = proven_key(csr)
    if key_hash(key) != certified_key:
        raise Invalid("csr", _ANOTHER_KEY)
    certified = None
    with acting(f"agent:{uuid}", act="Renewal/Renew"):
        async with db.transaction() as conn:
            agent = await enrolment.certified_agent(conn, uuid=uuid)
            if agent is None:
                raise Denied(f"no agent {uuid} is registered here: enrol this host anew")
            if agent.state != "active":
                raise Denied(not_active(agent.state, agent.state_reason))
            if generation < agent.generation_min:
                raise Denied(outdated(agent.name))
            two = await sighted(
                conn, agent_id=agent.id, name=agent.name, boot_id=boot_id, generation=generation
            )
            if not two:
                certified = await certify(conn, issuer, agent, key, way=RENEW)
    if certified is None:
        # After the commit: that it is held must stay.
        raise Denied(not_active("held", "two hosts report as this agent"))
    return certified

"""Lets a host in: trades a one-time token and a proof of its key for an identity and a certificate."""

from logging import getLogger
from uuid import UUID, uuid4

from aggregator.actions.certify import ENROL, Certified, certify
from aggregator.actions.names import valid_name
from aggregator.certificate_request import key_hash, proven_key
from aggregator.errors import Conflict, Denied, Invalid
from aggregator.issuing import Issuer
from aggregator.store import agents, enrolment
from aggregator.store.database import Connection, Database, acting
from aggregator.store.enrolment import CertifiedAgent, TakenToken
from aggregator.store.news import announce
from ullage.log import fields

_log = getLogger(__name__)

TOKEN_CHARACTERS_MAX = 128
# For so long after its use a token gives the same key the same agent again: the reply may have been lost.
LOST_REPLY_SECONDS = 3_600
_WHY_NOT = {
    None: "this token is unknown; check that it is whole and which aggregator it is of",
    "used": "this token was used already, with another key or some time ago; ask for a new one, and look at "
    "`ullage agents list` if it was not you",
    "expired": "this token has expired; ask for a new one",
    "revoked": "this token was revoked; ask for a new one",
}


async def enrol(
    db: Database, issuer: Issuer, *, token: str, csr: bytes, host_name: str, spool_agent: UUID | None
) -> Certified:
    """A certificate for the host that comes first with the token, and for nobody else.

    ``spool_agent``: whose batches lie in the host's spool. Raises ``Denied`` for a token that does not let in, and leaves it
    unused where anything else is wrong.
    """
    if not token or len(token) > TOKEN_CHARACTERS_MAX:
        raise Invalid("token", f"must have 1 to {TOKEN_CHARACTERS_MAX} characters")
    valid_name("host_name", host_name)
    key = proven_key(csr)
    digest = enrolment.digest(token.encode())
    with acting("enrolment", act="Enrolment/Enrol"):
        async with db.transaction() as conn:
            taken = await enrolment.take_token(
                conn, token_sha256=digest, key=key_hash(key), seconds=LOST_REPLY_SECONDS
            )
            if taken is None:
                why = await enrolment.token_state(conn, digest)
                _log.warning("enrolment refused", extra=fields(host_name=host_name, token=why or "unknown"))
                raise Denied(_WHY_NOT[why])
            if taken.host_name and taken.host_name.lower() != host_name.lower():
                raise Denied(f"this token is for the host {taken.host_name}, not for {host_name}")
            if spool_agent is not None and taken.used_agent is None and taken.agent_id is None:
                raise Conflict(_other_spool(spool_agent, "a new agent"))
            agent = await _agent(conn, taken, host_name)
            if spool_agent is not None and spool_agent != agent.uuid:
                raise Conflict(_other_spool(spool_agent, f"agent {agent.name} ({agent.uuid})"))
            certified = await certify(
                conn, issuer, agent, key, way=ENROL, only_from_here=taken.used_agent is None
            )
            await enrolment.token_used_by(conn, taken.id, agent.id)
            await announce(conn, "agent")
    _log.info("agent enrolled", extra=fields(agent=agent.name, generation=certified.generation))
    return certified


async def _agent(conn: Connection, taken: TakenToken, host_name: str) -> CertifiedAgent:
    agent_id = taken.used_agent or taken.agent_id
    if agent_id is None:
        agent_id = await enrolment.insert_agent(conn, uuid=uuid4(), name=host_name, site=taken.site)
        if agent_id is None:
            raise Conflict(
                f"there is an agent {host_name} already: for a new image of that host make the token with --for "
                f"{host_name}; for another host choose another name (`ullage-agent enrol --name`)"
            )
    agent = await enrolment.certified_agent(conn, agent_id=agent_id)
    if agent is None:
        raise Conflict("the agent of this token is gone; ask for a new one")
    if taken.used_agent is None and agent.state == "held":
        # Whoever made the token decided which host it is.
        await agents.set_state(conn, [agent.id], state="active", reason="")
    elif agent.state != "active":
        raise Denied(
            f"the agent {agent.name} is {agent.state}; an administrator decides whether it comes back"
        )
    if taken.used_agent is None:
        await agents.forget_boots(conn, [agent.id])
    return agent


def _other_spool(spool_agent: UUID, whose: str) -> str:
    return (
        f"the spool on this host belongs to agent {spool_agent}, the token is for {whose}: make the token with --for that "
        "agent, and nothing in the spool is lost; or move the spool away (what is in it is then not delivered)"
    )

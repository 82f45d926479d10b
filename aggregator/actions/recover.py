"""Lets an agent come back whose certificate has expired: it proves that it has the enrolled key."""

import secrets
from datetime import timedelta
from logging import getLogger
from uuid import UUID

from aggregator.actions.certify import RECOVER, Certified, certify
from aggregator.certificate_request import key_hash, proven_key, signed_with
from aggregator.errors import Denied
from aggregator.issuing import Issuer
from aggregator.store import enrolment
from aggregator.store.database import Database, acting
from aggregator.store.enrolment import CertifiedAgent
from ullage.log import fields

_log = getLogger(__name__)

NONCE_BYTES = 32
NONCE_SECONDS = 60
RECOVERY_DAYS_MAX = 30
_ANEW = "enrol this host anew with a token made with --for this agent: it keeps its name, its spool and its assets"


def to_sign(uuid: UUID, nonce: bytes, csr: bytes) -> bytes:
    """What the agent signs with its enrolled key."""
    return b"ullage-recover\n" + str(uuid).encode() + b"\n" + nonce + csr


async def begin_recovery(db: Database, *, uuid: UUID) -> bytes:
    """A nonce, good once and for ``NONCE_SECONDS``; for an agent that cannot recover it is good for nothing."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    async with db.transaction() as conn:
        await enrolment.keep_nonce(
            conn, nonce_sha256=enrolment.digest(nonce), uuid=uuid, seconds=NONCE_SECONDS
        )
    return nonce


async def recover(
    db: Database,
    issuer: Issuer,
    *,
    uuid: UUID,
    nonce: bytes,
    signature: bytes,
    csr: bytes,
    generation: int,
) -> Certified:
    """``generation``: of the newest certificate that the agent has. Raises ``Denied``; the nonce is used up either way."""
    key = proven_key(csr)
    certified, refusal = None, ""
    with acting(f"agent:{uuid}", act="Enrolment/Recover"):
        async with db.transaction() as conn:
            agent = await enrolment.certified_agent(conn, uuid=uuid)
            fresh = agent is not None and await enrolment.take_nonce(
                conn, nonce_sha256=enrolment.digest(nonce), agent_id=agent.id
            )
            if agent is None or not fresh or agent.public_key is None:
                refusal = "the nonce is unknown, used or too old; begin anew"
            elif key_hash(key) != agent.key_sha256 or not signed_with(
                agent.public_key, signature=signature, message=to_sign(uuid, nonce, csr)
            ):
                # Nobody without the key learns more of the agent than this.
                refusal = f"the signature is not of the enrolled key; {_ANEW}"
            else:
                refusal = _why_not(agent, issuer, generation)
                if not refusal and await enrolment.newer_was_used(
                    conn, agent_id=agent.id, generation=generation
                ):
                    refusal = f"a newer certificate of this agent was used elsewhere: is this host a copy? If not, {_ANEW}"
                if not refusal:
                    certified = await certify(conn, issuer, agent, key, way=RECOVER)
    if certified is None:
        _log.warning("recovery refused", extra=fields(agent=str(uuid), reason=refusal))
        raise Denied(refusal)
    _log.info("agent recovered", extra=fields(agent=certified.name, generation=certified.generation))
    return certified


def _why_not(agent: CertifiedAgent, issuer: Issuer, generation: int) -> str:
    """Empty when nothing is in the way."""
    if agent.state not in {"active", "held"}:
        return f"this agent is {agent.state}; an administrator decides whether it comes back"
    if generation < agent.generation_min:
        return "this agent was enrolled anew on another host or with another key; this host needs a token of its own"
    ended = agent.certificate_until
    if ended is None or issuer.clock() > ended + timedelta(days=RECOVERY_DAYS_MAX):
        return f"its certificate expired more than {RECOVERY_DAYS_MAX} days ago; {_ANEW}"
    return ""

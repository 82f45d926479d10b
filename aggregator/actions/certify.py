"""Issues a certificate to an agent that may have one, and keeps the record of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.certificate_request import key_hash, spki
from aggregator.issuing import Issuer
from aggregator.store import enrolment
from aggregator.store.database import Connection
from aggregator.store.enrolment import CertifiedAgent

ENROL, RENEW, RECOVER, BY_HAND = "enrol", "renew", "recover", "by-hand"


@dataclass(frozen=True, slots=True)
class Certified:
    """What an agent gets; both certificates are PEM."""

    uuid: UUID
    name: str
    site: str
    certificate: bytes
    authorities: bytes
    not_after: datetime
    generation: int


async def certify(
    conn: Connection,
    issuer: Issuer,
    agent: CertifiedAgent,
    key: ec.EllipticCurvePublicKey,
    *,
    way: str,
    only_from_here: bool = False,
) -> Certified:
    """The next certificate of an agent that this transaction holds; from now on ``key`` is its enrolled one.

    ``only_from_here``: older certificates are refused. Raises ``Conflict`` when the authority cannot be used.
    """
    until = issuer.until()
    generation = await enrolment.next_generation(
        conn,
        agent.id,
        public_key=spki(key),
        key=key_hash(key),
        until=until,
        only_from_here=only_from_here,
    )
    made = issuer.certify(agent.uuid, key, generation=generation, not_after=until)
    await enrolment.insert_certificate(
        conn,
        serial=made.serial,
        agent_id=agent.id,
        generation=generation,
        not_after=made.not_after,
        way=way,
        authority=made.authority,
    )
    return Certified(
        agent.uuid, agent.name, agent.site, made.pem, issuer.authorities(), made.not_after, generation
    )

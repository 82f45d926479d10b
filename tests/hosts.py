"""A host that wants to be an agent: its key, its requests, its signatures; and an authority that issues."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aggregator.actions.certify import Certified
from aggregator.actions.create_enrolment_token import create_enrolment_token
from aggregator.actions.enrol import enrol
from aggregator.actions.recover import begin_recovery, recover, to_sign
from aggregator.actions.renew import renew
from aggregator.authority import create_authority, issue_server, write_new
from aggregator.certificate_request import key_hash
from aggregator.issuing import Issuer
from aggregator.store.database import Database

DAY = timedelta(days=1)


def issuer_in(folder: Path, *, lifetime: timedelta = DAY) -> Issuer:
    """An authority and a server's certificate of it."""
    now = datetime.now(UTC)
    own = create_authority(folder / "authority", now=now)
    issued = issue_server(own, ["localhost"], now=now)
    write_new(folder / "tls", {"server.crt": issued.certificate, "server.key": issued.key, "ca.crt": own.pem})
    return Issuer(folder / "authority", folder / "tls/server.crt", lifetime)


async def token_for(
    db: Database, issuer: Issuer, *, agent_id: int | None = None, host_name: str = "", seconds: int = 0
) -> str:
    """A fresh token, for a new agent of the site fra1 unless it is for an agent."""
    site = "fra1" if agent_id is None else ""
    made = await create_enrolment_token(
        db, issuer, site=site, host_name=host_name, agent_id=agent_id, seconds=seconds
    )
    return made.secret


@dataclass
class Host:
    """One machine with one key and one boot."""

    name: str = "web-01"
    boot_id: str = "boot-1"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def csr(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever it says")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    async def enrol(
        self, db: Database, issuer: Issuer, token: str, *, spool_agent: UUID | None = None
    ) -> Certified:
        return await enrol(
            db, issuer, token=token, csr=self.csr, host_name=self.name, spool_agent=spool_agent
        )

    async def renew(self, db: Database, issuer: Issuer, last: Certified) -> Certified:
        """As the service asks it, from what TLS has verified."""
        return await renew(
            db,
            issuer,
            uuid=last.uuid,
            generation=last.generation,
            certified_key=key_hash(self.key.public_key()),
            csr=self.csr,
            boot_id=self.boot_id,
        )

    async def recover(
        self, db: Database, issuer: Issuer, last: Certified, *, nonce: bytes | None = None
    ) -> Certified:
        if nonce is None:
            nonce = await begin_recovery(db, uuid=last.uuid)
        csr = self.csr
        signature = self.key.sign(to_sign(last.uuid, nonce, csr), ec.ECDSA(hashes.SHA256()))
        return await recover(
            db,
            issuer,
            uuid=last.uuid,
            nonce=nonce,
            signature=signature,
            csr=csr,
            generation=last.generation,
        )

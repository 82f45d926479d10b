"""The authority at work in a serving aggregator: certificates for agents' own keys, all authorities to trust, the time.

Reads the authority's folder anew for each certificate, so that a rotation needs no restart. Not responsible for who may
have a certificate: that are the actions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator import authority, rotation
from aggregator.errors import Conflict


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was issued, PEM. ``authority``: of whom, as the database names it."""

    pem: bytes
    serial: str
    not_after: datetime
    authority: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """``server_certificate``: by whose authority agents know us before they are enrolled."""

    directory: Path
    server_certificate: Path
    lifetime: timedelta
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def certify(
        self, uuid: UUID, key: ec.EllipticCurvePublicKey, *, generation: int, not_after: datetime
    ) -> Certificate:
        """Raises ``Conflict`` when the authority cannot be used."""
        now = self.clock()
        own = authority.load_authority(self.directory)
        made = authority.certify_agent(
            own, uuid, public_key=key, generation=generation, now=now, lifetime=not_after - now
        )
        return Certificate(
            authority.pem(made),
            f"{made.serial_number:x}",
            made.not_valid_after_utc,
            rotation.plain_fingerprint(own.certificate),
        )

    def until(self) -> datetime:
        """The end of a certificate that is issued now."""
        return (self.clock() + self.lifetime).replace(microsecond=0)

    def authorities(self) -> bytes:
        """All that agents are to trust, PEM."""
        return rotation.bundle(rotation.trusted(self.directory))

    def fingerprint(self) -> str:
        """SHA-256 of the authority by whose certificate agents know us when they enrol.

        Raises ``Conflict`` when that authority is none of ours.
        """
        server = authority.load_certificate(self.server_certificate)
        found: x509.Certificate | None = rotation.known_by(server, rotation.trusted(self.directory))
        if found is None:
            raise Conflict(
                "tls.certificate is not of the authority of this aggregator, so agents could not know us by a "
                "fingerprint; issue it with `ullage-aggregator ca issue server`"
            )
        return authority.fingerprint(found)


def needed(issuer: Issuer | None) -> Issuer:
    """Raises ``Conflict`` on an aggregator that does not issue."""
    if issuer is None:
        raise Conflict(
            "this aggregator issues no certificates; ask one whose configuration names [authority] directory"
        )
    return issuer

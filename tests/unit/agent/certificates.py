"""Certificates as an authority would issue them, and as it would not."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.credentials import Files
from ullage.channel import Identity

AGENT = "3d1219c7-c4c5-404a-aa1f-6d2a48adfda4"
AGENT_URI = f"spiffe://ullage/agent/{AGENT}"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    @property
    def identity(self) -> Identity:
        return Identity(self.certificate, self.key)


class Authority:
    """An authority of its own, different from every other."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = (
            self._builder(
                self._name, self._key.public_key(), NOW - timedelta(days=1), NOW + timedelta(days=9)
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def agent(
        self,
        *,
        uri: str = AGENT_URI,
        starts: datetime = NOW - timedelta(hours=1),
        ends: datetime = NOW + timedelta(days=1),
    ) -> Pair:
        return self._issue(x509.UniformResourceIdentifier(uri), ExtendedKeyUsageOID.CLIENT_AUTH, starts, ends)

    def server(self, host: str = "127.0.0.1", *, ends: datetime = NOW + timedelta(days=1)) -> Pair:
        name = x509.IPAddress(ipaddress.ip_address(host))
        return self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, NOW - timedelta(hours=1), ends)

    def _issue(
        self, name: x509.GeneralName, usage: x509.ObjectIdentifier, starts: datetime, ends: datetime
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        certificate = (
            self._builder(subject, key.public_key(), starts, ends)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Pair(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, starts: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
        )


def write(folder: Path, *, ca: bytes, pair: Pair) -> Files:
    """The three files of an agent."""
    files = Files(folder / "ca.crt", folder / "agent.crt", folder / "agent.key")
    files.ca.write_bytes(ca)
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    files.key.chmod(0o600)
    return files

"""The local certificate authority: makes itself, issues certificates for servers and agents, and reads what there is.

Responsible for what stands in a certificate and for how keys lie on disk (0600, new folders 0700, nothing overwritten).
Not responsible for who may have a certificate: that is `actions/register_agent.py`. The authority's folder holds
`ca.crt` and `ca.key`; the key is never in the database.
"""

import contextlib
import ipaddress
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aggregator.errors import Conflict, Invalid

CA_DAYS = 3650
SERVER_DAYS = 365
AGENT_DAYS = 30
AGENT_DAYS_MAX = 365
# Clocks of agents may be this far behind ours when a certificate is new; of a very short life a tenth is enough.
BACKDATE = timedelta(minutes=5)
BACKDATE_SHARE = 10
CA_CERTIFICATE = "ca.crt"
CA_KEY = "ca.key"
AGENT_URI = "spiffe://ullage/agent/"
# The certificate's place in the agent's line of certificates; one without it is of generation 0.
GENERATION_URI = "urn:ullage:generation:"

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*{_LABEL}\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate and its key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate that agents and people trust, and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)


def create_authority(
    directory: Path, *, now: datetime, certificate_name: str = CA_CERTIFICATE, key_name: str = CA_KEY
) -> Authority:
    """Makes the folder, a key and a certificate for ten years. Raises ``Conflict`` where there is an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ullage authority")])
    certificate = (
        _builder(
            subject=name,
            issuer=name,
            public_key=key.public_key(),
            now=now,
            lifetime=timedelta(days=CA_DAYS),
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(certificate, key)
    write_new(directory, {key_name: _key_pem(key), certificate_name: authority.pem})
    return authority


def load_authority(directory: Path) -> Authority:
    """Raises ``Conflict``, saying what to do, when there is none, or its key is damaged or open to others."""
    certificate = load_certificate(directory / CA_CERTIFICATE)
    path = directory / CA_KEY
    if open_to_others(path):
        raise Conflict(f"{path} can be read by others; run `chmod 600 {path}`")
    key = _load_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Conflict(
            f"{path} is not an elliptic-curve key, so `ullage-aggregator ca create` did not make it"
        )
    if key.public_key() != certificate.public_key():
        raise Conflict(f"{path} is not the key of {directory / CA_CERTIFICATE}; restore both from one backup")
    return Authority(certificate, key)


def issue_server(
    authority: Authority, hosts: Sequence[str], *, now: datetime, days: int = SERVER_DAYS
) -> Issued:
    """A certificate by which agents and people know an aggregator under each of ``hosts`` (DNS names, addresses).

    Raises ``Invalid`` for what is neither.
    """
    if not hosts:
        raise Invalid("host", "name at least one host name or address under which the aggregator is reached")
    names = [_host_name(host) for host in hosts]
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certify(
        authority,
        key.public_key(),
        subject=hosts[0][:64],
        alternatives=names,
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        now=now,
        lifetime=timedelta(days=days),
    )
    return Issued(pem(certificate), _key_pem(key))


def issue_agent(
    authority: Authority, uuid: UUID, *, now: datetime, days: int = AGENT_DAYS, generation: int = 0
) -> Issued:
    """A certificate with a key of its own that says which agent its holder is."""
    if not 1 <= days <= AGENT_DAYS_MAX:
        raise Invalid("days", f"must be from 1 to {AGENT_DAYS_MAX}")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certify_agent(
        authority,
        uuid,
        public_key=key.public_key(),
        generation=generation,
        now=now,
        lifetime=timedelta(days=days),
    )
    return Issued(pem(certificate), _key_pem(key))


def certify_agent(
    authority: Authority,
    uuid: UUID,
    *,
    public_key: ec.EllipticCurvePublicKey,
    generation: int,
    now: datetime,
    lifetime: timedelta,
) -> x509.Certificate:
    """A certificate for the agent's own key. Who it is stands in the places where the aggregator looks: the SAN URIs."""
    uris = [f"{AGENT_URI}{uuid}", *([f"{GENERATION_URI}{generation}"] if generation else [])]
    return _certify(
        authority,
        public_key,
        subject=str(uuid),
        alternatives=[x509.UniformResourceIdentifier(uri) for uri in uris],
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        now=now,
        lifetime=lifetime,
    )


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A key for somebody who cannot make one, and the same as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _key_pem(key)


def pem(certificate: x509.Certificate) -> bytes:
    """As text, for files and messages."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate, as openssl prints it: AB:CD:…"""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def load_certificate(path: Path) -> x509.Certificate:
    """Raises ``Conflict``, saying what to do, when the file is missing or is no PEM certificate."""
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError:
        raise Conflict(f"{path} is not a PEM certificate; issue it again") from None


def server_problems(*, ca: Path, certificate: Path, key: Path, now: datetime) -> list[str]:
    """What keeps these files from serving TLS, each with the configuration key at fault; none when all is well."""
    problems: list[str] = []
    own = None
    try:
        load_certificate(ca)
    except Conflict as error:
        problems.append(f"tls.ca: {error}")
    try:
        own = load_certificate(certificate)
    except Conflict as error:
        problems.append(f"tls.certificate: {error}")
    try:
        private = _load_key(key)
        if own is not None and private.public_key() != own.public_key():
            problems.append(f"tls.key: {key} is not the key of {certificate}; issue both again")
    except Conflict as error:
        problems.append(f"tls.key: {error}")
    if own is None:
        return problems
    if own.not_valid_after_utc <= now:
        problems.append(f"tls.certificate: expired on {own.not_valid_after_utc:%Y-%m-%d}; issue it again")
    if own.not_valid_before_utc > now:
        problems.append(
            f"tls.certificate: only valid from {own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; check the clock"
        )
    return problems


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether ``ca`` itself signed it. One of another authority can serve too, but clients must know that one."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def open_to_others(path: Path) -> bool:
    """Whether anyone but the owner may read or write the file; False where there is none."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def write_new(directory: Path, files: Mapping[str, bytes]) -> None:
    """Writes all or none of the files, keys (``*.key``) 0600 from their first byte on; the folder is made 0700.

    Raises ``Conflict`` when one exists already: nothing is ever overwritten.
    """
    refuse_existing(directory, files)
    written: list[Path] = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            path = directory / name
            mode = 0o600 if name.endswith(".key") else 0o644
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            written.append(path)
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise Conflict(f"{error.filename or directory} cannot be written: {error.strerror}") from None


def refuse_existing(directory: Path, names: Mapping[str, bytes] | Sequence[str]) -> None:
    """Raises ``Conflict`` when one of the files is there."""
    for name in names:
        if os.path.lexists(directory / name):
            raise Conflict(
                f"{directory / name} exists and is not overwritten; name another folder or move it away"
            )


def _certify(
    authority: Authority,
    public_key: ec.EllipticCurvePublicKey,
    *,
    subject: str,
    alternatives: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    now: datetime,
    lifetime: timedelta,
) -> x509.Certificate:
    if authority.certificate.not_valid_after_utc <= now:
        raise Conflict(
            "the authority's certificate has expired; create a new authority in another folder, and in time "
            "next time: `ullage-aggregator ca rotate`"
        )
    return (
        _builder(
            subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
            issuer=authority.certificate.subject,
            public_key=public_key,
            now=now,
            lifetime=lifetime,
            end_max=authority.certificate.not_valid_after_utc,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
    end_max: datetime | None = None,
) -> x509.CertificateBuilder:
    end = now + lifetime
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(BACKDATE, lifetime / BACKDATE_SHARE))
        .not_valid_after(end if end_max is None else min(end, end_max))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _HOST.match(host) or host.replace(".", "").isdigit():
        raise Invalid("host", f"{host[:80]!r} is neither a DNS name nor an IP address")
    return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Conflict(f"{path} is not a PEM key without a passphrase; issue it again") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Conflict(f"{path} does not exist; make it with `ullage-aggregator ca`") from None
    except OSError as error:
        raise Conflict(f"{path} cannot be read: {error.strerror}") from None

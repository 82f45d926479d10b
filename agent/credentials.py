"""The agent's certificate: read, judged and explained before anything is dialled.

gRPC reports every TLS failure as UNAVAILABLE, which looks like an aggregator that is away. So what is wrong is found out
here with the standard library: by an in-memory handshake of the certificate with itself, and by a probe of the
aggregator. Private keys never leave this module but in an Identity, and are in no text.
"""

import contextlib
import re
import socket
import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ullage.channel import Identity

PROBE_SECONDS_MAX = 10.0
_AGENT_URI = re.compile(r"spiffe://ullage/agent/([0-9a-f-]{36})")
_GENERATION_URI = re.compile(r"urn:ullage:generation:([0-9]{1,18})")
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: times are judged here, in words.
_NO_CHECK_TIME = 0x200000
_HANDSHAKE_STEPS_MAX = 20
# The client's half of an HTTP/2 connection: its preface and an empty SETTINGS frame (RFC 9113, 3.4). The server's
# answer, or its alert about our certificate, comes after it.
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_ISSUE = "enrol this host with a token (`ullage-agent enrol`)"


class Refused(Exception):
    """The agent cannot work with these credentials; one text per problem, each with what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Files:
    """Where the three PEM files are."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was read and found good. ``agent``: the uuid in the certificate."""

    files: Files
    ca: bytes
    identity: Identity
    agent: str
    not_after: datetime
    # What an operator should change although it works.
    warnings: tuple[str, ...]
    not_before: datetime
    # Its place in the line of this agent's certificates; 0 where it does not say.
    generation: int


def load(files: Files, *, now: datetime, recoverable: bool = False) -> Credentials:
    """Reads and judges the three files. Raises ``Refused`` with everything that is wrong with them.

    ``recoverable``: that the certificate has expired is not wrong, because the agent knows where to get another.
    """
    problems: list[str] = []
    ca = _read("CA certificate", files.ca, problems)
    certificate = _read("certificate", files.certificate, problems)
    key = _read("private key", files.key, problems)
    if ca is None or certificate is None or key is None:
        raise Refused(problems)
    trust = _trust(files.ca, ca, problems)
    if not _is_pair(files, problems) or trust is None:
        raise Refused(problems)
    facts = _seen_by_a_server(files, trust)
    if isinstance(facts, str):
        raise Refused([f"certificate {files.certificate} does not hold: {facts}"])
    not_before, not_after = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(facts[name]), UTC)
        for name in ("notBefore", "notAfter")
    )
    if now < not_before:
        problems.append(
            f"certificate {files.certificate} is not valid before {not_before:%Y-%m-%d %H:%M} UTC and this host's "
            f"clock says {now:%Y-%m-%d %H:%M} UTC: set the clock"
        )
    if now >= not_after and not recoverable:
        problems.append(
            f"certificate {files.certificate} expired on {not_after:%Y-%m-%d %H:%M} UTC: {_ISSUE} "
            "(or set the clock, if it is wrong; or set aggregator.enrolment, and the agent recovers by itself)"
        )
    found = [
        match[1] for kind, uri in facts.get("subjectAltName", ()) if (match := _AGENT_URI.fullmatch(uri))
    ]
    if len(found) != 1:
        problems.append(f"certificate {files.certificate} does not name an agent: {_ISSUE}")
    if problems:
        raise Refused(problems)
    generation = next(
        (int(match[1]) for _, uri in facts["subjectAltName"] if (match := _GENERATION_URI.fullmatch(uri))), 0
    )
    return Credentials(
        files=files,
        ca=ca,
        identity=Identity(certificate, key),
        agent=found[0],
        not_after=not_after,
        warnings=tuple(_open_to_others(files.key)),
        not_before=not_before,
        generation=generation,
    )


def check_authorities(pem: bytes) -> None:
    """Raises ``Refused`` for what holds no certificate: it would lock this agent out."""
    problems: list[str] = []
    if _trust(Path("of the aggregator"), pem, problems) is None:
        raise Refused(problems)


def probe(address: str, credentials: Credentials) -> str:
    """Dials the aggregator once with TLS alone. Returns what is wrong in words, empty when nothing is.

    Blocks for at most ``PROBE_SECONDS_MAX`` per step.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = _context(ssl.PROTOCOL_TLS_CLIENT, credentials.files)
    context.load_verify_locations(credentials.files.ca)
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, int(port)), timeout=PROBE_SECONDS_MAX) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.sendall(_HTTP2_HELLO)
            if not secure.recv(1):
                return (
                    f"{address} closed the connection after the handshake: it may not accept this certificate"
                )
    except ssl.SSLCertVerificationError as error:
        return f"the certificate of {address} does not hold: {_words(error)}"
    except ssl.SSLError as error:
        return f"{address} refused the connection: {_alert(error)}"
    except socket.gaierror:
        return f"the name {host} cannot be resolved: correct aggregator.address or the host's DNS"
    except TimeoutError:
        return f"{address} did not answer within {PROBE_SECONDS_MAX:g} s: is it running, does a firewall drop it?"
    except OSError as error:
        return f"{address} cannot be reached: {error.strerror or error}: is the aggregator running there?"
    return ""


def _read(what: str, path: Path, problems: list[str]) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(
            f"{what} {path} cannot be read: {error.strerror}: correct the path in [aggregator], or the file's owner and mode"
        )
        return None


def _trust(path: Path, ca: bytes, problems: list[str]) -> str | None:
    """The CA file as text, None when it holds no certificate."""
    try:
        text = ca.decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        problems.append(
            f"CA certificate {path} holds no PEM certificate: copy ca.crt from the aggregator again"
        )
        return None
    return text


def _is_pair(files: Files, problems: list[str]) -> bool:
    """Whether certificate and key belong together."""
    names = f"certificate {files.certificate} and key {files.key}"
    try:
        _context(ssl.PROTOCOL_TLS_CLIENT, files)
    except _Encrypted:
        problems.append(
            f"key {files.key} is encrypted: the agent starts unattended, use a key without passphrase"
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problems.append(f"{names} do not belong together: use the two that were issued together")
        else:
            problems.append(
                f"{names} are not a pair of PEM files: copy them again ({error.reason or 'no PEM data'})"
            )
    else:
        return True
    return False


def _context(protocol: int, files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.load_cert_chain(files.certificate, files.key, password=_no_password)
    return context


def _seen_by_a_server(files: Files, trust: str) -> dict[str, Any] | str:
    """What an aggregator that trusts ``trust`` (PEM) sees of the pair: the certificate's facts, or why it is refused.

    A handshake of the pair with itself, in memory; dates are not judged.
    """
    client, server = _context(ssl.PROTOCOL_TLS_CLIENT, files), _context(ssl.PROTOCOL_TLS_SERVER, files)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server.load_verify_locations(cadata=trust)
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= _NO_CHECK_TIME
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)
    waiting = [ours, theirs]
    for _ in range(_HANDSHAKE_STEPS_MAX):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return _words(error)
            except ssl.SSLError as error:
                return _alert(error)
            waiting.remove(end)
        if not waiting:
            return theirs.getpeercert() or "it was not presented"
    return "the handshake with it did not end"


# Authorities all have the same name, so another one shows as a signature that is wrong (7) as often as unknown (18-21).
_STRANGE = "it is not of the authority in the CA file: use the ca.crt of the aggregator that issued it"
# By OpenSSL's X509_V_ERR_*.
_VERIFY_WORDS = {
    7: _STRANGE,
    9: "it is not valid yet: compare the clocks of both hosts",
    10: "it has expired",
    18: _STRANGE,
    19: _STRANGE,
    20: _STRANGE,
    21: _STRANGE,
    26: "it was issued for another purpose: an agent needs one of `ullage-aggregator ca issue agent`",
    62: "it does not name this host: dial a name it was issued for, or issue one for this name",
    64: "it does not name this address: dial a name it was issued for, or issue one for this address",
}
_ALERT_WORDS = {
    "UNKNOWN_CA": "it does not know the authority of this agent's certificate",
    "CERTIFICATE_EXPIRED": "it says that this agent's certificate has expired: compare the clocks",
    "CERTIFICATE_REVOKED": "this agent's certificate was revoked",
    "CERTIFICATE_REQUIRED": "it asks for a certificate that was not sent",
    "BAD_CERTIFICATE": "it does not accept this agent's certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS: is this the port for agents?",
    "UNEXPECTED_EOF_WHILE_READING": "it closed the connection during the handshake: is this the port for agents?",
}


def _words(error: ssl.SSLCertVerificationError) -> str:
    return _VERIFY_WORDS.get(error.verify_code, error.verify_message)


def _alert(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    return next(
        (words for name, words in _ALERT_WORDS.items() if reason.endswith(name)), reason or str(error)
    )


class _Encrypted(Exception):
    """The key needs a passphrase."""


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise _Encrypted


def _open_to_others(key: Path) -> list[str]:
    with contextlib.suppress(OSError):
        if stat.S_IMODE(key.stat().st_mode) & 0o077:
            return [f"key {key} can be read by others: chmod 600 {key}"]
    return []

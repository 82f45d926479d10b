"""Finds the authority by the fingerprint that an operator gave, before anything is trusted or told.

The aggregator sends its authority's certificate with its own. Until the fingerprint fits, nothing is sent but the handshake.
"""

import hashlib
import re
import socket
import ssl
from typing import Any

from agent.credentials import PROBE_SECONDS_MAX

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Unknown(Exception):
    """The aggregator is not the one that was meant, or there is none; the text says what to do."""


def plain(fingerprint: str) -> str:
    """The fingerprint as small hex digits; empty for a text that is none."""
    text = fingerprint.replace(":", "").replace(" ", "").lower().removeprefix("sha256").lstrip("=")
    return text if _SHA256.fullmatch(text) else ""


def find(address: str, fingerprint: str) -> bytes:
    """The authority's certificate, PEM, whose SHA-256 is ``fingerprint`` (``plain``). Raises ``Unknown``. Blocks."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Not verified, because nothing is trusted yet: only the certificates are looked at, and then dialled anew.
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, int(port)), timeout=PROBE_SECONDS_MAX) as plain_socket,
            context.wrap_socket(plain_socket, server_hostname=host) as secure,
        ):
            chain = _chain(secure)
    except socket.gaierror:
        raise Unknown(f"the name {host} cannot be resolved: correct --aggregator or the host's DNS") from None
    except ssl.SSLError as error:
        raise Unknown(
            f"{address} does not speak TLS as an aggregator does ({error.reason}): is this its port for people?"
        ) from None
    except OSError as error:
        raise Unknown(
            f"{address} cannot be reached: {error.strerror or error}: is it running there?"
        ) from None
    for certificate in chain:
        if hashlib.sha256(certificate).hexdigest() == fingerprint:
            return ssl.DER_cert_to_PEM_cert(certificate).encode("ascii")
    raise Unknown(
        f"{address} is not of the authority with this fingerprint: compare it with `ullage-aggregator ca show`; if it is "
        "right, somebody else answers at that address"
    )


def _chain(secure: ssl.SSLSocket) -> list[bytes]:
    """What the server sent, DER. Public from Python 3.13 on; before, under the name that became public."""
    public: Any = getattr(secure, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    inner: Any = secure._sslobj  # type: ignore[attr-defined]  # the only way to the chain in Python 3.11 and 3.12
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]

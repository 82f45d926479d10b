"""Who speaks on the agents' listener: read from the certificate of the connection, and from nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc.aio

from aggregator.authority import AGENT_URI, GENERATION_URI
from aggregator.certificate_request import certified_key_hash
from aggregator.errors import Denied

Context = grpc.aio.ServicerContext[Any, Any]
_GENERATION_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Holder:
    """Of a certificate: which agent, and its place in the line of that agent's certificates; 0 where it does not say."""

    uuid: UUID
    generation: int


def identity(context: Context) -> Holder:
    """Raises ``Denied`` when the certificate names no agent."""
    auth: Mapping[str, Iterable[bytes]] = context.auth_context()
    uuid, generation = None, 0
    for uri in auth.get("peer_uri", ()):
        text = uri.decode(errors="replace")
        if text.startswith(AGENT_URI) and uuid is None:
            uuid = _uuid(text.removeprefix(AGENT_URI))
        elif text.startswith(GENERATION_URI):
            generation = _number(text.removeprefix(GENERATION_URI))
    if uuid is None:
        raise Denied(
            f"the certificate names no agent ({AGENT_URI}…): enrol this host, or issue one with "
            "`ullage-aggregator ca issue agent`"
        )
    return Holder(uuid, generation)


def certified_key(context: Context) -> bytes:
    """SHA-256 of the public key with which the connection was made. Raises ``Invalid`` for one that is not on P-256."""
    auth: Mapping[str, Iterable[bytes]] = context.auth_context()
    for certificate in auth.get("x509_pem_cert", ()):
        return certified_key_hash(certificate)
    raise Denied("this connection has no certificate")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _number(text: str) -> int:
    good = text.isascii() and text.isdigit() and len(text) <= _GENERATION_DIGITS_MAX
    return int(text) if good else 0

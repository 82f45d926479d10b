"""The one way to dial an aggregator: TLS always, keepalive, bounded messages."""

from dataclasses import dataclass

import grpc
import grpc.aio

KEEPALIVE_SECONDS = 60
KEEPALIVE_TIMEOUT_SECONDS = 20
MESSAGE_BYTES_MAX = 4 * 1024 * 1024

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # Retries are the caller's: each attempt must be counted once.
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate and its key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Never the key."""
        return "Identity(…)"


def open_channel(address: str, *, ca: bytes, identity: Identity | None = None) -> grpc.aio.Channel:
    """A channel to ``host:port`` that trusts only the authority ``ca`` (PEM). Dials when first used."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca,
        private_key=identity.key if identity else None,
        certificate_chain=identity.certificate if identity else None,
    )
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS)

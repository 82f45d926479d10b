"""The TLS of both listeners, renewed without a restart: each new connection is made with what the files hold by then.

The server's certificate is sent with its authority's, so that an agent can find the one whose fingerprint it was given.
Agents' certificates may be of any authority in `tls.ca` or in the authority's folder, where a rotation puts the next one.
Files that do not fit together are not taken: what was good before goes on.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc

from aggregator import rotation
from aggregator.authority import load_certificate, pem, server_problems
from aggregator.config import Config, ConfigError
from aggregator.errors import Conflict
from ullage.log import fields

_log = logging.getLogger(__name__)

Settings = grpc.ServerCertificateConfiguration
_Stamp = tuple[tuple[str, int, int], ...]


class ListenerTls:
    """Reads the files that the configuration names, again whenever one has changed. Raises ``ConfigError`` at first."""

    def __init__(self, config: Config) -> None:
        self._tls = config.tls
        self._authority = config.authority.directory if config.authority else None
        problems = self._problems()
        if problems:
            raise ConfigError("of TLS", problems)
        self._stamp = self._look()
        self._settings = self._read()

    def agents(self) -> grpc.ServerCredentials:
        """For those who must show a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._settings[0], self._fetcher(0), require_client_authentication=True
        )

    def people(self) -> grpc.ServerCredentials:
        """For those who need not."""
        return grpc.dynamic_ssl_server_credentials(
            self._settings[1], self._fetcher(1), require_client_authentication=False
        )

    def _fetcher(self, which: int) -> Callable[[], Settings]:
        """What gRPC calls before each handshake; it must not raise. None: nothing is new.

        Settings handed out again would be taken for new ones, and gRPC frees the old ones under a handshake that is still
        at work with them: the process dies (grpc/grpc issue 36693). So they are handed out once, when the files changed.
        """
        handed_out = self._settings[which]

        def fetch() -> Settings:
            nonlocal handed_out
            self._refresh()
            if self._settings[which] is handed_out:
                # As gRPC's documentation has it, and its types have not.
                return None  # type: ignore[return-value]
            handed_out = self._settings[which]
            return handed_out

        return fetch

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            problems = self._problems()
            if not problems:
                self._settings = self._read()
        except (OSError, ValueError, Conflict) as error:
            problems = [str(error)]
        if problems:
            _log.error("changed TLS files are not used", extra=fields(problems=problems))
        else:
            _log.info("TLS files read again")

    def _problems(self) -> list[str]:
        tls = self._tls
        return server_problems(ca=tls.ca, certificate=tls.certificate, key=tls.key, now=datetime.now(UTC))

    def _read(self) -> tuple[Settings, Settings]:
        own = load_certificate(self._tls.certificate)
        authorities = rotation.read_bundle(self._tls.ca)
        if self._authority is not None:
            try:
                authorities += rotation.trusted(self._authority)
            except Conflict as error:
                _log.warning("the authority is not used", extra=fields(reason=str(error)))
        authorities = list(dict.fromkeys(authorities))
        chain = self._tls.certificate.read_bytes()
        issuer = rotation.known_by(own, authorities)
        if issuer is not None and pem(issuer) not in chain:
            chain = chain.rstrip() + b"\n" + pem(issuer)
        pair = [(self._tls.key.read_bytes(), chain)]
        return (
            grpc.ssl_server_certificate_configuration(pair, root_certificates=rotation.bundle(authorities)),
            grpc.ssl_server_certificate_configuration(pair),
        )

    def _look(self) -> _Stamp:
        """Changes when one of the files does."""
        names = ("ca.crt", rotation.NEXT_CERTIFICATE, rotation.OLD_CERTIFICATE)
        in_folder = [self._authority / name for name in names] if self._authority else []
        return tuple(map(_stamp, [self._tls.ca, self._tls.certificate, self._tls.key, *in_folder]))


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), found.st_ino, found.st_mtime_ns)

"""Makes this host an agent: its key, the certificate for a token, the configuration.

Written so that it can be repeated at any point: the key is made first and kept until everything is in place, and the
aggregator gives the same key the same agent again. The token is read from a file, the environment or stdin, never from the
command line, where every user of the host can see it.
"""

import asyncio
import json
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import grpc
import grpc.aio

from agent import authorities, config, identity, keys
from agent.authorities import Unknown
from agent.config import Config
from agent.disk import Occupied, sole_owner
from agent.recover import Unusable
from agent.survey import owner
from ullage.channel import open_channel
from ullage.v1 import enrolment_pb2, enrolment_pb2_grpc

if TYPE_CHECKING:
    from agent.disk import Disk

TOKEN_VARIABLE = "ULLAGE_ENROL_TOKEN"  # noqa: S105 - where the token is, not the token
TOKEN_CHARACTERS_MAX = 256
CALL_SECONDS_MAX = 30.0
# Hosts of one site may come at once; the aggregator lets them in one after the other.
ATTEMPTS_MAX = 8
RETRY_SECONDS = 5.0
# The key before it is enrolled.
PENDING = ".enrolling"
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
_CONFIG_MODE = 0o644
_FOLDER_MODE = 0o750
_CONFIG = """\
[aggregator]
address = {address}
enrolment = {enrolment}
ca = "ca.crt"
certificate = "agent.crt"
key = "agent.key"

[spool]
directory = "spool"
"""


class NotEnrolled(Exception):
    """Why not and what to do; ``code`` is the exit code."""

    def __init__(self, text: str, code: int = EXIT_FAILED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says. ``agent_listener`` and ``name`` may be empty."""

    config_file: Path
    aggregator: str
    agent_listener: str
    fingerprint: str
    name: str


def read_token(file: Path | None) -> str:
    """From the file, the environment or stdin. Raises ``NotEnrolled``."""
    try:
        if file is not None and str(file) != "-":
            text = file.read_text("utf-8")
        elif file is None and TOKEN_VARIABLE in os.environ:
            text = os.environ[TOKEN_VARIABLE]
        elif file is None and sys.stdin.isatty():
            raise NotEnrolled(
                f"no token: name a file with --token-file, set {TOKEN_VARIABLE}, or give it on stdin",
                EXIT_USAGE,
            )
        else:
            text = sys.stdin.read(TOKEN_CHARACTERS_MAX + 2)
    except (OSError, UnicodeDecodeError) as error:
        raise NotEnrolled(f"the token in {file} cannot be read: {error}", EXIT_USAGE) from None
    token = text.strip()
    if not token or len(token) > TOKEN_CHARACTERS_MAX or not token.isprintable():
        raise NotEnrolled("that is no token: one line, as `ullage agents token create` shows it", EXIT_USAGE)
    return token


def enrol(wanted: Wanted, token: str) -> str:
    """Returns what to tell. Raises ``NotEnrolled``; then nothing of a former enrolment has changed."""
    fingerprint = authorities.plain(wanted.fingerprint)
    if not fingerprint:
        raise NotEnrolled(
            "--fingerprint: 64 hex digits, as `ullage-aggregator ca show` prints them", EXIT_USAGE
        )
    known, text = _configuration(wanted)
    try:
        with sole_owner(known.spool_directory) as disk:
            return _enrol(wanted, token, fingerprint, known, text, disk)
    except (keys.Unable, Unusable, Occupied) as error:
        raise NotEnrolled(str(error)) from None
    except Unknown as error:
        raise NotEnrolled(str(error), EXIT_UNREACHABLE) from None
    except OSError as error:
        raise NotEnrolled(f"{error.filename or known.files.key.parent}: {error.strerror}") from None


def _enrol(
    wanted: Wanted, token: str, fingerprint: str, known: Config, text: str | None, disk: "Disk"
) -> str:
    files = known.files
    spool_agent = owner(disk)
    authority = authorities.find(wanted.aggregator, fingerprint)
    pending = files.key.with_name(files.key.name + PENDING)
    if not pending.exists():
        keys.make_key(pending)
    request = enrolment_pb2.EnrolRequest(
        token=token,
        csr=keys.make_request(pending),
        host_name=wanted.name or identity.hostname(),
        version=identity.version(),
        spool_agent_uuid=str(UUID(bytes=spool_agent)) if spool_agent else "",
    )
    given = asyncio.run(_ask(wanted.aggregator, authority, request))
    # An interruption from here on is mended by a repetition: the key that is asked for is still pending.
    keys.write(files.ca, given.authorities or authority, mode=keys.CERTIFICATE_MODE)
    keys.write(files.key, pending.read_bytes(), mode=keys.KEY_MODE)
    keys.write(files.certificate, given.certificate, mode=keys.CERTIFICATE_MODE)
    if text is not None:
        keys.write(wanted.config_file, text.encode(), mode=_CONFIG_MODE)
    pending.unlink()
    return (
        f"this host is agent {given.agent_name} of {given.site} ({given.agent_uuid}); its certificate is renewed by the "
        f"running agent.\nNext: ullage-agent check --config {wanted.config_file}"
    )


def _configuration(wanted: Wanted) -> tuple[Config, str | None]:
    """The configuration to enrol for, and its text where the file must be written."""
    path = wanted.config_file
    if path.exists():
        try:
            known = config.load(path)
        except config.Invalid as error:
            raise NotEnrolled("\n".join(error.problems), EXIT_USAGE) from None
        if wanted.agent_listener and wanted.agent_listener != known.address:
            raise NotEnrolled(
                f"{path} names the listener {known.address}, not {wanted.agent_listener}: correct one of them",
                EXIT_USAGE,
            )
        return known, None
    if not wanted.agent_listener:
        raise NotEnrolled(
            f"{path} does not exist yet: name the aggregator's listener for agents with --agent-listener",
            EXIT_USAGE,
        )
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise NotEnrolled(f"{path.parent} cannot be made: {error.strerror}") from None
    text = _CONFIG.format(address=json.dumps(wanted.agent_listener), enrolment=json.dumps(wanted.aggregator))
    try:
        tree = tomllib.loads(text)
        return config.parse(tree, folder=path.resolve().parent), text
    except config.Invalid as error:
        raise NotEnrolled("\n".join(error.problems), EXIT_USAGE) from None


async def _ask(
    address: str, authority: bytes, request: enrolment_pb2.EnrolRequest
) -> enrolment_pb2.Credentials:
    async with open_channel(address, ca=authority) as channel:
        stub = enrolment_pb2_grpc.EnrolmentStub(channel)
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(RETRY_SECONDS)
            try:
                return await stub.Enrol(request, timeout=CALL_SECONDS_MAX)
            except grpc.aio.AioRpcError as error:
                again = error.code() in (
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                )
                if not again or attempt == ATTEMPTS_MAX - 1:
                    code = EXIT_UNREACHABLE if again else EXIT_FAILED
                    raise NotEnrolled(f"{address}: {error.details() or error.code().name}", code) from None
    raise AssertionError("the last attempt returns or raises")

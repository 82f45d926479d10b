"""Replacing the authority while everybody goes on trusting: the files of its folder, step by step.

First the next authority is made and only trusted; then it issues and the former one is only trusted; then that one goes.
Each step can be repeated where it was interrupted. When a step may be taken is not decided here (cli/ca.py), nor who has
been told of the next authority.

    ca.crt, ca.key       issues
    next.crt, next.key   will issue
    old.crt, old.key     has issued
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from aggregator.authority import (
    CA_CERTIFICATE,
    CA_KEY,
    create_authority,
    fingerprint,
    issued_by,
    load_certificate,
    pem,
)
from aggregator.errors import Conflict

NEXT_CERTIFICATE, NEXT_KEY = "next.crt", "next.key"
OLD_CERTIFICATE, OLD_KEY = "old.crt", "old.key"
# When the present step was taken.
STEP_FILE = "rotation.json"
AUTHORITIES_MAX = 10


class Step(StrEnum):
    """Where a rotation stands."""

    NONE = "none"
    # The next authority is trusted and does not issue.
    TOLD = "told"
    # It issues; the former one is still trusted.
    ISSUING = "issuing"


@dataclass(frozen=True, slots=True)
class Rotation:
    """``since``: when the step was taken, None where there is no rotation."""

    step: Step
    since: datetime | None


def rotation(directory: Path) -> Rotation:
    """Where it stands. A step that was interrupted counts as not taken."""
    step = Step.NONE
    if (directory / NEXT_CERTIFICATE).exists():
        step = Step.TOLD
    elif (directory / OLD_CERTIFICATE).exists():
        step = Step.ISSUING
    if step is Step.NONE:
        return Rotation(step, None)
    try:
        since = datetime.fromisoformat(json.loads((directory / STEP_FILE).read_text("utf-8"))[step])
    except (OSError, ValueError, KeyError, TypeError):
        # Later than the truth: nothing happens too early because of it.
        name = NEXT_CERTIFICATE if step is Step.TOLD else OLD_CERTIFICATE
        stamp = (directory / name).stat().st_mtime
        since = datetime.fromtimestamp(stamp).astimezone()
    return Rotation(step, since)


def trusted(directory: Path) -> list[x509.Certificate]:
    """All authorities to trust, the issuing one first. Raises ``Conflict`` where there is none."""
    found = [load_certificate(directory / CA_CERTIFICATE)]
    for name in (NEXT_CERTIFICATE, OLD_CERTIFICATE):
        if (directory / name).exists():
            found.append(load_certificate(directory / name))
    return list(dict.fromkeys(found))


def announce_next(directory: Path, *, now: datetime) -> x509.Certificate:
    """Makes the next authority, trusted from now on."""
    if rotation(directory).step is not Step.NONE:
        raise Conflict("a rotation is under way already; see `ullage-aggregator ca status`")
    load_certificate(directory / CA_CERTIFICATE)
    _note(directory, Step.TOLD, now)
    return create_authority(
        directory, now=now, certificate_name=NEXT_CERTIFICATE, key_name=NEXT_KEY
    ).certificate


def issue_by_next(directory: Path, *, now: datetime) -> None:
    """The next authority issues from now on; the former one is still trusted."""
    if rotation(directory).step is not Step.TOLD:
        raise Conflict("there is no next authority; see `ullage-aggregator ca status`")
    _note(directory, Step.ISSUING, now)
    # In an order in which every moment in between can be told from the files, and is gone through again.
    if (directory / NEXT_KEY).exists():
        if not (directory / OLD_KEY).exists():
            os.link(directory / CA_KEY, directory / OLD_KEY)
        if not (directory / OLD_CERTIFICATE).exists():
            os.link(directory / CA_CERTIFICATE, directory / OLD_CERTIFICATE)
        (directory / NEXT_KEY).replace(directory / CA_KEY)
    (directory / NEXT_CERTIFICATE).replace(directory / CA_CERTIFICATE)
    _sync(directory)


def drop_former(directory: Path) -> None:
    """The former authority is not trusted any more, and its key is gone."""
    if rotation(directory).step is not Step.ISSUING:
        raise Conflict("there is no former authority; see `ullage-aggregator ca status`")
    for name in (OLD_KEY, OLD_CERTIFICATE, STEP_FILE):
        (directory / name).unlink(missing_ok=True)
    _sync(directory)


def bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """PEM, one after the other."""
    return b"".join(pem(certificate) for certificate in certificates)


def read_bundle(path: Path) -> list[x509.Certificate]:
    """Raises ``Conflict`` for a file that holds no certificate, or too many."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise Conflict(f"{path} cannot be read as PEM certificates; copy it again") from None
    if not 0 < len(found) <= AUTHORITIES_MAX:
        raise Conflict(f"{path} holds {len(found)} certificates; at most {AUTHORITIES_MAX} are trusted")
    return found


def renew_bundle(path: Path, *, before: Iterable[x509.Certificate], directory: Path) -> bool:
    """Brings a file that holds authorities of ours and no other up to date; False when it is left alone."""
    if not path.exists() or not set(read_bundle(path)) <= set(before):
        return False
    replace(path, bundle(trusted(directory)), mode=0o644)
    return True


def known_by(
    certificate: x509.Certificate, authorities: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    """Which of the authorities issued it."""
    return next((one for one in authorities if issued_by(certificate, one)), None)


def replace(path: Path, content: bytes, *, mode: int) -> None:
    """The whole new content or the whole old one, whatever happens meanwhile."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(path)
    _sync(path.parent)


def plain_fingerprint(certificate: x509.Certificate) -> str:
    """As the database keeps it: hex, small, without colons."""
    return fingerprint(certificate).replace(":", "").lower()


def _note(directory: Path, step: Step, now: datetime) -> None:
    replace(directory / STEP_FILE, json.dumps({step: now.isoformat()}).encode(), mode=0o644)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

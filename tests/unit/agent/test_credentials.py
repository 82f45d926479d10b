"""What is wrong with a certificate, a key or the way to the aggregator is said in words, with what to do."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from agent import credentials
from agent.credentials import Credentials, Files, Refused
from tests.unit.agent.certificates import AGENT, NOW, Authority, Pair, write
from tests.unit.agent.scripted import Scripted, serving

AUTHORITY = Authority()
GOOD = AUTHORITY.agent()
Spoil = Callable[[Files], object]


def load(files: Files, *, now: datetime = NOW) -> Credentials:
    return credentials.load(files, now=now)


def refusal(files: Files, *, now: datetime = NOW) -> str:
    with pytest.raises(Refused) as refused:
        load(files, now=now)
    return str(refused.value)


def test_good_files_say_which_agent_and_until_when(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    assert (known.agent, known.warnings) == (AGENT, ())
    assert abs(known.not_after - NOW - timedelta(days=1)) < timedelta(seconds=2)


def test_nothing_shows_the_key(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    assert GOOD.key.decode() not in repr(known)
    assert "PRIVATE" not in repr(known)


def encrypt(files: Files) -> None:
    key = serialization.load_pem_private_key(GOOD.key, None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda files: files.ca.unlink(), "CA certificate"),
        (lambda files: files.certificate.unlink(), "No such file"),
        (lambda files: files.key.unlink(), "private key"),
        (lambda files: (files.key.unlink(), files.key.mkdir()), "Is a directory"),
        (lambda files: files.ca.write_text("hello"), "holds no PEM certificate"),
        (lambda files: files.ca.write_bytes(b"\xff\xfe"), "holds no PEM certificate"),
        (lambda files: files.certificate.write_text("hello"), "not a pair of PEM files"),
        (lambda files: files.key.write_text("hello"), "not a pair of PEM files"),
        (lambda files: files.key.write_bytes(AUTHORITY.agent().key), "do not belong together"),
        (encrypt, "is encrypted"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_words(tmp_path: Path, spoil: Spoil, text: str) -> None:
    files = write(tmp_path, ca=AUTHORITY.pem, pair=GOOD)
    spoil(files)
    assert text in refusal(files)


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (AUTHORITY.agent(ends=NOW - timedelta(minutes=1)), "expired on"),
        (AUTHORITY.agent(starts=NOW + timedelta(hours=1)), "not valid before"),
        (Authority().agent(), "not of the authority in the CA file"),
        (AUTHORITY.server(), "another purpose"),
        (AUTHORITY.agent(uri="https://example.net/"), "does not name an agent"),
    ],
)
def test_certificates_that_no_aggregator_would_accept_are_refused_in_words(
    tmp_path: Path, pair: Pair, text: str
) -> None:
    assert text in refusal(write(tmp_path, ca=AUTHORITY.pem, pair=pair))


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    files = Files(tmp_path / "ca.crt", tmp_path / "agent.crt", tmp_path / "agent.key")
    with pytest.raises(Refused) as refused:
        load(files)
    assert len(refused.value.problems) == 3


def test_a_clock_that_is_far_behind_is_named_as_the_cause(tmp_path: Path) -> None:
    files = write(tmp_path, ca=AUTHORITY.pem, pair=GOOD)
    assert "set the clock" in refusal(files, now=datetime(1970, 1, 2, tzinfo=UTC))


def test_a_key_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    files = write(tmp_path, ca=AUTHORITY.pem, pair=GOOD)
    files.key.chmod(0o644)
    [warning] = load(files).warnings
    assert "chmod 600" in warning


async def probe(known: Credentials, *, authority: Authority = AUTHORITY, pair: Pair | None = None) -> str:
    async with serving(Scripted(), authority, pair=pair) as address:
        return await asyncio.to_thread(credentials.probe, address, known)


async def test_a_probe_of_an_aggregator_that_works_says_nothing(tmp_path: Path) -> None:
    assert await probe(load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))) == ""


async def test_a_probe_names_an_aggregator_of_another_authority(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    other = Authority()
    assert "not of the authority in the CA file" in await probe(known, authority=other, pair=other.server())


async def test_a_probe_names_an_aggregator_that_does_not_know_our_authority(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    # It trusts another authority than the one that issued its own certificate.
    said = await probe(known, authority=Authority(), pair=AUTHORITY.server())
    assert "refused the connection" in said or "closed the connection" in said


async def test_a_probe_names_an_aggregator_whose_certificate_has_expired(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    assert "has expired" in await probe(known, pair=AUTHORITY.server(ends=NOW - timedelta(minutes=1)))


async def test_a_probe_names_an_aggregator_of_another_name(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    assert "does not name this address" in await probe(known, pair=AUTHORITY.server("192.0.2.1"))


async def test_a_probe_names_a_port_that_does_not_speak_tls(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await asyncio.to_thread(credentials.probe, f"127.0.0.1:{port}", known)
    assert "does not speak TLS" in said


async def test_a_probe_names_a_port_where_nobody_listens(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    async with serving(Scripted(), AUTHORITY) as address:
        pass
    assert "cannot be reached" in await asyncio.to_thread(credentials.probe, address, known)


def test_a_probe_names_a_host_that_cannot_be_resolved(tmp_path: Path) -> None:
    known = load(write(tmp_path, ca=AUTHORITY.pem, pair=GOOD))
    assert "cannot be resolved" in credentials.probe("nowhere.invalid:1", known)

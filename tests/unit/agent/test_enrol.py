"""Enrolling and renewing against an aggregator that is played here: the authority, the files, the token, what is refused."""

import asyncio
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from click.testing import CliRunner

from agent import authorities, config, credentials, enrol
from agent.__main__ import main
from agent.identity import SystemClock
from agent.renewal import Renewal
from aggregator.actions.recover import to_sign
from aggregator.authority import Authority, certify_agent, create_authority, fingerprint, issue_server, pem
from aggregator.certificate_request import proven_key, signed_with, spki
from ullage.v1 import enrolment_pb2, enrolment_pb2_grpc
from ullage.wire import from_time

TOKEN = "ullage-enrol_of-the-test"
NONCE = bytes(range(32))
LIFE = timedelta(hours=1)


@dataclass
class Door(enrolment_pb2_grpc.EnrolmentServicer, enrolment_pb2_grpc.RenewalServicer):
    """Lets everybody in who has the token; ``losing``: so many replies get lost."""

    authority: Authority
    uuid: UUID = field(default_factory=uuid4)
    losing: int = 0
    asked: list[Any] = field(default_factory=list)
    more: bytes = b""

    def Enrol(self, request: enrolment_pb2.EnrolRequest, context: Any) -> enrolment_pb2.Credentials:
        self.asked.append(request)
        if request.token != TOKEN:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "this token is unknown")
        if self.losing:
            self.losing -= 1
            context.abort(grpc.StatusCode.INTERNAL, "lost")
        return self.given(request.csr)

    def Renew(self, request: enrolment_pb2.RenewRequest, context: Any) -> enrolment_pb2.Credentials:
        self.asked.append(request)
        if self.losing:
            self.losing -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return self.given(request.csr)

    def BeginRecovery(
        self, request: enrolment_pb2.BeginRecoveryRequest, context: Any
    ) -> enrolment_pb2.BeginRecoveryReply:
        return enrolment_pb2.BeginRecoveryReply(nonce=NONCE, seconds=60)

    def Recover(self, request: enrolment_pb2.RecoverRequest, context: Any) -> enrolment_pb2.Credentials:
        self.asked.append(request)
        message = to_sign(self.uuid, NONCE, request.csr)
        if not signed_with(spki(proven_key(request.csr)), signature=request.signature, message=message):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not signed with the key")
        return self.given(request.csr)

    def given(self, csr: bytes) -> enrolment_pb2.Credentials:
        now = datetime.now(UTC)
        made = certify_agent(
            self.authority,
            self.uuid,
            public_key=proven_key(csr),
            generation=len(self.asked),
            now=now,
            lifetime=LIFE,
        )
        return enrolment_pb2.Credentials(
            agent_uuid=str(self.uuid),
            agent_name="web-01",
            site="fra1",
            certificate=pem(made),
            authorities=self.authority.pem + self.more,
            not_after=from_time(made.not_valid_after_utc),
            generation=len(self.asked),
        )


@dataclass(frozen=True)
class Played:
    door: Door
    port: int

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.door.authority.certificate)


@contextmanager
def played(folder: Path) -> Iterator[Played]:
    now = datetime.now(UTC)
    own = create_authority(folder / "authority", now=now)
    issued = issue_server(own, ["localhost"], now=now)
    door = Door(own)
    server = grpc.server(ThreadPoolExecutor(4))
    enrolment_pb2_grpc.add_EnrolmentServicer_to_server(door, server)
    enrolment_pb2_grpc.add_RenewalServicer_to_server(door, server)
    port = server.add_secure_port(
        "localhost:0", grpc.ssl_server_credentials([(issued.key, issued.certificate + own.pem)])
    )
    server.start()
    try:
        yield Played(door, port)
    finally:
        server.stop(None).wait()


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[Played]:
    with played(tmp_path / "aggregator") as made:
        yield made


def wanted(played_: Played, folder: Path, **other: str) -> enrol.Wanted:
    given = {
        "aggregator": played_.address,
        "agent_listener": "localhost:7443",
        "fingerprint": played_.fingerprint,
        "name": "web-01",
    }
    return enrol.Wanted(config_file=folder / "etc/agent.toml", **(given | other))


def test_a_host_without_anything_gets_all_it_needs(aggregator: Played, tmp_path: Path) -> None:
    told = enrol.enrol(wanted(aggregator, tmp_path), TOKEN)
    assert str(aggregator.door.uuid) in told
    known = config.load(tmp_path / "etc/agent.toml")
    assert (known.address, known.enrolment) == ("localhost:7443", aggregator.address)
    loaded = credentials.load(known.files, now=datetime.now(UTC))
    assert (loaded.agent, loaded.generation, loaded.warnings) == (str(aggregator.door.uuid), 1, ())
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == [
        *("agent.crt", "agent.key", "agent.toml", "ca.crt", "spool")
    ]


def test_a_lost_reply_is_mended_by_a_repetition_with_the_same_key(aggregator: Played, tmp_path: Path) -> None:
    aggregator.door.losing = 1
    with pytest.raises(enrol.NotEnrolled, match="lost"):
        enrol.enrol(wanted(aggregator, tmp_path), TOKEN)
    assert not (tmp_path / "etc/agent.toml").exists()
    enrol.enrol(wanted(aggregator, tmp_path), TOKEN)
    first, second = (proven_key(request.csr) for request in aggregator.door.asked)
    assert first == second


def test_nothing_is_sent_to_an_aggregator_with_another_fingerprint(
    aggregator: Played, tmp_path: Path
) -> None:
    for fingerprint_ in ("00" * 32, "AB:" * 31 + "AB"):
        with pytest.raises(enrol.NotEnrolled, match="not of the authority with this fingerprint"):
            enrol.enrol(wanted(aggregator, tmp_path, fingerprint=fingerprint_), TOKEN)
    with pytest.raises(enrol.NotEnrolled, match="64 hex digits"):
        enrol.enrol(wanted(aggregator, tmp_path, fingerprint="ab"), TOKEN)
    assert aggregator.door.asked == []


def test_a_refusal_leaves_a_former_enrolment_as_it_was(aggregator: Played, tmp_path: Path) -> None:
    enrol.enrol(wanted(aggregator, tmp_path), TOKEN)
    before = {path.name: path.read_bytes() for path in (tmp_path / "etc").glob("*.*") if path.is_file()}
    with pytest.raises(enrol.NotEnrolled, match="unknown"):
        enrol.enrol(wanted(aggregator, tmp_path), "another")
    after = {path.name: path.read_bytes() for path in (tmp_path / "etc").glob("*.*") if path.is_file()}
    assert {name: after[name] for name in before} == before


def test_a_configuration_that_names_another_listener_is_not_overruled(
    aggregator: Played, tmp_path: Path
) -> None:
    enrol.enrol(wanted(aggregator, tmp_path), TOKEN)
    with pytest.raises(enrol.NotEnrolled, match="names the listener"):
        enrol.enrol(wanted(aggregator, tmp_path, agent_listener="localhost:1"), TOKEN)
    with pytest.raises(enrol.NotEnrolled, match="--agent-listener"):
        enrol.enrol(wanted(aggregator, tmp_path / "other", agent_listener=""), TOKEN)


def test_nobody_there_and_no_tls_are_said_in_words(tmp_path: Path, aggregator: Played) -> None:
    with pytest.raises(enrol.NotEnrolled, match="is it running there") as raised:
        enrol.enrol(wanted(aggregator, tmp_path, aggregator="localhost:1"), TOKEN)
    assert raised.value.code == 3


def test_the_token_comes_from_a_file_the_environment_or_stdin_and_from_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert enrol.read_token(tmp_path / "token") == TOKEN
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert enrol.read_token(Path("-")) == TOKEN
    monkeypatch.setenv(enrol.TOKEN_VARIABLE, f" {TOKEN} ")
    assert enrol.read_token(None) == TOKEN
    monkeypatch.delenv(enrol.TOKEN_VARIABLE)
    for bad in ("", "two\nlines", "x" * 400):
        monkeypatch.setattr("sys.stdin", io.StringIO(bad))
        with pytest.raises(enrol.NotEnrolled):
            enrol.read_token(None)
    options = CliRunner().invoke(main, ["enrol", "--help"]).output
    assert "--token " not in options


@pytest.mark.parametrize(
    "text",
    [
        "AB:" * 31 + "AB",
        "ab" * 32,
        "sha256 " + "AB:" * 31 + "ab",
        " " + "ab" * 32 + " ",
        "SHA256=" + "ab" * 32,
    ],
)
def test_a_fingerprint_is_read_in_the_forms_in_which_it_is_printed(text: str) -> None:
    assert authorities.plain(text) == "ab" * 32


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


class Uplinked:
    """Takes what a renewal hands on."""

    def __init__(self) -> None:
        self.used: list[tuple[bytes, Any]] = []

    def use(self, *, ca: bytes, identity: Any) -> None:
        self.used.append((ca, identity))


class Hurried(SystemClock):
    """Waits for nothing."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


@pytest.fixture
async def renewal(aggregator: Played, tmp_path: Path) -> tuple[Renewal, Uplinked]:
    listener = {"agent_listener": aggregator.address}
    await asyncio.to_thread(enrol.enrol, wanted(aggregator, tmp_path, **listener), TOKEN)
    settings = config.load(tmp_path / "etc/agent.toml")
    known = credentials.load(settings.files, now=datetime.now(UTC))
    uplink: Any = Uplinked()
    # Half an hour before its time: the first look finds it due, the next one does not.
    half = known.not_before + (known.not_after - known.not_before) * 0.6
    times = iter([half])
    made = Renewal(
        settings,
        known,
        uplink,
        clock=Hurried(),
        boot_id="boot",
        now=lambda: next(times, datetime.now(UTC)),
    )
    return made, uplink


async def test_a_renewal_keeps_the_key_replaces_the_files_and_is_handed_to_the_uplink(
    aggregator: Played, renewal: tuple[Renewal, Uplinked], tmp_path: Path
) -> None:
    made, uplink = renewal
    second = create_authority(tmp_path / "second", now=datetime.now(UTC))
    aggregator.door.more = second.pem
    aggregator.door.losing = 2
    key = (tmp_path / "etc/agent.key").read_bytes()
    task = asyncio.create_task(made.run())
    await until(lambda: bool(uplink.used))
    task.cancel()
    assert (tmp_path / "etc/agent.key").read_bytes() == key
    assert (tmp_path / "etc/ca.crt").read_bytes() == aggregator.door.authority.pem + second.pem
    [(ca, identity)] = uplink.used
    assert ca == (tmp_path / "etc/ca.crt").read_bytes()
    assert identity.certificate == (tmp_path / "etc/agent.crt").read_bytes()
    assert made.known.generation == 4
    assert made.problem == ""
    assert [request.boot_id for request in aggregator.door.asked[1:]] == ["boot"] * 3


async def test_a_certificate_of_another_agent_is_not_kept(
    aggregator: Played, renewal: tuple[Renewal, Uplinked], tmp_path: Path
) -> None:
    made, uplink = renewal
    before = (tmp_path / "etc/agent.crt").read_bytes()
    aggregator.door.uuid = uuid4()
    task = asyncio.create_task(made.run())
    await until(lambda: bool(made.problem))
    task.cancel()
    assert "another agent" in made.problem
    assert uplink.used == []
    assert (tmp_path / "etc/agent.crt").read_bytes() == before


async def test_an_expired_certificate_is_recovered_with_the_enrolled_key(
    aggregator: Played, renewal: tuple[Renewal, Uplinked]
) -> None:
    made, uplink = renewal
    times = iter([made.known.not_after, made.known.not_after])
    made._now = lambda: next(times, datetime.now(UTC))
    task = asyncio.create_task(made.run())
    await until(lambda: bool(uplink.used))
    task.cancel()
    [asked] = aggregator.door.asked[1:]
    assert isinstance(asked, enrolment_pb2.RecoverRequest)
    assert (asked.agent_uuid, asked.nonce, asked.generation) == (str(aggregator.door.uuid), NONCE, 1)
    assert made.known.generation == 2

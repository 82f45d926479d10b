"""What stands before every method, over real TLS and with keys of a real database.

Which role may call which method is walked in test_scope.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from aggregator import authority
from aggregator.actions.bootstrap_key import bootstrap_key, new_key
from aggregator.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from aggregator.rpc import access, caller
from aggregator.rpc.server import OPTIONS, Guard, admit_agents, admit_people
from aggregator.store import keys
from aggregator.store.database import Database
from ullage.channel import Identity, open_channel

SECRET = "hunter2-is-the-password"
DEADLINE_SECONDS = 20.0
# Messages stay bytes: which method may be called does not depend on them.
BYTES = (bytes, bytes)


def descriptors() -> dict[str, bool]:
    """Each method of every service but the agents', and whether it answers with a stream."""
    found: dict[str, bool] = {}
    folder = Path(import_module("ullage.v1").__path__[0])
    for path in sorted(folder.glob("*_pb2.py")):
        # Agents are known by their certificates, hosts that enrol by a token.
        if path.stem in ("ingest_pb2", "enrolment_pb2"):
            continue
        file = import_module(f"ullage.v1.{path.stem}").DESCRIPTOR
        for service in file.services_by_name.values():
            found |= {f"/{service.full_name}/{m.name}": m.server_streaming for m in service.methods}
    return found


METHODS = descriptors()


class EveryMethod(grpc.GenericRpcHandler):
    """Stands where the services stand: answers every method, with what the test puts into ``behaviour``."""

    def __init__(self) -> None:
        self.callers: list[caller.Caller] = []
        self.error: Exception | None = None
        self.going_on = asyncio.Event()
        self.going_on.set()
        self.closed = asyncio.Event()

    def service(self, handler_call_details: Any) -> Any:
        method: str = handler_call_details.method
        if METHODS.get(method, False):
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._unary)

    async def _unary(self, request: bytes, context: Any) -> bytes:
        self.callers.append(caller.current())
        if self.error is not None:
            raise self.error
        return b""

    async def _stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            for _ in range(2):
                self.callers.append(caller.current())
                yield b""
                await self.going_on.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.closed.set()


@dataclass
class Listening:
    """A listener, what stands behind it, and how to reach it."""

    services: EveryMethod
    address: str
    ca: bytes
    own: authority.Authority

    async def call(
        self, method: str, key: str | None, *, identity: Identity | None = None
    ) -> grpc.StatusCode:
        return (await self.answer(method, key, identity=identity))[0]

    async def answer(
        self, method: str, key: str | None, *, identity: Identity | None = None
    ) -> tuple[grpc.StatusCode, str]:
        """Status and text of one call; OK has no text."""
        metadata = None if key is None else (("authorization", key),)
        async with open_channel(self.address, ca=self.ca, identity=identity) as channel:
            try:
                if METHODS.get(method, False):
                    stream = channel.unary_stream(method, *BYTES)(
                        b"", metadata=metadata, timeout=DEADLINE_SECONDS
                    )
                    assert len([reply async for reply in stream]) == 2
                else:
                    await channel.unary_unary(method, *BYTES)(
                        b"", metadata=metadata, timeout=DEADLINE_SECONDS
                    )
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=3)
    yield database
    await database.close()


@pytest.fixture
def own(tmp_path: Path) -> authority.Authority:
    return authority.create_authority(tmp_path / "authority", now=datetime.now(UTC))


@asynccontextmanager
async def listening(
    guard: Guard, own: authority.Authority, *, agents: bool = False
) -> AsyncIterator[Listening]:
    issued = authority.issue_server(own, ["localhost"], now=datetime.now(UTC))
    services = EveryMethod()
    server = grpc.aio.server(interceptors=[guard], options=OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(health_aio.HealthServicer(), server)
    server.add_generic_rpc_handlers((services,))
    credentials = grpc.ssl_server_credentials(
        [(issued.key, issued.certificate)],
        root_certificates=own.pem if agents else None,
        require_client_auth=agents,
    )
    port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    try:
        yield Listening(services, f"localhost:{port}", own.pem, own)
    finally:
        await server.stop(None)


@pytest.fixture
async def people(db: Database, own: authority.Authority) -> AsyncIterator[Listening]:
    async with listening(Guard(admit_people(access.KeyRing(db))), own) as listener:
        yield listener


async def make_key(db: Database, role: str) -> str:
    """A key of that role; `client` keys get a client."""
    key = new_key()
    async with db.transaction() as conn:
        client = None
        if role == "client":
            asked = await conn.execute(
                "insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)"
                " values ('Acme', 'EUR', 2, 'UTC', 'month', 1, '2026-01-01') returning id"
            )
            client = (await asked.fetchone() or [None])[0]
        await conn.execute(
            "insert into api_key (name, prefix, sha256, role, client_id) values (%s, %s, %s, %s, %s)",
            [f"{role}-{key[-6:]}", key[:12], keys.digest(key), role, client],
        )
    return key


def test_the_table_of_roles_has_a_line_for_each_method() -> None:
    assert access.methods() == set(METHODS)
    access.check_table(METHODS)


def test_a_method_without_a_line_keeps_the_server_from_starting() -> None:
    with pytest.raises(RuntimeError, match="Admin/New"):
        access.check_table([*METHODS, "/ullage.v1.Admin/New"])
    with pytest.raises(RuntimeError, match="WhoAmI"):
        access.check_table(set(METHODS) - {"/ullage.v1.Admin/WhoAmI"})


async def test_a_refusal_names_the_roles_that_would_do(people: Listening, db: Database) -> None:
    key = await make_key(db, "viewer")
    status, text = await people.answer("/ullage.v1.Billing/RunBilling", f"Bearer {key}")
    assert status == grpc.StatusCode.PERMISSION_DENIED
    assert "admin or billing" in text
    assert "viewer" in text


@pytest.mark.parametrize("method", METHODS)
async def test_no_method_answers_without_a_key(people: Listening, method: str) -> None:
    status, text = await people.answer(method, None)
    assert status == grpc.StatusCode.UNAUTHENTICATED
    assert "API key" in text
    assert people.services.callers == []


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer ullage_{SECRET}",
        f"Bearer {SECRET}",
        f"Basic {SECRET}",
        f"ullage_{SECRET}",
        f"Bearer ullage_{SECRET} ullage_x",
        "Bearer ullage_" + "x" * 4000,
        "Bearer ",
        "",
    ],
)
async def test_a_wrong_key_is_refused_and_not_repeated(people: Listening, value: str) -> None:
    status, text = await people.answer("/ullage.v1.Admin/WhoAmI", value)
    assert status == grpc.StatusCode.UNAUTHENTICATED
    assert SECRET not in text
    assert text


async def test_a_disabled_key_is_refused(people: Listening, db: Database) -> None:
    key = await make_key(db, "admin")
    async with db.transaction() as conn:
        await conn.execute("update api_key set enabled = false")
    status, text = await people.answer("/ullage.v1.Admin/WhoAmI", f"Bearer {key}")
    assert status == grpc.StatusCode.UNAUTHENTICATED
    assert "disabled" in text
    assert key not in text


async def test_a_key_that_is_disabled_ends_streams_that_are_open(
    db: Database, own: authority.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "KEY_CACHE_SECONDS", 0.0)
    key = await make_key(db, "viewer")
    async with listening(Guard(admit_people(access.KeyRing(db))), own) as people:
        metadata = (("authorization", f"Bearer {key}"),)
        async with open_channel(people.address, ca=people.ca) as channel:
            people.services.going_on.clear()
            stream = channel.unary_stream("/ullage.v1.Insight/Watch", *BYTES)(
                b"", metadata=metadata, timeout=DEADLINE_SECONDS
            )
            assert await stream.read() == b""
            async with db.transaction() as conn:
                await conn.execute("update api_key set enabled = false")
            people.services.going_on.set()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_the_use_of_a_key_is_noted_at_most_once_a_minute(people: Listening, db: Database) -> None:
    key = await make_key(db, "viewer")
    assert await people.call("/ullage.v1.Admin/WhoAmI", f"Bearer {key}") == grpc.StatusCode.OK
    async with db.transaction() as conn:
        first = await (await conn.execute("select last_used_at from api_key")).fetchone()
        found = await keys.find(conn, keys.digest(key))
        assert found is not None
        await keys.touch(conn, found.id)
        second = await (await conn.execute("select last_used_at from api_key")).fetchone()
    assert first == second
    assert first is not None
    assert first[0] is not None


async def test_health_is_told_without_a_key(people: Listening) -> None:
    async with open_channel(people.address, ca=people.ca) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=DEADLINE_SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=DEADLINE_SECONDS)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("name", "must not be empty"), grpc.StatusCode.INVALID_ARGUMENT),
        (NotFound("client", 7), grpc.StatusCode.NOT_FOUND),
        (Conflict("it exists"), grpc.StatusCode.FAILED_PRECONDITION),
        (Denied("not you"), grpc.StatusCode.PERMISSION_DENIED),
        (Unavailable("later"), grpc.StatusCode.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("method", ["/ullage.v1.Admin/WhoAmI", "/ullage.v1.Insight/Watch"])
async def test_an_error_of_ours_leaves_as_its_kind_with_its_text(
    people: Listening, db: Database, method: str, error: Exception, status: grpc.StatusCode
) -> None:
    people.services.error = error
    key = await make_key(db, "admin")
    assert await people.answer(method, f"Bearer {key}") == (status, str(error))


@pytest.mark.parametrize("method", ["/ullage.v1.Admin/WhoAmI", "/ullage.v1.Insight/Watch"])
async def test_the_text_of_any_other_error_stays_in_the_log(
    people: Listening, db: Database, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    people.services.error = RuntimeError(f"password={SECRET} in DSN")
    key = await make_key(db, "admin")
    with caplog.at_level(logging.ERROR):
        status, text = await people.answer(method, f"Bearer {key}")
    assert status == grpc.StatusCode.INTERNAL
    assert SECRET not in text
    incident = text.split()[2].rstrip(";")
    assert [record.ullage_fields["incident"] for record in caplog.records] == [incident]  # type: ignore[attr-defined]


async def test_a_stream_is_closed_when_its_caller_leaves(people: Listening, db: Database) -> None:
    metadata = (("authorization", f"Bearer {await make_key(db, 'viewer')}"),)
    people.services.going_on.clear()
    async with open_channel(people.address, ca=people.ca) as channel:
        stream = channel.unary_stream("/ullage.v1.Insight/Watch", *BYTES)(
            b"", metadata=metadata, timeout=DEADLINE_SECONDS
        )
        assert await stream.read() == b""
        stream.cancel()
        await asyncio.wait_for(people.services.closed.wait(), DEADLINE_SECONDS)


def agent_identity(own: authority.Authority) -> Identity:
    issued = authority.issue_agent(own, uuid4(), now=datetime.now(UTC))
    return Identity(issued.certificate, issued.key)


async def test_agents_must_show_a_certificate_of_our_authority(
    own: authority.Authority, tmp_path: Path
) -> None:
    other = authority.create_authority(tmp_path / "other", now=datetime.now(UTC))
    server = authority.issue_server(own, ["localhost"], now=datetime.now(UTC))
    async with listening(Guard(admit_agents), own, agents=True) as agents:
        method = "/grpc.health.v1.Health/Check"
        assert await agents.call(method, None, identity=agent_identity(own)) == grpc.StatusCode.OK
        refused = {
            "no certificate": None,
            "another authority's": agent_identity(other),
            "a server's certificate": Identity(server.certificate, server.key),
        }
        for what, identity in refused.items():
            status = await agents.call(method, None, identity=identity)
            assert status == grpc.StatusCode.UNAVAILABLE, what


async def test_the_first_key_is_an_admins_and_the_only_one_of_its_kind(
    people: Listening, db: Database
) -> None:
    key = await bootstrap_key(db, name="alice")
    assert key.startswith("ullage_")
    assert len(key) == len("ullage_") + 43
    assert await people.call("/ullage.v1.Admin/RunJob", f"Bearer {key}") == grpc.StatusCode.OK
    with pytest.raises(Conflict, match="alice"):
        await bootstrap_key(db, name="bob")
    async with db.transaction() as conn:
        stored = await (await conn.execute("select prefix, sha256 from api_key")).fetchall()
        await conn.execute("update api_key set enabled = false")
    assert stored == [(key[:13], keys.digest(key))]
    with pytest.raises(Conflict, match="another --name"):
        await bootstrap_key(db, name="alice")
    assert await bootstrap_key(db, name="bob") != key

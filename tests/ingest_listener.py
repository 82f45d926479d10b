"""An aggregator's agents' side on a port of its own, over real TLS; and an agent's end of a stream, word by word."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import grpc
import grpc.aio

from aggregator.authority import Authority, create_authority, issue_agent, issue_server
from aggregator.rpc.server import OPTIONS, Guard, admit_agents
from tests.ingest_intake import Intake, intake
from ullage.channel import Identity, open_channel
from ullage.v1 import ingest_pb2, ingest_pb2_grpc

DEADLINE_SECONDS = 20.0
Reply = ingest_pb2.PushReply


@dataclass(frozen=True)
class Listening:
    """An aggregator's agents' side on a port of its own."""

    into: Intake
    authority: Authority
    port: int

    @asynccontextmanager
    async def dial(self, uuid: UUID, *, authority: Authority | None = None) -> AsyncIterator["Dialogue"]:
        """A stream by the agent's certificate; of another authority where one is given."""
        issued = issue_agent(authority or self.authority, uuid, now=datetime.now(UTC))
        identity = Identity(issued.certificate, issued.key)
        channel = open_channel(f"localhost:{self.port}", ca=self.authority.pem, identity=identity)
        async with channel:
            call = ingest_pb2_grpc.IngestStub(channel).Push(timeout=DEADLINE_SECONDS)
            yield Dialogue(call)
            call.cancel()


@dataclass(frozen=True)
class Dialogue:
    """An agent's end of a stream, word by word."""

    call: "grpc.aio.StreamStreamCall[ingest_pb2.PushRequest, Reply]"

    async def hello(self, *epochs: bytes, version: str = "1.2", boot_id: str = "boot") -> ingest_pb2.Welcome:
        hello = ingest_pb2.Hello(epochs=epochs, version=version, boot_id=boot_id)
        await self.call.write(ingest_pb2.PushRequest(hello=hello))
        return (await self.reply()).welcome

    async def send(self, *batches: ingest_pb2.SealedBatch) -> None:
        for batch in batches:
            await self.call.write(ingest_pb2.PushRequest(batch=batch))

    async def acks(self, count: int) -> list[ingest_pb2.Ack]:
        return [(await self.reply()).ack for _ in range(count)]

    async def push(self, *batches: ingest_pb2.SealedBatch) -> list[ingest_pb2.Ack]:
        await self.send(*batches)
        return await self.acks(len(batches))

    async def reply(self) -> Reply:
        reply = await self.call.read()
        assert isinstance(reply, Reply), await self.call.details()
        return reply

    async def refusal(self) -> tuple[grpc.StatusCode, str]:
        """The status with which the stream ended."""
        with suppress(grpc.aio.AioRpcError):
            while isinstance(await self.call.read(), Reply):
                pass
        return await self.call.code(), await self.call.details() or ""


@asynccontextmanager
async def listening(dsn: str, folder: Path) -> AsyncIterator[Listening]:
    now = datetime.now(UTC)
    authority = create_authority(folder / "ca", now=now)
    issued = issue_server(authority, ["localhost"], now=now)
    async with intake(dsn) as into:
        server = grpc.aio.server(interceptors=[Guard(admit_agents)], options=OPTIONS)
        ingest_pb2_grpc.add_IngestServicer_to_server(into.service, server)
        credentials = grpc.ssl_server_credentials(
            [(issued.key, issued.certificate)], root_certificates=authority.pem, require_client_auth=True
        )
        port = server.add_secure_port("localhost:0", credentials)
        await server.start()
        try:
            yield Listening(into, authority, port)
        finally:
            await server.stop(None)

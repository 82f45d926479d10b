"""How hosts become agents and come back: open to everyone, because who asks has no certificate that holds.

Responsible for how often somebody may ask; who is let in is decided by the actions.
"""

import asyncio
from uuid import UUID

import grpc

from aggregator.actions.certify import Certified
from aggregator.actions.enrol import enrol
from aggregator.actions.recover import NONCE_SECONDS, begin_recovery, recover
from aggregator.errors import Invalid
from aggregator.issuing import Issuer, needed
from aggregator.rpc.knocks import Knocks
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from ullage.v1 import enrolment_pb2, enrolment_pb2_grpc
from ullage.wire import from_time


class EnrolmentService(enrolment_pb2_grpc.EnrolmentServicer):
    """`ullage.v1.Enrolment`, on the people's listener."""

    def __init__(self, db: Database, issuer: Issuer | None) -> None:
        self._db = db
        self._issuer = issuer
        self._knocks = Knocks()

    async def Enrol(self, request: enrolment_pb2.EnrolRequest, context: Context) -> enrolment_pb2.Credentials:
        """Raises ``Denied`` for a token that does not let in, and ``Conflict`` where nothing can be issued."""
        await self._knock(context)
        certified = await enrol(
            self._db,
            needed(self._issuer),
            token=request.token,
            csr=request.csr,
            host_name=request.host_name,
            spool_agent=_uuid("spool_agent_uuid", request.spool_agent_uuid)
            if request.spool_agent_uuid
            else None,
        )
        return credentials(certified)

    async def BeginRecovery(
        self, request: enrolment_pb2.BeginRecoveryRequest, context: Context
    ) -> enrolment_pb2.BeginRecoveryReply:
        """The same answer for whatever agent, known or not."""
        await self._knock(context)
        needed(self._issuer)
        nonce = await begin_recovery(self._db, uuid=_uuid("agent_uuid", request.agent_uuid))
        return enrolment_pb2.BeginRecoveryReply(nonce=nonce, seconds=NONCE_SECONDS)

    async def Recover(
        self, request: enrolment_pb2.RecoverRequest, context: Context
    ) -> enrolment_pb2.Credentials:
        """Raises ``Denied`` with what to do instead."""
        await self._knock(context)
        certified = await recover(
            self._db,
            needed(self._issuer),
            uuid=_uuid("agent_uuid", request.agent_uuid),
            nonce=request.nonce,
            signature=request.signature,
            csr=request.csr,
            generation=request.generation,
        )
        return credentials(certified)

    async def _knock(self, context: Context) -> None:
        wait = self._knocks.wait_seconds(context.peer() or "", asyncio.get_running_loop().time())
        if wait:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"too many requests; try again in {wait:.0f} s"
            )


def credentials(certified: Certified) -> enrolment_pb2.Credentials:
    """Field by field."""
    return enrolment_pb2.Credentials(
        agent_uuid=str(certified.uuid),
        agent_name=certified.name,
        site=certified.site,
        certificate=certified.certificate,
        authorities=certified.authorities,
        not_after=from_time(certified.not_after),
        generation=certified.generation,
    )


def _uuid(field: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(field, "is no uuid") from None

"""Renewal of agents' certificates, on their own listener: who asks is who the connection's certificate names."""

from aggregator.actions.renew import renew
from aggregator.ingest.clean import clean_name
from aggregator.issuing import Issuer, needed
from aggregator.rpc.certified import certified_key, identity
from aggregator.rpc.enrolment import credentials
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from ullage.v1 import enrolment_pb2, enrolment_pb2_grpc


class RenewalService(enrolment_pb2_grpc.RenewalServicer):
    """`ullage.v1.Renewal`."""

    def __init__(self, db: Database, issuer: Issuer | None) -> None:
        self._db = db
        self._issuer = issuer

    async def Renew(self, request: enrolment_pb2.RenewRequest, context: Context) -> enrolment_pb2.Credentials:
        """Raises ``Denied`` for an agent that may not go on, and ``Conflict`` where nothing can be issued."""
        holder = identity(context)
        certified = await renew(
            self._db,
            needed(self._issuer),
            uuid=holder.uuid,
            generation=holder.generation,
            certified_key=certified_key(context),
            csr=request.csr,
            boot_id=clean_name(request.boot_id),
        )
        return credentials(certified)

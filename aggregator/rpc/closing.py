"""How periods become final, for people: checklist, finalising, evidence, adjustments, export.

The service is put together from one class a subject; each is in a file of its own.
"""

from aggregator.rpc.evidence import EvidenceMethods
from aggregator.rpc.periods import PeriodMethods
from aggregator.rpc.readings_export import ExportMethods
from aggregator.store.database import Database
from ullage.v1 import closing_pb2_grpc


class ClosingService(PeriodMethods, EvidenceMethods, ExportMethods, closing_pb2_grpc.ClosingServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

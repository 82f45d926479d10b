"""What readings and projections say about agreements, for people: over and under, right-size, what-if, revenue, leakage."""

from aggregator.store.database import Database
from ullage.v1 import analysis_pb2_grpc


class AnalysisService(analysis_pb2_grpc.AnalysisServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

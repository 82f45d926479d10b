"""What readings and projections say about agreements, for people: over and under, right-size, what-if, revenue, leakage."""

from aggregator.rpc.comparing import ComparingMethods
from aggregator.rpc.repricing import RepricingMethods
from aggregator.rpc.track_record import TrackRecordMethods
from aggregator.store.database import Database


class AnalysisService(ComparingMethods, RepricingMethods, TrackRecordMethods):
    """The servicer, put together by subject; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

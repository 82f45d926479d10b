"""How good projections were, for people."""

from aggregator.domain.track_record import Foretold, median_error
from aggregator.errors import Invalid
from aggregator.rpc.scope import client_of_caller
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from aggregator.store.track_record import track_record
from ullage.v1 import analysis_pb2, analysis_pb2_grpc
from ullage.wire import from_decimal, from_time


class TrackRecordMethods(analysis_pb2_grpc.AnalysisServicer):
    """Part of `AnalysisService`."""

    _db: Database

    async def GetTrackRecord(
        self, request: analysis_pb2.GetTrackRecordRequest, context: Context
    ) -> analysis_pb2.TrackRecord:
        """Of one bucket, the newest period first."""
        if request.bucket_id <= 0:
            raise Invalid("bucket_id", "give the id of the bucket whose projections are asked about")
        async with snapshot(self._db) as seen:
            points = await track_record(seen, request.bucket_id, client_id=client_of_caller())
        return analysis_pb2.TrackRecord(
            points=[_point(one) for one in points], median_error=from_decimal(median_error(points))
        )


def _point(one: Foretold) -> analysis_pb2.TrackPoint:
    return analysis_pb2.TrackPoint(
        period_start=from_time(one.period_start),
        share=one.share,
        projected=from_decimal(one.projected),
        became=from_decimal(one.became),
        percent_error=from_decimal(one.percent_error),
        within_range=one.within_range,
    )

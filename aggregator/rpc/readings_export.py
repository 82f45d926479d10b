"""Readings as files, for other systems."""

from collections.abc import AsyncIterator

from aggregator.actions import given
from aggregator.actions.export_readings import export_readings
from aggregator.errors import Invalid
from aggregator.rpc.evidence import to_day
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import closing_pb2


class ExportMethods:
    """ExportReadings of the service Closing."""

    _db: Database

    async def ExportReadings(
        self, request: closing_pb2.ExportReadingsRequest, context: Context
    ) -> AsyncIterator[closing_pb2.FileChunk]:
        """One file for each source type that has readings, a manifest last; as it was at one moment."""
        client_id = narrowed(request.client_id)
        day = to_day("day", request.day)
        month = given.month("month", request.month) if request.month else None
        if day is not None and month is not None:
            raise Invalid("month", "give a day or a month, not both")
        async with snapshot(self._db) as seen:
            chunks = export_readings(
                seen,
                client_id=client_id,
                day=day,
                form=request.format or "csv",
                source_type=request.source_type,
                month=month,
            )
            async for chunk in chunks:
                yield closing_pb2.FileChunk(file_name=chunk.file_name, data=chunk.data)

"""How a figure is defended: verified against what it was worked out from, and explained down to raw readings."""

from collections.abc import AsyncIterator
from datetime import date, datetime

from aggregator.actions.explain import Explained, explain
from aggregator.actions.verify import Verified, verify
from aggregator.domain import verify as steps
from aggregator.errors import Invalid, NotFound
from aggregator.rpc import convert
from aggregator.rpc.convert_insight import money
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import evidence as kept
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import closing_pb2
from ullage.wire import from_decimal, from_time, to_time

# Of days that may be asked for.
YEARS = range(1970, 2201)


class EvidenceMethods:
    """Verify and Explain of the service Closing."""

    _db: Database

    async def Verify(
        self, request: closing_pb2.VerifyRequest, context: Context
    ) -> AsyncIterator[closing_pb2.Verification]:
        """One finalised reading after the other, as they are verified."""
        async with snapshot(self._db) as seen:
            client_id = await _client(seen.conn, request.client_id, request.bucket_id)
            at = await _begins(seen.conn, client_id, request.first_day)
        async for found in verify(self._db, client_id, bucket_id=request.bucket_id or None, at=at):
            yield _verification(found)

    async def Explain(self, request: closing_pb2.ExplainRequest, context: Context) -> closing_pb2.Explanation:
        """Of one reading: its assets, the slots of one of them, or the raw readings of one of these slots."""
        if not request.bucket_id:
            raise Invalid("bucket_id", "name the bucket whose reading is to be explained")
        async with snapshot(self._db) as seen:
            client_id = await _client(seen.conn, 0, request.bucket_id)
            found = await explain(
                seen,
                client_id,
                request.bucket_id,
                day=to_day("first_day", request.first_day),
                asset_id=request.asset_id or None,
                slot=_slot(request),
            )
            return _explanation(found, seen)


async def _client(conn: Connection, client_id: int, bucket_id: int) -> int:
    """Whose readings are meant. Raises ``NotFound`` for what the caller may not see, as for what is not there."""
    wanted = narrowed(client_id)
    if not bucket_id:
        if wanted is None:
            raise Invalid("client_id", "name the client, or one of its buckets")
        if wanted not in await calendars(conn, [wanted]):
            raise NotFound("client", wanted)
        return wanted
    owner = await kept.client_of(conn, bucket_id)
    if owner is None or wanted not in (None, owner):
        raise NotFound("bucket", bucket_id)
    return owner


async def _begins(conn: Connection, client_id: int, first_day: str) -> datetime | None:
    day = to_day("first_day", first_day)
    return None if day is None else (await calendars(conn, [client_id]))[client_id].first_instant(day)


def to_day(field: str, text: str) -> date | None:
    """A day that a period may hold; None for an empty text. Raises ``Invalid``."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "is no day; write it like 2026-03-01") from None
    if day.year not in YEARS:
        raise Invalid(field, f"is not between the years {YEARS[0]} and {YEARS[-1]}")
    return day


def _slot(request: closing_pb2.ExplainRequest) -> datetime | None:
    if not request.HasField("slot"):
        return None
    try:
        return to_time(request.slot)
    except (ValueError, OverflowError):
        raise Invalid("slot", "is no time between the years 1 and 9999") from None


def _verification(found: Verified) -> closing_pb2.Verification:
    return closing_pb2.Verification(
        bucket_id=found.reading.bucket_id,
        bucket_name=found.reading.bucket_name,
        period_start=from_time(found.reading.period_start),
        hash=_step(found.hash),
        rating=_step(found.rating),
        readings=_step(found.readings),
    )


def _step(step: steps.Step) -> closing_pb2.Step:
    return closing_pb2.Step(state=step.state.value, text=step.text)


def _explanation(found: Explained, seen: Snapshot) -> closing_pb2.Explanation:
    return closing_pb2.Explanation(
        reading=convert.reading(found.reading, seen.now),
        steps=found.steps,
        assets=[
            closing_pb2.ExplainedAsset(
                asset_id=asset.asset_id,
                name=found.names.get(asset.asset_id, ""),
                quantity=from_decimal(asset.quantity),
                share=money(found.currency, asset.share),
                measured=asset.coverage.measured,
                absent=asset.coverage.absent,
                gap=asset.coverage.gap,
            )
            for asset in found.assets
        ],
        slots=[
            closing_pb2.ExplainedSlot(
                start=convert.from_slot(slot.slot),
                value=str(slot.value),
                state=slot.state,
                spread=slot.spread,
                decides=slot.decides,
            )
            for slot in found.slots
        ],
        raw=[
            closing_pb2.RawReading(
                since=from_time(raw.since),
                ticked_at=from_time(raw.ticked_at),
                stored_at=from_time(raw.stored_at),
                agent=raw.agent,
                value=raw.value,
                unit_type=raw.unit_type,
            )
            for raw in found.raw
        ],
        from_evidence=found.from_evidence,
        notes=found.notes,
    )

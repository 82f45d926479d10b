"""What projections said, against what became of their periods; figures by hand."""

from decimal import Decimal

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.jobs import Jobs
from aggregator.rpc.analysis import AnalysisService
from aggregator.rpc.billing import BillingService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.bills import projection, reading
from tests.builders import World, month
from ullage.v1 import analysis_pb2, billing_pb2

pytestmark = pytest.mark.storage


async def remember(
    world: World, bucket: int, *, back: int, share: int, quantity: str, low: str = "", high: str = ""
) -> None:
    """A projection of the month so many months ago."""
    now = await world.now()
    await world.insert(
        "projection_history",
        returning="bucket_id",
        bucket_id=bucket,
        period_start=month(now, back=back),
        share=share,
        projected_quantity=Decimal(quantity),
        low_quantity=Decimal(low) if low else None,
        high_quantity=Decimal(high) if high else None,
        projected_cost=Decimal(quantity),
        calculated_at=now,
    )


async def a_bucket_with_a_past(world: World) -> int:
    """Two months that became 100 and 200; this one is at half of its time."""
    now = await world.now()
    bucket = await world.bucket(await world.client("acme"), commit="100")
    await reading(world, bucket, month(now, back=2), month(now, back=1), quantity="100")
    await reading(world, bucket, month(now, back=1), month(now), quantity="200")
    await remember(world, bucket, back=2, share=26, quantity="130", low="90", high="150")
    await remember(world, bucket, back=2, share=48, quantity="140")
    await remember(world, bucket, back=2, share=49, quantity="110", low="105", high="120")
    await remember(world, bucket, back=1, share=51, quantity="190", low="180", high="200")
    await remember(world, bucket, back=1, share=60, quantity="1")
    await projection(world, bucket, month(now), month(now, back=-1), quantity="120", cost="140")
    await remember(world, bucket, back=0, share=50, quantity="120")
    return bucket


async def test_the_nearest_to_each_quarter_counts(db: Database, world: World, context: Context) -> None:
    bucket = await a_bucket_with_a_past(world)
    record = await AnalysisService(db).GetTrackRecord(
        analysis_pb2.GetTrackRecordRequest(bucket_id=bucket), context
    )
    assert [(p.share, p.projected, p.became, p.percent_error, p.within_range) for p in record.points] == [
        (51, "190", "200", "-5.00", True),
        (26, "130", "100", "30.00", True),
        (49, "110", "100", "10.00", False),
    ]
    assert record.median_error == "10.00"


async def test_a_projection_says_how_far_off_earlier_ones_were_at_its_share(
    db: Database, jobs: Jobs, world: World, context: Context
) -> None:
    await a_bucket_with_a_past(world)
    reply = await BillingService(db, jobs).ListProjections(billing_pb2.ListProjectionsRequest(), context)
    # 10 % and 5 %.
    assert [row.track_record for row in reply.projections] == ["7.50"]
    assert [row.method for row in reply.projections] == ["run-rate"]
    assert [row.low_quantity for row in reply.projections] == [""]


async def test_without_a_past_there_is_no_record(
    db: Database, jobs: Jobs, world: World, context: Context
) -> None:
    now = await world.now()
    bucket = await world.bucket(await world.client("acme"))
    await projection(world, bucket, month(now), month(now, back=-1), quantity="3", cost="4")
    service = AnalysisService(db)
    record = await service.GetTrackRecord(analysis_pb2.GetTrackRecordRequest(bucket_id=bucket), context)
    assert (list(record.points), record.median_error) == ([], "")
    reply = await BillingService(db, jobs).ListProjections(billing_pb2.ListProjectionsRequest(), context)
    assert [row.track_record for row in reply.projections] == [""]
    with pytest.raises(NotFound, match="bucket"):
        await service.GetTrackRecord(analysis_pb2.GetTrackRecordRequest(bucket_id=bucket + 1), context)
    with pytest.raises(Invalid, match="bucket"):
        await service.GetTrackRecord(analysis_pb2.GetTrackRecordRequest(), context)

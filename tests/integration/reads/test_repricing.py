"""Right-size and what-if on stored readings: the best commit, other prices, and another aggregation from slots."""

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.rpc.analysis import AnalysisService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.billing_world import MARCH, NOW, level, run
from tests.billing_world import World as Usage
from tests.bills import reading
from tests.builders import World, month
from ullage.v1 import analysis_pb2
from ullage.v1.agreements_pb2 import Terms, Tier


@pytest.fixture
def service(db: Database) -> AnalysisService:
    return AnalysisService(db)


async def billed(world: World, bucket: int, *quantities: str, back: int = 0) -> None:
    """One reading a month, the last one so many months back."""
    now = await world.now()
    for place, quantity in enumerate(reversed(quantities), start=back):
        await reading(world, bucket, month(now, back=place + 1), month(now, back=place), quantity=quantity)


async def test_right_size_finds_the_commit_that_would_have_cost_least(
    service: AnalysisService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    ram = await world.bucket(client, name="ram")
    await billed(world, ram, "60", "70", "80")
    await billed(world, await world.bucket(client, name="two readings"), "1", "1")
    await billed(world, await world.bucket(client, name="free", commit="0"), "1", "1", "1")
    fits = await world.bucket(await world.client("beta"), name="fits", commit="70")
    await billed(world, fits, "70", "70", "70")
    rows = (await service.ListRightSize(analysis_pb2.ListRightSizeRequest(), context)).rows
    assert [(r.bucket_name, r.commit, r.best_commit) for r in rows] == [
        ("ram", "100", "70.0000"),
        ("fits", "70", "70"),
    ]
    best = rows[0]
    assert (best.cost.amount, best.best_cost.amount, best.difference.amount) == ("300.00", "230.00", "-70.00")
    assert (best.readings, best.buffer.amount, best.buffer_units, best.percent_unused) == (
        3,
        "90.00",
        "90",
        "30.00",
    )
    assert (best.symbol, best.client_name, rows[1].difference.amount) == ("GiB", "acme", "0.00")
    only = analysis_pb2.ListRightSizeRequest(client_id=client, unit_type="ram-used", readings=3, limit=1)
    assert [r.bucket_id for r in (await service.ListRightSize(only, context)).rows] == [ram]


async def test_only_readings_in_the_newest_currency_are_compared(
    service: AnalysisService, world: World, context: Context
) -> None:
    bucket = await world.bucket(await world.client())
    await billed(world, bucket, "10", "10", "10", back=3)
    await world.conn.execute("update client set currency = 'JPY', currency_digits = 0")
    await billed(world, bucket, "80", "90")
    assert not (await service.ListRightSize(analysis_pb2.ListRightSizeRequest(), context)).rows
    await world.conn.execute("delete from billing_reading where currency = 'JPY'")
    await billed(world, bucket, "80", "90", "90")
    [row] = (await service.ListRightSize(analysis_pb2.ListRightSizeRequest(), context)).rows
    assert (row.cost.currency, row.cost.amount, row.readings) == ("JPY", "300", 3)
    after = await service.WhatIf(
        analysis_pb2.WhatIfRequest(bucket_id=bucket, terms=Terms(base_price="2")), context
    )
    assert [(one.currency, one.amount) for one in after.after] == [("EUR", "600.00"), ("JPY", "600")]
    assert after.notes == ["the prices are taken in each reading's own currency: EUR, JPY"]


async def test_what_if_prices_readings_again(
    service: AnalysisService, world: World, context: Context
) -> None:
    now = await world.now()
    client = await world.client("acme")
    ram = await world.bucket(client, name="ram")
    await billed(world, ram, "80", "120")
    await billed(world, await world.bucket(await world.client("yen", currency="JPY"), commit="0"), "7")
    # The open period is no reading yet.
    await reading(world, ram, month(now), month(now, back=-1), quantity="500")

    unchanged = await service.WhatIf(
        analysis_pb2.WhatIfRequest(client_id=client, commit_percent="0"), context
    )
    assert [(r.before.amount, r.after.amount) for r in unchanged.rows] == [
        ("100.00", "100.00"),
        ("140.00", "140.00"),
    ]
    commit = analysis_pb2.WhatIfRequest(bucket_id=ram, terms=Terms(commit="120"), readings=1)
    [row] = (await service.WhatIf(commit, context)).rows
    assert (row.bucket_name, row.client_name, row.quantity) == ("ram", "acme", "120")
    assert (row.before.amount, row.after.amount) == ("140.00", "120.00")

    cheaper = analysis_pb2.WhatIfRequest(commit_percent="-10", base_percent="-50", overage_percent="50")
    found = await service.WhatIf(cheaper, context)
    # The last reading of each: 90 × 0.5 + 30 × 3; 7 × 3 without a commit.
    assert [(one.currency, one.amount) for one in found.after] == [("EUR", "135.00"), ("JPY", "21")]
    assert [(one.currency, one.amount) for one in found.before] == [("EUR", "140.00"), ("JPY", "14")]
    assert found.notes == ["1 readings have no commit, which no per cent changes"]

    tiers = [Tier(above="0", price="1"), Tier(above="10", price="5")]
    tiered = analysis_pb2.WhatIfRequest(bucket_id=ram, terms=Terms(tiers=tiers, minimum="101", prorate=True))
    found = await service.WhatIf(tiered, context)
    assert [r.after.amount for r in found.rows] == ["101.00", "160.00"]
    assert found.notes == ["prorating stays as it is agreed"]


async def test_another_aggregation_is_read_from_slots_of_one_bucket_alone(
    service: AnalysisService, db: Database, context: Context
) -> None:
    async with db.transaction() as conn:
        usage = Usage(conn)
        agent, unit = await usage.agent(), await usage.unit_type()
        series = await usage.series(await usage.asset(agent), unit)
        client = await usage.client()
        bucket = await usage.bucket(client, unit)
        await usage.terms(bucket, aggregation="sum", commit="100")
        await usage.bind(series, bucket)
        await usage.hours(agent, MARCH, [level(series, 10)] * 23 + [level(series, 40)])
        await conn.execute("update client set cycle_anchor = '2026-01-01'")
    await run(db, now=NOW)
    request = analysis_pb2.WhatIfRequest(bucket_id=bucket, terms=Terms(aggregation="max"))
    # Of April nothing was measured.
    row = (await service.WhatIf(request, context)).rows[0]
    # 270 unit-hours: 100 + 170 × 2; of the highest, 40, all is within the commit.
    assert (row.before.amount, row.quantity, row.after.amount) == ("440.00", "40.0000", "100.00")
    of_client = analysis_pb2.WhatIfRequest(client_id=client, terms=Terms(aggregation="max"))
    found = await service.WhatIf(of_client, context)
    assert not found.rows
    assert found.notes[0].startswith("2 readings are left out")
    same = analysis_pb2.WhatIfRequest(client_id=client, terms=Terms(aggregation="sum"))
    rows = (await service.WhatIf(same, context)).rows
    assert [row.before for row in rows] == [row.after for row in rows]


@pytest.mark.parametrize(
    "request_",
    [
        analysis_pb2.WhatIfRequest(),
        analysis_pb2.WhatIfRequest(commit_percent="ten"),
        analysis_pb2.WhatIfRequest(commit_percent="-101"),
        analysis_pb2.WhatIfRequest(commit_percent="1e9"),
        analysis_pb2.WhatIfRequest(commit_percent="0.00001"),
        analysis_pb2.WhatIfRequest(commit_percent="1", terms=Terms(commit="5")),
        analysis_pb2.WhatIfRequest(terms=Terms(base_price="-1")),
        analysis_pb2.WhatIfRequest(terms=Terms(aggregation="p101")),
        analysis_pb2.WhatIfRequest(terms=Terms(minimum="5", maximum="4")),
        analysis_pb2.WhatIfRequest(terms=Terms(gap_rule="wait")),
        analysis_pb2.WhatIfRequest(terms=Terms(commit="5"), readings=37),
    ],
)
async def test_what_cannot_be_tried_is_refused(
    service: AnalysisService, context: Context, request_: analysis_pb2.WhatIfRequest
) -> None:
    with pytest.raises(Invalid):
        await service.WhatIf(request_, context)


async def test_what_there_is_not_is_said(service: AnalysisService, context: Context) -> None:
    with pytest.raises(NotFound):
        await service.WhatIf(analysis_pb2.WhatIfRequest(bucket_id=9, terms=Terms(commit="5")), context)
    with pytest.raises(NotFound):
        await service.ListRightSize(analysis_pb2.ListRightSizeRequest(client_id=9), context)
    for wrong in (
        analysis_pb2.ListRightSizeRequest(readings=2),
        analysis_pb2.ListRightSizeRequest(readings=37),
        analysis_pb2.ListRightSizeRequest(limit=201),
    ):
        with pytest.raises(Invalid):
            await service.ListRightSize(wrong, context)

"""What dry runs say in money: of all periods that are not finalised, not of the open one alone."""

from decimal import Decimal

import pytest

from aggregator.actions.assign_assets import assign_assets
from aggregator.domain.slot import slot_of
from tests.rollup_world import Conn, opened
from tests.two_clients import NOON, NOVEMBER, Estate

GIB = 2**30


@pytest.fixture
async def estate(conn: Conn) -> Estate:
    """With 2 GiB in all of October and in November until now, at 1 EUR below the commit."""
    made = await Estate(conn).build()
    october = NOVEMBER.replace(month=10)
    for month, ends in ((october, NOVEMBER), (NOVEMBER, NOON)):
        slots = (slot_of(ends) - slot_of(month)) // 12
        await conn.execute(
            "insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)"
            " values (%s, %s, %s, %s, %s, 0, %s, %s)",
            [made.series, month.date(), slots * 2 * GIB, 2 * GIB, 2 * GIB, slots, slots],
        )
    await conn.execute("update bucket_terms set commit = 100, base_price = 1, overage_price = 3")
    await conn.commit()
    return made


async def unassigned(dsn: str, estate: Estate) -> tuple[dict[str, Decimal], int]:
    async with opened(dsn) as db:
        done = await assign_assets(db, asset_ids=[estate.asset], client_id=0, dry_run=True, now=NOON)
    assert done.preview is not None
    assert any("up to its commit" in note and note.endswith("ram.") for note in done.preview.notes)
    return dict(done.preview.money), done.preview.readings


async def test_an_ended_period_that_waits_is_in_the_money_of_a_dry_run(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    only_november = await unassigned(dsn, estate)
    assert only_november == ({"EUR": Decimal("-2.00")}, 468)
    await conn.execute("update client set finalised_slot = %s", [slot_of(NOVEMBER.replace(month=10))])
    await conn.commit()
    assert await unassigned(dsn, estate) == ({"EUR": Decimal("-4.00")}, 468 + 744)

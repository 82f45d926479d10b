"""Builders of what billing leaves behind: runs, billing readings, projections. Beside builders.py and by the same rules."""

from datetime import date, datetime
from decimal import Decimal

from aggregator.domain.rate import charge
from aggregator.domain.slot import slot_of
from aggregator.domain.terms import Aggregation, Terms
from tests.builders import World


async def run(
    world: World,
    job: str,
    *,
    started_at: datetime,
    ended_at: datetime | None = None,
    state: str = "done",
    error: str = "",
) -> int:
    """A run of a job."""
    return await world.insert(
        "run", job=job, started_at=started_at, ended_at=ended_at, state=state, error=error
    )


async def reading(
    world: World,
    bucket: int,
    start: datetime,
    end: datetime,
    *,
    quantity: str = "80",
    as_of: datetime | None = None,
    finalised_at: datetime | None = None,
) -> Decimal:
    """What the bucket's terms at its end make of ``quantity`` in the period; the cost."""
    terms, currency, digits = await _agreed(world, bucket, end.date())
    charged = charge(terms, quantity=Decimal(quantity), currency_digits=digits)
    await world.insert(
        "billing_reading",
        returning="bucket_id",
        bucket_id=bucket,
        period_start=start,
        period_end=end,
        from_slot=slot_of(start),
        to_slot=slot_of(end),
        terms_id=terms.id,
        aggregation=terms.aggregation.value,
        quantity=Decimal(quantity),
        commit=terms.commit,
        overage_units=charged.overage_units,
        currency=currency,
        used=charged.used,
        buffer=charged.buffer,
        overage=charged.overage,
        limit_amount=charged.limit,
        cost=charged.cost,
        as_of_slot=slot_of(as_of or end),
        cutoff=as_of or end,
        run_id=await run(world, "billing", started_at=start, ended_at=end),
        finalised_at=finalised_at,
    )
    return charged.cost


async def projection(
    world: World,
    bucket: int,
    start: datetime,
    end: datetime,
    *,
    quantity: str,
    cost: str,
    percent: str | None = None,
    current: str = "1",
) -> None:
    """What the bucket's period is expected to end with."""
    terms, currency, _ = await _agreed(world, bucket, end.date())
    await world.insert(
        "projection",
        returning="bucket_id",
        bucket_id=bucket,
        period_start=start,
        period_end=end,
        aggregation=terms.aggregation.value,
        current_quantity=Decimal(current),
        projected_quantity=Decimal(quantity),
        currency=currency,
        projected_cost=Decimal(cost),
        percent_of_commit=None if percent is None else Decimal(percent),
        calculated_at=start,
        run_id=await run(world, "projection", started_at=start, ended_at=end),
    )


async def _agreed(world: World, bucket: int, day: date) -> tuple[Terms, str, int]:
    row = await world.one(
        "select t.id, t.starts_on, t.commit, t.base_price, t.overage_price, t.aggregation, c.currency, c.currency_digits"
        " from bucket_terms t join bucket b on b.id = t.bucket_id join client c on c.id = b.client_id"
        " where b.id = %s and t.starts_on <= %s order by t.starts_on desc limit 1",
        bucket,
        day,
    )
    return (
        Terms(
            id=row[0],
            starts_on=row[1],
            commit=row[2],
            base_price=row[3],
            overage_price=row[4],
            aggregation=Aggregation(row[5]),
        ),
        row[6],
        row[7],
    )

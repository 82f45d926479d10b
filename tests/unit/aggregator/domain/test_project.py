"""The run rate of an open period."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from aggregator.domain.project import Measured, Projection, project
from aggregator.domain.quantity import Unit
from aggregator.domain.terms import Aggregation, Segment, Terms

UNIT = Unit(kind="amount", divisor=1, per="total", precision=4, slot_minutes=60)


def segment(aggregation: Aggregation, *, commit: str = "100") -> Segment:
    terms = Terms(
        id=1,
        starts_on=date(2026, 1, 1),
        commit=Decimal(commit),
        base_price=Decimal(1),
        overage_price=Decimal(2),
        aggregation=aggregation,
    )
    return Segment(terms=terms, from_slot=1200, to_slot=1200 + 30 * 12)


def at_a_third(aggregation: Aggregation, quantity: str, *, commit: str = "100") -> Projection | None:
    return project(
        [
            Measured(
                segment=segment(aggregation, commit=commit),
                quantity=Decimal(quantity),
                as_of_slot=1200 + 10 * 12,
            )
        ],
        unit=UNIT,
        currency_digits=2,
    )


def test_a_sum_grows_with_the_slots_still_to_come() -> None:
    assert at_a_third(Aggregation.SUM, "40") == Projection(
        quantity=Decimal("120.0000"), cost=Decimal("140.00"), percent_of_commit=Decimal("120.00")
    )


@pytest.mark.parametrize(
    "aggregation", [Aggregation.AVG, Aggregation.MAX, Aggregation.LAST, Aggregation.COUNT]
)
def test_every_other_aggregation_stays_what_it_is(aggregation: Aggregation) -> None:
    assert at_a_third(aggregation, "40") == Projection(
        quantity=Decimal(40), cost=Decimal("100.00"), percent_of_commit=Decimal("40.00")
    )


def test_a_projected_sum_is_rounded_once_to_the_units_precision() -> None:
    found = at_a_third(Aggregation.SUM, "0.33335")
    assert found is not None
    assert str(found.quantity) == "1.0001"


def test_without_a_commit_there_is_no_per_cent() -> None:
    found = at_a_third(Aggregation.SUM, "40", commit="0")
    assert found is not None
    assert found.percent_of_commit is None
    assert found.cost == 240


def test_nothing_elapsed_is_no_projection() -> None:
    found = project(
        [Measured(segment=segment(Aggregation.SUM), quantity=Decimal(0), as_of_slot=1200)],
        unit=UNIT,
        currency_digits=2,
    )
    assert found is None


def test_at_the_end_the_projection_is_the_quantity() -> None:
    found = project(
        [Measured(segment=segment(Aggregation.SUM), quantity=Decimal("77.7"), as_of_slot=1560)],
        unit=UNIT,
        currency_digits=2,
    )
    assert found is not None
    assert found.quantity == Decimal("77.7")


def test_a_segment_that_has_not_begun_goes_on_as_the_one_before() -> None:
    first = replace(segment(Aggregation.SUM), to_slot=1200 + 15 * 12, fraction=Fraction(1, 2))
    second = replace(
        segment(Aggregation.SUM), from_slot=first.to_slot, to_slot=1200 + 30 * 12, fraction=Fraction(1, 2)
    )
    found = project(
        [
            Measured(segment=first, quantity=Decimal(40), as_of_slot=1200 + 10 * 12),
            Measured(segment=second, quantity=Decimal(0), as_of_slot=second.from_slot),
        ],
        unit=UNIT,
        currency_digits=2,
    )
    assert found == Projection(
        quantity=Decimal("120.0000"), cost=Decimal("140.00"), percent_of_commit=Decimal("120.00")
    )

"""Open periods: by their run rate, and by paths of days to come."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.domain.daily import DayPart
from aggregator.domain.project import Measured, Projection, project
from aggregator.domain.quantity import Unit, rank
from aggregator.domain.rate import charge
from aggregator.domain.terms import Aggregation, Segment, Terms

UNIT = Unit(kind="amount", divisor=1, per="total", precision=4, slot_minutes=60)


def told(*figures: object) -> tuple[object, ...]:
    """Figures to be compared with plain numbers."""
    return figures


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


# A period of 30 whole days, and days of 24 slots before it.
BEGIN = 1000 * 288
DRAWN = [
    Aggregation.SUM,
    Aggregation.AVG,
    Aggregation.MAX,
    Aggregation.MIN,
    Aggregation.LAST,
    Aggregation.PERCENTILE,
]


def day(number: int, values: Sequence[int]) -> DayPart:
    start = BEGIN + number * 288
    return DayPart(
        from_slot=start,
        to_slot=start + 12 * len(values),
        filled=len(values),
        total=sum(values),
        high=max(values),
        low=min(values),
        last=values[-1],
        values=sorted(values),
    )


def quantity_of(aggregation: Aggregation, values: Sequence[int]) -> Decimal:
    """As the bill has it, of a unit of one step."""
    match aggregation:
        case Aggregation.SUM:
            return Decimal(sum(values))
        case Aggregation.AVG:
            return round(Decimal(sum(values)) / len(values), 4)
        case Aggregation.MAX:
            return Decimal(max(values))
        case Aggregation.MIN:
            return Decimal(min(values))
        case Aggregation.PERCENTILE:
            return Decimal(sorted(values)[rank(Decimal(95), len(values)) - 1])
        case _:
            return Decimal(values[-1])


def projected(
    aggregation: Aggregation,
    days: Sequence[Sequence[int]],
    *,
    before: int,
    commit: str = "0",
    whole: int = 30,
    seed: int = 1,
    unit: Unit = UNIT,
) -> Projection:
    """``before`` of the days lie before the period; the last one may have slots to come."""
    terms = Terms(
        id=1,
        starts_on=date(2026, 1, 1),
        commit=Decimal(commit),
        base_price=Decimal(1),
        overage_price=Decimal(2),
        aggregation=aggregation,
        percentile=Decimal(95) if aggregation is Aggregation.PERCENTILE else None,
    )
    passed = [value for values in days[before:] for value in values]
    found = project(
        [
            Measured(
                segment=Segment(terms=terms, from_slot=BEGIN, to_slot=BEGIN + whole * 288),
                quantity=quantity_of(aggregation, passed),
                as_of_slot=BEGIN + 12 * len(passed),
            )
        ],
        unit=unit,
        currency_digits=2,
        days=[day(number - before, values) for number, values in enumerate(days)],
        chance=Random(seed).random,
    )
    assert found is not None
    return found


@pytest.mark.parametrize("aggregation", DRAWN)
def test_what_never_changes_goes_on_as_it_is(aggregation: Aggregation) -> None:
    found = projected(aggregation, [[10] * 24] * 40, before=30)
    wanted = 7200 if aggregation is Aggregation.SUM else 10
    assert told(found.low_quantity, found.quantity, found.high_quantity) == (wanted, wanted, wanted)
    assert told(found.method, found.low_cost, found.cost) == ("paths", 2 * wanted, 2 * wanted)


@pytest.mark.parametrize("aggregation", DRAWN)
def test_the_rest_of_today_is_drawn_as_a_part_of_a_day(aggregation: Aggregation) -> None:
    found = projected(aggregation, [*[[10] * 24] * 40, [10] * 6], before=30)
    assert found.quantity == (7200 if aggregation is Aggregation.SUM else 10)
    assert found.method == "paths"


@pytest.mark.parametrize("aggregation", DRAWN)
@settings(max_examples=10, deadline=None)
@given(
    values=st.lists(st.lists(st.integers(0, 50), min_size=24, max_size=24), min_size=16, max_size=24),
    seed=st.integers(0, 9),
)
def test_at_the_end_of_the_period_the_projection_is_the_bill(
    aggregation: Aggregation, values: list[list[int]], seed: int
) -> None:
    before = 10
    found = projected(aggregation, values, before=before, whole=len(values) - before, seed=seed, commit="20")
    passed = [value for of_day in values[before:] for value in of_day]
    billed = quantity_of(aggregation, passed)
    assert found.quantity == billed
    assert {found.low_quantity, found.high_quantity} <= {billed, None}
    terms = Terms(
        id=1,
        starts_on=date(2026, 1, 1),
        commit=Decimal(20),
        base_price=Decimal(1),
        overage_price=Decimal(2),
        aggregation=aggregation,
        percentile=Decimal(95) if aggregation is Aggregation.PERCENTILE else None,
    )
    assert found.cost == charge(terms, quantity=billed, currency_digits=2).cost


@pytest.mark.parametrize("aggregation", DRAWN)
@settings(max_examples=10, deadline=None)
@given(
    values=st.lists(st.lists(st.integers(0, 50), min_size=24, max_size=24), min_size=20, max_size=30),
    seed=st.integers(0, 9),
)
def test_the_same_seed_gives_the_same_range_and_the_middle_lies_in_it(
    aggregation: Aggregation, values: list[list[int]], seed: int
) -> None:
    found, again = (projected(aggregation, values, before=15, seed=seed, commit="20") for _ in range(2))
    assert found == again
    if found.method == "paths":
        assert found.low_quantity is not None
        assert found.high_quantity is not None
        assert found.low_quantity <= found.quantity <= found.high_quantity
        assert found.low_cost is not None
        assert found.high_cost is not None
        assert found.low_cost <= found.cost <= found.high_cost
        passed = quantity_of(aggregation, [value for of_day in values[15:] for value in of_day])
        if aggregation in (Aggregation.SUM, Aggregation.MAX):
            assert found.low_quantity >= passed
        if aggregation is Aggregation.MIN:
            assert found.high_quantity <= passed


def test_weekdays_go_on() -> None:
    weeks = [[20] * 24 if number % 7 < 5 else [0] * 24 for number in range(70)]
    found = projected(Aggregation.SUM, weeks, before=60)
    ahead = sum(480 for number in range(60, 90) if number % 7 < 5)
    assert abs(found.quantity - ahead) <= ahead * Decimal("0.03")


def test_with_fewer_than_fourteen_days_it_is_the_run_rate_and_the_range_unknown() -> None:
    found = projected(Aggregation.SUM, [[10] * 24] * 13, before=3)
    assert told(found.method, found.quantity) == ("run-rate", 7200)
    assert (found.low_quantity, found.high_quantity, found.low_cost, found.high_cost) == (None,) * 4
    assert projected(Aggregation.SUM, [[10] * 24] * 14, before=4).method == "paths"


def test_days_before_anything_was_used_are_no_history() -> None:
    found = projected(Aggregation.SUM, [*[[0] * 24] * 20, *[[10] * 24] * 10], before=20)
    assert found.method == "paths"
    empty = DayPart(from_slot=0, to_slot=288)
    parts = [
        *(replace(empty, from_slot=BEGIN - n * 288, to_slot=BEGIN - (n - 1) * 288) for n in range(20, 0, -1)),
        *(day(number, [10] * 24) for number in range(10)),
    ]
    measured = Measured(
        segment=replace(segment(Aggregation.SUM), from_slot=BEGIN, to_slot=BEGIN + 30 * 288),
        quantity=Decimal(2400),
        as_of_slot=BEGIN + 2880,
    )
    of_ten = project([measured], unit=UNIT, currency_digits=2, days=parts, chance=Random(1).random)
    assert of_ten is not None
    assert of_ten.method == "run-rate"


@pytest.mark.parametrize("aggregation", [Aggregation.COUNT, Aggregation.SUM_OF_MAX])
def test_what_is_in_no_day_stays_what_it_is(aggregation: Aggregation) -> None:
    found = projected(aggregation, [[10] * 24] * 40, before=30)
    assert told(found.method, found.quantity) == ("run-rate", 10)


def test_a_percentile_whose_values_were_not_kept_is_what_it_is() -> None:
    days = [replace(day(number, [10] * 24), values=None) for number in range(-30, 10)]
    terms = replace(
        segment(Aggregation.SUM).terms, aggregation=Aggregation.PERCENTILE, percentile=Decimal(95)
    )
    measured = Measured(
        segment=Segment(terms=terms, from_slot=BEGIN, to_slot=BEGIN + 30 * 288),
        quantity=Decimal(10),
        as_of_slot=BEGIN + 2880,
    )
    found = project([measured], unit=UNIT, currency_digits=2, days=days, chance=Random(1).random)
    assert found is not None
    assert told(found.method, found.quantity) == ("run-rate", 10)


def test_a_segment_to_come_is_drawn_like_the_one_before() -> None:
    first = replace(
        segment(Aggregation.SUM), from_slot=BEGIN, to_slot=BEGIN + 15 * 288, fraction=Fraction(1, 2)
    )
    second = replace(first, from_slot=first.to_slot, to_slot=BEGIN + 30 * 288)
    found = project(
        [
            Measured(segment=first, quantity=Decimal(2400), as_of_slot=BEGIN + 2880),
            Measured(segment=second, quantity=Decimal(0), as_of_slot=second.from_slot),
        ],
        unit=UNIT,
        currency_digits=2,
        days=[day(number, [10] * 24) for number in range(-30, 10)],
        chance=Random(1).random,
    )
    assert found is not None
    assert told(found.method, found.quantity, found.low_quantity) == ("paths", 7200, 7200)


def test_unit_hours_and_rates_are_projected_in_what_they_are_billed_in() -> None:
    level = replace(UNIT, kind="level", slot_minutes=5)
    rate = replace(UNIT, per="second", divisor=2)
    steps = [[7200 * 3] * 24] * 40
    of_rate = project(
        [
            Measured(
                segment=Segment(
                    terms=replace(segment(Aggregation.AVG).terms),
                    from_slot=BEGIN,
                    to_slot=BEGIN + 30 * 288,
                ),
                quantity=Decimal(3),
                as_of_slot=BEGIN + 2880,
            )
        ],
        unit=rate,
        currency_digits=2,
        days=[day(number - 30, values) for number, values in enumerate(steps)],
        chance=Random(1).random,
    )
    assert of_rate is not None
    assert told(of_rate.quantity, of_rate.method) == (3, "paths")
    of_level = project(
        [
            Measured(
                segment=Segment(
                    terms=segment(Aggregation.SUM).terms, from_slot=BEGIN, to_slot=BEGIN + 30 * 288
                ),
                # Ten days of 24 unit-hours.
                quantity=Decimal(240),
                as_of_slot=BEGIN + 2880,
            )
        ],
        unit=level,
        currency_digits=2,
        days=[
            DayPart(from_slot=BEGIN + n * 288, to_slot=BEGIN + n * 288 + 288, filled=1, total=288)
            for n in range(-30, 10)
        ],
        chance=Random(1).random,
    )
    assert of_level is not None
    assert of_level.quantity == 720

"""From steps to billed units: one division, rounded once."""

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.quantity import NO_USAGE, Unit, Usage, quantity, quantity_symbol, rank, ratio
from aggregator.domain.terms import Aggregation

GIB = Unit(kind="level", divisor=2**30, per="total", precision=4, slot_minutes=60)
SENT = Unit(kind="amount", divisor=2**30, per="total", precision=4, slot_minutes=60)
RATE = Unit(kind="amount", divisor=125_000, per="second", precision=4, slot_minutes=5)
COUNTED = Unit(kind="amount", divisor=1, per="total", precision=0, slot_minutes=60)


def usage(*, total: int = 0, high: int = 0, last: int = 0, assets: int = 0) -> Usage:
    return Usage(total=total, high=high, last=last, assets=assets)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [("avg", "2.5"), ("last", "0"), ("max", "10"), ("count", "1"), ("sum", "60")],
)
def test_a_vm_deleted_after_6_of_24_slots(aggregation: str, expected: str) -> None:
    """10 GiB, the agent alive: nothing was measured later, which is worth 0."""
    found = usage(total=6 * 10 * 2**30, high=10 * 2**30, last=0, assets=1)
    assert quantity(found, aggregation=Aggregation(aggregation), unit=GIB, slots=24) == Decimal(expected)


@pytest.mark.parametrize(("days", "avg", "last"), [(9, "3", "0"), (21, "7", "10")])
def test_a_level_moved_after_9_of_30_days_is_divided_by_avg(days: int, avg: str, last: str) -> None:
    ten = 10 * 2**30
    found = usage(total=days * 24 * ten, high=ten, last=ten if last == "10" else 0, assets=1)
    of = {a: quantity(found, aggregation=a, unit=GIB, slots=30 * 24) for a in Aggregation}
    assert of[Aggregation.AVG] == Decimal(avg)
    assert of[Aggregation.LAST] == Decimal(last)
    assert of[Aggregation.MAX] == 10
    assert of[Aggregation.COUNT] == 1


def test_a_counter_that_caught_up_has_its_exact_sum_and_no_invented_peak() -> None:
    """100 a slot, silent in 3 of 10, then 400 in one tick, which rule 2 has spread over its span."""
    found = usage(total=1_000, high=100, last=100, assets=1)
    assert quantity(found, aggregation=Aggregation.SUM, unit=COUNTED, slots=10) == 1_000
    assert quantity(found, aggregation=Aggregation.MAX, unit=COUNTED, slots=10) == 100


def test_a_sum_of_a_level_counts_hours_also_in_short_slots() -> None:
    short = Unit(kind="level", divisor=1, per="total", precision=4, slot_minutes=5)
    assert quantity(usage(total=24), aggregation=Aggregation.SUM, unit=short, slots=12) == 2


def test_a_rate_is_the_slots_total_by_its_seconds() -> None:
    ten_mbit = 10 * 125_000 * 300
    found = usage(total=2 * ten_mbit, high=ten_mbit, last=ten_mbit)
    assert quantity(found, aggregation=Aggregation.MAX, unit=RATE, slots=4) == 10
    assert quantity(found, aggregation=Aggregation.AVG, unit=RATE, slots=4) == 5
    assert quantity(found, aggregation=Aggregation.LAST, unit=RATE, slots=4) == 10
    assert quantity(found, aggregation=Aggregation.SUM, unit=RATE, slots=4) == 20


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_nothing_elapsed_is_nothing_used(aggregation: Aggregation) -> None:
    assert quantity(NO_USAGE, aggregation=aggregation, unit=GIB, slots=0) == 0


def test_a_peak_beyond_the_largest_bigint_is_still_exact() -> None:
    found = usage(total=2**70 + 2**29)
    assert quantity(found, aggregation=Aggregation.SUM, unit=SENT, slots=1) == Decimal(2**40) + Decimal("0.5")


@pytest.mark.parametrize(
    ("numerator", "denominator", "places", "expected"),
    [
        (1, 2, 0, "1"),
        (-1, 2, 0, "-1"),
        (1, 3, 4, "0.3333"),
        (2, 3, 4, "0.6667"),
        (-1, 100_000, 4, "0.0000"),
        (5, 100_000, 4, "0.0001"),
        (10**40, 3, 2, "3333333333333333333333333333333333333333.33"),
    ],
)
def test_halves_go_away_from_zero(numerator: int, denominator: int, places: int, expected: str) -> None:
    assert str(ratio(numerator, denominator, places=places)) == expected


@given(numerator=st.integers(-(2**80), 2**80), denominator=st.integers(1, 2**40), places=st.integers(0, 12))
def test_a_quotient_is_rounded_from_its_exact_value(numerator: int, denominator: int, places: int) -> None:
    found = ratio(numerator, denominator, places=places)
    error = abs(Fraction(found) - Fraction(numerator, denominator))
    assert error <= Fraction(1, 2 * 10**places)
    if error == Fraction(1, 2 * 10**places):
        assert abs(Fraction(found)) > abs(Fraction(numerator, denominator))
    exact = Context(prec=200, rounding=ROUND_HALF_UP)
    assert found == exact.quantize(
        exact.divide(Decimal(numerator), Decimal(denominator)), Decimal(f"1E-{places}")
    )


@given(
    slots=st.lists(st.integers(0, 2**50), min_size=1, max_size=40),
    unit=st.sampled_from((GIB, SENT, RATE, COUNTED)),
)
def test_no_aggregation_is_above_the_sum_or_the_peak_it_is_of(slots: list[int], unit: Unit) -> None:
    found = usage(total=sum(slots), high=max(slots), last=slots[-1], assets=1)
    of = {a: quantity(found, aggregation=a, unit=unit, slots=len(slots)) for a in Aggregation}
    assert of[Aggregation.AVG] <= of[Aggregation.MAX]
    assert of[Aggregation.LAST] <= of[Aggregation.MAX]


@pytest.mark.parametrize(
    ("kind", "aggregation", "expected"),
    [
        ("level", Aggregation.COUNT, "assets"),
        ("amount", Aggregation.COUNT, "assets"),
        ("level", Aggregation.SUM, "GiB·h"),
        ("amount", Aggregation.SUM, "GiB"),
        ("level", Aggregation.AVG, "GiB"),
        ("level", Aggregation.LAST, "GiB"),
        ("level", Aggregation.MAX, "GiB"),
    ],
)
def test_a_quantity_is_counted_in_what_its_aggregation_makes_of_the_unit(
    kind: str, aggregation: Aggregation, expected: str
) -> None:
    assert quantity_symbol("GiB", kind=kind, aggregation=aggregation) == expected


@pytest.mark.parametrize(
    ("percentile", "slots", "expected"),
    [
        # 31 days of 5-minute slots: 446 are free. 30 days: 432, as carriers say ("the top 36 hours").
        ("95", 31 * 288, 8_482),
        ("95", 30 * 288, 30 * 288 - 432),
        ("99.9", 1000, 999),
        ("99.9", 1001, 1000),
        # As a float, 0.7 × 10 is just above 7.
        ("70", 10, 7),
        ("29", 100, 29),
        ("100", 7, 7),
        ("0.001", 7, 1),
        ("50", 0, 0),
    ],
)
def test_a_percentiles_rank_is_reckoned_in_integers(percentile: str, slots: int, expected: int) -> None:
    assert rank(Decimal(percentile), slots) == expected

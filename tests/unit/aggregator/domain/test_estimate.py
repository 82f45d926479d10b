"""Estimates: what one series is about worth."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from aggregator.domain.estimate import Price, SeriesTotals, slots_between, window_slot, worth
from aggregator.domain.period import Cycle
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import slot_of

GIB = Unit(kind="level", divisor=2**30, per="total", precision=4, slot_minutes=60)
PRICE = Price(aggregation="avg", commit=Decimal(0), base_price=Decimal(1), overage_price=Decimal(2))
TOTALS = SeriesTotals(total=240 * 2**30, high=30 * 2**30, last=5 * 2**30)
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


def money(price: Price, totals: SeriesTotals | None = TOTALS) -> Decimal:
    return worth(totals, price, unit=GIB, slots=24, currency_digits=2)


def test_without_a_commit_usage_costs_the_overage_price() -> None:
    assert money(PRICE) == Decimal("20.00")


def test_with_a_commit_a_unit_is_worth_the_base_price() -> None:
    assert money(replace(PRICE, commit=Decimal(100))) == Decimal("10.00")


def test_peaks_are_estimated_by_the_highest_slot() -> None:
    for aggregation in ("max", "min", "sum_of_max", "percentile"):
        assert money(replace(PRICE, aggregation=aggregation)) == Decimal("60.00")
    assert money(replace(PRICE, aggregation="last")) == Decimal("10.00")
    assert money(replace(PRICE, aggregation="count")) == Decimal("2.00")


def test_what_was_not_used_is_worth_nothing() -> None:
    assert money(replace(PRICE, aggregation="count"), None) == Decimal("0.00")


def test_a_month_in_a_zone_is_estimated_by_the_calendar_month() -> None:
    berlin = Cycle("month", 1, date(2024, 1, 1), "Europe/Berlin")
    assert window_slot(now=NOW, finalised_slot=0, cycle=berlin) == slot_of(datetime(2026, 3, 1, tzinfo=UTC))


def test_the_window_begins_with_the_period_and_after_finalised_time() -> None:
    mid = Cycle("month", 1, date(2024, 1, 10), "UTC")
    start = slot_of(datetime(2026, 3, 10, tzinfo=UTC))
    assert window_slot(now=NOW, finalised_slot=0, cycle=mid) == start
    assert window_slot(now=NOW, finalised_slot=start + 12, cycle=mid) == start + 12
    assert window_slot(now=NOW, finalised_slot=0, cycle=None) == slot_of(datetime(2026, 3, 1, tzinfo=UTC))


def test_slots_are_counted_by_their_width() -> None:
    start = slot_of(datetime(2026, 3, 15, tzinfo=UTC))
    assert slots_between(start, now=NOW, width=12) == 12
    assert slots_between(start, now=NOW, width=1) == 144
    assert slots_between(start + 10_000, now=NOW, width=1) == 0

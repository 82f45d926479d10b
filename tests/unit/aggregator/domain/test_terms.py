"""Which terms hold for which slots."""

from datetime import date
from decimal import Decimal

import pytest

from aggregator.domain.period import Cycle
from aggregator.domain.slot import first_slot
from aggregator.domain.terms import Aggregation, Terms, segments

CYCLE = Cycle(unit="month", count=1, anchor=date(2026, 1, 1), time_zone="Europe/Berlin")
MARCH = CYCLE.period(2)


def terms(number: int, starts_on: date) -> Terms:
    return Terms(
        id=number,
        starts_on=starts_on,
        commit=Decimal(number),
        base_price=Decimal(1),
        overage_price=Decimal(2),
        aggregation=Aggregation.AVG,
    )


def test_the_terms_in_force_at_the_end_hold_for_the_whole_period() -> None:
    agreed = [terms(2, date(2026, 3, 31)), terms(1, date(2025, 1, 1)), terms(3, date(2026, 4, 1))]
    (segment,) = segments(agreed, cycle=CYCLE, period=MARCH, width=12)
    assert segment.terms.id == 2
    assert (segment.from_slot, segment.to_slot) == (MARCH.from_slot, MARCH.to_slot)


def test_a_bucket_that_starts_within_the_period_is_rated_from_its_local_midnight() -> None:
    (segment,) = segments([terms(1, date(2026, 3, 30))], cycle=CYCLE, period=MARCH, width=12)
    assert segment.from_slot == first_slot(CYCLE.first_instant(date(2026, 3, 30)), width=12)
    assert (segment.to_slot - segment.from_slot) // 12 == 48


def test_a_bucket_that_starts_after_the_period_has_no_segment() -> None:
    assert segments([terms(1, date(2026, 4, 1))], cycle=CYCLE, period=MARCH, width=12) == []
    assert segments([], cycle=CYCLE, period=MARCH, width=12) == []


def test_slots_of_five_minutes_begin_at_local_midnight_off_the_whole_hour() -> None:
    nepal = Cycle(unit="month", count=1, anchor=date(2026, 1, 1), time_zone="Asia/Kathmandu")
    period = nepal.period(0)
    (hourly,) = segments([terms(1, date(2026, 1, 1))], cycle=nepal, period=period, width=12)
    (short,) = segments([terms(1, date(2026, 1, 1))], cycle=nepal, period=period, width=1)
    assert hourly.from_slot - short.from_slot == 9
    assert (short.to_slot - short.from_slot) == (hourly.to_slot - hourly.from_slot)


def test_terms_load_from_text_and_refuse_an_unknown_aggregation() -> None:
    text: dict[str, object] = {"aggregation": "last"}
    row = {"id": 1, "starts_on": date(2026, 1, 1), "commit": 0, "base_price": 0, "overage_price": 0}
    loaded = Terms(**row, **text)  # type: ignore[arg-type]  # as a database row comes
    assert loaded.aggregation is Aggregation.LAST
    with pytest.raises(ValueError, match="median"):
        Terms(**row, aggregation="median")  # type: ignore[arg-type]  # as a database row comes

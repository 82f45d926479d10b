"""Which terms hold for which slots."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from aggregator.domain.period import Cycle
from aggregator.domain.slot import first_slot
from aggregator.domain.terms import Aggregation, Terms, aggregation_name, read_aggregation, segments

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


def monthly(zone: str, anchor: date = date(2026, 1, 1)) -> Cycle:
    return Cycle(unit="month", count=1, anchor=anchor, time_zone=zone)


@pytest.mark.parametrize(
    ("zone", "number", "hours"),
    [
        # Both clock changes of 2026 in three zones; the IANA database is the source.
        ("Europe/Berlin", 2, 743),
        ("Europe/Berlin", 9, 745),
        ("America/New_York", 2, 743),
        ("America/New_York", 10, 721),
        ("America/Santiago", 3, 721),
        ("America/Santiago", 8, 719),
        ("UTC", 1, 672),
        ("UTC", 3, 720),
    ],
)
def test_a_month_has_the_hours_its_clock_has(zone: str, number: int, hours: int) -> None:
    cycle = monthly(zone)
    (segment,) = segments([terms(1, date(2025, 1, 1))], cycle=cycle, period=cycle.period(number), width=12)
    assert (segment.to_slot - segment.from_slot) // 12 == hours


def prorated(number: int, starts_on: date, ends_on: date | None = None) -> Terms:
    return replace(terms(number, starts_on), ends_on=ends_on, prorate=True)


def test_prorated_parts_are_days_of_the_full_period() -> None:
    agreed = [
        prorated(1, date(2025, 1, 1)),
        prorated(2, date(2026, 3, 16), date(2026, 3, 26)),
        prorated(3, date(2026, 3, 30)),
    ]
    found = segments(agreed, cycle=CYCLE, period=MARCH, width=12)
    assert [(s.terms.id, s.fraction) for s in found] == [
        (1, Fraction(15, 31)),
        (2, Fraction(10, 31)),
        (3, Fraction(2, 31)),
    ]
    # The clock goes forward on the 29th, in the pause.
    assert [(s.to_slot - s.from_slot) // 12 for s in found] == [360, 240, 48]


def test_an_anchor_on_the_31st_is_clamped_and_its_days_are_counted() -> None:
    cycle = monthly("UTC", anchor=date(2026, 1, 31))
    (segment,) = segments([prorated(1, date(2026, 3, 1))], cycle=cycle, period=cycle.period(1), width=12)
    # 28 February to 30 March: 31 days, of which the bucket has 30.
    assert segment.fraction == Fraction(30, 31)


def test_a_pause_in_a_period_that_is_not_prorated_does_not_count() -> None:
    agreed = [
        replace(terms(1, date(2025, 1, 1)), ends_on=date(2026, 3, 11)),
        replace(terms(2, date(2026, 3, 21)), ends_on=date(2026, 3, 26)),
    ]
    (segment,) = segments(agreed, cycle=CYCLE, period=MARCH, width=12)
    assert (segment.terms.id, segment.fraction) == (2, Fraction(1))
    assert sum(end - start for start, end in segment.spans(until=segment.to_slot)) == 15 * 288
    half = segment.spans(until=segment.from_slot + 12 * 288)
    assert half == [(segment.from_slot, segment.from_slot + 10 * 288)]


@pytest.mark.parametrize("text", ["sum", "sum_of_max", "p95", "p99.9", "p0.001", "p100"])
def test_an_aggregation_is_written_as_it_is_read(text: str) -> None:
    aggregation, percentile = read_aggregation(text)
    assert aggregation_name(aggregation, percentile) == text


@pytest.mark.parametrize(
    "text", ["", "p", "p0", "p100.1", "p95.0001", "percentile", "p-5", "p1e1", "p٣", "median"]
)
def test_what_is_no_aggregation_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="p95"):
        read_aggregation(text)

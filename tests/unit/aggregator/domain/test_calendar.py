"""A client's calendar: periods tile its time also where its cycle, zone or currency changes."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.period import Calendar, Currency, Cycle, Era
from tests.unit.aggregator.domain.test_period import CYCLES, MOMENTS, ZONES

EUR, JPY = Currency("EUR", 2), Currency("JPY", 0)
INSTANT = timedelta(microseconds=1)


def monthly(anchor: date, zone: str = "UTC", count: int = 1) -> Cycle:
    return Cycle(unit="month", count=count, anchor=anchor, time_zone=zone)


def calendar(before: Cycle, until: date, after: Cycle) -> Calendar:
    return Calendar((Era(cycle=before, currency=EUR, until=until), Era(cycle=after, currency=JPY)))


def changed(before: Cycle, zone: str, unit: str, count: int, *, number: int) -> Calendar:
    """A change at the end of a period of the first cycle, with its anchor there."""
    day = before.last_day(before.period(number)) + timedelta(days=1)
    return calendar(before, day, Cycle(unit=unit, count=count, anchor=day, time_zone=zone))


@given(cycle=CYCLES, at=MOMENTS)
def test_the_calendar_of_one_cycle_is_that_cycle(cycle: Cycle, at: datetime) -> None:
    one = Calendar((Era(cycle=cycle, currency=EUR),))
    period = one.period_containing(at)
    assert period == cycle.period_containing(at)
    assert one.period(period.number + 1) == cycle.period(period.number + 1)
    assert one.last_day(period) == cycle.last_day(period)
    assert one.reporting_month(period) == cycle.reporting_month(period)
    day = at.date()
    assert one.first_instant(day) == cycle.first_instant(day)


@given(
    before=CYCLES,
    zone=st.sampled_from((*ZONES, "Pacific/Pago_Pago")),
    unit=st.sampled_from(("month", "week")),
    count=st.integers(1, 12),
    number=st.integers(-5, 5),
)
def test_periods_tile_time_across_any_change(
    before: Cycle, zone: str, unit: str, count: int, number: int
) -> None:
    one = changed(before, zone, unit, count, number=number)
    ends = before.period(number).end
    periods = [one.period(k) for k in range(number - 2, number + 4)]
    assert [p.number for p in periods] == list(range(number - 2, number + 4))
    for left, right in pairwise(periods):
        assert left.end == right.start
        assert left.to_slot == right.from_slot
        assert left.start < left.end
    assert periods[2].end == ends
    for period in periods:
        for at in (period.start, period.end - INSTANT):
            assert one.period_containing(at) == period
    assert list(one.periods_between(periods[0].start, periods[-1].end)) == periods
    assert one.currency(periods[2]) == EUR
    assert one.currency(periods[3]) == JPY


@given(before=CYCLES, zone=st.sampled_from(ZONES), number=st.integers(-3, 3))
def test_local_days_do_not_run_backwards_at_a_change(before: Cycle, zone: str, number: int) -> None:
    one = changed(before, zone, "month", 1, number=number)
    day = one.eras[0].until
    assert day is not None
    days = [day + timedelta(days=n) for n in range(-3, 4)]
    instants = [one.first_instant(d) for d in days]
    assert instants == sorted(instants)
    assert one.first_instant(day) == before.period(number).end
    assert one.ends_period(day)
    for d, at in zip(days, instants, strict=True):
        assert one.day(at) >= d


def test_a_move_to_the_west_leaves_no_hole() -> None:
    one = calendar(
        monthly(date(2026, 1, 1), "Europe/Berlin"),
        date(2026, 3, 1),
        monthly(date(2026, 3, 1), "America/New_York"),
    )
    at = datetime(2026, 2, 28, 23, tzinfo=UTC)
    march = one.period_containing(at)
    assert (march.start, march.end) == (at, datetime(2026, 4, 1, 4, tzinfo=UTC))
    assert one.day(at) == date(2026, 3, 1)
    assert one.last_day(march) == date(2026, 3, 31)
    assert one.first_instant(date(2026, 3, 2)) == datetime(2026, 3, 2, 5, tzinfo=UTC)


def test_a_move_to_the_east_overlaps_nothing() -> None:
    one = calendar(
        monthly(date(2026, 1, 1), "America/New_York"),
        date(2026, 3, 1),
        monthly(date(2026, 3, 1), "Europe/Berlin"),
    )
    february, march = one.period(1), one.period(2)
    assert february.end == march.start == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert march.end == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_an_anchor_on_the_31st_gives_way_to_the_new_one() -> None:
    one = calendar(monthly(date(2027, 1, 31)), date(2027, 2, 28), monthly(date(2027, 2, 28), count=3))
    assert [one.first_day(one.period(k)) for k in range(4)] == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 5, 28),
        date(2027, 8, 28),
    ]


def test_a_change_where_the_zone_has_no_midnight_begins_with_the_jump() -> None:
    before = monthly(date(2024, 8, 8), "America/Santiago")
    one = calendar(before, date(2024, 9, 8), Cycle("week", 1, date(2024, 9, 8), "America/Santiago"))
    assert one.first_instant(date(2024, 9, 8)) == datetime(2024, 9, 8, 4, tzinfo=UTC)
    assert one.period(1).start == datetime(2024, 9, 8, 4, tzinfo=UTC)
    assert one.ends_period(date(2024, 9, 8))


def test_two_changes_are_numbered_through() -> None:
    one = Calendar(
        (
            Era(cycle=monthly(date(2026, 1, 1)), currency=EUR, until=date(2026, 3, 1)),
            Era(cycle=monthly(date(2026, 3, 1), count=3), currency=JPY, until=date(2026, 9, 1)),
            Era(cycle=Cycle("week", 2, date(2026, 9, 1), "UTC"), currency=EUR),
        )
    )
    days = [one.first_day(one.period(k)).isoformat() for k in range(6)]
    assert days == ["2026-01-01", "2026-02-01", "2026-03-01", "2026-06-01", "2026-09-01", "2026-09-15"]
    assert [one.currency(one.period(k)).code for k in range(6)] == ["EUR", "EUR", "JPY", "JPY", "EUR", "EUR"]


@pytest.mark.parametrize("day", [date(2026, 2, 28), date(2026, 3, 2), date(2026, 6, 30)])
def test_a_day_within_a_period_ends_none(day: date) -> None:
    one = Calendar((Era(cycle=monthly(date(2026, 1, 1), "Europe/Berlin"), currency=EUR),))
    assert not one.ends_period(day)
    assert one.ends_period(day.replace(day=1))


@pytest.mark.parametrize(
    "ends", [(), (date(2026, 1, 1),), (None, None), (date(2026, 2, 1), date(2026, 1, 1), None)]
)
def test_eras_out_of_order_are_no_calendar(ends: tuple[date | None, ...]) -> None:
    with pytest.raises(ValueError, match="each later than the one before"):
        Calendar(tuple(Era(cycle=monthly(date(2025, 1, 1)), currency=EUR, until=day) for day in ends))

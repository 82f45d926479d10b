"""Periods tile a client's time, whatever the calendar and the zone do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.period import Cycle, Period
from aggregator.domain.slot import slot_start

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/Havana",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
MOMENTS = st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CYCLES = st.builds(
    Cycle,
    unit=st.sampled_from(("month", "week")),
    count=st.integers(1, 60),
    anchor=st.dates(date(1980, 1, 1), date(2050, 12, 31)),
    time_zone=st.sampled_from(ZONES),
)


def monthly(anchor: date, zone: str = "UTC") -> Cycle:
    return Cycle(unit="month", count=1, anchor=anchor, time_zone=zone)


def starts(cycle: Cycle, count: int) -> list[date]:
    zone = ZoneInfo(cycle.time_zone)
    return [cycle.period(number).start.astimezone(zone).date() for number in range(count)]


def hours(period: Period) -> int:
    first, beyond = period.slots(width=12)
    return (beyond - first) // 12


def test_an_anchor_on_the_31st_is_clamped_and_comes_back() -> None:
    assert starts(monthly(date(2027, 1, 31)), 5) == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
    ]


def test_an_anchor_on_the_30th_meets_the_leap_day() -> None:
    assert starts(monthly(date(2028, 1, 30)), 3) == [date(2028, 1, 30), date(2028, 2, 29), date(2028, 3, 30)]


def test_an_anchor_on_the_leap_day_comes_back_every_four_years() -> None:
    yearly = Cycle(unit="month", count=12, anchor=date(2024, 2, 29), time_zone="UTC")
    assert starts(yearly, 5)[1:] == [
        date(2025, 2, 28),
        date(2026, 2, 28),
        date(2027, 2, 28),
        date(2028, 2, 29),
    ]


def test_a_century_that_is_no_leap_year_has_28_days_in_february() -> None:
    assert starts(monthly(date(2100, 1, 31)), 2)[1] == date(2100, 2, 28)


@pytest.mark.parametrize(("month", "slots"), [(3, 743), (10, 745), (1, 744), (2, 672)])
def test_a_month_in_berlin_has_as_many_hour_slots_as_hours(month: int, slots: int) -> None:
    assert hours(monthly(date(2026, 1, 1), "Europe/Berlin").period(month - 1)) == slots


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        # The clock jumps from 24:00 to 01:00.
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ("Asia/Beirut", date(2026, 3, 29), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22, tzinfo=UTC)),
        # From 23:30 to 00:30: neither reading of midnight is when the day began.
        ("America/Toronto", date(1919, 3, 31), datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),
        # Midnight comes twice.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        # The day was left out altogether.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        # The clock falls back to 23:00 when midnight would come: it comes an hour later.
        ("Asia/Beirut", date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, first: datetime) -> None:
    found = monthly(date(2026, 1, 1), zone).first_instant(day)
    assert found == first
    assert found.astimezone(ZoneInfo(zone)).date() >= day
    assert (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < day


def test_a_period_can_start_where_there_is_no_midnight() -> None:
    period = monthly(date(2026, 9, 6), "America/Santiago").period(0)
    assert period.start.astimezone(ZoneInfo("America/Santiago")).hour == 1
    assert hours(period) == 30 * 24 - 1


@pytest.mark.parametrize(("zone", "minutes"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 45)])
def test_off_the_whole_hour_the_hour_slots_start_late_and_short_slots_on_time(
    zone: str, minutes: int
) -> None:
    period = monthly(date(2026, 1, 1), zone).period(0)
    assert slot_start(period.slots(width=1)[0]) == period.start
    assert slot_start(period.from_slot) - period.start == timedelta(minutes=minutes)
    assert hours(period) == 744
    assert (period.slots(width=1)[1] - period.slots(width=1)[0]) == 744 * 12


def test_a_cycle_of_weeks_keeps_its_weekday() -> None:
    fortnightly = Cycle(unit="week", count=2, anchor=date(2026, 1, 5), time_zone="Europe/Berlin")
    found = starts(fortnightly, 30)
    assert {day.weekday() for day in found} == {0}
    assert {later - day for day, later in pairwise(found)} == {timedelta(days=14)}
    assert sorted({hours(fortnightly.period(number)) for number in range(26)}) == [335, 336, 337]


@pytest.mark.parametrize(
    ("anchor", "zone", "month"),
    [
        (date(2026, 1, 1), "Pacific/Kiritimati", date(2026, 1, 1)),
        (date(2026, 1, 31), "UTC", date(2026, 2, 1)),
        (date(2026, 1, 15), "America/Santiago", date(2026, 2, 1)),
    ],
)
def test_a_period_counts_for_the_month_of_its_last_local_day(anchor: date, zone: str, month: date) -> None:
    cycle = monthly(anchor, zone)
    assert cycle.reporting_month(cycle.period(0)) == month


@pytest.mark.parametrize(
    ("unit", "count", "zone", "wrong"),
    [
        ("day", 1, "UTC", "unit"),
        ("month", 0, "UTC", "count"),
        ("month", 1, "Mars/Olympus", "time zone"),
        ("month", 1, "../../etc/passwd", "time zone"),
        ("month", 1, "", "time zone"),
    ],
)
def test_a_cycle_that_cannot_be_says_what_is_wrong(unit: str, count: int, zone: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Cycle(unit=unit, count=count, anchor=date(2026, 1, 1), time_zone=zone)


@given(cycle=CYCLES, at=MOMENTS)
def test_every_moment_lies_in_exactly_one_period(cycle: Cycle, at: datetime) -> None:
    period = cycle.period_containing(at)
    assert at in period
    before, after = cycle.period(period.number - 1), cycle.period(period.number + 1)
    assert (before.end, before.to_slot) == (period.start, period.from_slot)
    assert (period.end, period.to_slot) == (after.start, after.from_slot)
    assert before.start < before.end < after.start < after.end


@given(cycle=CYCLES, since=MOMENTS, days=st.integers(0, 900))
def test_periods_tile_a_span_without_hole_or_overlap(cycle: Cycle, since: datetime, days: int) -> None:
    until = since + timedelta(days=days)
    found = list(cycle.periods_between(since, until))
    assert bool(found) == (days > 0)
    for period, following in pairwise(found):
        assert period.slots(width=1)[1] == following.slots(width=1)[0]
        assert period.end == following.start
    if found:
        assert since in found[0]
        assert found[-1].start < until <= found[-1].end


@given(cycle=CYCLES, number=st.integers(-30, 30))
def test_a_period_is_counted_from_the_anchor_and_never_chained(cycle: Cycle, number: int) -> None:
    local = cycle.period(number).start.astimezone(ZoneInfo(cycle.time_zone)).date()
    if cycle.time_zone == "Pacific/Apia" and local == date(2011, 12, 31):
        return  # The day before was left out there; what was due then started on this one.
    if cycle.unit == "week":
        assert local - cycle.anchor == timedelta(weeks=number * cycle.count)
        return
    months = (local.year - cycle.anchor.year) * 12 + local.month - cycle.anchor.month
    assert months == number * cycle.count
    is_last_day = (local + timedelta(days=1)).day == 1
    assert local.day == cycle.anchor.day or (is_last_day and local.day < cycle.anchor.day)

"""From which day a client's cycle, zone or currency may change, and which terms a day concerns."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from aggregator.domain.client import Dated, DayRefused, Recut, changed, check_open, going_on, paused
from aggregator.domain.period import Calendar, Currency, Cycle, Era
from aggregator.domain.slot import slot_of

EUR, USD = Currency("EUR", 2), Currency("USD", 2)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
MONTHLY = Calendar((Era(cycle=Cycle("month", 1, date(2026, 1, 1), "Europe/Berlin"), currency=EUR),))


def recut(calendar: Calendar = MONTHLY, **asked: Any) -> Recut:
    given: dict[str, Any] = {
        "on": None,
        "unit": "month",
        "count": 1,
        "time_zone": "Europe/Berlin",
        "currency": EUR,
        "now": NOW,
        "finalised_slot": 0,
    }
    return changed(calendar, **{**given, **asked})


def test_a_change_starts_by_default_at_the_end_of_the_open_period() -> None:
    done = recut(count=3)
    assert done.day == APRIL
    assert done.calendar.eras[0].until == APRIL
    assert done.calendar.eras[1].cycle == Cycle("month", 3, APRIL, "Europe/Berlin")


def test_a_change_on_the_day_of_the_last_one_takes_its_place() -> None:
    once = recut(count=3).calendar
    twice = recut(once, count=6, on=APRIL).calendar
    assert [era.cycle.count for era in twice.eras] == [1, 6]


def test_what_held_before_a_change_can_be_asked_back() -> None:
    once = recut(count=3).calendar
    assert recut(once, count=1, on=APRIL).calendar == MONTHLY


def test_a_change_may_follow_another() -> None:
    twice = recut(recut(count=3).calendar, currency=USD, count=3, on=date(2026, 7, 1)).calendar
    assert [(era.until, era.currency.code) for era in twice.eras] == [
        (APRIL, "EUR"),
        (date(2026, 7, 1), "EUR"),
        (None, "USD"),
    ]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"on": date(2026, 3, 2)}, "periods end on 2026-03-01 and 2026-04-01"),
        ({"on": date(2026, 2, 28)}, "no period ends on 2026-02-28"),
    ],
)
def test_a_day_on_which_no_period_ends_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(DayRefused, match=says):
        recut(count=2, **asked)


def test_a_day_before_an_earlier_change_is_refused() -> None:
    once = recut(count=3, on=date(2026, 6, 1)).calendar
    with pytest.raises(DayRefused, match="a change on 2026-06-01 already"):
        recut(once, count=2, on=APRIL)


@pytest.mark.parametrize(("day", "taken"), [(date(2026, 2, 1), False), (MARCH, False), (APRIL, True)])
def test_a_change_ends_an_unfinalised_period(day: date, taken: bool) -> None:
    finalised = slot_of(MONTHLY.first_instant(MARCH))
    if taken:
        assert recut(count=2, on=day, finalised_slot=finalised).day == day
    else:
        with pytest.raises(DayRefused, match="after 2026-03-01"):
            recut(count=2, on=day, finalised_slot=finalised)


def test_finalised_time_is_open_from_its_end_on() -> None:
    finalised = slot_of(MONTHLY.first_instant(MARCH))
    check_open(MONTHLY, MARCH, finalised_slot=finalised)
    with pytest.raises(DayRefused, match="take 2026-03-01 or a later day"):
        check_open(MONTHLY, date(2026, 2, 28), finalised_slot=finalised)


def dated(number: int, bucket: int, starts_on: date, ends_on: date | None = None) -> Dated:
    return Dated(id=number, bucket_id=bucket, bucket=f"b{bucket}", starts_on=starts_on, ends_on=ends_on)


def test_terms_go_on_unless_they_end_or_others_start_that_day() -> None:
    january, may = date(2026, 1, 1), date(2026, 5, 1)
    terms = [
        dated(1, 1, january),
        dated(2, 2, january, APRIL),
        dated(3, 3, january),
        dated(4, 3, APRIL),
        dated(5, 4, january),
        dated(6, 4, MARCH),
        dated(7, 5, APRIL),
        dated(8, 6, january, may),
        dated(9, 7, january),
        dated(10, 7, may),
    ]
    assert [one.id for one in going_on(terms, APRIL)] == [1, 6, 8, 9]


def test_what_goes_on_after_a_pause_is_the_last_that_ended_with_it() -> None:
    january = date(2026, 1, 1)
    terms = [
        dated(1, 1, january, APRIL),
        dated(2, 2, january, MARCH),
        dated(3, 3, january, MARCH),
        dated(4, 3, MARCH, APRIL),
        dated(5, 4, january),
    ]
    assert [one.id for one in paused(terms, APRIL)] == [1, 4]

"""Which periods are rated now."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from aggregator.domain.due import Account, Agreement, DirtyDay, Standing, due, passed_on
from aggregator.domain.period import Calendar, Currency, Cycle, Era, Period
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import UNITS_PER_DAY, slot_of
from aggregator.domain.terms import Aggregation, Terms, Tier

BERLIN = Calendar(
    (
        Era(
            cycle=Cycle(unit="month", count=1, anchor=date(2026, 1, 1), time_zone="Europe/Berlin"),
            currency=Currency("EUR", 2),
        ),
    )
)
JANUARY, FEBRUARY, MARCH, APRIL = (BERLIN.period(number) for number in range(4))
UNIT = Unit(kind="level", divisor=1, per="total", precision=4, slot_minutes=60)
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
# The UTC day that begins in February and ends in March, by the clock of Berlin.
BORDER_DAY = slot_of(datetime(2026, 2, 28, tzinfo=UTC))


def terms(number: int, starts_on: date) -> Terms:
    return Terms(
        id=number,
        starts_on=starts_on,
        commit=Decimal(1),
        base_price=Decimal(1),
        overage_price=Decimal(1),
        aggregation=Aggregation.AVG,
    )


def agreement(bucket_id: int = 1, *agreed: Terms) -> Agreement:
    return Agreement(bucket_id=bucket_id, unit=UNIT, terms=agreed or (terms(1, date(2025, 1, 1)),))


def rated(period: Period, *, bucket_id: int = 1, finalised: bool = False) -> Standing:
    """As a run at NOW would leave it."""
    parts = agreement(bucket_id).segments(period, cycle=BERLIN)
    return Standing(
        bucket_id=bucket_id,
        period_start=period.start,
        period_end=period.end,
        agreed=agreement(bucket_id).agreed(parts),
        as_of_slot=agreement(bucket_id).ended(parts, now=NOW),
        finalised=finalised,
    )


def account(
    *standings: Standing,
    agreements: tuple[Agreement, ...] = (agreement(),),
    first: datetime | None = datetime(2026, 1, 20, tzinfo=UTC),
    finalised_slot: int = 0,
) -> Account:
    return Account(
        cycle=BERLIN,
        agreements=agreements,
        standings=standings,
        first_slot=None if first is None else slot_of(first),
        finalised_slot=finalised_slot,
    )


def found(
    given: Account, *dirty: DirtyDay, now: datetime = NOW, everything: bool = False
) -> list[tuple[Period, set[int]]]:
    return [(p, set(b)) for p, b in due(given, dirty=dirty, now=now, everything=everything)]


def test_every_period_since_the_first_usage_is_rated_up_to_the_open_one() -> None:
    assert found(account()) == [(JANUARY, {1}), (FEBRUARY, {1}), (MARCH, {1})]


def test_without_any_usage_only_the_open_period_is_rated() -> None:
    assert found(account(first=None)) == [(MARCH, {1})]


def test_what_is_rated_is_not_due_again() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH))
    assert found(done) == []
    assert [period for period, _ in found(done, everything=True)] == [JANUARY, FEBRUARY, MARCH]


def test_the_open_period_is_due_when_another_slot_has_ended() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH))
    assert found(done, now=datetime(2026, 3, 10, 12, 59, tzinfo=UTC)) == []
    assert found(done, now=datetime(2026, 3, 10, 13, 2, tzinfo=UTC)) == []
    assert found(done, now=datetime(2026, 3, 10, 13, 3, tzinfo=UTC)) == [(MARCH, {1})]


def test_a_period_that_has_just_begun_is_rated_before_any_slot_has_ended() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH))
    assert found(done, now=APRIL.start) == [(MARCH, {1}), (APRIL, {1})]


def test_a_dirty_day_makes_its_bucket_due_in_its_period_alone() -> None:
    two = (agreement(1), agreement(2))
    standings = [rated(p, bucket_id=b) for p in (JANUARY, FEBRUARY, MARCH) for b in (1, 2)]
    done = account(*standings, agreements=two)
    assert found(done, (2, slot_of(datetime(2026, 2, 10, tzinfo=UTC)))) == [(FEBRUARY, {2})]


def test_a_dirty_day_that_straddles_two_periods_makes_both_due() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH))
    assert found(done, (1, BORDER_DAY)) == [(FEBRUARY, {1}), (MARCH, {1})]


def test_a_finalised_reading_is_never_due() -> None:
    done = account(rated(JANUARY, finalised=True), rated(FEBRUARY), rated(MARCH))
    day = slot_of(datetime(2026, 1, 10, tzinfo=UTC))
    assert found(done, (1, day), everything=True) == [(FEBRUARY, {1}), (MARCH, {1})]


def test_time_that_is_billed_for_good_is_left_alone() -> None:
    assert found(account(finalised_slot=FEBRUARY.from_slot)) == [(FEBRUARY, {1}), (MARCH, {1})]


def test_new_terms_make_due_what_they_hold_for() -> None:
    agreed = agreement(1, terms(1, date(2025, 1, 1)), terms(2, date(2026, 2, 15)))
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH), agreements=(agreed,))
    assert found(done) == [(FEBRUARY, {1}), (MARCH, {1})]


def test_terms_that_were_edited_make_due_what_they_hold_for() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH))
    edited = replace(terms(1, date(2025, 1, 1)), tiers=(Tier(above=Decimal(0), price=Decimal(1)),))
    assert found(replace(done, agreements=(agreement(1, edited),))) == [
        (JANUARY, {1}),
        (FEBRUARY, {1}),
        (MARCH, {1}),
    ]


def test_a_reading_of_an_older_program_is_due_again() -> None:
    done = account(replace(rated(JANUARY), agreed=None), rated(FEBRUARY), rated(MARCH))
    assert found(done) == [(JANUARY, {1})]


def test_a_bucket_is_billed_as_long_as_its_terms_reach() -> None:
    ending = replace(terms(1, date(2025, 1, 1)), ends_on=date(2026, 2, 10))
    assert found(account(agreements=(agreement(1, ending),))) == [(JANUARY, {1}), (FEBRUARY, {1})]


def test_a_bucket_is_not_billed_before_its_terms_start() -> None:
    assert found(account(agreements=(agreement(1, terms(1, date(2026, 2, 15))),))) == [
        (FEBRUARY, {1}),
        (MARCH, {1}),
    ]
    assert found(account(agreements=(agreement(1, terms(1, date(2026, 5, 1))),))) == []
    assert found(account(agreements=())) == []


def test_a_reading_from_before_the_terms_is_due_to_go() -> None:
    later = account(rated(JANUARY), agreements=(agreement(1, terms(1, date(2026, 2, 1))),))
    assert found(later)[0] == (JANUARY, {1})


def test_an_old_reading_stays_within_reach_when_its_usage_is_gone() -> None:
    done = account(rated(JANUARY), rated(FEBRUARY), rated(MARCH), first=None)
    assert found(done, (1, slot_of(datetime(2026, 1, 10, tzinfo=UTC)))) == [(JANUARY, {1})]


def test_a_day_of_two_periods_is_passed_on_as_a_day_of_the_other_alone() -> None:
    taken = {(1, BORDER_DAY), (2, BORDER_DAY - UNITS_PER_DAY)}
    for_march = passed_on(taken, period=FEBRUARY, account=account(), now=NOW)
    assert for_march == {(1, BORDER_DAY + UNITS_PER_DAY)}
    for_february = passed_on({(1, BORDER_DAY)}, period=MARCH, account=account(), now=NOW)
    assert for_february == {(1, BORDER_DAY - UNITS_PER_DAY)}


def test_a_day_is_not_passed_on_to_a_period_that_is_not_billed() -> None:
    first_day = slot_of(datetime(2025, 12, 31, tzinfo=UTC))
    assert passed_on({(1, first_day)}, period=JANUARY, account=account(), now=NOW) == set()
    last_day = slot_of(datetime(2026, 3, 31, tzinfo=UTC))
    assert passed_on({(1, last_day)}, period=MARCH, account=account(), now=NOW) == set()

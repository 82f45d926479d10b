"""The close checklist: what keeps a period open, what lets it pass, and when it closes by itself."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from aggregator.domain.adjust import Billed, LateBatches, because, line
from aggregator.domain.close import (
    Acknowledged,
    BoundBucket,
    Checklist,
    Covered,
    Facts,
    Kind,
    Quarantined,
    Silent,
    UnboundAsset,
    checklist,
    look_back,
    pending,
    period_of_day,
)
from aggregator.domain.due import Account, Agreement
from aggregator.domain.period import Calendar, Currency, Cycle, Era
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import slot_of
from aggregator.domain.terms import Aggregation, Terms

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALENDAR = Calendar((Era(cycle=Cycle("month", 1, date(2026, 1, 1), "UTC"), currency=Currency("USD", 2)),))
UNIT = Unit(kind="level", divisor=1, per="total", precision=4, slot_minutes=60, gap_hold=3)
PERIOD = CALENDAR.period_containing(MARCH)


def account(*, starts: date = date(2026, 1, 1), ends: date | None = None, finalised: int = 0) -> Account:
    terms = Terms(
        id=1,
        starts_on=starts,
        ends_on=ends,
        commit=Decimal(1),
        base_price=Decimal(1),
        overage_price=Decimal(1),
        aggregation=Aggregation.AVG,
    )
    return Account(
        cycle=CALENDAR,
        agreements=[Agreement(bucket_id=7, unit=UNIT, terms=(terms,))],
        standings=[],
        first_slot=slot_of(datetime(2026, 1, 10, tzinfo=UTC)),
        finalised_slot=finalised,
    )


def found(
    facts: Facts, *seen: Acknowledged, after: timedelta = timedelta(days=2), days: int | None = None
) -> Checklist:
    return checklist(PERIOD, account(), facts, seen, close_after_days=days, now=APRIL + after)


SILENT = Facts(silent=[Silent(12, "a", None)])
SEEN = Acknowledged("agent-silent", "agent:12", "gone", "somebody", APRIL)
ALL = Facts(
    silent=[Silent(12, "a", MARCH)],
    covered=[Covered(7, "b", False, 94, 0, 6)],
    quarantined=[Quarantined(13, "c", 5, "unknown-unit")],
    unbound=[UnboundAsset(99, "d")],
    bound=[BoundBucket(8, "e", PERIOD.from_slot, PERIOD.to_slot)],
)


def test_an_empty_list_is_ready_once_the_grace_is_over() -> None:
    early, late = found(Facts(), after=23 * HOUR), found(Facts(), after=24 * HOUR)
    assert [item.kind for item in early.open_items] == [Kind.GRACE]
    assert (early.ready, early.closes_at) == (False, APRIL + 24 * HOUR)
    assert (late.ready, late.may_close, late.closes_at) == (True, True, APRIL + 24 * HOUR)


def test_every_kind_is_named_with_what_to_do() -> None:
    items = found(ALL).items
    assert {(item.kind.value, item.subject) for item in items} == {
        ("agent-silent", "agent:12"),
        ("coverage", "bucket:7"),
        ("not-reviewed", "bucket:7"),
        ("quarantine", "agent:13"),
        ("unbound", "asset:99"),
        ("terms", "bucket:8"),
    }
    assert all(item.can_acknowledge and "acknowledge" in item.text for item in items)


def test_an_acknowledged_item_is_not_open_and_one_of_another_subject_is() -> None:
    assert found(SILENT, SEEN).ready
    other = Acknowledged("agent-silent", "agent:13", "gone", "somebody", APRIL)
    assert not found(SILENT, other).ready
    assert found(SILENT).closes_at is None


@pytest.mark.parametrize(("gap", "is_open"), [(5, False), (6, True)])
def test_coverage_of_95_per_cent_is_enough(gap: int, is_open: bool) -> None:
    covered = Facts(covered=[Covered(7, "b", True, 90 - gap + 5, 5, gap)])
    assert bool(found(covered).open_items) == is_open


def test_a_bucket_without_anything_to_be_measured_is_covered() -> None:
    assert found(Facts(covered=[Covered(7, "b", True, 0, 0, 0)])).ready


def test_patience_closes_with_open_items_but_not_with_what_is_not_rated() -> None:
    assert not found(ALL, days=5, after=timedelta(days=4)).may_close
    patient = found(ALL, days=5, after=timedelta(days=5))
    assert (patient.may_close, patient.ready, patient.closes_at) == (True, False, APRIL + timedelta(days=5))
    assert not found(Facts(not_rated=["touched"]), days=5, after=timedelta(days=6)).may_close
    assert not found(Facts(), days=0, after=HOUR).may_close


def test_it_is_overdue_two_days_after_the_grace() -> None:
    assert not found(SILENT, after=timedelta(days=3)).overdue
    assert found(SILENT, after=timedelta(days=3, seconds=1)).overdue


def test_usage_bound_to_a_bucket_outside_of_its_terms_has_no_price() -> None:
    bound = [BoundBucket(7, "b", PERIOD.from_slot + 5, PERIOD.to_slot)]
    half = account(ends=date(2026, 3, 16))
    for known, kinds in ((account(), []), (half, [Kind.TERMS])):
        list_ = checklist(
            PERIOD,
            known,
            Facts(bound=bound),
            [],
            close_after_days=None,
            now=APRIL + 48 * HOUR,
        )
        assert [item.kind for item in list_.items] == kinds


def test_pending_are_ended_periods_from_the_first_usage_on() -> None:
    starts = [p.start.month for p in pending(account(), now=APRIL)]
    assert starts == [1, 2, 3]
    assert [p.start.month for p in pending(account(finalised=PERIOD.from_slot), now=APRIL)] == [3]
    ended = account(ends=date(2026, 2, 1), finalised=PERIOD.from_slot)
    assert pending(ended, now=APRIL) == []
    assert [p.start for p in pending(ended, now=APRIL, adjusted=[MARCH])] == [MARCH]


def test_the_look_back_is_two_periods() -> None:
    assert look_back(CALENDAR, 0) == []
    assert [p.start.month for p in look_back(CALENDAR, PERIOD.to_slot)] == [2, 3]


def test_a_period_is_known_by_its_first_day_alone() -> None:
    assert period_of_day(CALENDAR, date(2026, 3, 1)) == PERIOD
    assert period_of_day(CALENDAR, date(2026, 3, 2)) is None


def test_an_adjustment_is_what_is_missing_and_none_where_nothing_is() -> None:
    billed = Billed(
        bucket_id=7,
        period_start=MARCH,
        currency="USD",
        cutoff=APRIL,
        quantity=Decimal(95),
        cost=Decimal(100),
    )
    assert line(billed, quantity=Decimal(97), cost=Decimal(100)) is None
    owed = line(billed, quantity=Decimal(90), cost=Decimal("98.5"))
    assert owed is not None
    assert (owed.delta_quantity, owed.amount) == (Decimal(-5), Decimal("-1.5"))


def test_the_reason_names_late_batches() -> None:
    assert "changed" in because([])
    one = LateBatches("a", 1, APRIL, APRIL)
    assert because([one]) == "1 late batch of agent a, stored 2026-04-01 00:00 to 2026-04-01 00:00 UTC"
    assert because([one] * 6).endswith("and of more agents")

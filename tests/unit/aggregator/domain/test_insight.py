"""Figures over many clients: by reporting month, by currency, exact."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.insight import (
    BilledCost,
    ExpectedCost,
    bucket_status,
    by_currency,
    day_in_units,
    ends_since,
    month_over_month,
    months_back,
    reading_in_units,
    revenue,
    this_month,
    top_clients,
)
from aggregator.domain.period import reporting_month
from aggregator.domain.quantity import Unit
from aggregator.domain.rate import percent

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
GIB = 1 << 30
RAM = Unit(kind="level", divisor=GIB, per="total", precision=4, slot_minutes=60)
TRAFFIC = Unit(kind="amount", divisor=GIB, per="total", precision=4, slot_minutes=60)
RATE = Unit(kind="amount", divisor=125_000, per="second", precision=4, slot_minutes=5)


def expected(
    cost: str,
    *,
    client: int = 1,
    currency: str = "EUR",
    end: datetime = datetime(2026, 4, 1, tzinfo=UTC),
    zone: str = "UTC",
) -> ExpectedCost:
    return ExpectedCost(client, f"client {client}", zone, currency, end, Decimal(cost))


def billed(
    cost: str, month: int, *, currency: str = "EUR", provisional: bool = False, year: int = 2026
) -> BilledCost:
    return BilledCost(date(year, month, 1), currency, Decimal(cost), provisional)


def test_a_period_counts_for_the_month_of_its_last_local_day() -> None:
    midnight_in_auckland = datetime(2026, 2, 28, 11, tzinfo=UTC)
    midnight_in_new_york = datetime(2026, 4, 1, 4, tzinfo=UTC)
    assert reporting_month(midnight_in_auckland, time_zone="Pacific/Auckland") == date(2026, 2, 1)
    assert reporting_month(midnight_in_new_york, time_zone="America/New_York") == date(2026, 3, 1)
    costs = [
        expected("1", end=datetime(2026, 3, 31, 11, tzinfo=UTC), zone="Pacific/Auckland"),
        expected("2", end=midnight_in_new_york, zone="America/New_York"),
        expected("4", end=datetime(2026, 4, 8, tzinfo=UTC)),
        expected("8", end=datetime(2026, 3, 1, tzinfo=UTC)),
    ]
    assert by_currency(this_month(costs, now=NOW)) == {"EUR": Decimal(3)}


@given(
    st.integers(0, 100 * 365 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.sampled_from(["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"]),
)
def test_no_period_of_a_month_ends_before_the_time_that_is_asked_for(end: datetime, zone: str) -> None:
    assert end > ends_since(reporting_month(end, time_zone=zone))


def test_money_is_never_added_over_currencies() -> None:
    costs = [
        expected("1.10", client=1),
        expected("2.20", client=2),
        expected("900", client=1, currency="JPY"),
    ]
    assert by_currency(costs) == {"EUR": Decimal("3.30"), "JPY": Decimal(900)}
    shares = [(top.client_id, top.currency, top.share) for top in top_clients(costs)]
    assert shares == [
        (1, "JPY", Decimal("100.00")),
        (2, "EUR", Decimal("66.67")),
        (1, "EUR", Decimal("33.33")),
    ]


def test_of_one_currency_the_highest_cost_comes_first_and_at_most_ten_come() -> None:
    costs = [expected(str(n), client=n) for n in range(1, 13)] + [expected("100", client=3)]
    top = top_clients(costs)
    assert [t.client_id for t in top] == [3, 12, 11, 10, 9, 8, 7, 6, 5, 4]
    assert top[0].cost == Decimal(103)


def test_a_currency_without_revenue_has_no_shares() -> None:
    top = top_clients([expected("0", client=1), expected("5", client=2, currency="USD")])
    assert [(t.client_id, t.share) for t in top] == [(2, Decimal("100.00")), (1, None)]


def test_revenue_begins_with_the_first_month_of_a_currency_and_has_no_holes() -> None:
    months = revenue(
        [billed("10", 1), billed("30", 3, provisional=True), billed("7", 2, currency="USD")], now=NOW
    )
    assert [(m.month, m.currency, m.revenue, m.provisional) for m in months] == [
        (date(2026, 1, 1), "EUR", Decimal(10), False),
        (date(2026, 2, 1), "EUR", Decimal(0), False),
        (date(2026, 2, 1), "USD", Decimal(7), False),
        (date(2026, 3, 1), "EUR", Decimal(30), True),
        (date(2026, 3, 1), "USD", Decimal(0), False),
    ]


def test_revenue_is_of_twelve_months_with_the_current_one() -> None:
    old = [billed("1", month, year=2025) for month in range(1, 13)]
    months = revenue([*old, billed("2", 3)], now=NOW)
    assert [m.month for m in months] == [months_back(date(2026, 3, 1), back) for back in range(11, -1, -1)]


def test_nothing_billed_is_no_revenue() -> None:
    assert revenue([], now=NOW) == []
    assert month_over_month([], now=NOW) == []


def change(*costs: BilledCost) -> list[tuple[str, Decimal | None, bool]]:
    return [
        (c.currency, c.percent, c.provisional) for c in month_over_month(revenue(costs, now=NOW), now=NOW)
    ]


def test_month_over_month_compares_the_last_two_full_months() -> None:
    assert change(billed("100", 1), billed("110", 2), billed("9", 3)) == [("EUR", Decimal("10.00"), False)]
    assert change(billed("100", 1), billed("0", 2)) == [("EUR", Decimal("-100.00"), False)]
    assert change(billed("3", 1), billed("1", 2, provisional=True)) == [("EUR", Decimal("-66.67"), True)]


def test_a_change_from_nothing_has_no_per_cent() -> None:
    assert change(billed("110", 2)) == [("EUR", None, False)]
    assert change(billed("0", 1), billed("110", 2)) == [("EUR", None, False)]
    assert change(billed("110", 3)) == []


@given(
    st.decimals(-(10**9), 10**9, places=4),
    st.decimals(-(10**9), 10**9, places=4).filter(bool),
)
def test_a_per_cent_is_the_nearest_one(part: Decimal, whole: Decimal) -> None:
    got = percent(part, of=whole)
    assert got is not None
    assert abs(Fraction(got) - 100 * Fraction(part) / Fraction(whole)) <= Fraction(1, 200)


def test_usage_equal_to_the_commit_is_not_over() -> None:
    assert bucket_status(projected=Decimal("100.0000"), commit=Decimal(100)) == "on-track"
    assert bucket_status(projected=Decimal("100.0001"), commit=Decimal(100)) == "over"


def test_without_commit_or_projection_there_is_no_status() -> None:
    assert bucket_status(projected=Decimal(5), commit=Decimal(0)) == ""
    assert bucket_status(projected=Decimal(5), commit=None) == ""
    assert bucket_status(projected=None, commit=Decimal(5)) == ""


def test_a_reading_is_shown_in_billed_units() -> None:
    assert reading_in_units(3 * GIB // 2, seconds=Decimal(0), unit=RAM) == Decimal("1.5000")
    assert reading_in_units(GIB // 4, seconds=Decimal(60), unit=TRAFFIC) == Decimal("0.2500")


def test_a_reading_of_a_rate_is_its_mean_over_its_span() -> None:
    # 75,000,000 bytes in 60 s are 10 Mbit/s.
    assert reading_in_units(75_000_000, seconds=Decimal("60.000000"), unit=RATE) == Decimal("10.0000")
    assert reading_in_units(75_000_000, seconds=Decimal(0), unit=RATE) is None


def test_a_day_is_the_mean_of_a_level_and_the_sum_of_an_amount() -> None:
    assert day_in_units(total=Decimal(30 * GIB), readings=4, slots=2, unit=RAM) == Decimal("7.5000")
    assert day_in_units(total=Decimal(30 * GIB), readings=4, slots=2, unit=TRAFFIC) == Decimal("30.0000")


def test_a_day_of_a_rate_is_its_mean_over_the_measured_slots() -> None:
    # 2 slots of 300 s with 750,000,000 bytes in all: 10 Mbit/s.
    assert day_in_units(total=Decimal(750_000_000), readings=10, slots=2, unit=RATE) == Decimal("10.0000")
    assert day_in_units(total=Decimal(0), readings=0, slots=0, unit=RATE) is None

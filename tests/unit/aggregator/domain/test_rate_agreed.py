"""Prices under all that can be agreed on: tiers, packages, limits and parts of a period."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.rate import Charge, Part, charge, combine
from aggregator.domain.terms import Aggregation, Terms, Tier
from tests.rate_reference import charged

MONEY = st.decimals(0, 1_000, places=4)
PRICES = st.decimals(0, 100, places=10)
UNITS = st.decimals(0, 10**6, places=4)
DIGITS = st.sampled_from((0, 2, 3))


def agreed(**given_terms: Any) -> Terms:
    terms = Terms(
        id=1,
        starts_on=date(2026, 1, 1),
        commit=Decimal(0),
        base_price=Decimal(1),
        overage_price=Decimal(2),
        aggregation=Aggregation.SUM,
    )
    values: dict[str, Any] = {k: Decimal(v) if type(v) is str else v for k, v in given_terms.items()}
    return replace(terms, **values)


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    bounds = [Decimal(0), *sorted(set(draw(st.lists(st.decimals("0.1", 10**5, places=2), max_size=3))))]
    minimum, maximum = sorted((draw(MONEY), draw(MONEY)))
    return agreed(
        commit=draw(st.one_of(st.just(Decimal(0)), UNITS)),
        base_price=draw(PRICES),
        overage_price=draw(PRICES),
        aggregation=draw(st.sampled_from((Aggregation.SUM, Aggregation.MAX, Aggregation.AVG))),
        package=draw(st.sampled_from((None, Decimal(1), Decimal("0.7"), Decimal(100)))),
        minimum=draw(st.sampled_from((None, minimum))),
        maximum=draw(st.sampled_from((None, maximum))),
        tiers=tuple(Tier(above=b, price=draw(PRICES)) for b in bounds) if draw(st.booleans()) else (),
    )


FRACTIONS = st.integers(1, 31).flatmap(lambda of: st.integers(1, of).map(lambda days: Fraction(days, of)))


def parts(found: Charge) -> tuple[str, ...]:
    return tuple(str(v) for v in (found.used, found.buffer, found.overage, found.limit, found.cost))


@pytest.mark.parametrize(
    ("quantity", "overage"),
    # Graduated, as Stripe's "graduated" tiers: each unit at the price of its own tier.
    [("10", "20.00"), ("10.5", "21.00"), ("12.5", "22.00"), ("310.5", "171.00"), ("1000", "171.00")],
)
def test_graduated_tiers_price_each_unit_in_its_own(quantity: str, overage: str) -> None:
    tiers = tuple(Tier(Decimal(a), Decimal(p)) for a, p in (("0", "2"), ("10.5", "0.5"), ("310.5", "0")))
    found = charge(agreed(tiers=tiers), quantity=Decimal(quantity), currency_digits=2)
    assert str(found.overage) == overage


@pytest.mark.parametrize(
    ("quantity", "units"), [("100", "0"), ("100.0001", "50"), ("150", "50"), ("151", "100")]
)
def test_overage_is_raised_to_whole_packages(quantity: str, units: str) -> None:
    found = charge(agreed(commit="100", package="50"), quantity=Decimal(quantity), currency_digits=2)
    assert found.overage_units == Decimal(units)
    assert found.overage == 2 * Decimal(units)


def test_a_minimum_is_topped_up_and_a_maximum_cut() -> None:
    low = charge(agreed(minimum="10"), quantity=Decimal(1), currency_digits=2)
    assert parts(low) == ("0.00", "0.00", "2.00", "8.00", "10.00")
    high = charge(agreed(maximum="10"), quantity=Decimal(100), currency_digits=2)
    assert parts(high) == ("0.00", "0.00", "200.00", "-190.00", "10.00")


@pytest.mark.parametrize(
    ("aggregation", "quantity", "cost"),
    [("max", "10", "5.00"), ("sum", "60", "70.00"), ("max", "12", "7.00")],
)
def test_half_a_period_scales_a_sums_commit_and_every_others_money(
    aggregation: str, quantity: str, cost: str
) -> None:
    terms = agreed(aggregation=Aggregation(aggregation), commit="100" if aggregation == "sum" else "10")
    found = charge(terms, quantity=Decimal(quantity), currency_digits=2, fraction=Fraction(15, 30))
    assert str(found.cost) == cost


@pytest.mark.parametrize("aggregation", [Aggregation.SUM, Aggregation.AVG])
def test_half_a_period_owes_half_the_minimum(aggregation: Aggregation) -> None:
    terms = agreed(aggregation=aggregation, minimum="10")
    found = charge(terms, quantity=Decimal(0), currency_digits=2, fraction=Fraction(1, 2))
    assert found.cost == found.limit == 5


@given(terms=any_terms(), quantity=UNITS, fraction=FRACTIONS, digits=DIGITS)
def test_every_charge_equals_the_slow_reference_and_adds_up(
    terms: Terms, quantity: Decimal, fraction: Fraction, digits: int
) -> None:
    found = charge(terms, quantity=quantity, currency_digits=digits, fraction=fraction)
    row = {
        name: getattr(terms, name)
        for name in ("commit", "base_price", "overage_price", "package", "minimum", "maximum")
    }
    row |= {
        "aggregation": terms.aggregation.value,
        "tiers": [{"above": t.above, "price": t.price} for t in terms.tiers],
    }
    wanted = charged(row, quantity, fraction, digits)
    assert wanted == {
        "used": found.used, "buffer": found.buffer, "overage": found.overage, "limit_amount": found.limit,
        "cost": found.cost, "commit": found.commit, "overage_units": found.overage_units,
    }  # fmt: skip
    assert found.used + found.buffer + found.overage + found.limit == found.cost


@given(terms=any_terms(), two=st.tuples(UNITS, UNITS), fraction=FRACTIONS, digits=DIGITS)
def test_more_usage_never_costs_less(
    terms: Terms, two: tuple[Decimal, Decimal], fraction: Fraction, digits: int
) -> None:
    less, more = (charge(terms, quantity=q, currency_digits=digits, fraction=fraction) for q in sorted(two))
    assert less.cost <= more.cost


@given(terms=any_terms(), quantities=st.lists(UNITS, min_size=1, max_size=4), digits=DIGITS)
def test_a_readings_money_is_that_of_its_segments(
    terms: Terms, quantities: list[Decimal], digits: int
) -> None:
    share = Fraction(1, len(quantities))
    segments = [
        Part(terms=terms, fraction=share, quantity=q,
             charge=charge(terms, quantity=q, currency_digits=digits, fraction=share))
        for q in quantities
    ]  # fmt: skip
    found = combine(segments, places=4)
    assert found.charge.cost == sum(s.charge.cost for s in segments)
    money = found.charge
    assert money.used + money.buffer + money.overage + money.limit == money.cost
    low, high = (
        (sum(quantities),) * 2 if terms.aggregation is Aggregation.SUM else (min(quantities), max(quantities))
    )
    assert low <= found.quantity <= high

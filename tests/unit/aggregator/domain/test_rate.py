"""The price of a quantity: the worked examples of the design and what holds for every price."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.rate import Charge, charge, percent_of_commit, round_half_away
from aggregator.domain.terms import Aggregation, Terms

PRICES = st.decimals(0, 1_000, places=10)
QUANTITIES = st.decimals(0, 10**9, places=4)
COMMITS = st.one_of(st.just(Decimal(0)), QUANTITIES)
DIGITS = st.sampled_from((0, 2, 3))


def agreed(commit: Decimal | str, base: Decimal | str, overage: Decimal | str) -> Terms:
    return Terms(
        id=1,
        starts_on=date(2026, 1, 1),
        commit=Decimal(commit),
        base_price=Decimal(base),
        overage_price=Decimal(overage),
        aggregation=Aggregation.SUM,
    )


def parts(found: Charge) -> tuple[str, str, str, str]:
    return str(found.used), str(found.buffer), str(found.overage), str(found.cost)


@pytest.mark.parametrize(
    ("quantity", "expected", "over"),
    [
        ("80", ("80.00", "20.00", "0.00", "100.00"), "0"),
        ("100", ("100.00", "0.00", "0.00", "100.00"), "0"),
        ("101", ("100.00", "0.00", "2.00", "102.00"), "1"),
        ("0", ("0.00", "100.00", "0.00", "100.00"), "0"),
    ],
)
def test_commit_100_at_1_and_overage_at_2(quantity: str, expected: tuple[str, ...], over: str) -> None:
    found = charge(agreed("100", "1", "2"), quantity=Decimal(quantity), currency_digits=2)
    assert parts(found) == expected
    assert found.overage_units == Decimal(over)


def test_usage_equal_to_the_commit_is_not_over() -> None:
    found = charge(agreed("100.0000", "1", "2"), quantity=Decimal(100), currency_digits=2)
    assert found.overage_units == 0
    assert found.overage == 0
    assert found.buffer == 0


@pytest.mark.parametrize(
    ("digits", "expected"),
    [(2, "4.94"), (0, "5"), (3, "4.938")],
    ids=["USD", "JPY", "KWD"],
)
def test_a_price_is_rounded_to_the_currencys_minor_unit(digits: int, expected: str) -> None:
    found = charge(agreed("0", "0", "0.004"), quantity=Decimal("1234.5"), currency_digits=digits)
    assert str(found.cost) == expected
    assert str(found.overage) == expected


def test_without_a_commit_everything_costs_the_overage_price() -> None:
    found = charge(agreed("0", "7", "2"), quantity=Decimal("3.5"), currency_digits=2)
    assert parts(found) == ("0.00", "0.00", "7.00", "7.00")
    assert percent_of_commit(Decimal("3.5"), commit=Decimal(0)) is None


@pytest.mark.parametrize(
    ("commit", "quantity", "expected"),
    [
        # 0.5 + 0.5: both would be rounded up.
        ("1", "0.5", ("0", "1", "0", "1")),
        # 0.4 + 0.4: both would be rounded down.
        ("0.8", "0.4", ("1", "0", "0", "1")),
        # 0.3 + 0.6: the larger one takes it.
        ("0.9", "0.3", ("0", "1", "0", "1")),
    ],
)
def test_the_largest_part_takes_what_rounding_left(
    commit: str, quantity: str, expected: tuple[str, ...]
) -> None:
    assert parts(charge(agreed(commit, "1", "2"), quantity=Decimal(quantity), currency_digits=0)) == expected


def test_a_product_longer_than_any_default_precision_is_exact() -> None:
    found = charge(
        agreed("0", "0", "9999999999.9999999999"),
        quantity=Decimal("99999999999999999999.9999"),
        currency_digits=2,
    )
    exact = Fraction(Decimal("9999999999.9999999999")) * Fraction(Decimal("99999999999999999999.9999"))
    assert abs(Fraction(found.cost) - exact) <= Fraction(1, 200)


@pytest.mark.parametrize(
    ("amount", "expected"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("-0.0049", "0.00"), ("2.675", "2.68")]
)
def test_halves_of_money_go_away_from_zero(amount: str, expected: str) -> None:
    assert round_half_away(Decimal(amount), places=2) == Decimal(expected)


def test_a_negative_quantity_has_no_price() -> None:
    with pytest.raises(ValueError, match="negative"):
        charge(agreed("0", "1", "2"), quantity=Decimal(-1), currency_digits=2)


@pytest.mark.parametrize(("quantity", "percent"), [("80", "80.00"), ("100", "100.00"), ("100.005", "100.01")])
def test_per_cent_of_the_commit_has_two_decimals(quantity: str, percent: str) -> None:
    assert str(percent_of_commit(Decimal(quantity), commit=Decimal(100))) == percent


@given(commit=COMMITS, base=PRICES, overage=PRICES, quantity=QUANTITIES, digits=DIGITS)
def test_the_parts_add_up_to_the_cost(
    commit: Decimal, base: Decimal, overage: Decimal, quantity: Decimal, digits: int
) -> None:
    found = charge(agreed(commit, base, overage), quantity=quantity, currency_digits=digits)
    assert found.used + found.buffer + found.overage == found.cost
    assert min(found.used, found.buffer, found.overage) >= 0
    for amount in (found.used, found.buffer, found.overage, found.cost):
        assert amount == amount.quantize(Decimal(1).scaleb(-digits))


@given(commit=COMMITS, base=PRICES, overage=PRICES, quantity=QUANTITIES, digits=DIGITS)
def test_the_cost_is_rounded_once_from_its_exact_value(
    commit: Decimal, base: Decimal, overage: Decimal, quantity: Decimal, digits: int
) -> None:
    found = charge(agreed(commit, base, overage), quantity=quantity, currency_digits=digits)
    exact = Fraction(commit) * Fraction(base)
    exact += max(Fraction(0), Fraction(quantity) - Fraction(commit)) * Fraction(overage)
    assert abs(Fraction(found.cost) - exact) <= Fraction(1, 2 * 10**digits)


@given(commit=COMMITS, base=PRICES, overage=PRICES, two=st.tuples(QUANTITIES, QUANTITIES), digits=DIGITS)
def test_more_usage_never_costs_less(
    commit: Decimal, base: Decimal, overage: Decimal, two: tuple[Decimal, Decimal], digits: int
) -> None:
    terms = agreed(commit, base, overage)
    less, more = (charge(terms, quantity=q, currency_digits=digits) for q in sorted(two))
    assert less.cost <= more.cost
    assert less.overage_units <= more.overage_units

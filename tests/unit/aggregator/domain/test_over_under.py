"""What sums over commits are called, in per cent and in words."""

from datetime import date
from decimal import Decimal

import pytest

from aggregator.domain.over_under import MonthCommits, Units, counted_symbol, in_words, percent_unused, trend


def units(unused: str, commit: str) -> Units:
    return Units(symbol="GiB", delta=Decimal(0), unused=Decimal(unused), commit=Decimal(commit))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([("3.0000", "GiB"), ("2", "vCPU")], "3 GiB, 2 vCPU"),
        ([("-3.50", "GiB"), ("0.000", "vCPU")], "-3.5 GiB"),
        ([("0.000", "vCPU")], "0 vCPU"),
        ([], ""),
    ],
)
def test_kinds_of_unit_stand_side_by_side(given: list[tuple[str, str]], words: str) -> None:
    assert in_words((Decimal(number), symbol) for number, symbol in given) == words


def test_what_is_counted() -> None:
    assert [counted_symbol("GiB", kind) for kind in ("unit", "hours", "assets")] == ["GiB", "GiB·h", "assets"]


def test_of_one_kind_of_unit_the_units_say_how_much_is_unused_of_several_the_money() -> None:
    assert percent_unused([units("25", "100")], committed=Decimal(10), buffer=Decimal(5)) == Decimal("25.00")
    assert percent_unused([units("25", "100")] * 2, committed=Decimal(10), buffer=Decimal(5)) == Decimal(
        "50.00"
    )
    assert percent_unused([], committed=Decimal(0), buffer=Decimal(0)) is None


def commits(month: int, currency: str = "EUR") -> MonthCommits:
    one = Decimal(1)
    return MonthCommits(
        month=date(2026, month, 1), currency=currency, overage=one, buffer=one, cost=one, provisional=True
    )


def test_a_trend_has_every_month_of_a_currency_from_its_first_on() -> None:
    shown = trend([commits(2), commits(4), commits(4, "USD")], newest=date(2026, 5, 1), months=12)
    assert [(point.month.month, point.currency, int(point.cost)) for point in shown] == [
        (2, "EUR", 1),
        (3, "EUR", 0),
        (4, "EUR", 1),
        (4, "USD", 1),
        (5, "EUR", 0),
        (5, "USD", 0),
    ]
    assert trend([], newest=date(2026, 5, 1), months=12) == []

"""Other terms on the same usage, worked out by hand."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from aggregator.domain.terms import Aggregation, Tier
from aggregator.domain.what_if import Change, changed, cost
from tests.unit.aggregator.domain.test_right_size import agreed, reading

TIERED = agreed(
    tiers=(Tier(Decimal(0), Decimal(2)), Tier(Decimal(10), Decimal(1))), package="5", maximum="500"
)


@pytest.mark.parametrize(
    ("change", "quantity", "after"),
    [
        (Change(), "120", "140"),
        (Change(commit=Decimal(120)), "120", "120"),
        (Change(commit_percent=Decimal(-10)), "120", "150"),
        (Change(base_price=Decimal("0.5")), "80", "50"),
        (Change(overage_percent=Decimal(50)), "120", "160"),
        (Change(maximum=Decimal(130)), "120", "130"),
        (Change(minimum=Decimal(130)), "80", "130"),
        (Change(package=Decimal(50)), "120", "200"),
        (Change(tiers=(Tier(Decimal(0), Decimal(1)), Tier(Decimal(10), Decimal(3)))), "120", "140"),
    ],
)
def test_what_a_change_comes_to(change: Change, quantity: str, after: str) -> None:
    assert cost(reading((agreed(), quantity, Fraction(1))), change) == Decimal(after)


def test_segments_are_priced_each_alone() -> None:
    half = Fraction(1, 2)
    billed = reading((agreed(), "120", half), (agreed(commit="50"), "60", half))
    assert billed.cost == 70 + 35
    assert cost(billed, Change(commit=Decimal(60))) == 90 + 30


def test_an_overage_price_takes_the_place_of_tiers_and_per_cents_change_them() -> None:
    assert changed(TIERED, Change(overage_price=Decimal(3))).tiers == ()
    tiers = changed(TIERED, Change(overage_percent=Decimal("-12.5"))).tiers
    assert [tier.price for tier in tiers] == [Decimal("1.75"), Decimal("0.875")]
    assert changed(TIERED, Change()) == TIERED
    assert changed(TIERED, Change(package=Decimal(0))).package is None


def test_an_aggregation_brings_its_percentile() -> None:
    p95 = changed(TIERED, Change(aggregation=(Aggregation.PERCENTILE, Decimal(95))))
    assert (p95.aggregation, p95.percentile) == (Aggregation.PERCENTILE, Decimal(95))
    assert changed(p95, Change(aggregation=(Aggregation.MAX, None))) == replace(
        TIERED, aggregation=Aggregation.MAX
    )

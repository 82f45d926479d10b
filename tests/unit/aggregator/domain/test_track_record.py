"""How far projections were from what became of their periods."""

from datetime import UTC, datetime
from decimal import Decimal

from aggregator.domain.track_record import Foretold, median_error


def foretold(projected: str, became: str, *, low: str | None = None, high: str | None = None) -> Foretold:
    return Foretold(
        period_start=datetime(2026, 3, 1, tzinfo=UTC),
        share=50,
        projected=Decimal(projected),
        low=None if low is None else Decimal(low),
        high=None if high is None else Decimal(high),
        became=Decimal(became),
    )


def test_an_error_is_of_what_became_of_it_and_says_which_way() -> None:
    assert foretold("110", "100").percent_error == Decimal("10.00")
    assert foretold("50", "75").percent_error == Decimal("-33.33")


def test_of_nothing_there_is_no_per_cent() -> None:
    assert foretold("3", "0").percent_error is None
    assert median_error([foretold("3", "0")]) is None


def test_the_ends_of_the_range_are_within_it() -> None:
    assert foretold("9", "10", low="8", high="10").within_range
    assert foretold("9", "8", low="8", high="10").within_range
    assert not foretold("9", "11", low="8", high="10").within_range
    assert not foretold("9", "9").within_range


def test_the_median_is_of_the_absolute_errors() -> None:
    points = [foretold("90", "100"), foretold("101", "100"), foretold("130", "100")]
    assert median_error(points) == Decimal("10.00")
    assert median_error(points[1:]) == Decimal("15.50")
    assert median_error([]) is None

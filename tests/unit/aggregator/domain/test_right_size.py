"""The best commit: worked out by hand, and against every other commit there is."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.domain.rate import charge
from aggregator.domain.right_size import PACKAGES_TRIED_MAX, right_size
from aggregator.domain.terms import Aggregation, Terms, Tier
from aggregator.domain.what_if import Change, RatedReading, RatedSegment, cost

T = datetime(2026, 1, 1, tzinfo=UTC)
AGREED = Terms(
    id=1,
    starts_on=date(2020, 1, 1),
    commit=Decimal(100),
    base_price=Decimal(1),
    overage_price=Decimal(2),
    aggregation=Aggregation.AVG,
)


def agreed(
    *,
    commit: str = "100",
    base: str = "1",
    overage: str = "2",
    aggregation: Aggregation = Aggregation.AVG,
    package: str | None = None,
    minimum: str | None = None,
    maximum: str | None = None,
    tiers: tuple[Tier, ...] = (),
) -> Terms:
    return Terms(
        id=1,
        starts_on=date(2020, 1, 1),
        commit=Decimal(commit),
        base_price=Decimal(base),
        overage_price=Decimal(overage),
        aggregation=aggregation,
        package=None if package is None else Decimal(package),
        minimum=None if minimum is None else Decimal(minimum),
        maximum=None if maximum is None else Decimal(maximum),
        tiers=tiers,
    )


def reading(*segments: tuple[Terms, str, Fraction]) -> RatedReading:
    """As billing would have made it of quantities under terms, each a part of the period."""
    charged = [
        charge(terms, quantity=Decimal(quantity), currency_digits=2, fraction=fraction)
        for terms, quantity, fraction in segments
    ]
    return RatedReading(
        bucket_id=1,
        period_start=T,
        period_end=T,
        currency="EUR",
        quantity=Decimal(segments[-1][1]),
        cost=sum((one.cost for one in charged), Decimal("0.00")),
        buffer=sum((one.buffer for one in charged), Decimal("0.00")),
        unused=Decimal(0),
        commit=segments[-1][0].commit,
        cutoff=T,
        segments=tuple(
            RatedSegment(
                terms=terms,
                quantity=Decimal(quantity),
                fraction=fraction,
                from_slot=0,
                to_slot=1,
                as_of_slot=1,
            )
            for terms, quantity, fraction in segments
        ),
    )


def used(*quantities: str, terms: Terms = AGREED) -> list[RatedReading]:
    return [reading((terms, quantity, Fraction(1))) for quantity in quantities]


def test_with_overage_at_twice_the_base_price_the_median_is_best() -> None:
    best = right_size(used("60", "70", "80"), commit=Decimal(100), places=4)
    # 3 × 100 before; 70 + 70 + (70 + 2 × 10) with 70.
    assert (best.commit, best.cost, best.best_cost) == (Decimal(70), Decimal(300), Decimal(230))


@pytest.mark.parametrize(
    ("terms", "quantities", "commit"),
    [
        (agreed(base="2", overage="2"), ("60", "70"), "0"),
        (agreed(base="3", overage="2"), ("60", "70"), "0"),
        (agreed(overage="10"), ("60", "70", "80"), "80"),
        (agreed(base="0"), ("60", "170"), "170"),
        # The commit in force stays where it is as good.
        (agreed(base="0"), ("60", "70"), "100"),
        (agreed(), ("0", "0", "0"), "0"),
        # The first 50 units above the commit are cheap, all others dear.
        (agreed(tiers=(Tier(Decimal(0), Decimal("0.5")), Tier(Decimal(50), Decimal(9)))), ("80", "80"), "30"),
        # Half of a package is a whole one: one unit more of commit is cheaper than a package.
        (agreed(package="50", base="1", overage="1"), ("101", "101"), "1"),
        # The least that is paid is paid all the same: of commits from 53 (and 7 × 5 above it) to 90 the smallest.
        (agreed(minimum="90", overage="5"), ("60", "60"), "53"),
    ],
)
def test_what_is_best_by_hand(terms: Terms, quantities: tuple[str, ...], commit: str) -> None:
    readings = used(*quantities, terms=terms)
    assert right_size(readings, commit=Decimal(100), places=0).commit == Decimal(commit)


def test_a_sum_is_compared_with_a_part_of_the_commit() -> None:
    half = agreed(aggregation=Aggregation.SUM, overage="10")
    best = right_size([reading((half, "60", Fraction(1, 2)))], commit=Decimal(100), places=2)
    assert (best.commit, best.best_cost) == (Decimal(120), Decimal(60))
    third = right_size([reading((half, "10", Fraction(1, 3)))] * 3, commit=Decimal(100), places=2)
    assert third.commit == Decimal(30)


def test_so_many_packages_that_not_all_are_tried() -> None:
    terms = agreed(package="0.01", overage="1.5")
    best = right_size(used("500", "800", "1000", terms=terms), commit=Decimal(100), places=2)
    assert best.commit == Decimal(500)
    assert PACKAGES_TRIED_MAX < 100_000


prices = st.sampled_from(["0", "0.5", "1", "1.25", "2", "3"]).map(Decimal)
small = st.integers(0, 24).map(Decimal)
fractions = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(15, 31)])


@st.composite
def random_terms(draw: st.DrawFn) -> Terms:
    bounds = sorted(draw(st.sets(st.integers(1, 12), max_size=2)))
    tiers = tuple(Tier(Decimal(bound), draw(prices)) for bound in (0, *bounds)) if draw(st.booleans()) else ()
    minimum = draw(st.none() | st.integers(0, 30).map(Decimal))
    maximum = draw(st.none() | st.integers(31, 60).map(Decimal))
    return Terms(
        id=1,
        starts_on=date(2020, 1, 1),
        commit=draw(small),
        base_price=draw(prices),
        overage_price=draw(prices),
        aggregation=draw(st.sampled_from([Aggregation.AVG, Aggregation.SUM, Aggregation.MAX])),
        package=draw(st.none() | st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(4)])),
        minimum=minimum,
        maximum=maximum,
        tiers=tiers,
    )


@st.composite
def random_readings(draw: st.DrawFn) -> list[RatedReading]:
    return [
        reading(
            *(
                (draw(random_terms()), str(draw(small)), draw(fractions))
                for _ in range(draw(st.integers(1, 2)))
            )
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=40)
@given(random_readings(), small)
def test_no_other_commit_costs_less(readings: list[RatedReading], commit: Decimal) -> None:
    best = right_size(readings, commit=commit, places=1)
    # Every cost is rounded once a segment, so that two that are equal may look half a cent apart, twice.
    doubt = Decimal("0.01") * sum(len(one.segments) for one in readings)
    for fifth in range(260):
        other = Decimal(fifth) / 5
        assert best.best_cost <= sum(cost(one, Change(commit=other)) for one in readings) + doubt
    assert best.best_cost == sum(cost(one, Change(commit=best.commit)) for one in readings)


@given(random_readings())
def test_with_nothing_changed_a_reading_costs_what_it_does(readings: list[RatedReading]) -> None:
    assert [cost(one, Change()) for one in readings] == [one.cost for one in readings]
    zero = Change(commit_percent=Decimal(0), base_percent=Decimal(0), overage_percent=Decimal(0))
    assert [cost(one, zero) for one in readings] == [one.cost for one in readings]


@given(random_readings(), st.sampled_from([Decimal(-10), Decimal(-50), Decimal(-100)]))
def test_lower_prices_never_cost_more(readings: list[RatedReading], per_cent: Decimal) -> None:
    cheaper = Change(base_percent=per_cent, overage_percent=per_cent)
    assert all(cost(one, cheaper) <= one.cost for one in readings)

"""The canonical text of evidence: one for the same evidence, another with any change; shares that add up."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.domain.evidence import (
    AssetPart,
    Bound,
    Evidence,
    SegmentEvidence,
    canonical,
    deciding,
    digest,
    merged,
    rate_again,
    read,
)
from aggregator.domain.explain import asset_shares, state_of, steps
from aggregator.domain.gap import Coverage
from aggregator.domain.quantity import Unit
from aggregator.domain.share import shares
from aggregator.domain.terms import Aggregation, Segment, Terms, Tier

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
NAMED = [a for a in Aggregation if a is not Aggregation.PERCENTILE]
decimals = st.decimals(min_value=0, max_value=10**9, places=4)
counts = st.integers(0, 10**6)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    aggregation = draw(st.sampled_from(list(Aggregation)))
    percentile = draw(st.decimals("0.001", 100, places=3)) if aggregation is Aggregation.PERCENTILE else None
    return Terms(
        id=draw(counts),
        starts_on=date(2025, 1, 1) + timedelta(days=draw(st.integers(0, 400))),
        ends_on=draw(st.none() | st.just(date(2027, 1, 1))),
        commit=draw(decimals),
        base_price=draw(decimals),
        overage_price=draw(decimals),
        aggregation=aggregation,
        percentile=percentile,
        package=draw(st.none() | st.decimals("0.5", 100, places=2)),
        minimum=draw(st.none() | decimals),
        maximum=draw(st.none() | decimals),
        tiers=draw(st.sampled_from([(), (Tier(Decimal(0), Decimal(2)), Tier(Decimal("10.5"), Decimal(1)))])),
        gap_hold=draw(st.none() | st.integers(0, 10)),
        prorate=draw(st.booleans()),
    )


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    agreed = draw(terms())
    values = tuple(draw(st.lists(st.integers(0, 2**70), min_size=1, max_size=6)))
    begins = 12 * draw(st.integers(0, 1000))
    assets = draw(st.lists(st.integers(1, 1000), max_size=4, unique=True))
    covered = Coverage(measured=draw(counts), absent=draw(counts), gap=draw(counts), spread=draw(counts))
    segment = SegmentEvidence(
        segment=Segment(
            agreed, begins, begins + 12 * len(values), fraction=draw(st.sampled_from([Fraction(1), Fraction(1, 3)]))
        ),
        as_of_slot=begins + 12 * len(values),
        hold=3,
        values=values,
        decides=begins,
        assets=tuple(AssetPart(asset_id=a, part=draw(counts), coverage=covered, held=draw(counts)) for a in sorted(assets)),
    )  # fmt: skip
    return Evidence(
        program="0.1.0",
        client_id=draw(counts),
        bucket_id=draw(counts),
        period_start=MARCH,
        period_end=MARCH + timedelta(days=draw(st.integers(1, 40))),
        currency=draw(st.sampled_from(["USD", "JPY", "KWD"])),
        currency_digits=draw(st.sampled_from([0, 2, 3])),
        cutoff=MARCH + timedelta(days=41, microseconds=draw(counts)),
        unit=Unit(kind="level", divisor=draw(st.integers(1, 10**9)), per="total", precision=4, slot_minutes=60),
        segments=(segment,),
        bindings=(
            Bound(id=1, series_id=2, asset_id=3, merged_from=draw(st.none() | counts), first_slot=draw(st.none() | counts),
                  from_slot=begins, to_slot=begins + 12),
        ),
    )  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the text has anything that could be changed."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for place, inner in enumerate(value) for leaf in leaves(inner, (*path, place))]
    return [path]


def changed(text: str, path: tuple[Any, ...]) -> str:
    tree = json.loads(text)
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    old = inner[path[-1]]
    inner[path[-1]] = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else f"{old}x"
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


@given(evidences())
def test_the_text_is_read_as_the_same_evidence_and_is_always_the_same(evidence: Evidence) -> None:
    text = canonical(evidence)
    assert read(text) == evidence
    assert canonical(read(text)) == text
    assert digest(text) == digest(canonical(replace(evidence)))
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


@given(evidences(), st.data())
def test_any_change_of_any_part_is_another_hash(evidence: Evidence, data: st.DataObject) -> None:
    text = canonical(evidence)
    path = data.draw(st.sampled_from(leaves(json.loads(text))))
    assert digest(changed(text, path)) != digest(text)


@given(evidences(), evidences())
def test_unlike_evidence_has_unlike_text(one: Evidence, other: Evidence) -> None:
    assert (one == other) == (canonical(one) == canonical(other))


def test_a_price_is_the_same_text_however_it_was_written() -> None:
    agreed = Terms(
        id=1, starts_on=date(2026, 1, 1), commit=Decimal("1E+2"), base_price=Decimal("1.50"), overage_price=Decimal(0),
        aggregation=Aggregation.SUM,
    )  # fmt: skip
    same = replace(agreed, commit=Decimal("100.0"), base_price=Decimal("1.5"), overage_price=Decimal("0.00"))
    assert canonical(_of(agreed)) == canonical(_of(same))
    assert '"commit":"100"' in canonical(_of(agreed))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"form":2}', '{"form":1}', '{"form":1,"period":7}']
)
def test_what_is_no_evidence_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


@given(evidences())
def test_shares_of_assets_add_up_to_the_cost(evidence: Evidence) -> None:
    figures = rate_again(evidence)
    found = asset_shares(evidence, figures)
    assert not found or sum(a.share for a in found) == figures.rating.charge.cost
    assert steps(evidence, figures, symbol="GiB")[-1].startswith("Cost: ")


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(0, 2**80), min_size=1, max_size=20),
    st.sampled_from([0, 2, 3]),
)
def test_parts_of_an_amount_add_up_and_none_is_off_by_a_unit(
    minor: int, weights: list[int], digits: int
) -> None:
    amount = Decimal(f"{minor}E-{digits}")
    found = shares(amount, weights, digits=digits)
    assert sum(found) == amount
    whole = sum(weights)
    for share, weight in zip(found, weights, strict=True):
        exact = Fraction(amount) * (Fraction(weight, whole) if whole else Fraction(1, len(weights)))
        assert abs(Fraction(share) - exact) * 10**digits < 1


def test_the_largest_remainder_gets_what_is_left() -> None:
    assert shares(Decimal("0.10"), [1, 1, 1], digits=2) == [Decimal("0.04"), Decimal("0.03"), Decimal("0.03")]
    assert shares(Decimal(10), [5, 2, 1], digits=0) == [Decimal(6), Decimal(3), Decimal(1)]
    assert shares(Decimal("-0.05"), [1, 2], digits=2) == [Decimal("-0.02"), Decimal("-0.03")]
    assert shares(Decimal(1), [], digits=2) == []


def test_the_lowest_value_is_that_of_slots_in_which_something_is_bound() -> None:
    agreed = Terms(
        id=1, starts_on=date(2026, 1, 1), commit=Decimal(0), base_price=Decimal(0), overage_price=Decimal(1),
        aggregation=Aggregation.MIN,
    )  # fmt: skip
    slots, values = [0, 12, 24, 36], [0, 7, 5, 0]
    segment = Segment(agreed, 0, 48)
    assert deciding(segment, values, slots, bound=[(12, 36)]) == 24
    assert deciding(segment, values, slots, bound=[(0, 48)]) == 0
    assert deciding(segment, values, slots, bound=[]) is None
    bound = Bound(id=1, series_id=1, asset_id=1, merged_from=None, first_slot=0, from_slot=12, to_slot=36)
    evidence = _of(agreed, values=(0, 7, 5, 0), bindings=(bound,))
    assert rate_again(evidence).rating.quantity == 5


def test_spans_that_touch_are_one() -> None:
    assert merged([(5, 9), (0, 3), (3, 4), (6, 7)]) == [(0, 4), (5, 9)]


@pytest.mark.parametrize(
    ("coverage", "held", "state"),
    [
        (Coverage(measured=2), 0, "measured"),
        (Coverage(absent=1), 0, "absent"),
        (Coverage(gap=1), 0, "gap"),
        (Coverage(gap=1), 1, "held"),
        (Coverage(gap=2), 1, "mixed"),
        (Coverage(measured=1, absent=1), 0, "mixed"),
    ],
)
def test_a_slot_says_what_is_known_of_it(coverage: Coverage, held: int, state: str) -> None:
    assert state_of(coverage, held=held) == state


def _of(agreed: Terms, *, values: tuple[int, ...] = (1,), bindings: tuple[Bound, ...] = ()) -> Evidence:
    return Evidence(
        program="0.1.0",
        client_id=1,
        bucket_id=1,
        period_start=MARCH,
        period_end=MARCH + timedelta(days=31),
        currency="USD",
        currency_digits=2,
        cutoff=MARCH + timedelta(days=32),
        unit=Unit(kind="level", divisor=1, per="total", precision=4, slot_minutes=60),
        segments=(
            SegmentEvidence(
                segment=Segment(agreed, 0, 12 * len(values)),
                as_of_slot=12 * len(values),
                hold=0,
                values=values,
                decides=None,
                assets=(),
            ),
        ),
        bindings=bindings,
    )

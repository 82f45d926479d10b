"""Reads what would be otherwise, as somebody gave it, into what the domain works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from aggregator.actions import given
from aggregator.actions.given_terms import given_gap_hold, given_tiers
from aggregator.domain.terms import Aggregation, read_aggregation
from aggregator.domain.what_if import Change
from aggregator.errors import Invalid
from ullage.wire import to_decimal

PERCENT_MIN, PERCENT_MAX = Decimal(-100), Decimal(1000)
PERCENT_PLACES_MAX = 4
_CHARACTERS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenChange:
    """As in the message: numbers as text, empty what stays as it is; tiers (above, price)."""

    commit: str = ""
    base_price: str = ""
    overage_price: str = ""
    aggregation: str = ""
    package: str = ""
    minimum: str = ""
    maximum: str = ""
    tiers: Sequence[tuple[str, str]] = ()
    gap_rule: str = ""
    commit_percent: str = ""
    base_percent: str = ""
    overage_percent: str = ""


def read_change(one: GivenChange) -> Change:
    """Raises ``Invalid`` naming the field, also where nothing would be otherwise."""
    for absolute, per_cent in (
        ("commit", "commit_percent"),
        ("base_price", "base_percent"),
        ("overage_price", "overage_percent"),
    ):
        if getattr(one, absolute) and getattr(one, per_cent):
            raise Invalid(per_cent, f"give either this or terms.{absolute}")
    if one.tiers and (one.overage_price or one.overage_percent):
        raise Invalid("terms.tiers", "give either tiers or another overage price")
    change = Change(
        commit=_number("commit", one.commit, given.QUANTITY_PLACES_MAX),
        base_price=_number("base_price", one.base_price, given.PRICE_PLACES_MAX),
        overage_price=_number("overage_price", one.overage_price, given.PRICE_PLACES_MAX),
        commit_percent=_percent("commit_percent", one.commit_percent),
        base_percent=_percent("base_percent", one.base_percent),
        overage_percent=_percent("overage_percent", one.overage_percent),
        package=_number("package", one.package, given.QUANTITY_PLACES_MAX),
        minimum=_number("minimum", one.minimum, given.PRICE_PLACES_MAX),
        maximum=_number("maximum", one.maximum, given.PRICE_PLACES_MAX),
        tiers=given_tiers("terms.tiers", one.tiers) if one.tiers else None,
        aggregation=_aggregation(one.aggregation),
        gap_hold=given_gap_hold("terms.gap_rule", one.gap_rule),
    )
    if change.minimum is not None and change.maximum is not None and change.minimum > change.maximum:
        raise Invalid("terms.maximum", "is below the minimum; make it at least as much")
    if change == Change():
        raise Invalid("terms", "say what would be otherwise: a commit, a price, or a per cent of either")
    return change


def _number(field: str, text: str, places_max: int) -> Decimal | None:
    return given.number(f"terms.{field}", text, places_max=places_max) if text else None


def _aggregation(text: str) -> tuple[Aggregation, Decimal | None] | None:
    try:
        return read_aggregation(text) if text else None
    except ValueError as error:
        raise Invalid("terms.aggregation", str(error)) from error


def _percent(field: str, text: str) -> Decimal | None:
    try:
        read = to_decimal(text) if len(text) <= _CHARACTERS_MAX else Decimal("inf")
    except ValueError as error:
        raise Invalid(field, "is not a number; write per cents like -10 or 2.5") from error
    if read is None:
        return None
    exponent = read.as_tuple().exponent
    if (
        not PERCENT_MIN <= read <= PERCENT_MAX
        or not isinstance(exponent, int)
        or -exponent > PERCENT_PLACES_MAX
    ):
        raise Invalid(
            field,
            f"must lie between {PERCENT_MIN} and {PERCENT_MAX} with at most {PERCENT_PLACES_MAX} decimal places",
        )
    return read

"""Reads terms as somebody gave them, all of it text, into what the domain works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from aggregator.actions import given
from aggregator.domain.terms import Terms, Tier, read_aggregation
from aggregator.errors import Invalid

TIERS_MAX = 50
GAP_HOLD_SLOTS_MAX = 288


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTerms:
    """As in the message of that name: numbers and days as text, empty where they do not apply; tiers (above, price)."""

    starts_on: str
    commit: str
    base_price: str
    overage_price: str
    aggregation: str
    ends_on: str = ""
    package: str = ""
    minimum: str = ""
    maximum: str = ""
    tiers: Sequence[tuple[str, str]] = ()
    gap_rule: str = ""
    prorate: bool = False


def read_terms(field: str, terms: GivenTerms) -> Terms:
    """Terms without an id. Raises ``Invalid`` naming the field within ``field``."""
    starts_on = given.day(f"{field}.starts_on", terms.starts_on)
    minimum, maximum = (
        _optional(f"{field}.minimum", terms.minimum, places_max=given.PRICE_PLACES_MAX),
        _optional(f"{field}.maximum", terms.maximum, places_max=given.PRICE_PLACES_MAX),
    )
    if minimum is not None and maximum is not None and minimum > maximum:
        raise Invalid(f"{field}.maximum", "is below the minimum; make it at least as much")
    package = _optional(f"{field}.package", terms.package, places_max=given.QUANTITY_PLACES_MAX)
    if package == 0:
        raise Invalid(f"{field}.package", "must be above 0; leave it empty for no packages")
    try:
        aggregation, percentile = read_aggregation(terms.aggregation)
    except ValueError as error:
        raise Invalid(f"{field}.aggregation", str(error)) from error
    return Terms(
        id=0,
        starts_on=starts_on,
        ends_on=_end(f"{field}.ends_on", terms.ends_on, starts_on=starts_on),
        commit=given.number(f"{field}.commit", terms.commit, places_max=given.QUANTITY_PLACES_MAX),
        base_price=_price(f"{field}.base_price", terms.base_price),
        overage_price=_price(f"{field}.overage_price", terms.overage_price),
        aggregation=aggregation,
        percentile=percentile,
        package=package,
        minimum=minimum,
        maximum=maximum,
        tiers=given_tiers(f"{field}.tiers", terms.tiers),
        gap_hold=given_gap_hold(f"{field}.gap_rule", terms.gap_rule),
        prorate=terms.prorate,
    )


def _price(field: str, text: str) -> Decimal:
    return given.number(field, text, places_max=given.PRICE_PLACES_MAX)


def _optional(field: str, text: str, *, places_max: int) -> Decimal | None:
    return given.number(field, text, places_max=places_max) if text else None


def _end(field: str, text: str, *, starts_on: date) -> date | None:
    if not text:
        return None
    ends_on = given.day(field, text)
    if ends_on <= starts_on:
        raise Invalid(
            field, "must be after the first day; it is the first day on which they do not hold any more"
        )
    return ends_on


def given_tiers(field: str, tiers: Sequence[tuple[str, str]]) -> tuple[Tier, ...]:
    if len(tiers) > TIERS_MAX:
        raise Invalid(field, f"has {len(tiers)} tiers; at most {TIERS_MAX} are taken")
    read = [
        Tier(
            above=given.number(f"{field}[{place}].above", above, places_max=given.QUANTITY_PLACES_MAX),
            price=_price(f"{field}[{place}].price", price),
        )
        for place, (above, price) in enumerate(tiers, start=1)
    ]
    if read and read[0].above != 0:
        raise Invalid(f"{field}[1].above", "must be 0: tiers count from the first overage unit")
    for place, (lower, upper) in enumerate(pairwise(read), start=2):
        if upper.above <= lower.above:
            raise Invalid(f"{field}[{place}].above", "must be above the tier before; put them in order")
    return tuple(read)


def given_gap_hold(field: str, text: str) -> int | None:
    """Slots; 0 for the rule `zero`, None for the unit type's own."""
    if not text:
        return None
    if text == "zero":
        return 0
    word, _, number = text.partition(" ")
    if (
        word == "hold"
        and number.isascii()
        and number.isdigit()
        and len(number) <= len(str(GAP_HOLD_SLOTS_MAX))
    ):
        slots = int(number)
        if 1 <= slots <= GAP_HOLD_SLOTS_MAX:
            return slots
    raise Invalid(field, f'must be "zero" or "hold N" with N from 1 to {GAP_HOLD_SLOTS_MAX}')

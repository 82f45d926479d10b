"""Which buckets a client gets by itself: what templates ask for, and what they leave undecided.

For each kind of bucket (source type and unit type) of which the client has an asset that a template fits, and never had a
bucket, one bucket, for a person to review. Where a template has no price in the client's currency, or several templates
fit, nothing is made and the problem is named: a price is never guessed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from aggregator.domain.match import Condition, Facts, Matcher
from aggregator.domain.terms import Aggregation

# (source type, unit type), by their ids.
Kind = tuple[int, int]


class Undecided(StrEnum):
    """Why there is no bucket."""

    NO_PRICE = "no-price"
    TWO_TEMPLATES = "two-templates"


@dataclass(frozen=True, slots=True)
class Price:
    """Of one billed unit, in a currency."""

    base: Decimal
    overage: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """By which a bucket is made. ``source_type`` and ``unit_type`` are names; ``prices`` by currency.

    No condition: every asset of the source type.
    """

    id: int
    kind: Kind
    source_type: str
    unit_type: str
    conditions: tuple[Condition, ...]
    fits: Matcher
    aggregation: Aggregation
    percentile: Decimal | None
    commit: Decimal
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A unit type of an asset that is the client's now; from ``from_slot`` on its usage could be billed, None: unknown."""

    asset_id: int
    kind: Kind
    facts: Facts
    from_slot: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A bucket to be made. ``from_slot``: where the first usage lies that it would count; None: nothing is measured yet."""

    template: Template
    price: Price
    name: str
    assets: tuple[int, ...]
    from_slot: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A bucket that is not made; ``assets`` is how many it would have been for, ``detail`` says what to do."""

    kind: Kind
    reason: Undecided
    detail: str
    assets: int


def provision(
    metered: Iterable[Metered],
    *,
    templates: Sequence[Template],
    currency: str,
    had: Collection[Kind],
    names: Collection[str],
) -> tuple[list[Wanted], list[Problem]]:
    """Buckets and problems of one client, by kind. ``had``: kinds of all its buckets ever; ``names``: theirs."""
    of_kind: defaultdict[Kind, list[Metered]] = defaultdict(list)
    for one in metered:
        if one.kind not in had:
            of_kind[one.kind].append(one)
    wanted: list[Wanted] = []
    problems: list[Problem] = []
    taken = set(names)
    for kind, assets in sorted(of_kind.items()):
        offered = [template for template in templates if template.kind == kind]
        fitting = {t.id: [one for one in assets if t.fits(one.facts)] for t in offered}
        chosen = [template for template in offered if fitting[template.id]]
        if not chosen:
            continue
        concerned = {one.asset_id for fits in fitting.values() for one in fits}
        if len(chosen) > 1:
            problems.append(_two(kind, chosen, len(concerned)))
            continue
        [template] = chosen
        price = template.prices.get(currency)
        if price is None:
            problems.append(_no_price(template, currency, len(concerned)))
            continue
        name = _free_name(f"{template.source_type} {template.unit_type}", taken)
        taken.add(name)
        starts = [one.from_slot for one in fitting[template.id] if one.from_slot is not None]
        wanted.append(
            Wanted(
                template=template,
                price=price,
                name=name,
                assets=tuple(sorted(concerned)),
                from_slot=min(starts, default=None),
            )
        )
    return wanted, problems


def _two(kind: Kind, chosen: Sequence[Template], assets: int) -> Problem:
    ids = " and ".join(str(template.id) for template in chosen)
    detail = (
        f"templates {ids} fit its assets; narrow their filters so that one does, or create the bucket by hand"
    )
    return Problem(kind=kind, reason=Undecided.TWO_TEMPLATES, detail=detail, assets=assets)


def _no_price(template: Template, currency: str, assets: int) -> Problem:
    detail = f"template {template.id} has no price in {currency}; add one, or create the bucket by hand"
    return Problem(kind=template.kind, reason=Undecided.NO_PRICE, detail=detail, assets=assets)


def _free_name(wanted: str, taken: Collection[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} {number}"
    return name

"""A figure told in sentences, in the order of the arithmetic, and what each asset has to do with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from aggregator.domain.evidence import AssetPart, Evidence, Figures, SegmentEvidence
from aggregator.domain.gap import Coverage, percent_covered
from aggregator.domain.quantity import Unit, Usage, quantity_symbol, rank
from aggregator.domain.rate import Part, combine, rate
from aggregator.domain.share import shares
from aggregator.domain.slot import slot_start
from aggregator.domain.terms import Aggregation, Terms, aggregation_text


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetShare:
    """What an asset brought, in the bucket's unit, and its share of the cost; the shares add up to the cost."""

    asset_id: int
    quantity: Decimal
    share: Decimal
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOf:
    """One asset in one slot; ``value`` in steps."""

    slot: int
    value: int
    state: str
    spread: bool
    decides: bool


def steps(evidence: Evidence, figures: Figures, *, symbol: str) -> list[str]:
    """How the reading came about, sentence by sentence. ``symbol`` is the unit's."""
    said: list[str] = []
    several = len(evidence.segments) > 1
    for number, (one, part) in enumerate(zip(evidence.segments, figures.parts, strict=True), start=1):
        if several:
            said.append(
                f"Segment {number} of {len(evidence.segments)}, {_minute(one.segment.from_slot)} to "
                f"{_minute(one.segment.to_slot)}: {one.segment.fraction} of the period, under terms {one.segment.terms.id}."
            )
        said += _of_usage(one, part, evidence=evidence, symbol=symbol)
        said += _of_money(one, part, evidence=evidence, symbol=symbol)
    if several:
        money = figures.rating.charge
        said.append(
            f"The reading is the sum of its segments: {_plain(figures.rating.quantity)} "
            f"{_symbol(evidence, evidence.segments[-1].segment.terms, symbol)}"
            f"{_mean_of(evidence)}, {money.cost:f} {evidence.currency}."
        )
    return said


def asset_shares(evidence: Evidence, figures: Figures) -> list[AssetShare]:
    """By asset, the dearest first. None where nothing was bound; the cost is then that of the terms alone."""
    ids = sorted({a.asset_id for one in evidence.segments for a in one.assets})
    money = dict.fromkeys(ids, Decimal(0))
    known = dict.fromkeys(ids, Coverage())
    parts: dict[int, list[Part]] = {asset: [] for asset in ids}
    for one, part in zip(evidence.segments, figures.parts, strict=True):
        here = {a.asset_id: a for a in one.assets}
        split = shares(part.charge.cost, [a.part for a in one.assets], digits=evidence.currency_digits)
        for asset, share in zip(one.assets, split, strict=True):
            money[asset.asset_id] += share
            known[asset.asset_id] += asset.coverage
        for asset_id in ids:
            parts[asset_id].append(_alone(one, here.get(asset_id), evidence=evidence))
    missing = figures.rating.charge.cost - sum(money.values())
    if ids and missing:
        # Segments without any asset cost something too: what they cost is everybody's.
        rest = shares(missing, [1] * len(ids), digits=evidence.currency_digits)
        for asset_id, share in zip(ids, rest, strict=True):
            money[asset_id] += share
    found = [
        AssetShare(
            asset_id=asset,
            quantity=combine(parts[asset], places=evidence.unit.precision).quantity,
            share=money[asset],
            coverage=known[asset],
        )
        for asset in ids
    ]
    return sorted(found, key=lambda a: (-a.share, -a.quantity, a.asset_id))


def deciding_slots(one: SegmentEvidence, *, width: int) -> frozenset[int]:
    """The slots that have the value which was rated, where one slot's value is; else none."""
    if one.decides is None:
        return frozenset()
    slots = list(one.slots(width))
    if one.segment.terms.aggregation is Aggregation.LAST:
        return frozenset(slots[-1:])
    wanted = one.values[slots.index(one.decides)]
    return frozenset(slot for slot, value in zip(slots, one.values, strict=True) if value == wanted)


def state_of(coverage: Coverage, *, held: int) -> str:
    """What is known of an asset in a slot: of all its series the same, or 'mixed'."""
    known = {
        "measured": coverage.measured,
        "absent": coverage.absent,
        "held": held,
        "gap": coverage.gap - held,
    }
    there = [name for name, count in known.items() if count > 0]
    return there[0] if len(there) == 1 else "mixed"


def _alone(one: SegmentEvidence, asset: AssetPart | None, *, evidence: Evidence) -> Part:
    """What the segment would be rated to if there were only this asset."""
    part = asset.part if asset else 0
    usage = Usage(total=part, high=part, low=part, last=part, ranked=part, maxima=part, assets=part)
    return rate(
        one.segment,
        usage,
        unit=evidence.unit,
        slots=len(one.values),
        currency_digits=evidence.currency_digits,
    )


def _of_usage(one: SegmentEvidence, part: Part, *, evidence: Evidence, symbol: str) -> Iterator[str]:
    unit, terms, known = evidence.unit, one.segment.terms, one.coverage
    percent = percent_covered(measured=known.measured, absent=known.absent, gap=known.gap)
    yield (
        f"{_count(len(one.values), 'slot')} of {unit.slot_minutes} minutes have ended, of "
        f"{_count(len(one.assets), 'asset')}."
    )
    if percent is not None:
        held = sum(asset.held for asset in one.assets)
        yield (
            f"Of {known.measured + known.absent + known.gap} slots of series, {known.measured} are measured, {known.absent} "
            f"absent and {known.gap} a gap, of which {held} carry the value before them: coverage {percent} %."
        )
    if not one.values and terms.aggregation is not Aggregation.COUNT:
        yield f"Without a slot the quantity is {_plain(part.quantity)} {_symbol(evidence, terms, symbol)}."
        return
    yield _folded(one, unit=unit)
    if terms.aggregation is not Aggregation.COUNT:
        yield (
            f"{_division(one, unit=unit)}, rounded half away from zero to {unit.precision} decimals, is "
            f"{_plain(part.quantity)} {_symbol(evidence, terms, symbol)}."
        )


def _folded(one: SegmentEvidence, *, unit: Unit) -> str:
    terms, values = one.segment.terms, one.values
    parts = sum(asset.part for asset in one.assets)
    at = "" if one.decides is None else f", first in the slot that starts {_minute(one.decides)}"
    match terms.aggregation:
        case Aggregation.SUM | Aggregation.AVG:
            return f"The sum of all slot values is {sum(values)} steps."
        case Aggregation.MAX:
            return f"The highest slot value is {max(values)} steps{at}."
        case Aggregation.MIN:
            decided = 0 if one.decides is None else values[list(one.slots(unit.width)).index(one.decides)]
            return f"The lowest slot value while anything is bound is {decided} steps{at}."
        case Aggregation.PERCENTILE:
            place = rank(terms.percentile or Decimal(100), len(values))
            return (
                f"Of {len(values)} slot values in order of size, {aggregation_text(terms)} is that at rank {place}: "
                f"{sorted(values)[place - 1]} steps{at}."
            )
        case Aggregation.LAST:
            return f"The value of the last slot, which starts {_minute(one.decides or 0)}, is {values[-1]} steps."
        case Aggregation.SUM_OF_MAX:
            return f"The highest slot values of {_count(len(one.assets), 'asset')} add up to {parts} steps."
        case Aggregation.COUNT:
            return f"{_count(parts, 'asset')} had at least one measured slot."


def _division(one: SegmentEvidence, *, unit: Unit) -> str:
    terms, values = one.segment.terms, one.values
    said = "That"
    if terms.aggregation is Aggregation.SUM and unit.kind == "level":
        said += f" × {unit.slot_minutes} ÷ 60 hours"
    if terms.aggregation is Aggregation.AVG:
        said += f" ÷ {_count(len(values), 'slot')}"
    if unit.per == "second":
        said += f" ÷ {unit.slot_minutes * 60} seconds"
    return said + f" ÷ {unit.divisor} steps of a unit"


def _of_money(one: SegmentEvidence, part: Part, *, evidence: Evidence, symbol: str) -> Iterator[str]:
    terms, money, fraction = one.segment.terms, part.charge, one.segment.fraction
    unit, currency = _symbol(evidence, terms, symbol), evidence.currency
    scaled = terms.aggregation is Aggregation.SUM
    times = "" if fraction == 1 or scaled else f" × {fraction}"
    if terms.commit:
        scale = (
            f" × {fraction} of the period = {_plain(money.commit)} {unit}" if scaled and fraction != 1 else ""
        )
        yield f"The commit is {_plain(terms.commit)} {unit}{scale}."
        yield (
            f"Used: {_plain(min(part.quantity, money.commit))} {unit} × {_plain(terms.base_price)}{times} = "
            f"{money.used:f} {currency}."
        )
        unused = max(Decimal(0), money.commit - part.quantity)
        yield f"Buffer: {_plain(unused)} {unit} × {_plain(terms.base_price)}{times} = {money.buffer:f} {currency}."
    else:
        yield f"There is no commit: all {_plain(part.quantity)} {unit} are overage."
    package = "" if terms.package is None else f", in whole packages of {_plain(terms.package)}"
    yield (
        f"Overage: {_plain(money.overage_units)} {unit}{package} × {_price(terms, scaled=scaled and fraction != 1)}"
        f"{times} = {money.overage:f} {currency}."
    )
    if money.limit > 0:
        yield f"The minimum of {_plain(terms.minimum or Decimal(0))}{_of(fraction)} adds {money.limit:f} {currency}."
    elif money.limit < 0:
        yield f"The maximum of {_plain(terms.maximum or Decimal(0))}{_of(fraction)} takes away {-money.limit:f} {currency}."
    yield (
        f"Cost: {money.used:f} used + {money.buffer:f} buffer + {money.overage:f} overage + {money.limit:f} limit = "
        f"{money.cost:f} {currency}."
    )


def _price(terms: Terms, *, scaled: bool) -> str:
    if not terms.tiers:
        return _plain(terms.overage_price)
    bounds = "; ".join(f"{_plain(tier.price)} above {_plain(tier.above)}" for tier in terms.tiers)
    return f"the price of their tiers ({bounds}{', bounds scaled likewise' if scaled else ''})"


def _of(fraction: object) -> str:
    return "" if fraction == 1 else f" × {fraction} of the period"


def _mean_of(evidence: Evidence) -> str:
    terms = evidence.segments[-1].segment.terms
    alike = [one for one in evidence.segments if one.segment.terms.aggregation is terms.aggregation]
    if terms.aggregation is Aggregation.SUM or len(alike) == 1:
        return ""
    return " (the mean of theirs by share of the time)"


def _symbol(evidence: Evidence, terms: Terms, symbol: str) -> str:
    return quantity_symbol(symbol, kind=evidence.unit.kind, aggregation=terms.aggregation)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _minute(slot: int) -> str:
    return f"{slot_start(slot):%Y-%m-%d %H:%M} UTC"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""What a finalised reading was worked out from: kept as canonical text, hashed, and rated again from it.

Evidence is about ids alone; the names that go with them are kept beside it, so that erasing a name leaves the hash whole.
Knows nothing of where it is stored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

from aggregator.domain.gap import Coverage
from aggregator.domain.quantity import Unit, Usage, rank
from aggregator.domain.rate import Part, Rating, combine, rate
from aggregator.domain.terms import Aggregation, Segment, Terms, Tier

# Of the text's shape; a reader that meets a higher one is too old for it.
FORM = 1

_UNIT = ("kind", "divisor", "per", "precision", "slot_minutes", "gap_hold")
_DECIMALS = ("commit", "base_price", "overage_price", "percentile", "package", "minimum", "maximum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A binding, cut to the slots that were rated; of its series the first slot with a reading, as known then."""

    id: int
    series_id: int
    asset_id: int
    merged_from: int | None
    first_slot: int | None
    from_slot: int
    to_slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPart:
    """What an asset brought to a segment.

    ``part`` is in steps and depends on the aggregation: its total (`sum`, `avg`), its value in the slot that decided (`max`,
    `min`, percentiles, `last`), its own highest (`sum_of_max`), or 1 (`count`); the parts add up to what was rated.
    ``held`` counts those of its gaps that carry the last measured value.
    """

    asset_id: int
    part: int
    coverage: Coverage
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEvidence:
    """A segment: one value in steps for each slot that has ended and counts, oldest first.

    ``hold`` is the gap rule that held, in slots; ``decides`` the first slot that has the value which was rated, where one
    slot is.
    """

    segment: Segment
    as_of_slot: int
    hold: int
    values: tuple[int, ...]
    decides: int | None
    assets: tuple[AssetPart, ...]

    def slots(self, width: int) -> Iterator[int]:
        """The slots that the values are of."""
        return counted(self.segment, until=self.as_of_slot, width=width)

    @property
    def coverage(self) -> Coverage:
        """Of all assets."""
        return sum((asset.coverage for asset in self.assets), Coverage())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a reading was worked out from, of one bucket and one period."""

    program: str
    client_id: int
    bucket_id: int
    period_start: datetime
    period_end: datetime
    currency: str
    currency_digits: int
    cutoff: datetime
    unit: Unit
    segments: tuple[SegmentEvidence, ...]
    bindings: tuple[Bound, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A reading as rating its evidence gives it."""

    rating: Rating
    parts: tuple[Part, ...]
    coverage: Coverage


def canonical(evidence: Evidence) -> str:
    """The one text of this evidence: JSON with sorted keys and no spaces, numbers that are not whole as decimals in text."""
    text = {"form": FORM, **_plain_evidence(evidence)}
    return json.dumps(text, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(text: str) -> bytes:
    """SHA-256 of the canonical text."""
    return sha256(text.encode()).digest()


def read(text: str) -> Evidence:
    """The other way round. Raises ``ValueError`` for a text that is none."""
    try:
        found = json.loads(text)
        if found["form"] != FORM:
            raise ValueError(f"this program reads evidence of form {FORM}, not {found['form']!r}")
        return _evidence(found)
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"this is no evidence: {error!r}") from error


def rate_again(evidence: Evidence) -> Figures:
    """The figures that this evidence comes to, by the very arithmetic of a run."""
    bound = merged((b.from_slot, b.to_slot) for b in evidence.bindings)
    parts = tuple(
        rate(
            one.segment,
            _usage(one, width=evidence.unit.width, bound=bound),
            unit=evidence.unit,
            slots=len(one.values),
            currency_digits=evidence.currency_digits,
        )
        for one in evidence.segments
    )
    return Figures(
        rating=combine(parts, places=evidence.unit.precision),
        parts=parts,
        coverage=sum((one.coverage for one in evidence.segments), Coverage()),
    )


def counted(segment: Segment, *, until: int, width: int) -> Iterator[int]:
    """The segment's slots that have ended and count, oldest first."""
    return (slot for a, b in segment.spans(until=until) for slot in range(a, b, width))


def deciding(
    segment: Segment, values: Sequence[int], slots: Sequence[int], *, bound: Sequence[tuple[int, int]]
) -> int | None:
    """The first slot that has the value which is rated; None where no single slot's value is, or no slot has ended.

    ``bound`` are the spans in which anything is bound, as ``merged`` gives them.
    """
    if not slots:
        return None
    match segment.terms.aggregation:
        case Aggregation.MAX:
            wanted = max(values)
        case Aggregation.PERCENTILE:
            wanted = _ranked(values, segment.terms.percentile)
        case Aggregation.MIN:
            among = _within(slots, bound)
            return slots[min(among, key=lambda place: (values[place], place))] if among else None
        case Aggregation.LAST:
            return slots[-1]
        case _:
            return None
    return slots[values.index(wanted)]


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same slots in spans that neither overlap nor touch, oldest first."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _usage(one: SegmentEvidence, *, width: int, bound: Sequence[tuple[int, int]]) -> Usage:
    values, parts = one.values, sum(asset.part for asset in one.assets)
    terms = one.segment.terms
    low = 0
    if terms.aggregation is Aggregation.MIN:
        low = min((values[place] for place in _within(list(one.slots(width)), bound)), default=0)
    return Usage(
        total=sum(values),
        high=max(values, default=0),
        low=low,
        last=values[-1] if values else 0,
        ranked=_ranked(values, terms.percentile) if values and terms.percentile is not None else 0,
        maxima=parts,
        assets=parts,
    )


def _ranked(values: Sequence[int], percentile: Decimal | None) -> int:
    return sorted(values)[rank(percentile or Decimal(100), len(values)) - 1]


def _within(slots: Sequence[int], bound: Sequence[tuple[int, int]]) -> list[int]:
    """The places of the slots that start in one of the spans; both in order."""
    found, spans = [], iter(bound)
    span = next(spans, None)
    for place, slot in enumerate(slots):
        while span is not None and span[1] <= slot:
            span = next(spans, None)
        if span is None:
            break
        if span[0] <= slot:
            found.append(place)
    return found


def _plain_evidence(evidence: Evidence) -> dict[str, Any]:
    unit = evidence.unit
    return {
        "program": evidence.program,
        "client": evidence.client_id,
        "bucket": evidence.bucket_id,
        "period": [_time(evidence.period_start), _time(evidence.period_end)],
        "currency": [evidence.currency, evidence.currency_digits],
        "cutoff": _time(evidence.cutoff),
        "unit": {name: getattr(unit, name) for name in _UNIT},
        "segments": [_plain_segment(one) for one in evidence.segments],
        "bindings": [
            [b.id, b.series_id, b.asset_id, b.merged_from, b.first_slot, b.from_slot, b.to_slot]
            for b in evidence.bindings
        ],
    }


def _plain_segment(one: SegmentEvidence) -> dict[str, Any]:
    segment = one.segment
    return {
        "terms": _plain_terms(segment.terms),
        "slots": [segment.from_slot, segment.to_slot],
        "as_of": one.as_of_slot,
        "fraction": str(segment.fraction),
        "pauses": [list(pause) for pause in segment.pauses],
        "hold": one.hold,
        "values": list(one.values),
        "decides": one.decides,
        "assets": [
            [
                a.asset_id,
                a.part,
                a.coverage.measured,
                a.coverage.absent,
                a.coverage.gap,
                a.coverage.spread,
                a.held,
            ]
            for a in one.assets
        ],
    }


def _plain_terms(terms: Terms) -> dict[str, Any]:
    return {
        "id": terms.id,
        "starts_on": terms.starts_on.isoformat(),
        "ends_on": None if terms.ends_on is None else terms.ends_on.isoformat(),
        "aggregation": terms.aggregation.value,
        "gap_hold": terms.gap_hold,
        "prorate": terms.prorate,
        "tiers": [[_number(tier.above), _number(tier.price)] for tier in terms.tiers],
        **{name: _maybe(getattr(terms, name)) for name in _DECIMALS},
    }


def _evidence(found: Mapping[str, Any]) -> Evidence:
    start, end = map(datetime.fromisoformat, found["period"])
    currency, digits = found["currency"]
    return Evidence(
        program=found["program"],
        client_id=found["client"],
        bucket_id=found["bucket"],
        period_start=start,
        period_end=end,
        currency=currency,
        currency_digits=digits,
        cutoff=datetime.fromisoformat(found["cutoff"]),
        unit=Unit(**{name: found["unit"][name] for name in _UNIT}),
        segments=tuple(map(_segment, found["segments"])),
        bindings=tuple(
            Bound(
                id=b[0],
                series_id=b[1],
                asset_id=b[2],
                merged_from=b[3],
                first_slot=b[4],
                from_slot=b[5],
                to_slot=b[6],
            )
            for b in found["bindings"]
        ),
    )


def _segment(found: Mapping[str, Any]) -> SegmentEvidence:
    from_slot, to_slot = found["slots"]
    return SegmentEvidence(
        segment=Segment(
            terms=_terms(found["terms"]),
            from_slot=from_slot,
            to_slot=to_slot,
            fraction=Fraction(found["fraction"]),
            pauses=tuple((a, b) for a, b in found["pauses"]),
        ),
        as_of_slot=found["as_of"],
        hold=found["hold"],
        values=tuple(found["values"]),
        decides=found["decides"],
        assets=tuple(
            AssetPart(
                asset_id=asset,
                part=part,
                coverage=Coverage(measured=measured, absent=absent, gap=gap, spread=spread),
                held=held,
            )
            for asset, part, measured, absent, gap, spread, held in found["assets"]
        ),
    )


def _terms(found: Mapping[str, Any]) -> Terms:
    numbers: dict[str, Any] = {n: None if found[n] is None else Decimal(found[n]) for n in _DECIMALS}
    return Terms(
        id=found["id"],
        starts_on=date.fromisoformat(found["starts_on"]),
        ends_on=None if found["ends_on"] is None else date.fromisoformat(found["ends_on"]),
        aggregation=Aggregation(found["aggregation"]),
        gap_hold=found["gap_hold"],
        prorate=found["prorate"],
        tiers=tuple(Tier(above=Decimal(above), price=Decimal(price)) for above, price in found["tiers"]),
        **numbers,
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _maybe(number: Decimal | None) -> str | None:
    return None if number is None else _number(number)


def _number(number: Decimal) -> str:
    """Without trailing zeros and never as a power of ten: the same number, however it was written, is the same text."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

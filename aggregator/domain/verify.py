"""Whether a finalised reading, its evidence and what that was gathered from still say the same, and what differs.

Compares; where the things compared come from is not its matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any

from aggregator.domain.evidence import AssetPart, Bound, Evidence, Figures, SegmentEvidence, digest
from aggregator.domain.gap import Coverage
from aggregator.domain.slot import slot_start

SAID_MAX = 5
_DIGEST_CHARACTERS = 16


class State(StrEnum):
    """Of one step."""

    OK = "ok"
    FAILED = "failed"
    NOT_POSSIBLE = "not-possible"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step found, in words."""

    state: State
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a billing reading says, as it is stored."""

    bucket_id: int
    client_id: int
    aggregation: str
    percentile: Decimal | None
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    commit: Decimal
    overage_units: Decimal
    currency: str
    used: Decimal
    buffer: Decimal
    overage: Decimal
    limit_amount: Decimal
    cost: Decimal
    measured: int
    absent: int
    gap: int
    spread: int
    segments: Sequence[Mapping[str, Any]]
    cutoff: datetime
    finalised_at: datetime | None


def check_hash(body: str, sha256: bytes) -> Step:
    """Whether the evidence is the text that was hashed."""
    found = digest(body)
    if found == bytes(sha256):
        return Step(State.OK, f"the SHA-256 of the evidence is {found.hex()}")
    kept, now = (value.hex()[:_DIGEST_CHARACTERS] for value in (bytes(sha256), found))
    return Step(
        State.FAILED, f"the evidence is not the text that was hashed: {kept}… was kept, it is {now}… now"
    )


def check_rating(reading: Said, evidence: Evidence, figures: Figures) -> Step:
    """Whether rating the evidence again gives what the reading says."""
    said = list(chain(_of_reading(reading, evidence, figures), _of_segments(reading, evidence, figures)))
    if reading.finalised_at is None:
        said.insert(0, "the reading is not marked as final, though there is evidence of it")
    if said:
        return Step(State.FAILED, "; ".join(_few(said)))
    return Step(
        State.OK,
        f"rating the evidence again gives {figures.rating.charge.cost:f} {evidence.currency}, as the reading says",
    )


def differences(kept: Evidence, found: Evidence) -> list[str]:
    """What is found otherwise than it was kept, in words; at most a few of a kind.

    A series whose first reading is older today than then (it came later) has more slots to be measured in; of its asset
    the slots without a reading are not compared.
    """
    said = _few(list(_of_bindings(kept.bindings, found.bindings)))
    first = {b.series_id: b.first_slot for b in kept.bindings}
    older = {b.asset_id for b in found.bindings if b.first_slot != first.get(b.series_id, b.first_slot)}
    for before, now in zip(kept.segments, found.segments, strict=True):
        said += _few(list(_of_values(before, now, width=kept.unit.width)))
        said += _few(list(_of_assets(before.assets, now.assets, older=older)))
    return said


def merged_since(kept: Evidence, found: Evidence) -> list[int]:
    """Series that belong to another asset today: from them the same evidence cannot be gathered."""
    then = {b.id: (b.asset_id, b.merged_from) for b in kept.bindings}
    return sorted(
        {
            b.series_id
            for b in found.bindings
            if then.get(b.id, (b.asset_id, b.merged_from)) != (b.asset_id, b.merged_from)
        }
    )


def raw_needed_from(evidence: Evidence) -> datetime:
    """The time from which raw readings decide over the figures: values are held over a segment's start."""
    width = evidence.unit.width
    return slot_start(min(one.segment.from_slot - one.hold * width for one in evidence.segments))


def _of_reading(reading: Said, evidence: Evidence, figures: Figures) -> Iterator[str]:
    terms, money = evidence.segments[-1].segment.terms, figures.rating.charge
    pairs = {
        "bucket": (reading.bucket_id, evidence.bucket_id),
        "client": (reading.client_id, evidence.client_id),
        "period start": (reading.period_start, evidence.period_start),
        "period end": (reading.period_end, evidence.period_end),
        "cutoff": (reading.cutoff, evidence.cutoff),
        "currency": (reading.currency, evidence.currency),
        "aggregation": (reading.aggregation, terms.aggregation.value),
        "percentile": (reading.percentile, terms.percentile),
        "quantity": (reading.quantity, figures.rating.quantity),
        "commit": (reading.commit, money.commit),
        "overage units": (reading.overage_units, money.overage_units),
        "used": (reading.used, money.used),
        "buffer": (reading.buffer, money.buffer),
        "overage": (reading.overage, money.overage),
        "limit": (reading.limit_amount, money.limit),
        "cost": (reading.cost, money.cost),
        "measured": (reading.measured, figures.coverage.measured),
        "absent": (reading.absent, figures.coverage.absent),
        "gap": (reading.gap, figures.coverage.gap),
        "spread": (reading.spread, figures.coverage.spread),
    }
    for name, (said, given) in pairs.items():
        if said != given:
            yield f"{name}: the reading says {_shown(said)}, the evidence gives {_shown(given)}"


def _of_segments(reading: Said, evidence: Evidence, figures: Figures) -> Iterator[str]:
    if len(reading.segments) != len(evidence.segments):
        yield f"the reading has {len(reading.segments)} segments, the evidence {len(evidence.segments)}"
        return
    for number, (said, one, part) in enumerate(
        zip(reading.segments, evidence.segments, figures.parts, strict=True), start=1
    ):
        segment, money, known = one.segment, part.charge, one.coverage
        given: dict[str, object] = {
            "terms_id": segment.terms.id,
            "from_slot": segment.from_slot,
            "to_slot": segment.to_slot,
            "as_of_slot": one.as_of_slot,
            "fraction": str(segment.fraction),
            "quantity": part.quantity,
            "commit": money.commit,
            "overage_units": money.overage_units,
            "used": money.used,
            "buffer": money.buffer,
            "overage": money.overage,
            "limit_amount": money.limit,
            "cost": money.cost,
            "measured": known.measured,
            "absent": known.absent,
            "gap": known.gap,
            "spread": known.spread,
        }
        for name, value in given.items():
            if _as(value, said.get(name)) != value:
                yield (
                    f"segment {number}, {name}: the reading says {said.get(name)}, the evidence gives {_shown(value)}"
                )


def _of_bindings(kept: Sequence[Bound], found: Sequence[Bound]) -> Iterator[str]:
    now = {b.id: b for b in found}
    for b in kept:
        one = now.get(b.id)
        if one is None:
            yield f"binding {b.id} of series {b.series_id} is not there any more"
        elif replace(one, first_slot=b.first_slot) != b:
            yield (
                f"binding {b.id}: series {b.series_id} of {_span(b)} in the evidence, series {one.series_id} of "
                f"{_span(one)} now"
            )


def _of_values(kept: SegmentEvidence, found: SegmentEvidence, *, width: int) -> Iterator[str]:
    for slot, before, now in zip(kept.slots(width), kept.values, found.values, strict=False):
        if before != now:
            yield f"slot {_minute(slot)}: {before} in the evidence, {now} now"
    if len(kept.values) != len(found.values):
        yield f"{len(kept.values)} slots in the evidence, {len(found.values)} now"


def _of_assets(kept: Sequence[AssetPart], found: Sequence[AssetPart], *, older: set[int]) -> Iterator[str]:
    before, now = ({a.asset_id: a for a in assets} for assets in (kept, found))
    for asset in sorted(before.keys() | now.keys()):
        one, other = before.get(asset), now.get(asset)
        if one is None or other is None:
            if asset not in older:
                where = "found now, not in the evidence" if one is None else "in the evidence, not found now"
                yield f"asset {asset} is {where}"
            continue
        if asset in older:
            one, other = (replace(a, coverage=Coverage(measured=a.coverage.measured)) for a in (one, other))
        if one != other:
            yield f"asset {asset}: {_asset(one)} in the evidence, {_asset(other)} now"


def _as(value: object, said: object) -> object:
    """What JSON keeps of a number, as the same kind of number."""
    try:
        return Decimal(said) if isinstance(value, Decimal) and isinstance(said, str) else said
    except ArithmeticError:
        return said


def _few(said: list[str]) -> list[str]:
    return said if len(said) <= SAID_MAX else [*said[:SAID_MAX], f"and {len(said) - SAID_MAX} more"]


def _asset(one: AssetPart) -> str:
    known = one.coverage
    return (
        f"{one.part} ({known.measured} measured, {known.absent} absent, {known.gap} gap, {one.held} held, "
        f"{known.spread} spread)"
    )


def _span(b: Bound) -> str:
    return f"{_minute(b.from_slot)} to {_minute(b.to_slot)}"


def _minute(slot: int) -> str:
    return f"{slot_start(slot):%Y-%m-%d %H:%M}Z"


def _shown(value: object) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat()
        case None:
            return "none"
        case _:
            return str(value)

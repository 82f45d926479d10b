"""What people decide about single assets, as plans: whose it is from when, where it is counted by hand, when it is not.

Only puts a decision before the rules: everything else is decided by bind.py. Spans are of slots. Finalised time stays as
it is, with one exception: a series that was bound to nothing there may be bound by hand afterwards (backdating).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from aggregator.domain.bind import (
    Asset,
    Bucket,
    Held,
    Plan,
    Series,
    Span,
    World,
    candidates,
    difference,
    wanted_assignments,
    wanted_bindings,
)
from aggregator.domain.slot import OPEN_SLOT


class Reason(StrEnum):
    """Why something cannot be decided; ``owner_id`` of the refusal is a client or a bucket, as said."""

    # Of the client, before the slot.
    FINALISED = "finalised"
    # Backdating reaches back to the slot in the client.
    TOO_OLD = "too-old"
    # The asset is the client's from the slot on.
    OTHER_CLIENT = "other-client"
    # The series is bound by hand to the bucket from the slot on.
    BY_HAND = "by-hand"
    # The series is bound to the bucket in finalised time, from the slot on.
    BOUND = "bound"
    # The bucket has no terms from the slot on.
    NO_TERMS = "no-terms"
    # None of the buckets, of which one is named, counts anything of the asset.
    NO_SERIES = "no-series"


class Refused(Exception):
    """The world is not such that this could be decided."""

    def __init__(self, reason: Reason, *, asset_id: int, owner_id: int, slot: int = 0) -> None:
        super().__init__(f"{reason.value}: asset {asset_id}, {owner_id} at {slot}")
        self.reason = reason
        self.asset_id = asset_id
        self.owner_id = owner_id
        self.slot = slot


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A decision where series are counted: ``buckets`` of one client (none: it is only the client's), from and to
    None as open as can be.

    ``backdate_to``: the slot to which finalised time may be reached back into; None: not at all.
    """

    client_id: int
    buckets: Sequence[Bucket]
    from_slot: int | None = None
    to_slot: int | None = None
    backdate_to: int | None = None


def assigned(asset: Asset, world: World, *, client_id: int | None, from_slot: int | None = None) -> Plan:
    """The asset is the client's (None: nobody's) from a slot on; None: from the end of finalised time on.

    Bindings by hand end where the asset is not their client's any more.
    """
    if from_slot is not None:
        _check_finalised(asset, world, client_id=client_id, from_slot=from_slot)
    spans = []
    for span in asset.assignments:
        end = from_slot if from_slot is not None else world.finalised.get(span.owner_id, OPEN_SLOT)
        if span.from_slot < end:
            spans.append(clipped(span, to_slot=end))
    if client_id is not None:
        start = from_slot
        if start is None:
            start = max([world.finalised[client_id], *(span.to_slot for span in spans)])
        if start < OPEN_SLOT:
            spans.append(Span(owner_id=client_id, from_slot=start, to_slot=OPEN_SLOT))
    return planned(asset, world, joined(spans))


def released(asset: Asset, world: World) -> Plan:
    """Rules decide again whose it is; bindings by hand stay where they are still their client's."""
    free = replace(asset, by_hand=False)
    return planned(free, world, wanted_assignments(free, world))


def paused(asset: Asset, world: World, *, from_slot: int) -> Plan:
    """Nothing of the asset is counted from a slot on, also not by hand; it stays whose it is."""
    resting = replace(asset, paused=[*asset.paused, Span(owner_id=0, from_slot=from_slot, to_slot=OPEN_SLOT)])
    by_hand = {}
    for series in asset.series:
        spans = []
        for span in _by_hand(series):
            end = max(from_slot, world.finalised_of_bucket(span.owner_id))
            if span.from_slot < end:
                spans.append(clipped(span, to_slot=end))
        by_hand[series.id] = spans
    return planned(resting, world, asset.assignments, by_hand=by_hand)


def unbound(asset: Asset, world: World, *, bucket_ids: frozenset[int]) -> Plan:
    """Filters decide again where bindings by hand to these buckets (none named: to any) decided, in unfinalised time."""
    by_hand = {}
    for series in asset.series:
        spans: list[Span] = []
        for span in _by_hand(series):
            finalised = world.finalised_of_bucket(span.owner_id)
            if bucket_ids and span.owner_id not in bucket_ids:
                spans.append(span)
            elif span.from_slot < finalised:
                spans.append(clipped(span, to_slot=finalised))
        by_hand[series.id] = spans
    return planned(asset, world, asset.assignments, by_hand=by_hand)


def bound(asset: Asset, world: World, decision: ByHand) -> Plan:
    """The asset's series are counted in the buckets, whatever filters say; what of it is nobody's becomes the client's.

    Raises ``Refused`` where it is another client's, counted elsewhere by hand, finalised, or not what the buckets count.
    """
    start, end = _reach(asset, world, decision)
    by_hand: dict[int, Sequence[Span]] = {}
    for series in asset.series:
        for bucket in decision.buckets:
            if (bucket.source_type_id, bucket.unit_type_id) == (asset.source_type_id, series.unit_type_id):
                wanted = _within_terms(asset, bucket, start, end)
                by_hand[series.id] = _with_hand(asset, series, world, wanted)
    if decision.buckets and not by_hand:
        raise Refused(Reason.NO_SERIES, asset_id=asset.id, owner_id=decision.buckets[0].id)
    mine = max(start, world.finalised[decision.client_id])
    free = unclaimed(asset.assignments, decision.client_id, from_slot=mine, to_slot=OPEN_SLOT)
    return planned(asset, world, joined([*asset.assignments, *free]), by_hand=by_hand)


def planned(
    asset: Asset,
    world: World,
    assignments: Sequence[Span],
    *,
    by_hand: Mapping[int, Sequence[Span]] | None = None,
) -> Plan:
    """What filters say under these assignments; ``by_hand`` replaces a series' bindings by hand.

    A binding by hand holds only while the asset is its bucket's client's.
    """
    buckets = candidates(asset, world, assignments=assignments)
    changes = {}
    for series in asset.series:
        hand = (by_hand or {}).get(series.id, _by_hand(series))
        kept = [held for held in series.bindings if not held.by_hand]
        considered = replace(series, bindings=[*kept, *_held(_while_owned(hand, world, assignments))])
        wanted = wanted_bindings(
            considered, world, buckets=buckets, assignments=assignments, paused=asset.paused
        )
        changes[series.id] = difference(series.bindings, wanted)
    return Plan(
        difference(asset.assignments, assignments),
        {series_id: change for series_id, change in changes.items() if change},
    )


def _check_finalised(asset: Asset, world: World, *, client_id: int | None, from_slot: int) -> None:
    if client_id is not None and from_slot < world.finalised[client_id]:
        raise Refused(
            Reason.FINALISED, asset_id=asset.id, owner_id=client_id, slot=world.finalised[client_id]
        )
    for span in asset.assignments:
        finalised = min(world.finalised.get(span.owner_id, OPEN_SLOT), span.to_slot)
        if span.owner_id != client_id and max(from_slot, span.from_slot) < finalised:
            raise Refused(Reason.FINALISED, asset_id=asset.id, owner_id=span.owner_id, slot=finalised)


def _reach(asset: Asset, world: World, decision: ByHand) -> tuple[int, int]:
    """From when to when the decision holds for the asset."""
    finalised = world.finalised[decision.client_id]
    end = OPEN_SLOT if decision.to_slot is None else decision.to_slot
    others = [span for span in asset.assignments if span.owner_id != decision.client_id]
    start = decision.from_slot
    if start is None:
        # What another client had before stays its own.
        ended = [span.to_slot for span in others if span.to_slot < end]
        start = max([finalised, *ended])
    elif start < finalised:
        if decision.backdate_to is None:
            raise Refused(Reason.FINALISED, asset_id=asset.id, owner_id=decision.client_id, slot=finalised)
        if start < decision.backdate_to:
            raise Refused(
                Reason.TOO_OLD, asset_id=asset.id, owner_id=decision.client_id, slot=decision.backdate_to
            )
    for span in others:
        if _overlap(span, start, end):
            raise Refused(Reason.OTHER_CLIENT, asset_id=asset.id, owner_id=span.owner_id, slot=span.from_slot)
    return start, end


def _within_terms(asset: Asset, bucket: Bucket, start: int, end: int) -> Span:
    """Not before the bucket's first terms start: what is bound to a bucket without terms is billed nowhere."""
    begins = max(start, bucket.spans[0][0]) if bucket.spans else end
    if begins >= end or bucket.spans[-1][1] <= begins:
        raise Refused(Reason.NO_TERMS, asset_id=asset.id, owner_id=bucket.id, slot=start)
    return Span(owner_id=bucket.id, from_slot=begins, to_slot=end, by_hand=True)


def _with_hand(asset: Asset, series: Series, world: World, wanted: Span) -> Sequence[Span]:
    """The series' bindings by hand with the wanted one; one of the same bucket that it touches grows."""
    kept: list[Span] = []
    for span in _by_hand(series):
        if span.owner_id == wanted.owner_id and _touch(span, wanted):
            wanted = replace(
                wanted,
                from_slot=min(span.from_slot, wanted.from_slot),
                to_slot=max(span.to_slot, wanted.to_slot),
            )
        elif _overlap(span, wanted.from_slot, wanted.to_slot):
            raise Refused(Reason.BY_HAND, asset_id=asset.id, owner_id=span.owner_id, slot=span.from_slot)
        else:
            kept.append(span)
    for held in series.bindings:
        finalised = min(held.to_slot, wanted.to_slot, world.finalised_of_bucket(held.owner_id))
        if not held.by_hand and max(held.from_slot, wanted.from_slot) < finalised:
            raise Refused(Reason.BOUND, asset_id=asset.id, owner_id=held.owner_id, slot=held.from_slot)
    return [*kept, wanted]


def _while_owned(spans: Iterable[Span], world: World, assignments: Sequence[Span]) -> list[Span]:
    """Spans by hand without the parts in which the asset is not their client's; finalised parts stay."""
    kept: list[Span] = []
    for span in spans:
        client = world.owners.get(span.owner_id)
        finalised = world.finalised_of_bucket(span.owner_id)
        allowed = [(0, finalised)]
        allowed += [(a.from_slot, a.to_slot) for a in assignments if a.owner_id == client]
        parts: list[Span] = []
        for start, end in sorted(allowed):
            begins, ends = max(start, span.from_slot), min(end, span.to_slot)
            if begins >= ends:
                continue
            if parts and begins <= parts[-1].to_slot:
                parts[-1] = replace(parts[-1], to_slot=max(ends, parts[-1].to_slot))
            else:
                parts.append(Span(owner_id=span.owner_id, from_slot=begins, to_slot=ends, by_hand=True))
        kept += parts
    return kept


def _by_hand(series: Series) -> list[Span]:
    return [span for span in series.bindings if span.by_hand]


def _held(spans: Iterable[Span]) -> list[Held]:
    """As if they were stored, so that filters give way to them."""
    return [
        Held(id=0, owner_id=s.owner_id, from_slot=s.from_slot, to_slot=s.to_slot, by_hand=True) for s in spans
    ]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Assignments in order of time; neighbours of one client become one, with the newer one's rule."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.from_slot):
        last = found[-1] if found else None
        if last is not None and (last.owner_id, last.to_slot) == (span.owner_id, span.from_slot):
            found[-1] = Span(
                owner_id=last.owner_id,
                from_slot=last.from_slot,
                to_slot=span.to_slot,
                rule_id=span.rule_id,
            )
        else:
            found.append(span)
    return found


def clipped(span: Span, *, to_slot: int) -> Span:
    """The span, ending there at the latest."""
    return Span(
        owner_id=span.owner_id,
        from_slot=span.from_slot,
        to_slot=min(span.to_slot, to_slot),
        rule_id=span.rule_id,
        by_hand=span.by_hand,
    )


def unclaimed(taken: Iterable[Span], owner_id: int, *, from_slot: int, to_slot: int) -> list[Span]:
    """The parts of [from_slot, to_slot) that nobody has taken, given to the owner."""
    parts: list[Span] = []
    for span in sorted(taken, key=lambda span: span.from_slot):
        if from_slot < min(span.from_slot, to_slot):
            parts.append(Span(owner_id=owner_id, from_slot=from_slot, to_slot=min(span.from_slot, to_slot)))
        from_slot = max(from_slot, span.to_slot)
    if from_slot < to_slot:
        parts.append(Span(owner_id=owner_id, from_slot=from_slot, to_slot=to_slot))
    return parts


def _overlap(span: Span, from_slot: int, to_slot: int) -> bool:
    return span.from_slot < to_slot and from_slot < span.to_slot


def _touch(one: Span, other: Span) -> bool:
    return one.from_slot <= other.to_slot and other.from_slot <= one.to_slot

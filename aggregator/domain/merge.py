"""Two assets become one: what of the one that goes follows into the one that stays, as plans.

Its series keep their ids and their finalised bindings; in unfinalised time they are counted as the series of the asset
that stays. Which two may be merged at all (source type, chains) is checked by the action, which sees more of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aggregator.domain.bind import Asset, Held, Plan, Span, World, difference, wanted_assignments
from aggregator.domain.decide import Reason, Refused, clipped, joined, planned, unclaimed
from aggregator.domain.slot import OPEN_SLOT


@dataclass(frozen=True, slots=True)
class Merger:
    """Plans for the asset that stays, with the bindings of both, and for the one that goes (its assignments alone).

    ``paused``: when the one that goes was not billed, which holds for the one that stays from now on.
    """

    into: Plan
    gone: Plan
    paused: Sequence[Span]


def merged(gone: Asset, into: Asset, world: World) -> Merger:
    """What follows from ``gone`` being a part of ``into`` for its whole history.

    Where both belong to a client in unfinalised time, that of ``into`` holds. What somebody decided of one of them holds for
    both from then on, and rules leave them alone. Raises ``Refused`` where they belong to
    different clients in time that is finalised for one of them, and where series of one unit type are bound by hand to
    different buckets.
    """
    _check_owners(gone, into, world)
    # Where nobody decided anything, rules say of the one that stays what they would say of it alone.
    by_hand = gone.by_hand or into.by_hand
    kept: list[Span] = []
    following: list[Span] = []
    for span in gone.assignments:
        finalised = world.finalised.get(span.owner_id, OPEN_SLOT)
        if span.from_slot < finalised:
            kept.append(clipped(span, to_slot=finalised))
        if by_hand and span.to_slot > finalised:
            following += [
                replace(free, rule_id=span.rule_id)
                for free in unclaimed(
                    into.assignments,
                    span.owner_id,
                    from_slot=max(finalised, span.from_slot),
                    to_slot=span.to_slot,
                )
            ]
    paused = _carried(gone, into, world)
    both = replace(into, series=[*into.series, *gone.series], paused=[*into.paused, *paused])
    plan = planned(
        both,
        world,
        joined([*(into.assignments if by_hand else wanted_assignments(into, world)), *following]),
        by_hand=_hands(both, world),
    )
    return Merger(into=plan, gone=Plan(difference(gone.assignments, kept)), paused=paused)


def _carried(gone: Asset, into: Asset, world: World) -> list[Span]:
    """Pauses of the one that goes that are over, as far as nothing is finalised for whom either belongs to.

    One that lasts, as under a suppression, is about what is reported by that name and stops nothing of the other.
    """
    owners = {span.owner_id for span in (*gone.assignments, *into.assignments)}
    finalised = max((world.finalised.get(owner, 0) for owner in owners), default=0)
    return [
        replace(span, from_slot=max(span.from_slot, finalised))
        for span in gone.paused
        if finalised < span.to_slot < OPEN_SLOT
    ]


def _check_owners(gone: Asset, into: Asset, world: World) -> None:
    """One owner in any finalised interval: the merged asset cannot have been two clients' at once."""
    for mine in gone.assignments:
        for theirs in into.assignments:
            finalised = max(
                world.finalised.get(mine.owner_id, OPEN_SLOT), world.finalised.get(theirs.owner_id, OPEN_SLOT)
            )
            start = max(mine.from_slot, theirs.from_slot)
            if mine.owner_id != theirs.owner_id and start < min(mine.to_slot, theirs.to_slot, finalised):
                raise Refused(Reason.OTHER_CLIENT, asset_id=gone.id, owner_id=mine.owner_id, slot=start)


def _hands(both: Asset, world: World) -> Mapping[int, Sequence[Span]]:
    """By series its bindings by hand: what was decided of one series of a unit type holds for the others from now on.

    What is finalised stays with the series that has it.
    """
    hands: dict[int, Sequence[Span]] = {}
    for unit_type_id in {series.unit_type_id for series in both.series}:
        alike = [series for series in both.series if series.unit_type_id == unit_type_id]
        decided = [
            part
            for series in alike
            for span in series.bindings
            if span.by_hand and (part := _unfinalised(span, world)) is not None
        ]
        shared = _united(both.id, decided)
        for series in alike:
            finalised = [
                clipped(span, to_slot=world.finalised_of_bucket(span.owner_id))
                for span in series.bindings
                if span.by_hand and span.from_slot < world.finalised_of_bucket(span.owner_id)
            ]
            hands[series.id] = _joined_by_hand([*finalised, *shared], series.bindings, world)
    return hands


def _joined_by_hand(spans: Iterable[Span], held: Sequence[Held], world: World) -> list[Span]:
    """Neighbours of one bucket as one span, in order of time; nothing is put where something finalised is held."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.from_slot):
        start = span.from_slot
        for one in held:
            finalised = min(one.to_slot, world.finalised_of_bucket(one.owner_id))
            if (one.owner_id, one.by_hand) != (span.owner_id, True) and one.from_slot <= start < finalised:
                start = finalised
        if start >= span.to_slot:
            continue
        last = found[-1] if found else None
        if last is not None and last.owner_id == span.owner_id and last.to_slot >= start:
            found[-1] = replace(last, to_slot=max(last.to_slot, span.to_slot))
        else:
            found.append(replace(span, from_slot=start))
    return found


def _unfinalised(span: Span, world: World) -> Span | None:
    start = max(span.from_slot, world.finalised_of_bucket(span.owner_id))
    if start >= span.to_slot:
        return None
    return Span(owner_id=span.owner_id, from_slot=start, to_slot=span.to_slot, by_hand=True)


def _united(asset_id: int, spans: Iterable[Span]) -> list[Span]:
    """Spans without overlap. Raises ``Refused`` where they name two buckets for the same time."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.from_slot):
        last = found[-1] if found else None
        if last is None or span.from_slot > last.to_slot:
            found.append(span)
        elif last.owner_id == span.owner_id:
            found[-1] = replace(last, to_slot=max(last.to_slot, span.to_slot))
        elif span.from_slot < last.to_slot:
            raise Refused(Reason.BY_HAND, asset_id=asset_id, owner_id=span.owner_id, slot=span.from_slot)
        else:
            found.append(span)
    return found

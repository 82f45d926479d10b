"""Whose an asset is and which bucket its series are counted in: what should be, and how it differs from what is.

Works on one asset at a time, on spans of slots [from_slot, to_slot). Rules (design: "Assignment, binding"):
assignment by hand beats rules; rules go by priority, then age; a bucket's filters see only assets of its own client;
bindings by hand stay; among filters the higher priority wins, then the older bucket. Nothing in a client's finalised
time is ever changed: what is there is kept, and nothing is added.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from aggregator.domain.choice import Choice
from aggregator.domain.match import Facts, Matcher, Need
from aggregator.domain.slot import OPEN_SLOT, first_slot

_NEEDS_NOTHING: Sequence[Sequence[Need]] = ((),)

# Of spans without their ids: whose, from, to, by hand.
_Shape = tuple[tuple[int, int, int, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Slots that belong to one client (an assignment) or one bucket (a binding).

    ``rule_id`` is the assignment rule behind it, None for a binding or an assignment by hand. ``by_hand`` is about
    bindings; an assignment is by hand when it has no rule.
    """

    owner_id: int
    from_slot: int
    to_slot: int
    rule_id: int | None = None
    by_hand: bool = False

    def same_as(self, other: "Span") -> bool:
        """Whether they say the same, stored or not."""
        return (
            self.owner_id == other.owner_id
            and self.from_slot == other.from_slot
            and self.to_slot == other.to_slot
            and self.rule_id == other.rule_id
            and self.by_hand == other.by_hand
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Span):
    """A span as it is stored."""

    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An assignment rule. Ids grow with age."""

    id: int
    client_id: int
    priority: int
    fits: Matcher
    needs: Sequence[Sequence[Need]] = _NEEDS_NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket as binding sees it. ``spans``: the slots in which its terms hold (``agreed``). Ids grow with age."""

    id: int
    client_id: int
    source_type_id: int
    unit_type_id: int
    priority: int
    spans: Sequence[tuple[int, int]]
    fits: Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series with its bindings, which must not overlap."""

    id: int
    unit_type_id: int
    bindings: Sequence[Held] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """An asset with what is stored of it. ``by_hand``: somebody decided whose it is, rules leave it alone.

    ``paused``: time for which filters bind nothing of it, because it was disabled, disregarded or suppressed then.
    """

    id: int
    source_type_id: int
    facts: Facts
    by_hand: bool = False
    assignments: Sequence[Held] = ()
    series: Sequence[Series] = ()
    paused: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class World:
    """All that decides about assets.

    ``finalised``: per client the slot before which its usage is billed for good. ``buckets``: per client.
    ``owners``: per bucket its client, also of buckets that existing bindings name. What is not named here is unknown,
    and what belongs to somebody unknown is left as it is. ``choice``: an index over the rules, where there are many.
    ``decided``: the rule of assets by id, where it was looked up already.
    """

    finalised: Mapping[int, int]
    rules: Sequence[Rule] = ()
    buckets: Mapping[int, Sequence[Bucket]] = field(default_factory=dict)
    owners: Mapping[int, int] = field(default_factory=dict)
    choice: Choice[Rule] | None = field(default=None, repr=False, compare=False)
    decided: Mapping[int, Rule | None] = field(default_factory=dict, repr=False, compare=False)
    # What was worked out for one series holds for all that differ by their ids alone, of which there are very many.
    _worked_out: dict[tuple[object, ...], Sequence[Span]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def rule_for(self, asset: Asset) -> Rule | None:
        """The rule that decides about the asset."""
        if asset.id in self.decided:
            return self.decided[asset.id]
        return first_rule(
            asset.facts, self.rules if self.choice is None else self.choice.possible(asset.facts)
        )

    def finalised_of_bucket(self, bucket_id: int) -> int:
        """Before this slot nothing may change in the bucket; never, for an unknown one."""
        owner = self.owners.get(bucket_id)
        return OPEN_SLOT if owner is None else self.finalised.get(owner, OPEN_SLOT)


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of stored spans to wanted ones.

    Apply in this order, so that no two spans overlap in between: removed, then resized to an earlier end, then the other
    resized, then added. ``resized`` pairs what is stored with what it becomes: same owner and start.
    """

    removed: Sequence[Held] = ()
    resized: Sequence[tuple[Held, Span]] = ()
    added: Sequence[Span] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.resized or self.added)


NOTHING = Change()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be changed for one asset; ``bindings`` by series, only those that change."""

    assignment: Change = field(default_factory=Change)
    bindings: Mapping[int, Change] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.assignment or self.bindings)


def plan(asset: Asset, world: World) -> Plan:
    """What rules, filters and earlier decisions by hand ask for now."""
    return _plan(asset, world, wanted_assignments(asset, world))


def plan_by_hand(asset: Asset, world: World, *, client_id: int | None) -> Plan:
    """Assigns the asset to a client for all its unfinalised time, or with None to nobody."""
    return _plan(asset, world, _reassigned(asset, world, client_id=client_id, rule_id=None))


def wanted_assignments(asset: Asset, world: World) -> list[Span]:
    """Whose the asset should be; what somebody decided by hand stays as it is."""
    if asset.by_hand:
        return list(asset.assignments)
    rule = world.rule_for(asset)
    if rule is None:
        return _reassigned(asset, world, client_id=None, rule_id=None)
    return _reassigned(asset, world, client_id=rule.client_id, rule_id=rule.id)


def first_rule(facts: Facts, rules: Iterable[Rule]) -> Rule | None:
    """The rule that decides: of those that fit the one with the highest priority, then the oldest."""
    fitting = (rule for rule in rules if rule.fits(facts))
    return min(fitting, key=lambda rule: (-rule.priority, rule.id), default=None)


def candidates(asset: Asset, world: World, *, assignments: Iterable[Span]) -> list[Bucket]:
    """The buckets of the asset's clients that take it, the one that is asked first in front."""
    fitting = [
        bucket
        for client_id in {span.owner_id for span in assignments}
        for bucket in world.buckets.get(client_id, ())
        if bucket.source_type_id == asset.source_type_id and bucket.fits(asset.facts)
    ]
    return sorted(fitting, key=lambda bucket: (-bucket.priority, bucket.id))


def wanted_bindings(
    series: Series,
    world: World,
    *,
    buckets: Iterable[Bucket],
    assignments: Iterable[Span],
    paused: Sequence[Span] = (),
) -> list[Span]:
    """Where a series should be counted, bindings by hand included, without overlap and in order of time.

    ``buckets``: ``candidates`` of its asset; ``paused``: its asset's.
    """
    spans: list[Span] = [span for span in series.bindings if span.by_hand]
    for span in series.bindings:
        finalised = world.finalised_of_bucket(span.owner_id)
        if not span.by_hand and span.from_slot < finalised:
            spans.append(_cut(span, to_slot=finalised))
    for bucket in buckets:
        if bucket.unit_type_id != series.unit_type_id:
            continue
        finalised = world.finalised[bucket.client_id]
        for assignment in assignments:
            if assignment.owner_id != bucket.client_id:
                continue
            for start, end in bucket.spans:
                spans += _free(
                    [*spans, *paused],
                    bucket.id,
                    from_slot=max(start, finalised, assignment.from_slot),
                    to_slot=min(end, assignment.to_slot),
                )
    return _merged(spans)


def agreed(
    terms: Iterable[tuple[date, date | None]], *, first_instant: Callable[[date], datetime], width: int
) -> tuple[tuple[int, int], ...]:
    """The slots in which dated terms hold, as spans apart from one another, oldest first.

    ``terms``: first day and the first on which they do not hold any more (None: until the next start, or open), both of
    the client's calendar, whose midnights ``first_instant`` knows. ``width`` is that of the unit type's slots.
    """
    spans: list[tuple[int, int]] = []
    ordered = sorted(terms, key=lambda span: span[0])
    for place, (starts_on, ends_on) in enumerate(ordered):
        following = ordered[place + 1][0] if place + 1 < len(ordered) else None
        ends = min((day for day in (ends_on, following) if day is not None), default=None)
        start = first_slot(first_instant(starts_on), width=width)
        end = OPEN_SLOT if ends is None else first_slot(first_instant(ends), width=width)
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        elif start < end:
            spans.append((start, end))
    return tuple(spans)


def difference(held: Sequence[Held], wanted: Sequence[Span]) -> Change:
    """What turns one into the other, keeping each stored row whose owner, start and hand are still wanted."""
    if len(held) == len(wanted) == 1 and held[0].same_as(wanted[0]):
        return NOTHING
    at = {(span.owner_id, span.from_slot, span.by_hand): span for span in wanted}
    removed: list[Held] = []
    resized: list[tuple[Held, Span]] = []
    for span in held:
        goal = at.pop((span.owner_id, span.from_slot, span.by_hand), None)
        if goal is None:
            removed.append(span)
        elif (goal.to_slot, goal.rule_id) != (span.to_slot, span.rule_id):
            resized.append((span, goal))
    return Change(removed, resized, list(at.values()))


def _plan(asset: Asset, world: World, assignments: Sequence[Span]) -> Plan:
    of_unit: dict[int, list[Bucket]] = {}
    for bucket in candidates(asset, world, assignments=assignments):
        of_unit.setdefault(bucket.unit_type_id, []).append(bucket)
    shape = _shape(assignments), _shape(asset.paused)
    changes = {}
    for series in asset.series:
        buckets = of_unit.get(series.unit_type_id, ())
        key = *shape, _shape(series.bindings), tuple([bucket.id for bucket in buckets])
        wanted = world._worked_out.get(key)
        if wanted is None:
            wanted = wanted_bindings(
                series, world, buckets=buckets, assignments=assignments, paused=asset.paused
            )
            world._worked_out[key] = wanted
        if change := difference(series.bindings, wanted):
            changes[series.id] = change
    return Plan(difference(asset.assignments, assignments), changes)


def _shape(spans: Iterable[Span]) -> _Shape:
    return tuple([(span.owner_id, span.from_slot, span.to_slot, span.by_hand) for span in spans])


def _reassigned(asset: Asset, world: World, *, client_id: int | None, rule_id: int | None) -> list[Span]:
    """Finalised time as it is, all after it to the client; for an unknown client's spans nothing is known, they stay."""
    spans: list[Span] = []
    for span in asset.assignments:
        finalised = world.finalised.get(span.owner_id, OPEN_SLOT)
        if span.from_slot < finalised:
            spans.append(_cut(span, to_slot=finalised))
    if client_id is not None:
        start = max([world.finalised[client_id], *(span.to_slot for span in spans)])
        if start < OPEN_SLOT:
            spans.append(Span(owner_id=client_id, from_slot=start, to_slot=OPEN_SLOT, rule_id=rule_id))
    return _merged(spans)


def _cut(span: Span, *, to_slot: int) -> Span:
    return Span(
        owner_id=span.owner_id,
        from_slot=span.from_slot,
        to_slot=min(span.to_slot, to_slot),
        rule_id=span.rule_id,
    )


def _free(taken: Iterable[Span], owner_id: int, *, from_slot: int, to_slot: int) -> list[Span]:
    """The parts of [from_slot, to_slot) that nobody has taken, given to the owner."""
    parts: list[Span] = []
    for span in sorted(taken, key=lambda span: span.from_slot):
        if from_slot < min(span.from_slot, to_slot):
            parts.append(Span(owner_id=owner_id, from_slot=from_slot, to_slot=min(span.from_slot, to_slot)))
        from_slot = max(from_slot, span.to_slot)
    if from_slot < to_slot:
        parts.append(Span(owner_id=owner_id, from_slot=from_slot, to_slot=to_slot))
    return parts


def _merged(spans: Iterable[Span]) -> list[Span]:
    """In order of time; neighbours of one owner become one span with the newer one's rule.

    Spans by hand stay as they are stored.
    """
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.from_slot):
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.owner_id, last.to_slot) == (span.owner_id, span.from_slot)
            and not _fixed(last)
            and not _fixed(span)
        ):
            merged[-1] = Span(
                owner_id=last.owner_id,
                from_slot=last.from_slot,
                to_slot=span.to_slot,
                rule_id=span.rule_id,
            )
        else:
            merged.append(span)
    return merged


def _fixed(span: Span) -> bool:
    return span.by_hand

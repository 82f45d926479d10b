"""What an act would do, without doing it: how many, whom, and about how much money.

Knows what a plan changes in words, not where plans and prices come from nor what a message looks like.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from aggregator.domain.bind import Change

LINES_MAX = 100
# Buckets named in one sentence.
NAMED_MAX = 5
# An act on more than this share of all assets (and on more than a few) is done only when somebody named their number.
CONFIRM_ABOVE_PER_CENT = 10
CONFIRM_ABOVE_ASSETS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """What would happen to one asset or one of its series.

    ``act`` is bind, take, release, assign, unassign, drop, create, change or end. ``unit_type`` is empty where all series
    are meant, names are empty for none, ``money`` is None where it is not known or does not apply.
    """

    act: str
    asset_id: int = 0
    asset_name: str = ""
    unit_type: str = ""
    from_name: str = ""
    to_name: str = ""
    currency: str = ""
    money: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """An estimate: ``money`` per currency is what would be billed more (or, negative, less) in unfinalised time.

    ``unpriced`` counts series that ``money`` says nothing of. ``lines`` are the first ``LINES_MAX`` of ``lines_total``.
    ``confirm_assets`` is what has to be confirmed by repeating it, 0 when nothing has.
    """

    assets: int = 0
    series: int = 0
    readings: int = 0
    money: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0
    lines: Sequence[PreviewLine] = ()
    lines_total: int = 0
    notes: Sequence[str] = ()
    confirm_assets: int = 0


def to_confirm(assets: int, *, total_assets: int) -> int:
    """The number that has to be confirmed before an act on so many of all assets; 0: none."""
    many = assets > CONFIRM_ABOVE_ASSETS and assets * 100 > total_assets * CONFIRM_ABOVE_PER_CENT
    return assets if many else 0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one asset or series loses and gets: per owner (client or bucket) the slots, oldest first."""

    lost: Sequence[tuple[int, int, int]]
    got: Sequence[tuple[int, int, int]]

    def __bool__(self) -> bool:
        return bool(self.lost or self.got)

    @property
    def lost_last(self) -> int | None:
        """Whose it is before, in the newest time that changes hands."""
        return max(self.lost, key=lambda span: span[2])[0] if self.lost else None

    @property
    def got_last(self) -> int | None:
        """Whose it is after."""
        return max(self.got, key=lambda span: span[2])[0] if self.got else None


def moved(change: Change) -> Moved:
    """Where a change of spans takes time from an owner and gives it to another; the same owner's time cancels out."""
    lost = [(span.owner_id, span.from_slot, span.to_slot) for span in change.removed]
    got = [(span.owner_id, span.from_slot, span.to_slot) for span in change.added]
    for held, wanted in change.resized:
        if wanted.to_slot < held.to_slot:
            lost.append((held.owner_id, wanted.to_slot, held.to_slot))
        elif wanted.to_slot > held.to_slot:
            got.append((held.owner_id, held.to_slot, wanted.to_slot))
    both = set(lost) & set(got)
    return Moved(
        sorted(set(lost) - both, key=lambda span: span[1]), sorted(set(got) - both, key=lambda span: span[1])
    )


def act_of(change: Moved, *, take: str, give: str, lose: str) -> str:
    """Which of three words says what happens: it changes hands, it is given to somebody, or it is nobody's any more."""
    if change.lost and change.got and change.lost_last != change.got_last:
        return take
    return give if change.got else lose


def share(span: tuple[int, int, int], *, from_slot: int, to_slot: int) -> Fraction:
    """The part of the time [from_slot, to_slot) that lies in the span; 0 where there is no such time."""
    if from_slot >= to_slot:
        return Fraction(0)
    inside = min(span[2], to_slot) - max(span[1], from_slot)
    return Fraction(max(0, inside), to_slot - from_slot)


def divides(aggregations: Iterable[str]) -> list[str]:
    """What becomes of a period in which series move from one bucket to another, in sentences."""
    named = set(aggregations)
    notes = []
    if divided := sorted(named & {"sum", "avg"}):
        notes.append(f"A move within a period divides it by time: {', '.join(divided)}.")
    if both := sorted(named & {"max", "min", "sum_of_max", "percentile", "count"}):
        notes.append(f"A move within a period: each bucket counts what it had under {', '.join(both)}.")
    if "last" in named:
        notes.append("A move within a period: under last only the bucket that has it at the end counts it.")
    return notes


def within_commits(buckets: Iterable[str]) -> list[str]:
    """That what lies below a commit is paid for anyway, in a sentence; money of dry runs is by unit."""
    named = sorted(set(buckets))
    if not named:
        return []
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    listed = f"{', '.join(named[:NAMED_MAX])}{more}"
    return [f"Money is estimated by unit; up to its commit a bucket costs the same, used or not: {listed}."]


def scaled(preview: Preview, *, of: int, looked_at: int) -> Preview:
    """Figures of a sample as those of the whole, and a sentence that says so."""
    if looked_at >= of or not looked_at:
        return preview
    factor = Fraction(of, looked_at)

    def times(number: int) -> int:
        return round(number * factor)

    return replace(
        preview,
        assets=times(preview.assets),
        series=times(preview.series),
        readings=times(preview.readings),
        unpriced=times(preview.unpriced),
        lines_total=times(preview.lines_total),
        money={
            currency: (amount * factor.numerator / factor.denominator).quantize(amount)
            for currency, amount in preview.money.items()
        },
        notes=[*preview.notes, f"Worked out for {looked_at} of {of} assets and scaled up."],
    )

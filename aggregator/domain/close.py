"""When an ended period may become final: the close checklist, and which periods are closed or corrected.

A list is of one client and one of its periods, and about that client alone. Knows what was found, not how.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from aggregator.domain.due import LOOK_BACK_PERIODS, Account
from aggregator.domain.gap import percent_covered
from aggregator.domain.period import Calendar, Period
from aggregator.domain.slot import slot_start

# An ended period that is not finalised is a matter for somebody when so much has passed after the grace.
OVERDUE_AFTER = timedelta(days=2)


class Kind(StrEnum):
    """What can keep a period from being finalised."""

    GRACE = "grace"
    NOT_RATED = "not-rated"
    TERMS = "terms"
    AGENT_SILENT = "agent-silent"
    COVERAGE = "coverage"
    QUARANTINE = "quarantine"
    NOT_REVIEWED = "not-reviewed"
    UNBOUND = "unbound"


# The others pass by themselves: somebody waits, or runs a job.
_PASSING = frozenset({Kind.GRACE, Kind.NOT_RATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``grace`` is what late readings are waited for; coverage below the per cent is an open item."""

    grace: timedelta = timedelta(hours=24)
    coverage_percent_min: Decimal = Decimal(95)


POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Silent:
    """An agent that reported something bound, and of which nothing is stored after the period's end."""

    agent_id: int
    name: str
    last_stored: datetime | None


@dataclass(frozen=True, slots=True)
class Covered:
    """A bucket's reading of the period, by what is known of its slots; ``reviewed`` is the bucket's."""

    bucket_id: int
    name: str
    reviewed: bool
    measured: int
    absent: int
    gap: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Readings in quarantine of the client's assets in the period, by agent."""

    agent_id: int
    name: str
    readings: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnboundAsset:
    """An asset assigned to the client with usage in the period that is bound to nothing."""

    asset_id: int
    name: str


@dataclass(frozen=True, slots=True)
class BoundBucket:
    """A bucket to which something is bound in the period: the outermost slots."""

    bucket_id: int
    name: str
    from_slot: int
    to_slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found of one client and period. ``not_rated``: what is still to be done, in words that say how."""

    silent: Sequence[Silent] = ()
    covered: Sequence[Covered] = ()
    quarantined: Sequence[Quarantined] = ()
    unbound: Sequence[UnboundAsset] = ()
    bound: Sequence[BoundBucket] = ()
    not_rated: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody saw an item and lets the period be closed all the same."""

    kind: str
    subject: str
    reason: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line of the list; ``subject`` is what it is about, as "agent:12"."""

    kind: Kind
    subject: str
    text: str
    acknowledged: Acknowledged | None = None

    @property
    def can_acknowledge(self) -> bool:
        """Whether somebody can let it pass."""
        return self.kind not in _PASSING

    @property
    def open(self) -> bool:
        """Whether it keeps the period from being finalised."""
        return self.acknowledged is None

    @property
    def key(self) -> tuple[str, str]:
        """What it is acknowledged by."""
        return self.kind.value, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """``closes_at`` is when it is finalised by itself as things are; None: not before something changes."""

    items: Sequence[Item] = field(default_factory=tuple)
    closes_at: datetime | None
    overdue: bool
    waited_out: bool

    @property
    def open_items(self) -> list[Item]:
        """Those that are neither settled nor acknowledged."""
        return [item for item in self.items if item.open]

    @property
    def ready(self) -> bool:
        """No item is open, and so the grace is over."""
        return not self.open_items

    @property
    def may_close(self) -> bool:
        """Ready, or the client's own patience is over: then open items are written onto the readings."""
        return self.ready or (self.waited_out and all(item.can_acknowledge for item in self.open_items))


def checklist(
    period: Period,
    account: Account,
    facts: Facts,
    acknowledged: Iterable[Acknowledged],
    *,
    close_after_days: int | None,
    now: datetime,
    policy: Policy = POLICY,
) -> Checklist:
    """What keeps the ended period from being finalised, what passes by itself first."""
    seen = {(one.kind, one.subject): one for one in acknowledged}
    items = [
        Item(kind=kind, subject=subject, text=text, acknowledged=seen.get((kind.value, subject)))
        for kind, subject, text in _found(period, account, facts, now=now, policy=policy)
    ]
    graceful = period.end + policy.grace
    patient = (
        None if close_after_days is None else max(graceful, period.end + timedelta(days=close_after_days))
    )
    settled = all(not item.open for item in items if item.kind is not Kind.GRACE)
    return Checklist(
        items=items,
        closes_at=graceful if settled else patient,
        overdue=overdue(period.end, now=now, policy=policy),
        waited_out=patient is not None and now >= patient,
    )


def overdue(end: datetime, *, now: datetime, policy: Policy = POLICY) -> bool:
    """Whether a period that is not final ended so long ago that somebody should look."""
    return now > end + policy.grace + OVERDUE_AFTER


def pending(account: Account, *, now: datetime, adjusted: Collection[datetime] = ()) -> list[Period]:
    """Ended periods that are to be finalised, oldest first: those with something to bill.

    ``adjusted`` are the starts of periods in which adjustments stand that are not finalised.
    """
    known = {s.period_start for s in account.standings if not s.finalised} | set(adjusted)
    beginning = account.beginning(now=min([now, *known]))
    return [
        period
        for period in account.cycle.periods_between(beginning.start, now)
        if period.end <= now
        and (
            period.start in known
            or any(agreement.segments(period, cycle=account.cycle) for agreement in account.agreements)
        )
    ]


def look_back(calendar: Calendar, finalised_slot: int) -> list[Period]:
    """Finalised periods that are still corrected, oldest first; none when nothing is finalised."""
    if not finalised_slot:
        return []
    number = standing_in(calendar, finalised_slot).number
    return [calendar.period(number - back) for back in range(LOOK_BACK_PERIODS, 0, -1)]


def standing_in(calendar: Calendar, finalised_slot: int) -> Period:
    """The client's earliest unfinalised period: adjustments stand there."""
    return calendar.period_containing(slot_start(finalised_slot))


def period_of_day(calendar: Calendar, first_day: date) -> Period | None:
    """The period that begins on this local day; None when none does."""
    try:
        period = calendar.period_containing(calendar.first_instant(first_day))
    except (OverflowError, ValueError):
        return None
    return period if calendar.first_day(period) == first_day else None


def _found(
    period: Period, account: Account, facts: Facts, *, now: datetime, policy: Policy
) -> Iterable[tuple[Kind, str, str]]:
    graceful = period.end + policy.grace
    if now < graceful:
        yield Kind.GRACE, "", f"late readings are waited for until {graceful:%Y-%m-%d %H:%M} UTC"
    for number, text in enumerate(facts.not_rated):
        yield Kind.NOT_RATED, f"work:{number + 1}", text
    yield from _without_terms(period, account, facts)
    for agent in facts.silent:
        last = "nothing was ever stored of it"
        if agent.last_stored is not None:
            last = f"it last stored something at {agent.last_stored:%Y-%m-%d %H:%M} UTC"
        yield (
            Kind.AGENT_SILENT,
            f"agent:{agent.agent_id}",
            (
                f"agent {agent.name} has stored nothing of after the period's end, {last}: see that it delivers, "
                "retire it, or acknowledge its silence"
            ),
        )
    for bucket in facts.covered:
        percent = percent_covered(measured=bucket.measured, absent=bucket.absent, gap=bucket.gap)
        if percent is not None and percent < policy.coverage_percent_min:
            yield (
                Kind.COVERAGE,
                f"bucket:{bucket.bucket_id}",
                (
                    f"bucket {bucket.name} is covered by {percent} %, below {policy.coverage_percent_min} %: have what "
                    "is missing delivered, or acknowledge it"
                ),
            )
    for held in facts.quarantined:
        yield (
            Kind.QUARANTINE,
            f"agent:{held.agent_id}",
            (
                f"{held.readings:,} readings of agent {held.name} are in quarantine ({held.reason}): release or discard "
                "them, or acknowledge that they are not billed"
            ),
        )
    for bucket in facts.covered:
        if not bucket.reviewed:
            yield (
                Kind.NOT_REVIEWED,
                f"bucket:{bucket.bucket_id}",
                f"bucket {bucket.name} was provisioned and nobody has reviewed it: review it, or acknowledge that",
            )
    for asset in facts.unbound:
        yield (
            Kind.UNBOUND,
            f"asset:{asset.asset_id}",
            (
                f"asset {asset.name} has usage in the period that no bucket bills: bind it, or acknowledge that it is "
                "not billed"
            ),
        )


def _without_terms(period: Period, account: Account, facts: Facts) -> Iterable[tuple[Kind, str, str]]:
    agreements = {a.bucket_id: a for a in account.agreements}
    for bucket in facts.bound:
        agreement = agreements.get(bucket.bucket_id)
        parts = agreement.segments(period, cycle=account.cycle) if agreement else []
        if agreement is not None and parts:
            since, until = (_whole(at, agreement.unit.width) for at in (bucket.from_slot, bucket.to_slot))
            if since >= until or (parts[0].from_slot <= since and until <= parts[-1].to_slot):
                continue
        yield (
            Kind.TERMS,
            f"bucket:{bucket.bucket_id}",
            (
                f"bucket {bucket.name} has usage bound to it in the period for which it has no terms, so no price: set "
                "terms that hold then, or acknowledge that it is not billed"
            ),
        )


def _whole(slot: int, width: int) -> int:
    """The first whole slot that starts at or after it: a slot belongs to what holds at its start."""
    return -(-slot // width) * width

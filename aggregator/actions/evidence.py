"""Gathers what readings are worked out from: by the statement that rates them, in more detail.

Responsible for which segments are looked at; what they come to is read by store/rating.py, what it means is decided in
domain/evidence.py.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from typing import Protocol

from aggregator.domain.due import Agreement
from aggregator.domain.evidence import AssetPart, Bound, Evidence, SegmentEvidence, counted, deciding, merged
from aggregator.domain.gap import hold_of
from aggregator.domain.period import Period
from aggregator.domain.terms import Aggregation, Segment
from aggregator.store import billing
from aggregator.store import evidence as kept
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection
from aggregator.store.rating import Asked, Look, Seen, look

# What an asset brings to a quantity of this aggregation, as the statement folds it; all others are decided by one slot.
_PARTS = {
    Aggregation.SUM: "total",
    Aggregation.AVG: "total",
    Aggregation.SUM_OF_MAX: "maxima",
    Aggregation.COUNT: "assets",
}


class Client(Protocol):
    """Whose buckets they are."""

    @property
    def id(self) -> int:
        """Of the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A bucket's segments of one period, and up to which slot they were rated."""

    agreement: Agreement
    segments: Sequence[Segment]
    until: int

    @property
    def span(self) -> tuple[int, int]:
        """The slots of all of them, as far as they were rated; an empty one where nothing was."""
        return self.segments[0].from_slot, max(
            self.segments[0].from_slot, min(self.until, self.segments[-1].to_slot)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was found of a bucket; ``late``: something of it was stored after the cutoff."""

    segments: tuple[SegmentEvidence, ...]
    bindings: tuple[Bound, ...]
    late: bool


async def gather(
    conn: Connection, client: Client, period: Period, buckets: Collection[int], *, cutoff: datetime
) -> Mapping[int, Evidence]:
    """Evidence of these buckets' readings of the period, by bucket: of what was stored by the cutoff.

    Goes as far as each reading does, and to the end of the period where there is none. Buckets without terms in the period
    are left out.
    """
    calendar = (await calendars(conn, [client.id]))[client.id]
    rated = await kept.as_of(conn, buckets, period.start)
    wanted = [
        Wanted(agreement=agreement, segments=parts, until=rated.get(agreement.bucket_id, parts[-1].to_slot))
        for agreement in await billing.agreements(conn, client.id)
        if agreement.bucket_id in buckets and (parts := agreement.segments(period, cycle=calendar))
    ]
    found = await look_up(conn, wanted, cutoff=cutoff)
    currency = calendar.currency(period)
    return {
        one.agreement.bucket_id: Evidence(
            program=version("ullage"),
            client_id=client.id,
            bucket_id=one.agreement.bucket_id,
            period_start=period.start,
            period_end=period.end,
            currency=currency.code,
            currency_digits=currency.digits,
            cutoff=cutoff,
            unit=one.agreement.unit,
            segments=found[one.agreement.bucket_id].segments,
            bindings=found[one.agreement.bucket_id].bindings,
        )
        for one in wanted
    }


async def gather_again(conn: Connection, evidence: Evidence, *, raw: bool) -> tuple[Evidence, bool]:
    """What the same terms, bindings and cutoff come to today; and whether more was stored after that cutoff.

    ``raw``: from raw readings alone, without what is rolled up.
    """
    unit = evidence.unit
    wanted = Wanted(
        agreement=Agreement(bucket_id=evidence.bucket_id, unit=unit, terms=()),
        segments=[one.segment for one in evidence.segments],
        until=evidence.segments[-1].as_of_slot,
    )
    found = (
        await look_up(
            conn, [wanted], cutoff=evidence.cutoff, bindings=[b.id for b in evidence.bindings], raw=raw
        )
    )[evidence.bucket_id]
    return replace(evidence, segments=found.segments, bindings=found.bindings), found.late


async def look_up(
    conn: Connection,
    wanted: Sequence[Wanted],
    *,
    cutoff: datetime,
    bindings: Collection[int] | None = None,
    raw: bool = False,
) -> Mapping[int, Gathered]:
    """Slot values and assets of all segments, by bucket; ``bindings`` and ``raw`` as ``store.rating.look`` takes them."""
    ids = None if bindings is None else list(bindings)
    bound = await kept.bound(conn, {w.agreement.bucket_id: w.span for w in wanted}, bindings=ids)
    asked = [
        (w, Asked(agreement=w.agreement, segment=segment, until=w.until))
        for w in wanted
        for segment in w.segments
    ]
    whole = await look(
        conn, [Look(asked=one, fold="values") for _, one in asked], cutoff=cutoff, bindings=ids, raw=raw
    )
    values = {seen.place: seen.values for seen in whole}
    late = {asked[seen.place][0].agreement.bucket_id for seen in whole if seen.folded.late}
    looks, drafts = [], []
    for place, (w, one) in enumerate(asked):
        draft = _draft(w, one, values.get(place, {}), bound[w.agreement.bucket_id])
        fold = _PARTS.get(one.segment.terms.aggregation, "last")
        looks.append(Look(asked=one, fold=fold, apart=True, slot=draft.decides))
        drafts.append(draft)
    assets: dict[int, list[AssetPart]] = defaultdict(list)
    for seen in await look(conn, looks, cutoff=cutoff, bindings=ids, raw=raw):
        assets[seen.place].append(_asset(looks[seen.place], seen))
    segments: dict[int, list[SegmentEvidence]] = defaultdict(list)
    for place, ((w, _), draft) in enumerate(zip(asked, drafts, strict=True)):
        parts = tuple(sorted(assets[place], key=lambda part: part.asset_id))
        segments[w.agreement.bucket_id].append(replace(draft, assets=parts))
    return {
        bucket: Gathered(segments=tuple(parts), bindings=bound[bucket], late=bucket in late)
        for bucket, parts in segments.items()
    }


def _draft(w: Wanted, one: Asked, values: Mapping[int, int], bound: Sequence[Bound]) -> SegmentEvidence:
    """All but the assets."""
    unit, segment = w.agreement.unit, one.segment
    slots = list(counted(segment, until=w.until, width=unit.width))
    found = tuple(values.get(slot, 0) for slot in slots)
    spans = merged((b.from_slot, b.to_slot) for b in bound)
    return SegmentEvidence(
        segment=segment,
        as_of_slot=max(segment.from_slot, min(w.until, segment.to_slot)),
        hold=hold_of(segment.terms, unit),
        values=found,
        decides=deciding(segment, found, slots, bound=spans),
        assets=(),
    )


def _asset(wanted: Look, seen: Seen) -> AssetPart:
    usage = seen.folded.usage
    part = {"maxima": usage.maxima, "assets": usage.assets}.get(wanted.fold, usage.total)
    return AssetPart(asset_id=seen.asset_id, part=part, coverage=seen.folded.coverage, held=seen.held)

"""Explains a figure: which assets it comes from, which slots an asset's part comes from, which readings a slot's.

Of a finalised reading the assets are told from its evidence; slots and raw readings are those that are stored. Of any
other reading everything is worked out now, of what was stored by its cutoff.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from aggregator.actions.evidence import gather
from aggregator.domain.due import Agreement
from aggregator.domain.evidence import Evidence, Figures, rate_again, read
from aggregator.domain.explain import AssetShare, SlotOf, asset_shares, deciding_slots, state_of, steps
from aggregator.domain.period import Calendar
from aggregator.domain.slot import first_slot, slot_start
from aggregator.domain.terms import Segment
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import evidence as kept
from aggregator.store.billing import Billed
from aggregator.store.calendars import calendars
from aggregator.store.evidence import RAW_READINGS_MAX, RawReading
from aggregator.store.rating import Asked, Look, look
from aggregator.store.readings import ReadingRow, readings_of
from aggregator.store.snapshot import Snapshot

ASSETS_MAX = 2000
# The statement compares each with each.
SLOTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What was asked for: ``assets``, or the ``slots`` of one, or the ``raw`` readings of one slot; steps always."""

    reading: ReadingRow
    steps: Sequence[str]
    currency: str
    assets: Sequence[AssetShare] = ()
    names: Mapping[int, str]
    slots: Sequence[SlotOf] = ()
    raw: Sequence[RawReading] = ()
    from_evidence: bool
    notes: Sequence[str]


async def explain(
    seen: Snapshot,
    client_id: int,
    bucket_id: int,
    *,
    day: date | None,
    asset_id: int | None = None,
    slot: datetime | None = None,
) -> Explained:
    """The bucket's reading of the period that holds a local day; None: of the open period.

    Raises ``NotFound`` where there is no such reading, ``Invalid`` for an asset or a slot that is not of it.
    """
    calendar = (await calendars(seen.conn, [client_id]))[client_id]
    row = await _reading(seen, calendar, bucket_id, day)
    evidence, given, notes = await _evidence(seen, calendar, client_id, row)
    figures = rate_again(evidence)
    notes += _outdated(row, figures)
    said = steps(evidence, figures, symbol=row.symbol)
    names = (
        await kept.asset_names(seen.conn, {b.asset_id for b in evidence.bindings}) if given is None else given
    )
    assets: list[AssetShare] = []
    slots: list[SlotOf] = []
    raw: Sequence[RawReading] = ()
    if asset_id is None:
        if slot is not None:
            raise Invalid("asset_id", "a slot's raw readings are those of one asset; name it")
        assets = asset_shares(evidence, figures)
        if len(assets) > ASSETS_MAX:
            notes.append(f"The first {ASSETS_MAX} of {len(assets)} assets are shown, by their share.")
        elif not assets:
            notes.append("Nothing was bound: the cost is that of the terms alone.")
    elif asset_id not in {b.asset_id for b in evidence.bindings}:
        raise Invalid("asset_id", f"asset {asset_id} has no part in this reading")
    elif slot is None:
        slots = await _slots(seen, evidence, asset_id)
    else:
        raw = await _raw(seen, evidence, asset_id, slot, notes)
    return Explained(
        reading=row,
        steps=said,
        currency=evidence.currency,
        assets=assets[:ASSETS_MAX],
        names=names,
        slots=slots,
        raw=raw,
        from_evidence=given is not None,
        notes=notes,
    )


async def _reading(seen: Snapshot, calendar: Calendar, bucket_id: int, day: date | None) -> ReadingRow:
    at = seen.now if day is None else calendar.first_instant(day)
    found = await kept.reading_at(seen.conn, bucket_id, at)
    row = None if found is None else (await readings_of(seen.conn, [found])).get(found)
    if row is None:
        raise NotFound("reading of this bucket in the period of", day or "now")
    return row


async def _evidence(
    seen: Snapshot, calendar: Calendar, client_id: int, row: ReadingRow
) -> tuple[Evidence, dict[int, str] | None, list[str]]:
    """With the assets' names as they were then; None for these: it was worked out now."""
    text = (await kept.texts(seen.conn, [row.bucket_id], row.period_start)).get(row.bucket_id)
    notes: list[str] = []
    if text is not None:
        try:
            names = {int(asset): str(name) for asset, name in text.names.get("assets", {}).items()}
            return read(text.body), names, notes
        except ValueError as error:
            notes.append(f"The evidence cannot be read ({error}); verify says more. Worked out now instead.")
    elif row.finalised_at is not None:
        notes.append("There is no evidence of this reading; verify says more. Worked out now instead.")
    period = calendar.period_containing(row.period_start)
    found = await gather(seen.conn, Billed(client_id, 0), period, [row.bucket_id], cutoff=row.cutoff)
    if row.bucket_id not in found:
        raise Conflict(
            "the bucket has no terms in this period any more; the next billing run removes the reading"
        )
    return found[row.bucket_id], None, notes


def _outdated(row: ReadingRow, figures: Figures) -> list[str]:
    """What was changed since the run shows here first."""
    cost = figures.rating.charge.cost
    if (row.quantity, row.cost) == (figures.rating.quantity, cost):
        return []
    return [
        (
            f"The reading says {row.quantity:f} and {row.cost:f} {row.currency}, this comes to "
            f"{figures.rating.quantity:f} and {cost:f}: something was changed since it was "
            "rated. The next billing run brings it up to date; of a finalised "
            "reading verify says what differs."
        )
    ]


async def _slots(seen: Snapshot, evidence: Evidence, asset_id: int) -> list[SlotOf]:
    """By the very statement that rates, one slot at a time, of this asset alone."""
    unit, agreement = evidence.unit, Agreement(bucket_id=evidence.bucket_id, unit=evidence.unit, terms=())
    wanted = [
        (one.segment.terms, slot, slot in deciding)
        for one in evidence.segments
        for deciding in [deciding_slots(one, width=unit.width)]
        for slot in one.slots(unit.width)
    ]
    looks = [
        Look(
            asked=Asked(
                agreement=agreement, segment=Segment(terms, slot, slot + unit.width), until=slot + unit.width
            ),
            fold="total",
        )
        for terms, slot, _ in wanted
    ]
    bindings = [b.id for b in evidence.bindings]
    found = []
    for start in range(0, len(looks), SLOTS_AT_ONCE):
        part = looks[start : start + SLOTS_AT_ONCE]
        seen_now = await look(seen.conn, part, cutoff=evidence.cutoff, bindings=bindings, asset_id=asset_id)
        found += [(start + one.place, one) for one in sorted(seen_now, key=lambda one: one.place)]
    return [
        SlotOf(
            slot=wanted[place][1],
            value=one.folded.usage.total,
            state=state_of(one.folded.coverage, held=one.held),
            spread=one.folded.coverage.spread > 0,
            decides=wanted[place][2],
        )
        for place, one in found
        if one.folded.coverage.measured + one.folded.coverage.absent + one.folded.coverage.gap
    ]


async def _raw(
    seen: Snapshot, evidence: Evidence, asset_id: int, at: datetime, notes: list[str]
) -> Sequence[RawReading]:
    width = evidence.unit.width
    slot = first_slot(at, width=width)
    if slot_start(slot) != at or not any(slot in one.slots(width) for one in evidence.segments):
        first = [f"{slot_start(s):%Y-%m-%dT%H:%MZ}" for s in islice(evidence.segments[0].slots(width), 1)]
        raise Invalid(
            "slot",
            "is not the start of a slot that was rated"
            + (
                f"; they are of {evidence.unit.slot_minutes} minutes, the first starts {first[0]}"
                if first
                else ""
            ),
        )
    floor = await kept.raw_floor(seen.conn)
    if floor is not None and at < floor:
        notes.append(f"Raw readings before {floor:%Y-%m-%d %H:%M} UTC are kept no more.")
    found = await kept.raw_readings(
        seen.conn,
        bucket_id=evidence.bucket_id,
        asset_id=asset_id,
        slot=slot,
        width=width,
        cutoff=evidence.cutoff,
    )
    if len(found) == RAW_READINGS_MAX:
        notes.append(f"The first {RAW_READINGS_MAX} raw readings are shown.")
    elif not found:
        notes.append("No raw reading of this slot was stored by the cutoff.")
    return found

"""What other terms mean for money: readings that are not finalised, priced again with the quantities they have.

An estimate where the terms count otherwise: another aggregation has another quantity, which only billing works out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from aggregator.actions.buckets_changed import flag
from aggregator.actions.preview import preview_assets
from aggregator.domain.bind import agreed
from aggregator.domain.period import Calendar
from aggregator.domain.preview import LINES_MAX, Preview, PreviewLine
from aggregator.domain.rate import charge
from aggregator.domain.slot import UNIT
from aggregator.domain.terms import Terms, segments
from aggregator.errors import Conflict
from aggregator.store import agreements, rules
from aggregator.store import preview as names
from aggregator.store.agreements import HeldBucket, Rated
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection

_UNIT_MINUTES = int(UNIT.total_seconds()) // 60
_UNCOUNTED = "Another aggregation counts otherwise: what it comes to shows after the next billing run."

AllTerms = Mapping[int, Sequence[Terms]]


async def settle_terms(conn: Connection, buckets: Sequence[HeldBucket], *, before: AllTerms) -> Preview:
    """What the terms that were changed in this transaction mean; assets whose bindings they move are flagged.

    ``before``: the buckets' terms until then. Raises ``Conflict`` where a disabled bucket would go on.
    """
    after = await agreements.terms(conn, [bucket.id for bucket in buckets])
    known = await calendars(conn, {bucket.client_id for bucket in buckets})
    moving = []
    for bucket in buckets:
        calendar = known[bucket.client_id]
        was, now = (_spans(bucket, terms.get(bucket.id, ()), calendar) for terms in (before, after))
        if was != now:
            moving.append(bucket)
            if (
                not (bucket.enabled and bucket.client_enabled)
                and now
                and (not was or now[-1][1] > was[-1][1])
            ):
                noun = "bucket" if bucket.client_enabled else "client"
                raise Conflict(f"the {noun} is disabled, so its terms cannot go on; enable it first")
    bound = await agreements.bound(conn, [bucket.id for bucket in buckets])
    preview = Preview(assets=bound.assets, series=bound.series)
    concerned: set[int] = set()
    if moving:
        concerned = await _concerned(conn, moving)
        planned = await preview_assets(conn, sorted(concerned), now=await names.now(conn))
        preview = replace(
            planned,
            assets=max(planned.assets, bound.assets),
            series=max(planned.series, bound.series),
            money={},
        )
    await flag(conn, buckets, concerned)
    return _priced(
        preview, buckets, await agreements.rated(conn, [b.id for b in buckets]), before, after, known
    )


async def _concerned(conn: Connection, buckets: Sequence[HeldBucket]) -> set[int]:
    found = set(await rules.assets_of_buckets(conn, [bucket.id for bucket in buckets]))
    for bucket in buckets:
        found.update(
            await rules.fitting_assets(
                conn, bucket.conditions(), client_id=bucket.client_id, source_type_id=bucket.source_type_id
            )
        )
    return found


def _spans(bucket: HeldBucket, terms: Sequence[Terms], calendar: Calendar) -> Sequence[tuple[int, int]]:
    return agreed(
        [(one.starts_on, one.ends_on) for one in terms],
        first_instant=calendar.first_instant,
        width=bucket.slot_minutes // _UNIT_MINUTES,
    )


def _priced(
    preview: Preview,
    buckets: Sequence[HeldBucket],
    readings: Sequence[Rated],
    before: AllTerms,
    after: AllTerms,
    known: Mapping[int, Calendar],
) -> Preview:
    """With a line for each bucket whose readings would cost more or less."""
    by_id = {bucket.id: bucket for bucket in buckets}
    money: dict[str, Decimal] = {}
    lines: list[PreviewLine] = []
    uncounted = False
    for reading in readings:
        bucket = by_id[reading.bucket_id]
        calendar = known[bucket.client_id]
        was, now = (_cost(bucket, terms.get(bucket.id, ()), reading, calendar) for terms in (before, after))
        if was == now:
            continue
        if was is None or now is None or was[1] != now[1]:
            uncounted = True
            continue
        difference = now[0] - was[0]
        money[reading.currency] = money.get(reading.currency, Decimal()) + difference
        day = calendar.day(reading.period_start)
        lines.append(
            PreviewLine(
                act="change",
                from_name=bucket.name,
                to_name=f"{bucket.name} (period from {day})",
                currency=reading.currency,
                money=difference,
            )
        )
    return replace(
        preview,
        money={currency: amount for currency, amount in money.items() if amount},
        lines=[*lines, *preview.lines][:LINES_MAX],
        lines_total=len(lines) + preview.lines_total,
        notes=[*preview.notes, *([_UNCOUNTED] if uncounted else [])],
    )


def _cost(
    bucket: HeldBucket, terms: Sequence[Terms], reading: Rated, calendar: Calendar
) -> tuple[Decimal, object] | None:
    """What the quantity costs under the terms, and what it is a quantity of; None where that cannot be said."""
    period = calendar.period_containing(reading.period_start)
    width = bucket.slot_minutes // _UNIT_MINUTES
    parts = segments(terms, cycle=calendar, period=period, width=width)
    if len(parts) != 1:
        return None
    [part] = parts
    cost = charge(
        part.terms,
        quantity=reading.quantity,
        currency_digits=bucket.currency_digits,
        fraction=part.fraction,
    ).cost
    return cost, (part.terms.aggregation, part.terms.percentile)

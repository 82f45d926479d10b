"""Ends what buckets agree on at a local midnight, or has it go on from one; and says that somebody has reviewed them.

Terms carry the time, ``enabled`` the intention: the last period closes like every other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from aggregator.actions import given
from aggregator.actions.buckets_changed import held_buckets
from aggregator.actions.terms_changed import settle_terms
from aggregator.domain.client import Dated, DayRefused, check_open, going_on
from aggregator.domain.period import Calendar
from aggregator.domain.preview import Preview
from aggregator.domain.terms import Terms
from aggregator.errors import Conflict, Invalid
from aggregator.store import agreements, audit, binding, clients_change
from aggregator.store.agreements import HeldBucket
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BucketsActed:
    """How many buckets changed, and the audit group to undo it by (0: none)."""

    changed: int
    preview: Preview
    audit_group: int


async def set_buckets_enabled(
    db: Database, ids: Sequence[int], *, enabled: bool, on: str = "", dry_run: bool = False
) -> BucketsActed:
    """From the local midnight of ``on`` (empty: of each client the next one). Those that are so already stay as they are.

    Disabling ends their terms then; enabling has the last ones go on. Raises ``Invalid`` for a day in finalised time,
    ``NotFound``, and ``Conflict`` for a disabled client and for terms that start later.
    """
    wanted = given.day("on", on) if on else None
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        buckets = [one for one in await held_buckets(conn, ids) if one.enabled != enabled]
        if not buckets:
            return BucketsActed(0, Preview(), 0)
        known = await calendars(conn, {bucket.client_id for bucket in buckets})
        before = await agreements.terms(conn, [bucket.id for bucket in buckets])
        for bucket in buckets:
            day = _day(bucket, known[bucket.client_id], wanted)
            own = before.get(bucket.id, ())
            await (_enable(conn, bucket, own, day) if enabled else _disable(conn, bucket, own, day))
        await agreements.set_enabled(conn, [bucket.id for bucket in buckets], enabled=enabled)
        changed = [replace(bucket, enabled=enabled) for bucket in buckets]
        preview = await settle_terms(conn, changed, before=before)
        group = 0 if dry_run else await audit.group_of(conn)
    return BucketsActed(len(buckets), preview, group)


async def review_buckets(db: Database, ids: Sequence[int], *, reviewed: bool) -> BucketsActed:
    """Says that somebody has looked at them, or that somebody has to. Raises ``Invalid`` and ``NotFound``."""
    async with db.transaction() as conn:
        buckets = await held_buckets(conn, ids)
        changed = await agreements.set_reviewed(conn, [bucket.id for bucket in buckets], reviewed=reviewed)
        await announce(conn, "bucket", clients={bucket.client_id for bucket in buckets})
        return BucketsActed(changed, Preview(), await audit.group_of(conn) if changed else 0)


def _day(bucket: HeldBucket, calendar: Calendar, wanted: date | None) -> date:
    day = wanted or calendar.day(bucket.now) + _DAY
    try:
        check_open(calendar, day, finalised_slot=bucket.finalised_slot)
    except DayRefused as error:
        raise Invalid("on", f"{bucket.name}: {error}") from error
    return day


async def _disable(conn: Connection, bucket: HeldBucket, terms: Sequence[Terms], day: date) -> None:
    if later := [one for one in terms if one.starts_on >= day]:
        raise Conflict(
            f"{bucket.name} has terms from {later[0].starts_on} on; delete those first, or disable it from a later day on"
        )
    ending = going_on([_dated(bucket, one) for one in terms], day)
    await clients_change.end_terms(conn, [one.id for one in ending], ends_on=day)


async def _enable(conn: Connection, bucket: HeldBucket, terms: Sequence[Terms], day: date) -> None:
    if not bucket.client_enabled:
        raise Conflict(f"the client {bucket.client_name} is disabled; enable it first")
    last = terms[-1] if terms else None
    if last is None or last.ends_on is None:
        return
    if day <= last.ends_on:
        # It never came to the end, or goes on at once.
        await clients_change.reopen_terms(conn, [last.id])
    else:
        await clients_change.repeat_terms(conn, [last.id], starts_on=day)


def _dated(bucket: HeldBucket, terms: Terms) -> Dated:
    return Dated(
        id=terms.id,
        bucket_id=bucket.id,
        bucket=bucket.name,
        starts_on=terms.starts_on,
        ends_on=terms.ends_on,
    )

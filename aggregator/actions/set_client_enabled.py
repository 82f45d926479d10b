"""Ends what all buckets of a client agree on at a local midnight, or has it go on from one.

Terms carry the time, ``enabled`` the intention: the last period closes like every other.
"""

from dataclasses import replace
from datetime import date, timedelta

from aggregator.actions import given
from aggregator.actions.preview import preview_assets
from aggregator.domain.client import DayRefused, check_open, going_on, paused
from aggregator.domain.preview import LINES_MAX, Preview, PreviewLine
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding, clients_change, rules
from aggregator.store.calendars import calendars
from aggregator.store.clients_change import HeldClient
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce

NAMED_MAX = 5
_DAY = timedelta(days=1)


async def set_client_enabled(
    db: Database, client_id: int, *, enabled: bool, on: str = "", dry_run: bool = False
) -> Preview:
    """From the local midnight of ``on`` (empty: the next one). What happens to its buckets; ``dry_run`` saves nothing.

    Disabling ends the terms of all its enabled buckets then, enabling has those that ended so go on. Raises ``Invalid`` for
    a day in finalised time, ``NotFound``, and ``Conflict`` when the client is as asked for or terms start later.
    """
    wanted = given.day("on", on) if on else None
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        client = await clients_change.hold(conn, client_id)
        if client is None:
            raise NotFound("client", client_id)
        day = await _day(conn, client, wanted)
        lines = await (_enable(conn, client, day) if enabled else _disable(conn, client, day))
        await binding.flag_assets_of_client(conn, client_id)
        await announce(conn, "client", "bucket", clients=[client_id])
        moved = Preview()
        if dry_run:
            concerned = await rules.fitting_assets(conn, [], client_id=client_id)
            moved = await preview_assets(conn, concerned, now=client.now)
    notes = (
        []
        if enabled
        else [f"Usage before {day} is billed; the period that it lies in closes like every other."]
    )
    return replace(
        moved,
        lines=[*lines, *moved.lines][:LINES_MAX],
        lines_total=len(lines) + moved.lines_total,
        notes=[*notes, *moved.notes],
        confirm_assets=0,
    )


async def _day(conn: Connection, client: HeldClient, wanted: date | None) -> date:
    calendar = (await calendars(conn, [client.id]))[client.id]
    day = wanted or calendar.day(client.now) + _DAY
    try:
        check_open(calendar, day, finalised_slot=client.finalised_slot)
    except DayRefused as error:
        raise Invalid("on", str(error)) from error
    return day


async def _disable(conn: Connection, client: HeldClient, day: date) -> list[PreviewLine]:
    if not client.enabled:
        raise Conflict(f"{client.name} is disabled from {client.disabled_on} on already; enable it first")
    terms = await clients_change.terms(conn, client.id, enabled_only=True)
    later = sorted({one.bucket for one in terms if one.starts_on >= day})
    if later:
        more = f" and {len(later) - NAMED_MAX} more" if len(later) > NAMED_MAX else ""
        raise Conflict(
            f"terms start on {day} or later: {', '.join(later[:NAMED_MAX])}{more}; delete those first, or disable the "
            "client from a later day on"
        )
    ending = going_on(terms, day)
    await clients_change.end_terms(conn, [one.id for one in ending], ends_on=day)
    await clients_change.set_enabled(conn, client.id, disabled_on=day)
    return [PreviewLine(act="end", from_name=one.bucket) for one in ending]


async def _enable(conn: Connection, client: HeldClient, day: date) -> list[PreviewLine]:
    if client.enabled or client.disabled_on is None:
        raise Conflict(f"{client.name} is enabled already")
    terms = await clients_change.terms(conn, client.id, enabled_only=True)
    ended = paused(terms, client.disabled_on)
    ids = [one.id for one in ended]
    if day <= client.disabled_on:
        # It never came to the end, or goes on at once.
        await clients_change.reopen_terms(conn, ids)
    else:
        await clients_change.repeat_terms(conn, ids, starts_on=day)
    await clients_change.set_enabled(conn, client.id, disabled_on=None)
    return [PreviewLine(act="change", from_name=one.bucket, to_name=one.bucket) for one in ended]

"""Changes a client: what it is called, when its periods are closed, and from a period's end on how its time is cut."""

from dataclasses import dataclass
from datetime import date

from aggregator.actions import given, given_calendar
from aggregator.domain.client import CONTACT_CHARACTERS_MAX, DayRefused, Recut, changed, going_on
from aggregator.domain.period import Calendar, Currency, Era
from aggregator.domain.preview import Preview, PreviewLine
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding, clients_change
from aggregator.store.calendars import calendars
from aggregator.store.clients_change import HeldClient
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce

NAMED_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """What is to be changed; None: stays as it is. ``wait`` removes ``close_after_days``.

    ``cycle_from`` is the day from which a new currency, zone or cycle holds, None: from the end of the open period.
    """

    name: str | None = None
    contact: str | None = None
    close_after_days: int | None = None
    wait: bool = False
    currency: Currency | None = None
    time_zone: str | None = None
    cycle_unit: str | None = None
    cycle_count: int | None = None
    cycle_from: date | None = None

    @property
    def of_cycle(self) -> bool:
        """Whether it says something of how time is cut or money is named."""
        return any(
            one is not None for one in (self.currency, self.time_zone, self.cycle_unit, self.cycle_count)
        )


def client_change(
    *,
    name: str | None = None,
    contact: str | None = None,
    close_after_days: int | None = None,
    wait: bool = False,
    currency: str | None = None,
    time_zone: str | None = None,
    cycle_unit: str | None = None,
    cycle_count: int | None = None,
    cycle_from: str = "",
) -> ClientChange:
    """What was given, checked. Raises ``Invalid`` naming the field."""
    if wait and close_after_days is not None:
        raise Invalid("wait", "contradicts close_after_days; give one of them")
    change = ClientChange(
        name=None if name is None else given.name("name", name),
        contact=None
        if contact is None
        else given.text("contact", contact, characters_max=CONTACT_CHARACTERS_MAX),
        close_after_days=given_calendar.close_after_days("close_after_days", close_after_days),
        wait=wait,
        currency=None if currency is None else given_calendar.currency("currency", currency),
        time_zone=None if time_zone is None else given_calendar.time_zone("time_zone", time_zone),
        cycle_unit=None if cycle_unit is None else given_calendar.cycle_unit("cycle_unit", cycle_unit),
        cycle_count=None if cycle_count is None else given_calendar.cycle_count("cycle_count", cycle_count),
        cycle_from=given.day("cycle_from", cycle_from) if cycle_from else None,
    )
    if change.cycle_from is not None and not change.of_cycle:
        raise Invalid(
            "cycle_from", "says from when a change holds; name a currency, time zone or cycle beside it"
        )
    return change


async def update_client(
    db: Database, client_id: int, change: ClientChange, *, dry_run: bool = False
) -> Preview:
    """What it does, in words; with ``dry_run`` nothing is saved.

    Raises ``Invalid`` for a day from which a change cannot hold, ``NotFound``, and ``Conflict`` for a taken name, an erased
    client, or terms in the old currency that would go on in the new one.
    """
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        if change.of_cycle:
            await binding.hold_rules(conn)
        client = await clients_change.hold(conn, client_id)
        if client is None:
            raise NotFound("client", client_id)
        lines = await _describe(conn, client, change)
        recut, notes = await _cut(conn, client, change) if change.of_cycle else ([], [])
        lines += recut
        if lines:
            await announce(conn, "client", "bucket", clients=[client_id])
    return Preview(lines=lines, lines_total=len(lines), notes=notes)


async def _describe(conn: Connection, client: HeldClient, change: ClientChange) -> list[PreviewLine]:
    name = client.name if change.name is None else change.name
    contact = client.contact if change.contact is None else change.contact
    days = None if change.wait else change.close_after_days
    if days is None and not change.wait:
        days = client.close_after_days
    lines = []
    if (name, contact) != (client.name, client.contact):
        if client.erased:
            raise Conflict(f"{client.name} is erased; name and contact stay as they are")
        if await clients_change.is_named(conn, name, other_than=client.id):
            raise Conflict(f"there is a client {name} already; choose another name")
    if name != client.name:
        lines.append(PreviewLine(act="change", from_name=client.name, to_name=name))
    if contact != client.contact:
        lines.append(PreviewLine(act="change", from_name=client.contact, to_name=contact))
    if days != client.close_after_days:
        lines.append(
            PreviewLine(act="change", from_name=_patience(client.close_after_days), to_name=_patience(days))
        )
    if lines:
        await clients_change.describe(conn, client.id, name=name, contact=contact, close_after_days=days)
    return lines


async def _cut(
    conn: Connection, client: HeldClient, change: ClientChange
) -> tuple[list[PreviewLine], list[str]]:
    """Saves the calendar that the change asks for and has what it concerns worked out again."""
    before = (await calendars(conn, [client.id]))[client.id]
    recut = _recut(before, client, change)
    if recut is None:
        return [], []
    after, day = recut.calendar, recut.day
    at = after.first_instant(day)
    notes = await _priced(conn, client, was=before.era(at).currency, becomes=after.era(at).currency, day=day)
    await clients_change.save_calendar(conn, client.id, after)
    forgotten = await clients_change.forget_figures(conn, client.id, since=at)
    await binding.flag_assets_of_client(conn, client.id)
    first = after.period_containing(at)
    lengths = [(era.cycle.unit, era.cycle.count) for era in (before.era(at), after.era(at))]
    going = going_on(await clients_change.terms(conn, client.id, enabled_only=False), day)
    if lengths[0] != lengths[1] and going:
        notes.append(
            f"Commits, minimums and maximums of {len(going)} buckets stay as they are and count for each period of the new "
            f"length; set terms that start on {day} where they should be others."
        )
    notes.insert(
        0, f"The first period after the change lasts from {day} to {after.last_day(first)}, both included."
    )
    if forgotten:
        notes.append(f"Provisional billing readings that are rated again by the new periods: {forgotten}.")
    return [
        PreviewLine(act="change", from_name=_words(before.eras[-1]), to_name=_words(after.eras[-1]))
    ], notes


def _recut(before: Calendar, client: HeldClient, change: ClientChange) -> Recut | None:
    """None when all is as asked for already."""
    held = before.eras[-1]
    unit = change.cycle_unit or held.cycle.unit
    count = change.cycle_count or held.cycle.count
    time_zone = change.time_zone or held.cycle.time_zone
    currency = change.currency or held.currency
    if (unit, count, time_zone, currency) == (
        held.cycle.unit,
        held.cycle.count,
        held.cycle.time_zone,
        held.currency,
    ):
        return None
    try:
        return changed(
            before,
            on=change.cycle_from,
            unit=unit,
            count=count,
            time_zone=time_zone,
            currency=currency,
            now=client.now,
            finalised_slot=client.finalised_slot,
        )
    except DayRefused as error:
        raise Invalid("cycle_from", str(error)) from error


async def _priced(
    conn: Connection, client: HeldClient, *, was: Currency, becomes: Currency, day: date
) -> list[str]:
    """Notes on prices. They name no currency, they are in that of their days: terms that go on would change what they cost.

    Raises ``Conflict`` for those.
    """
    if was == becomes:
        return []
    terms = await clients_change.terms(conn, client.id, enabled_only=False)
    going = going_on(terms, day)
    if going:
        named = ", ".join(one.bucket for one in going[:NAMED_MAX])
        more = f" and {len(going) - NAMED_MAX} more" if len(going) > NAMED_MAX else ""
        raise Conflict(
            f"terms in {was.code} would go on in {becomes.code} from {day} on: {named}{more}; "
            f"end these terms on {day}, or set new ones in {becomes.code} that start then"
        )
    later = sum(one.starts_on >= day for one in terms)
    return [f"Terms that start on {day} or later are in {becomes.code}: {later}."] if later else []


def _patience(days: int | None) -> str:
    return "periods wait" if days is None else f"periods are closed after {days} days"


def _words(era: Era) -> str:
    cycle = era.cycle
    unit = cycle.unit if cycle.count == 1 else f"{cycle.unit}s"
    return f"{cycle.count} {unit} from {cycle.anchor}, {cycle.time_zone}, {era.currency.code}"

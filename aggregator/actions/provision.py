"""Makes the buckets that templates ask for: every night, when asked, or only to say which it would make.

One transaction per client; two that do it at once make each bucket once. Decides nothing: that is domain/provision.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from aggregator.actions.preview import preview_plans
from aggregator.actions.progress import Progress, silent
from aggregator.domain.bind import plan
from aggregator.domain.client import DayRefused, check_open
from aggregator.domain.period import Calendar
from aggregator.domain.preview import LINES_MAX, Preview, PreviewLine
from aggregator.domain.provision import Template, Wanted
from aggregator.domain.provision import provision as decide
from aggregator.domain.slot import slot_of, slot_start
from aggregator.store import binding, clients_change
from aggregator.store import provision as store
from aggregator.store.calendars import calendars
from aggregator.store.clients_change import HeldClient
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce

# Of a dry run: more are counted, but their money is not estimated.
ESTIMATED_ASSETS_MAX = 5_000


@dataclass(slots=True)
class Provisioned:
    """What was made, or in a dry run would be: one line a bucket. ``clients`` were looked at."""

    clients: int = 0
    created: int = 0
    problems: int = 0
    assets: int = 0
    series: int = 0
    readings: int = 0
    unpriced: int = 0
    left_out: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)
    lines: list[PreviewLine] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Of a run of the job."""
        return {"clients": self.clients, "created": self.created, "problems": self.problems}

    def preview(self) -> Preview:
        """For people."""
        notes = ["Buckets made by templates wait for review."] if self.created else []
        if self.left_out:
            notes.append(f"Assets whose money was not estimated, there are too many: {self.left_out}.")
        return Preview(
            assets=self.assets,
            series=self.series,
            readings=self.readings,
            money=self.money,
            unpriced=self.unpriced,
            lines=self.lines[:LINES_MAX],
            lines_total=self.created,
            notes=notes,
        )


async def provision(
    db: Database,
    *,
    now: datetime,
    client_id: int | None = None,
    template_id: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Provisioned:
    """Does it for all clients, or for one. ``template_id`` says of which template alone is told, all are applied.

    A client that is disabled or unknown gets nothing. With ``dry_run`` nothing is saved, and money is estimated.
    """
    done = Provisioned()
    async with db.transaction() as conn:
        concerned = await store.clients(conn, slot=slot_of(now), client_id=client_id)
    for number, one in enumerate(concerned, 1):
        async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
            await provision_clients(conn, [one], done, now=now, template_id=template_id, estimate=dry_run)
        await progress(done.counts(), done=number, total=len(concerned))
    return done


async def provision_clients(
    conn: Connection,
    clients: Sequence[int],
    done: Provisioned,
    *,
    now: datetime,
    template_id: int | None = None,
    estimate: bool,
) -> None:
    """Within the caller's transaction; adds to ``done`` what was made."""
    await binding.hold_rules(conn)
    await store.share_templates(conn)
    templates = await store.templates(conn)
    for client_id in clients:
        client = await clients_change.hold(conn, client_id)
        if client is None or not client.enabled:
            await store.note_problems(conn, client_id, [])
            continue
        await _provision_client(
            conn, client, templates, done, now=now, template_id=template_id, estimate=estimate
        )


async def _provision_client(
    conn: Connection,
    client: HeldClient,
    templates: Sequence[Template],
    done: Provisioned,
    *,
    now: datetime,
    template_id: int | None,
    estimate: bool,
) -> None:
    calendar = (await calendars(conn, [client.id]))[client.id]
    had, names = await store.had(conn, client.id)
    wanted, problems = decide(
        await store.metered(conn, client.id, slot=slot_of(now)),
        templates=templates,
        currency=calendar.era(now).currency.code,
        had=had,
        names=names,
    )
    await store.note_problems(conn, client.id, problems)
    for one in wanted:
        starts_on, ends_on = _days(calendar, one, client, now=now)
        await store.insert_bucket(conn, client.id, one, starts_on=starts_on, ends_on=ends_on)
    done.clients += 1
    done.problems += len(problems)
    told = [one for one in wanted if template_id in {None, one.template.id}]
    done.created += len(told)
    done.lines += [_line(client, one) for one in told][: LINES_MAX - len(done.lines)]
    if wanted:
        assets = sorted({asset for one in told for asset in one.assets})
        await binding.flag(conn, {asset for one in wanted for asset in one.assets})
        await announce(conn, "bucket", clients=[client.id])
        if estimate:
            await _estimate(conn, assets, done, now=now)
        else:
            done.assets += len(assets)


def _days(
    calendar: Calendar, wanted: Wanted, client: HeldClient, *, now: datetime
) -> tuple[date, date | None]:
    """First day of the terms, and the first on which they do not hold any more.

    They begin with the usage that they are for, in time that is not finalised; and stay within one currency: what a unit
    costs in another one the template may not say.
    """
    first = slot_of(now) if wanted.from_slot is None else wanted.from_slot
    starts_on = calendar.day(slot_start(max(first, client.finalised_slot)))
    try:
        check_open(calendar, starts_on, finalised_slot=client.finalised_slot)
    except DayRefused:
        # In zones off the whole hour finalised time ends after midnight.
        starts_on += timedelta(days=1)
    present = calendar.era(now)
    ends_on = None
    for before, after in zip(calendar.eras, calendar.eras[1:], strict=False):
        assert before.until is not None  # noqa: S101 - all but the last have an end
        if before.currency != after.currency:
            if calendar.first_instant(before.until) <= now:
                starts_on = max(starts_on, before.until)
            elif ends_on is None and before.currency == present.currency:
                ends_on = before.until
    return starts_on, ends_on


async def _estimate(conn: Connection, assets: Sequence[int], done: Provisioned, *, now: datetime) -> None:
    """What the buckets that are there now would bind."""
    looked_at = assets[: max(0, ESTIMATED_ASSETS_MAX - done.assets)]
    done.left_out += len(assets) - len(looked_at)
    done.assets += len(assets)
    loaded = await binding.load_assets(conn, looked_at)
    world = await binding.load_world(conn, looked_at, assets=loaded)
    found = await preview_plans(conn, {one.id: plan(one, world) for one in loaded}, world, now=now)
    done.series += found.series
    done.readings += found.readings
    done.unpriced += found.unpriced
    for currency, money in found.money.items():
        done.money[currency] = done.money.get(currency, Decimal(0)) + money


def _line(client: HeldClient, wanted: Wanted) -> PreviewLine:
    return PreviewLine(
        act="create",
        unit_type=wanted.template.unit_type,
        from_name=client.name,
        to_name=wanted.name,
    )

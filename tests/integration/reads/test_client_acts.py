"""Clients change, end, go on and are forgotten; what cannot be is refused by field and leaves nothing behind."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from aggregator.actions.rebind import rebind
from aggregator.actions.set_client_enabled import set_client_enabled
from aggregator.actions.update_client import client_change, update_client
from aggregator.domain.period import Calendar
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc.inventory import InventoryService
from aggregator.rpc.server import Context
from aggregator.store.calendars import calendars
from aggregator.store.database import Database
from tests.builders import World
from ullage.v1 import client_acts_pb2, inventory_pb2

DAY = timedelta(days=1)
ESC, BIDI, NUL = "a\x1b[2Jb", "a\u202eb", "a\x00b"


@pytest.fixture
def service(db: Database) -> InventoryService:
    return InventoryService(db)


@pytest.fixture
async def today(world: World) -> date:
    return (await world.now()).date()


def first_of_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


async def calendar_of(db: Database, client: int) -> Calendar:
    async with db.transaction() as conn:
        return (await calendars(conn, [client]))[client]


async def client_row(world: World, client: int) -> tuple[Any, ...]:
    return await world.one(
        "select c::text, (select count(*) from client_cycle) from client c where id = %s", client
    )


async def terms_of(world: World, bucket: int) -> list[tuple[Any, ...]]:
    rows = await world.conn.execute(
        "select starts_on, ends_on, commit from bucket_terms where bucket_id = %s order by starts_on",
        [bucket],
    )
    return await rows.fetchall()


def update(client: int, **asked: Any) -> client_acts_pb2.UpdateClientRequest:
    return client_acts_pb2.UpdateClientRequest(id=client, **asked)


async def test_a_client_is_created_with_contact_and_patience(
    service: InventoryService, world: World, context: Context
) -> None:
    made = await service.CreateClient(
        inventory_pb2.CreateClientRequest(
            name="acme",
            currency="EUR",
            time_zone="Europe/Berlin",
            cycle_unit="month",
            cycle_count=1,
            cycle_anchor="2026-01-31",
            contact=" billing@example.org ",
            close_after_days=0,
        ),
        context,
    )
    assert await world.one("select contact, close_after_days from client where id = %s", made.id) == (
        "billing@example.org",
        0,
    )


async def test_name_contact_and_patience_change_and_the_rest_stays(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    reply = await service.UpdateClient(
        update(client, name="Acme", contact="ops", close_after_days=5), context
    )
    assert reply.client.name == "Acme"
    assert [line.to for line in reply.preview.lines] == ["Acme", "ops", "periods are closed after 5 days"]
    await service.UpdateClient(update(client, wait=True), context)
    assert await world.one(
        "select name, contact, close_after_days, currency, cycle_count from client where id = %s", client
    ) == ("Acme", "ops", None, "EUR", 1)


async def test_a_dry_run_says_what_changes_and_changes_nothing(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    before = await client_row(world, client)
    reply = await service.UpdateClient(update(client, name="Acme", cycle_count=3, dry_run=True), context)
    assert [line.act for line in reply.preview.lines] == ["change", "change"]
    assert reply.client.name == "acme"
    assert await client_row(world, client) == before


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("name", {"name": ""}),
        ("name", {"name": ESC}),
        ("name", {"name": BIDI}),
        ("name", {"name": NUL}),
        ("name", {"name": "x" * 129}),
        ("contact", {"contact": ESC}),
        ("contact", {"contact": "two\nlines"}),
        ("contact", {"contact": "x" * 501}),
        ("close_after_days", {"close_after_days": 366}),
        ("wait", {"close_after_days": 1, "wait": True}),
        ("currency", {"currency": "EURO"}),
        ("time_zone", {"time_zone": "../../etc/passwd"}),
        ("cycle_unit", {"cycle_unit": "day"}),
        ("cycle_count", {"cycle_count": 0}),
        ("cycle_from", {"cycle_count": 2, "cycle_from": "soon"}),
        ("cycle_from", {"cycle_count": 2, "cycle_from": "2026-01-02"}),
        ("cycle_from", {"cycle_from": "2026-02-01"}),
    ],
)
async def test_a_change_that_cannot_be_is_refused_by_field_and_leaves_nothing(
    service: InventoryService, world: World, context: Context, field: str, asked: dict[str, Any]
) -> None:
    client = await world.client("acme")
    before = await client_row(world, client)
    with pytest.raises(Invalid) as refused:
        await service.UpdateClient(update(client, **({"name": "other"} | asked)), context)
    assert refused.value.field == field
    assert await client_row(world, client) == before


async def test_an_unknown_client_and_a_taken_name_are_refused(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("acme")
    await world.client("brook")
    with pytest.raises(NotFound):
        await service.UpdateClient(update(99, name="x"), context)
    with pytest.raises(Conflict, match="brook already"):
        await service.UpdateClient(update(client, name="brook"), context)


async def test_a_new_cycle_starts_where_the_open_period_ends(
    service: InventoryService, world: World, db: Database, context: Context, today: date
) -> None:
    client = await world.client("acme")
    reply = await service.UpdateClient(update(client, cycle_count=3, time_zone="America/New_York"), context)
    ends = first_of_next_month(today)
    calendar = await calendar_of(db, client)
    assert calendar.eras[0].until == ends
    assert (calendar.eras[1].cycle.anchor, calendar.eras[1].cycle.count) == (ends, 3)
    # What holds now is shown as such until then.
    assert (reply.client.cycle_count, reply.client.time_zone) == (1, calendar.eras[0].cycle.time_zone)
    [coming] = reply.client.coming
    assert (coming.starts_on, coming.cycle_count, coming.time_zone) == (
        ends.isoformat(),
        3,
        "America/New_York",
    )
    open_period = calendar.period_containing(await world.now())
    assert open_period.end == datetime(ends.year, ends.month, 1, tzinfo=UTC)
    assert calendar.period(open_period.number + 1).start == open_period.end


async def test_a_change_in_ended_time_has_its_figures_rated_again(
    service: InventoryService, world: World, context: Context, today: date
) -> None:
    month = today.replace(day=1)
    client = await world.client("acme")
    bucket = await world.bucket(client)
    terms = await world.one("select id from bucket_terms where bucket_id = %s", bucket)
    run = await world.insert("run", job="billing", started_at=await world.now(), state="done")
    starts = [datetime(2024, 1, 1, tzinfo=UTC), datetime(month.year, month.month, 1, tzinfo=UTC)]
    for start in starts:
        await world.insert(
            "billing_reading",
            returning="bucket_id",
            bucket_id=bucket,
            period_start=start,
            period_end=start + 28 * DAY,
            from_slot=0,
            to_slot=1,
            terms_id=terms[0],
            aggregation="avg",
            quantity=Decimal(0),
            commit=Decimal(0),
            overage_units=Decimal(0),
            currency="EUR",
            used=0,
            buffer=0,
            overage=0,
            cost=0,
            as_of_slot=0,
            cutoff=start,
            run_id=run,
        )
    reply = await service.UpdateClient(
        update(client, cycle_unit="week", cycle_from=month.isoformat()), context
    )
    assert any("rated again" in note for note in reply.preview.notes)
    rows = await (await world.conn.execute("select period_start from billing_reading")).fetchall()
    assert rows == [(starts[0],)]


async def test_finalised_time_keeps_its_cycle(
    service: InventoryService, world: World, context: Context, today: date
) -> None:
    month = today.replace(day=1)
    finalised = datetime(month.year, month.month, 1, tzinfo=UTC)
    client = await world.client("acme", finalised_at=finalised)
    for day in (month, (month - DAY).replace(day=1)):
        with pytest.raises(Invalid, match="billed for good"):
            await service.UpdateClient(update(client, cycle_count=2, cycle_from=day.isoformat()), context)


async def test_terms_do_not_go_on_in_another_currency(
    service: InventoryService, world: World, db: Database, context: Context, today: date
) -> None:
    client = await world.client("acme")
    bucket = await world.bucket(client, name="memory")
    before = await client_row(world, client)
    with pytest.raises(Conflict, match=r"terms in EUR would go on in USD .* memory; end these terms"):
        await service.UpdateClient(update(client, currency="USD"), context)
    assert await client_row(world, client) == before
    await world.terms(bucket, starts_on=first_of_next_month(today))
    reply = await service.UpdateClient(update(client, currency="USD"), context)
    assert any("are in USD: 1" in note for note in reply.preview.notes)
    calendar = await calendar_of(db, client)
    assert [era.currency.code for era in calendar.eras] == ["EUR", "USD"]


async def test_a_disabled_clients_buckets_end_and_go_on(
    service: InventoryService, world: World, context: Context, today: date
) -> None:
    client = await world.client("acme")
    bucket = await world.bucket(client, name="memory", commit="7")
    ended = await world.bucket(client, name="gone")
    await world.conn.execute(
        "update bucket_terms set ends_on = %s where bucket_id = %s", [date(2025, 1, 1), ended]
    )
    off = await world.bucket(client, name="off", enabled=False)
    reply = await service.SetClientEnabled(
        client_acts_pb2.SetClientEnabledRequest(id=client, enabled=False), context
    )
    assert [getattr(line, "from") for line in reply.preview.lines] == ["memory"]
    assert not reply.client.enabled
    assert await world.one("select disabled_on from client where id = %s", client) == (today + DAY,)
    assert await terms_of(world, bucket) == [(date(2020, 1, 1), today + DAY, 7)]
    assert (await terms_of(world, off))[0][1] is None
    # It never came to the end: the same terms go on.
    await service.SetClientEnabled(client_acts_pb2.SetClientEnabledRequest(id=client, enabled=True), context)
    assert await terms_of(world, bucket) == [(date(2020, 1, 1), None, 7)]
    assert await terms_of(world, ended) == [(date(2020, 1, 1), date(2025, 1, 1), 100)]


async def test_after_a_pause_a_copy_of_the_terms_holds(
    service: InventoryService, world: World, context: Context, today: date
) -> None:
    client = await world.client("acme")
    bucket = await world.bucket(client, commit="7")
    await world.conn.execute(
        """update bucket_terms set package = 2, minimum = 1, maximum = 9, gap_hold = 4, prorate = true,
        aggregation = 'percentile', percentile = 95, tiers = '[{"above": "0", "price": "3"}]'"""
    )
    request = client_acts_pb2.SetClientEnabledRequest(
        id=client, enabled=False, on=(today - 9 * DAY).isoformat()
    )
    await service.SetClientEnabled(request, context)
    await service.SetClientEnabled(
        client_acts_pb2.SetClientEnabledRequest(id=client, enabled=True, on=(today - 2 * DAY).isoformat()),
        context,
    )
    assert await terms_of(world, bucket) == [
        (date(2020, 1, 1), today - 9 * DAY, 7),
        (today - 2 * DAY, None, 7),
    ]
    kinds = await (
        await world.conn.execute(
            "select distinct package, minimum, maximum, gap_hold, prorate, aggregation, percentile, tiers,"
            " base_price, overage_price from bucket_terms"
        )
    ).fetchall()
    assert len(kinds) == 1


async def test_disabling_is_refused_in_finalised_time_twice_and_before_later_terms(
    service: InventoryService, world: World, context: Context, today: date
) -> None:
    finalised = datetime(today.year, today.month, today.day, tzinfo=UTC) - 5 * DAY
    client = await world.client("acme", finalised_at=finalised)
    bucket = await world.bucket(client, name="memory")
    await world.terms(bucket, starts_on=today + 9 * DAY)
    ask = client_acts_pb2.SetClientEnabledRequest
    for on in ("yesterday", (finalised.date() - DAY).isoformat()):
        with pytest.raises(Invalid) as refused:
            await service.SetClientEnabled(ask(id=client, enabled=False, on=on), context)
        assert refused.value.field == "on"
    with pytest.raises(Conflict, match="memory; delete those first"):
        await service.SetClientEnabled(ask(id=client, enabled=False), context)
    assert (await terms_of(world, bucket))[0][1] is None
    with pytest.raises(Conflict, match="enabled already"):
        await service.SetClientEnabled(ask(id=client, enabled=True), context)
    later = (today + 20 * DAY).isoformat()
    await service.SetClientEnabled(ask(id=client, enabled=False, on=later, dry_run=True), context)
    await service.SetClientEnabled(ask(id=client, enabled=False, on=later), context)
    with pytest.raises(Conflict, match=f"disabled from {later} on already"):
        await service.SetClientEnabled(ask(id=client, enabled=False), context)
    with pytest.raises(NotFound):
        await service.SetClientEnabled(ask(id=99, enabled=False), context)


async def test_a_disabled_clients_assets_stay_bound_up_to_the_day(
    service: InventoryService, world: World, db: Database, context: Context, today: date
) -> None:
    client = await world.client("acme")
    agent = await world.agent()
    asset = await world.asset("web-1", agent=agent)
    series = await world.series(asset)
    now = await world.now()
    await world.measured(series, now - 20 * DAY, now)
    await world.insert(
        "assignment_rule",
        client_id=client,
        priority=0,
        conditions='[{"field": "name", "operator": "glob", "pattern": "web-*"}]',
    )
    await world.bucket(client)
    await world.conn.execute("update asset set rebind = true")
    await rebind(db)
    request = client_acts_pb2.SetClientEnabledRequest(
        id=client, enabled=False, on=(today - 9 * DAY).isoformat(), dry_run=True
    )
    dry = await service.SetClientEnabled(request, context)
    assert (dry.preview.assets, dry.preview.series) == (1, 1)
    request.dry_run = False
    await service.SetClientEnabled(request, context)
    await rebind(db)
    ends = (datetime.combine(today, datetime.min.time(), UTC) - 9 * DAY).timestamp() // 300
    assert await world.one("select to_slot from binding") == (ends,)


async def test_two_changes_of_cycle_at_once_leave_one_calendar(
    world: World, db: Database, today: date
) -> None:
    client = await world.client("acme")
    changes = [client_change(cycle_count=count) for count in (2, 3, 4, 6)]
    await asyncio.gather(*(update_client(db, client, change) for change in changes))
    calendar = await calendar_of(db, client)
    assert [era.until for era in calendar.eras] == [first_of_next_month(today), None]
    assert calendar.eras[1].cycle.count in {2, 3, 4, 6}


async def test_a_client_disabled_twice_at_once_is_disabled_once(world: World, db: Database) -> None:
    client = await world.client("acme")
    await world.bucket(client)
    done = await asyncio.gather(
        *(set_client_enabled(db, client, enabled=False) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(one, Conflict) for one in done) == 2


async def test_an_erased_client_is_forgotten_and_its_figures_stay(
    service: InventoryService, world: World, context: Context
) -> None:
    client = await world.client("Jane Doe")
    bucket = await world.bucket(client)
    await service.UpdateClient(update(client, contact="jane@example.org", name="Jane D. Doe"), context)
    ask = client_acts_pb2.EraseClientRequest
    with pytest.raises(Invalid, match="write it exactly"):
        await service.EraseClient(ask(id=client, name="Jane Doe"), context)
    with pytest.raises(NotFound):
        await service.EraseClient(ask(id=99, name="Jane Doe"), context)
    gone = await service.EraseClient(ask(id=client, name="Jane D. Doe"), context)
    assert gone.name == f"erased-{client}"
    assert await world.one("select name, contact, erased_at is null from client") == (
        f"erased-{client}",
        "",
        False,
    )
    assert len(await terms_of(world, bucket)) == 1
    text = await world.one(
        "select count(*) from audit_entry e where e::text ilike '%%jane%%' or e::text ilike '%%example.org%%'"
    )
    assert text == (0,)
    with pytest.raises(Conflict, match="erased already"):
        await service.EraseClient(ask(id=client, name=f"erased-{client}"), context)
    with pytest.raises(Conflict, match="is erased"):
        await service.UpdateClient(update(client, name="Jane"), context)

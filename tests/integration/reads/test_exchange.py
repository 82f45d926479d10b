"""Files of clients, buckets, assignments and contracts: all of it or nothing, every error by line, and out again."""

from datetime import UTC, datetime

import pytest

from aggregator.actions.export_table import export_table
from aggregator.actions.import_table import Imported, import_table
from aggregator.errors import Invalid
from aggregator.store import exchange
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from tests.builders import World

COUNTS = "client,source_type,unit_type,quantity,as_of\n"
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
CLIENTS = (
    "name,currency,time_zone,cycle_anchor,contact\n"
    "acme,EUR,Europe/Berlin,2026-01-01,ops@acme.test\n"
    "globex,JPY,UTC,2026-01-31,\n"
)
BUCKETS = (
    "client;name;source_type;unit_type;starts_on;commit;base_price;overage_price;aggregation;filters;tiers;gap_rule;prorate\n"
    "acme;memory;vm;ram;2026-01-01;64;2.5;4;p95;name glob web-*;0: 4; 100: 3.5;hold 6;yes\n"
    "acme;cpu;host;cpu;2026-01-01;0;0;0.0000000001;sum;;;;no\n"
).replace("0: 4; 100: 3.5", '"0: 4; 100: 3.5"')


async def take(db: Database, table: str, text: str, *, dry_run: bool = False) -> Imported:
    return await import_table(db, table, text.encode(), now=NOW, dry_run=dry_run)


async def exported(db: Database, table: str, client_id: int | None = None) -> str:
    async with snapshot(db) as seen:
        return b"".join([part async for part in export_table(seen, table, client_id=client_id)]).decode()


def counts(done: Imported) -> tuple[int, int, int]:
    return done.created, done.changed, done.unchanged


def told(done: Imported) -> list[tuple[int, str]]:
    return [(problem.line, problem.column) for problem in done.problems]


async def test_clients_are_created_once_and_changed_where_a_line_differs(db: Database) -> None:
    assert counts(await take(db, "clients", CLIENTS)) == (2, 0, 0)
    again = await take(db, "clients", CLIENTS.replace("ops@acme.test", "noc@acme.test"))
    assert (counts(again), again.problems) == ((0, 1, 1), [])
    assert again.audit_group


async def test_what_is_exported_is_imported_as_unchanged(db: Database) -> None:
    await take(db, "clients", CLIENTS)
    made = await take(db, "buckets", BUCKETS)
    assert (counts(made), made.problems) == ((2, 0, 0), [])
    for table, lines in (("clients", 2), ("buckets", 2)):
        done = await take(db, table, await exported(db, table))
        assert (counts(done), done.problems) == ((0, 0, lines), [])


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(db: Database, world: World) -> None:
    done = await take(db, "clients", CLIENTS, dry_run=True)
    assert (counts(done), done.audit_group) == ((2, 0, 0), 0)
    assert await world.one("select count(*) from client") == (0,)


async def test_with_one_wrong_line_nothing_is_done_and_every_error_is_told(
    db: Database, world: World
) -> None:
    wrong = (
        CLIENTS
        + "initech,XXQ,UTC,2026-01-01,\nhooli,EUR,Mars/Base,2026-01-01,\n"
        + '"=cmd()",EUR,UTC,,\nacme,EUR,UTC,,\n"a\x1b[31mb",EUR,UTC,2026-01-01,\n'
    )
    done = await take(db, "clients", wrong)
    assert told(done) == [(4, "currency"), (5, "time_zone"), (6, "name"), (7, "name"), (8, "name")]
    assert await world.one("select count(*) from client") == (0,)
    assert await world.one("select count(*) from audit_group") == (0,)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (("4;p95", "4.00000000001;p95"), "overage_price"),
        (("ram;2026", "rum;2026"), "unit_type"),
        (("p95", "p101"), "aggregation"),
        (("0: 4; 100", "1: 4; 100"), "tiers[1].above"),
        (("name glob web-*", "name like web"), "filters"),
        (("name glob web-*", '"name regex ""(a"""'), "filters[1].pattern"),
        (("hold 6", "hold 600"), "gap_rule"),
        (("acme;memory", "nobody;memory"), ""),
    ],
)
async def test_a_wrong_bucket_is_told_by_its_column(
    db: Database, world: World, change: tuple[str, str], column: str
) -> None:
    await take(db, "clients", CLIENTS)
    assert told(await take(db, "buckets", BUCKETS.replace(*change))) == [(2, column)]
    assert await world.one("select count(*) from bucket") == (0,)


async def test_assets_are_assigned_by_file_all_together(db: Database, world: World) -> None:
    await take(db, "clients", CLIENTS)
    agent, other = await world.agent("h1"), await world.agent("h2")
    one = await world.asset(agent=agent, external_id="eth0", source_type="interface")
    two = await world.asset(agent=other, external_id="eth0", source_type="interface")
    three = await world.asset(agent=agent, external_id="h1", source_type="host")
    file = "asset_id,source_type,external_id,agent,client\n"
    ambiguous = await take(db, "assignments", file + ",interface,eth0,,acme\n")
    assert told(ambiguous) == [(2, "external_id")]
    twice = await take(db, "assignments", file + f"{one},,,,acme\n,interface,eth0,h1,globex\n")
    assert told(twice) == [(3, "asset_id")]
    lines = f"{three},,,,globex\n,interface,eth0,h1,acme\n,interface,eth0,h2,acme\n"
    done = await take(db, "assignments", file + lines)
    assert (counts(done), done.problems) == ((0, 3, 0), [])
    found = await world.one(
        "select array_agg(x.asset_id order by x.asset_id) from assignment x join client c on c.id = x.client_id"
        " where c.name = 'acme'"
    )
    assert found == ([one, two],)
    again = await take(db, "assignments", await exported(db, "assignments"))
    assert (counts(again), again.problems) == ((0, 0, 3), [])


async def test_a_refused_asset_is_told_and_the_others_are_not_assigned(db: Database, world: World) -> None:
    await take(db, "clients", CLIENTS)
    agent = await world.agent()
    good, bad = await world.asset(agent=agent), await world.asset(agent=agent, enabled=False)
    done = await take(db, "assignments", f"asset_id,client\n{good},acme\n{bad},acme\n999,acme\n")
    assert told(done) == [(3, ""), (4, "")]
    assert await world.one("select count(*) from assignment") == (0,)


async def test_contracted_counts_replace_those_of_their_clients(db: Database, world: World) -> None:
    await take(db, "clients", CLIENTS)
    first = COUNTS + "acme,vm,ram,712,2026-06-01\nacme,vm,,30,2026-06-01\nglobex,vm,ram,5,2026-06-01\n"
    assert counts(await take(db, "contracts", first)) == (3, 0, 0)
    second = COUNTS + "acme,vm,ram,700,2026-06-01\n"
    assert counts(await take(db, "contracts", second)) == (0, 2, 0)
    lines = (await exported(db, "contracts")).splitlines()
    assert lines[0] == "client,source_type,quantity,unit_type,as_of,id"
    assert [line.rpartition(",")[0] for line in lines[1:]] == [
        "acme,vm,700,ram,2026-06-01",
        "globex,vm,5,ram,2026-06-01",
    ]


async def test_contracts_are_held_against_what_is_metered(db: Database, world: World) -> None:
    await take(db, "clients", CLIENTS)
    [acme] = await world.one("select id from client where name = 'acme'")
    agent = await world.agent()
    bucket = await world.bucket(acme, source_type="vm", unit_type="ram")
    for place, gib in enumerate((400, 280)):
        asset = await world.asset(agent=agent, source_type="vm")
        series = await world.series(asset, "ram")
        await world.assignment(asset, acme, since=NOW.replace(day=1))
        await world.measured(series, NOW.replace(day=1), NOW)
        if place == 0:
            await world.binding(series, bucket, since=NOW.replace(day=1))
        await world.one(
            "insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)"
            " values (%s, '2026-06-01', %s, %s, %s, 1, 1, 1) returning series_id",
            series,
            *(gib * 2**30,) * 3,
        )
    counted = "client,source_type,unit_type,quantity\nacme,vm,ram,712\nacme,vm,,2\nacme,host,cpu,10\n"
    assert (await take(db, "contracts", counted)).problems == []
    slot = int(NOW.timestamp()) // 300
    async with db.transaction() as conn:
        rows = await exchange.reconciliation(
            conn, client_id=None, slot=slot, month=NOW.date().replace(day=1), seen_slot=slot - 288
        )
    assert [
        (row.source_type, row.unit_type, int(row.contracted or 0), int(row.steps or 0), int(row.unbound))
        for row in rows
    ] == [
        ("host", "cpu", 10, 0, 0),
        ("vm", None, 2, 2, 1),
        ("vm", "ram", 712, 680 * 2**30, 280 * 2**30),
    ]


async def test_what_is_no_csv_is_invalid(db: Database) -> None:
    with pytest.raises(Invalid, match="UTF-8"):
        await import_table(db, "clients", "näme".encode("latin-1"), now=NOW, dry_run=False)

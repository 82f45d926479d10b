"""Changing buckets and rules: what is saved, what a dry run says, what is refused, and what is rated again."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aggregator.actions.assign_assets import assign_assets
from aggregator.actions.change_assignment_rule import delete_assignment_rule, update_assignment_rule
from aggregator.actions.create_assignment_rule import create_assignment_rule
from aggregator.actions.given_terms import GivenTerms
from aggregator.actions.rebind import rebind
from aggregator.actions.set_buckets_enabled import review_buckets, set_buckets_enabled
from aggregator.actions.set_terms import delete_terms, set_terms
from aggregator.actions.update_bucket import update_bucket
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.domain.slot import OPEN_SLOT
from aggregator.errors import Conflict, Invalid, NotFound
from tests.integration.test_rebind import (
    YEAR,
    assignments,
    bindings,
    bucket,
    client,
    host,
    named,
    rows,
    rule,
)
from tests.rollup_world import Conn, opened

TERMS = GivenTerms(
    starts_on="2026-03-01", commit="10", base_price="1", overage_price="2", aggregation="p99.9"
)
MARCH = YEAR + 59 * 288


async def test_terms_are_added_replaced_and_deleted_by_their_day(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        key = await bucket(db, await client(db, "mine"), "all")
        await set_terms(db, key, TERMS, dry_run=True)
        assert await rows(conn, "select from bucket_terms where starts_on > '2026-01-01'") == []
        full = replace(
            TERMS, package="5", minimum="1", maximum="9.5", tiers=[("0", "2"), ("10", "1.5")],
            gap_rule="hold 4", prorate=True, ends_on="2026-06-01",
        )  # fmt: skip
        await set_terms(db, key, TERMS)
        await set_terms(db, key, full)
        saved = await rows(
            conn,
            "select aggregation, percentile::text, package::text, minimum::text, maximum::text, tiers, gap_hold, prorate,"
            " ends_on::text from bucket_terms where starts_on = '2026-03-01'",
        )
        tiers = [{"above": "0", "price": "2"}, {"above": "10", "price": "1.5"}]
        assert saved == [("percentile", "99.9", "5", "1", "9.5", tiers, 4, True, "2026-06-01")]
        await delete_terms(db, key, starts_on="2026-03-01")
        with pytest.raises(NotFound):
            await delete_terms(db, key, starts_on="2026-03-01")
        with pytest.raises(Conflict, match="only terms"):
            await delete_terms(db, key, starts_on="2026-01-01")
        with pytest.raises(NotFound, match="bucket 999"):
            await set_terms(db, 999, TERMS)


async def test_bindings_follow_the_terms_of_a_bucket(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        key = await bucket(db, mine, "all")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
        assert (await set_buckets_enabled(db, [key], enabled=False, on="2026-03-01")).changed == 1
        await rebind(db)
        assert await bindings(conn) == [(ram, key, YEAR, MARCH)]
        assert (await set_buckets_enabled(db, [key], enabled=False, on="2026-03-01")).changed == 0
        with pytest.raises(Conflict, match="disabled"):
            await set_terms(db, key, replace(TERMS, starts_on="2026-02-01"))
        await set_buckets_enabled(db, [key], enabled=True, on="2026-03-02")
        await rebind(db)
        assert await bindings(conn) == [(ram, key, YEAR, MARCH), (ram, key, MARCH + 288, OPEN_SLOT)]
        await delete_terms(db, key, starts_on="2026-03-02")
        await set_buckets_enabled(db, [key], enabled=False, on="2026-03-01")
        await set_buckets_enabled(db, [key], enabled=True, on="2026-03-01")
        await rebind(db)
        assert await bindings(conn) == [(ram, key, YEAR, OPEN_SLOT)]


async def test_a_changed_filter_says_what_it_takes_and_moves_it(dsn: str, conn: Conn) -> None:
    web, [web_ram] = await host(conn, "web-1")
    db_1, [db_ram] = await host(conn, "db-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        every, webs = await bucket(db, mine, "every"), await bucket(db, mine, "webs", priority=1)
        await assign_assets(db, asset_ids=[web, db_1], client_id=mine)
        assert {row[1] for row in await bindings(conn)} == {webs}
        wanted = [Filter((named("web-*"),))]
        before = await bindings(conn)
        seen = await update_bucket(db, webs, filters=wanted, dry_run=True)
        assert (seen.assets, seen.series, seen.confirm_assets) == (1, 1, 0)
        [line] = seen.lines
        assert (line.act, line.asset_name, line.from_name, line.to_name) == ("take", "db-1", "webs", "every")
        assert await rebind(db) == {"assets": 0, "assignments": 0, "bindings": 0}
        assert await bindings(conn) == before
        await update_bucket(db, webs, filters=wanted)
        assert (await rebind(db))["assets"] == 2
        assert await bindings(conn) == [(web_ram, webs, YEAR, OPEN_SLOT), (db_ram, every, YEAR, OPEN_SLOT)]
        await update_bucket(db, every, name="rest")
        with pytest.raises(Conflict, match="bucket webs already"):
            await update_bucket(db, every, name="webs")
        with pytest.raises(Invalid, match="name"):
            await update_bucket(db, every, name="re\x1b[31mst")
        assert await rebind(db) == {"assets": 0, "assignments": 0, "bindings": 0}
        assert (await review_buckets(db, [every], reviewed=False)).changed == 1


async def test_a_rule_is_changed_and_deleted_and_flags_only_what_it_can_match(dsn: str, conn: Conn) -> None:
    web, _ = await host(conn, "web-1")
    db_1, _ = await host(conn, "db-1")
    await host(conn, "mail-1")
    async with opened(dsn) as db:
        mine, yours = await client(db, "mine"), await client(db, "yours")
        key = await rule(db, mine, named("web-*"))
        theirs = await rule(db, yours, Condition("name", Operator.REGEX, "web-[0-9]+"), priority=-1)
        await rebind(db)
        await update_assignment_rule(db, key, priority=0, conditions=[named("db-*")])
        assert (await rebind(db))["assets"] == 2
        assert await assignments(conn) == [
            (web, yours, 0, OPEN_SLOT, theirs),
            (db_1, mine, 0, OPEN_SLOT, key),
        ]
        seen = await delete_assignment_rule(db, key, dry_run=True)
        assert [(line.act, line.from_name, line.to_name) for line in seen.preview.lines] == [
            ("unassign", "mine", "")
        ]
        await delete_assignment_rule(db, key)
        assert (await rebind(db))["assets"] == 1
        assert [row[0] for row in await assignments(conn)] == [web]
        with pytest.raises(NotFound, match="assignment rule"):
            await delete_assignment_rule(db, key)


async def test_a_rule_for_nearly_everything_must_be_confirmed(dsn: str, conn: Conn) -> None:
    for number in range(21):
        await host(conn, f"web-{number}")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        seen = await create_assignment_rule(
            db, client_id=mine, priority=0, conditions=[named("*")], dry_run=True
        )
        assert (seen.rule_id, seen.preview.assets, seen.preview.confirm_assets) == (0, 21, 21)
        for confirmed in (0, 20):
            with pytest.raises(Conflict, match="21 of 21 assets"):
                await create_assignment_rule(
                    db, client_id=mine, priority=0, conditions=[named("*")], confirmed_assets=confirmed
                )
        assert await rows(conn, "select from assignment_rule") == []
        await create_assignment_rule(
            db, client_id=mine, priority=0, conditions=[named("*")], confirmed_assets=21
        )


async def test_finalised_time_is_refused_by_the_database_itself(dsn: str, conn: Conn) -> None:
    asset, [ram] = await host(conn, "web-1")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        key = await bucket(db, mine, "all")
        await assign_assets(db, asset_ids=[asset], client_id=mine)
        await conn.execute("update client set finalised_slot = %s", [MARCH])
        await conn.commit()
        for act in (
            "delete from assignment",
            "delete from binding",
            "update binding set to_slot = %(slot)s - 12",
            "update assignment set from_slot = 5",
            "insert into binding (series_id, bucket_id, from_slot, to_slot) values (%(ram)s, %(key)s, 0, 12)",
        ):
            with pytest.raises(Conflict, match="finalised"):
                async with db.transaction() as other:
                    await other.execute(act.encode(), {"slot": MARCH, "ram": ram, "key": key})
        async with db.transaction() as other:
            await other.execute("update binding set to_slot = %s", [MARCH])
    assert await bindings(conn) == [(ram, key, YEAR, MARCH)]


async def test_edited_terms_mark_what_they_rated_and_finalised_ones_stay(dsn: str, conn: Conn) -> None:
    async with opened(dsn) as db:
        key = await bucket(db, await client(db, "mine"), "all")
        [[terms_id]] = await rows(conn, "select id from bucket_terms")
        await conn.execute("insert into run (job, started_at, state) values ('billing', now(), 'done')")
        await conn.execute(
            "insert into billing_reading (bucket_id, period_start, period_end, from_slot, to_slot, terms_id, aggregation,"
            " quantity, commit, overage_units, currency, used, buffer, overage, cost, as_of_slot, cutoff, run_id)"
            " values (%s, %s, %s, %s, %s, %s, 'avg', 3, 0, 3, 'EUR', 0, 0, 3, 3, %s, now(), 1)",
            [key, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), YEAR, YEAR + 31 * 288, terms_id, YEAR],
        )  # fmt: skip
        await conn.commit()
        dearer = replace(TERMS, starts_on="2026-01-01", commit="0", overage_price="4", aggregation="avg")
        seen = await set_terms(db, key, dearer, dry_run=True)
        assert {currency: str(amount) for currency, amount in seen.money.items()} == {"EUR": "9.00"}
        assert await rows(conn, "select from dirty") == []
        await set_terms(db, key, dearer)
        assert await rows(conn, "select bucket_id, day_slot from dirty") == [(key, YEAR + 288)]
        await conn.execute("update billing_reading set finalised_at = now()")
        await conn.commit()
        with pytest.raises(Conflict, match="finalised"):
            await set_terms(db, key, replace(dearer, base_price="7"))
        with pytest.raises(Conflict, match="finalised"):
            await set_terms(db, key, replace(TERMS, starts_on="2026-01-20"))
        # An end behind what is finalised is no change of it.
        await set_buckets_enabled(db, [key], enabled=False, on="2026-03-01")
    assert await rows(conn, "select ends_on::text, enabled from bucket_terms, bucket") == [
        ("2026-03-01", False)
    ]


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a+)+$", ".*.*.*.*.*x", "(x{1,50}){1,20}y"])
async def test_no_pattern_takes_long(dsn: str, conn: Conn, pattern: str) -> None:
    await host(conn, "a" * 120 + "!")
    async with opened(dsn) as db:
        mine = await client(db, "mine")
        seen = await create_assignment_rule(
            db,
            client_id=mine,
            priority=0,
            conditions=[Condition("name", Operator.REGEX, pattern)],
            dry_run=True,
        )
    assert seen.preview.assets == 0

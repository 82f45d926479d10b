"""What people do with assets, as it is saved: from when it holds, what it leaves alone, and what is in its way."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from aggregator.actions.acknowledge_assets import acknowledge_assets, describe_assets
from aggregator.actions.assign_assets import assign_assets, release_assets
from aggregator.actions.bind_assets import bind_assets
from aggregator.actions.rebind import rebind
from aggregator.actions.set_assets_enabled import disregard_assets, restore_assets, set_assets_enabled
from aggregator.domain.slot import OPEN_SLOT, slot_of, slot_start
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import news
from aggregator.store.database import Database
from tests.rollup_world import Conn, opened
from tests.two_clients import DAY, FINALISED, NOON, NOVEMBER, Estate, assignments, bindings, value


@pytest.fixture
async def estate(conn: Conn) -> Estate:
    return await Estate(conn).build()


async def test_a_move_at_a_time_divides_assignment_and_binding_there(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    at = slot_of(NOON)
    async with opened(dsn) as db:
        given = NOON + timedelta(minutes=34)
        rehearsed = await assign_assets(
            db, asset_ids=[estate.asset], client_id=estate.beta, since=given, dry_run=True, now=NOON + DAY
        )
        assert await assignments(conn, estate.asset) == [(estate.acme, 0, OPEN_SLOT)]
        done = await assign_assets(
            db, asset_ids=[estate.asset], client_id=estate.beta, since=given, now=NOON + DAY
        )
    assert (done.changed, rehearsed.changed, rehearsed.audit_group) == (1, 1, 0)
    assert await assignments(conn, estate.asset) == [(estate.acme, 0, at), (estate.beta, at, OPEN_SLOT)]
    assert await bindings(conn, estate.series) == [(estate.ram, 0, at), (estate.beta_ram, at, OPEN_SLOT)]
    assert rehearsed.preview is not None
    assert done.preview is not None
    assert rehearsed.preview.notes == done.preview.notes
    assert "from 2026-11-20 12:00 UTC, cut to the hour" in done.preview.notes
    assert any("avg" in note and "divid" in note for note in done.preview.notes)


@pytest.mark.parametrize(
    ("aggregation", "says"),
    [
        ("last", "only the bucket that has it at the end"),
        ("max", "counts what it had"),
        ("sum", "by time: sum"),
    ],
)
async def test_a_move_says_what_the_aggregation_makes_of_it(
    dsn: str, conn: Conn, aggregation: str, says: str
) -> None:
    estate = await Estate(conn).build(aggregation=aggregation)
    async with opened(dsn) as db:
        done = await assign_assets(
            db, asset_ids=[estate.asset], client_id=estate.beta, since=NOON, dry_run=True, now=NOON + DAY
        )
    assert done.preview is not None
    assert any(aggregation in note and says in note for note in done.preview.notes)


async def test_without_a_time_a_move_holds_from_the_end_of_finalised_time(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    async with opened(dsn) as db:
        await assign_assets(db, asset_ids=[estate.asset], client_id=estate.beta)
    assert await assignments(conn, estate.asset) == [
        (estate.acme, 0, FINALISED),
        (estate.beta, FINALISED, OPEN_SLOT),
    ]
    assert await bindings(conn, estate.series) == [
        (estate.ram, 0, FINALISED),
        (estate.beta_ram, FINALISED, OPEN_SLOT),
    ]


async def test_a_move_exactly_at_the_end_of_finalised_time_is_possible_and_an_hour_earlier_is_not(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    async with opened(dsn) as db:
        for client in (estate.beta, 0):
            with pytest.raises(Conflict, match="before 2026-11-01 00:00 UTC is finalised"):
                await assign_assets(
                    db, asset_ids=[estate.asset], client_id=client, since=NOVEMBER - timedelta(seconds=1)
                )
        assert await assignments(conn, estate.asset) == [(estate.acme, 0, OPEN_SLOT)]
        await assign_assets(db, asset_ids=[estate.asset], client_id=estate.beta, since=NOVEMBER)
    assert (await assignments(conn, estate.asset))[1] == (estate.beta, FINALISED, OPEN_SLOT)


@pytest.mark.parametrize("since", [datetime(1969, 12, 31, tzinfo=UTC), datetime(2500, 1, 1, tzinfo=UTC)])
async def test_a_time_that_nobody_means_is_refused(dsn: str, estate: Estate, since: datetime) -> None:
    async with opened(dsn) as db:
        with pytest.raises(Invalid) as refused:
            await assign_assets(db, asset_ids=[estate.asset], client_id=estate.beta, since=since)
    assert refused.value.field == "from"


async def test_a_binding_by_hand_ends_where_its_asset_moves_to_another_client(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    other = await estate.world.bucket(estate.acme, name="other", conditions=[])
    await conn.commit()
    at = slot_of(NOON)
    async with opened(dsn) as db:
        await bind_assets(db, asset_ids=[estate.asset], bucket_ids=[other])
        assert await bindings(conn, estate.series) == [
            (estate.ram, 0, FINALISED),
            (other, FINALISED, OPEN_SLOT),
        ]
        await assign_assets(db, asset_ids=[estate.asset], client_id=estate.beta, since=NOON)
        assert await bindings(conn, estate.series) == [
            (estate.ram, 0, FINALISED),
            (other, FINALISED, at),
            (estate.beta_ram, at, OPEN_SLOT),
        ]
        # And rules that are looked at again leave it so.
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        assert (await rebind(db))["bindings"] == 0


async def test_released_assets_are_the_rules_again(dsn: str, conn: Conn, estate: Estate) -> None:
    rule = await estate.world.insert(
        "assignment_rule",
        client_id=estate.beta,
        priority=0,
        conditions='[{"field": "name", "operator": "glob", "pattern": "web-*"}]',
    )
    await conn.commit()
    async with opened(dsn) as db:
        assert (await release_assets(db, asset_ids=[estate.asset], dry_run=True)).changed == 1
        assert (await release_assets(db, asset_ids=[estate.asset])).changed == 1
        assert (await release_assets(db, asset_ids=[estate.asset])).changed == 0
    assert (await assignments(conn, estate.asset))[1] == (estate.beta, FINALISED, OPEN_SLOT)
    assert await value(conn, "select rule_id from assignment where client_id = %s", estate.beta) == rule
    assert (await bindings(conn, estate.series))[1] == (estate.beta_ram, FINALISED, OPEN_SLOT)


async def test_time_in_which_an_asset_was_disabled_is_not_billed_afterwards(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    later = NOON + 2 * DAY
    async with opened(dsn) as db:
        off = await set_assets_enabled(
            db, asset_ids=[estate.asset], enabled=False, now=NOON + timedelta(minutes=20)
        )
        assert off.changed == 1
        assert await bindings(conn, estate.series) == [(estate.ram, 0, slot_of(NOON))]
        assert await assignments(conn, estate.asset) == [(estate.acme, 0, OPEN_SLOT)]
        on = await set_assets_enabled(db, asset_ids=[estate.asset], enabled=True, now=later)
        assert on.changed == 1
        expected = [(estate.ram, 0, slot_of(NOON)), (estate.ram, slot_of(later), OPEN_SLOT)]
        assert await bindings(conn, estate.series) == expected
        await conn.execute("update asset set rebind = true")
        await conn.commit()
        assert (await rebind(db))["bindings"] == 0
        again = await set_assets_enabled(db, asset_ids=[estate.asset], enabled=True, now=later)
        assert again.changed == 0
    assert await bindings(conn, estate.series) == expected


async def test_an_asset_disabled_and_enabled_within_an_hour_misses_nothing(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    async with opened(dsn) as db:
        for minutes, enabled in ((5, False), (50, True)):
            now = NOON + timedelta(minutes=minutes)
            await set_assets_enabled(db, asset_ids=[estate.asset], enabled=enabled, now=now)
    found = await bindings(conn, estate.series)
    assert (found[0][1], found[-1][2]) == (0, OPEN_SLOT)
    assert {(bucket, end == start) for (bucket, _, end), (_, start, _) in pairwise(found)} <= {
        (estate.ram, True)
    }
    assert await value(conn, "select count(*) from asset_pause") == 0


async def test_a_disregarded_asset_is_billed_to_the_end_of_finalised_time_and_wholly_again_when_restored(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    async with opened(dsn) as db:
        assert (await disregard_assets(db, asset_ids=[estate.asset])).changed == 1
        assert await bindings(conn, estate.series) == [(estate.ram, 0, FINALISED)]
        assert await value(conn, "select acknowledged_at is not null from asset") is True
        with pytest.raises(Conflict, match="disregarded; restore it first"):
            await set_assets_enabled(db, asset_ids=[estate.asset], enabled=False)
        assert (await restore_assets(db, asset_ids=[estate.asset])).changed == 1
    assert await bindings(conn, estate.series) == [(estate.ram, 0, OPEN_SLOT)]


async def test_an_asset_can_be_disregarded_from_now_on(dsn: str, conn: Conn, estate: Estate) -> None:
    async with opened(dsn) as db:
        await disregard_assets(db, asset_ids=[estate.asset], from_now=True, now=NOON)
        assert await bindings(conn, estate.series) == [(estate.ram, 0, slot_of(NOON))]
        await restore_assets(db, asset_ids=[estate.asset])
    assert await bindings(conn, estate.series) == [(estate.ram, 0, OPEN_SLOT)]


async def test_one_that_cannot_be_keeps_all_from_being_changed(dsn: str, conn: Conn, estate: Estate) -> None:
    theirs = await estate.world.asset("theirs")
    await estate.world.assignment(theirs, estate.beta, since=NOVEMBER)
    free = await estate.world.asset("free")
    series = await estate.world.series(free)
    await estate.world.series(theirs)
    await conn.commit()
    async with opened(dsn) as db:
        with pytest.raises(Conflict, match="belongs to beta"):
            await bind_assets(db, asset_ids=[free, theirs], bucket_ids=[estate.ram])
        for ids in ([free, 999], [999, free]):
            with pytest.raises(NotFound, match="asset 999"):
                await acknowledge_assets(db, asset_ids=ids)
    assert await bindings(conn, series) == []
    assert await assignments(conn, free) == []
    assert await value(conn, "select count(*) from asset where acknowledged_at is not null") == 0


async def test_assets_are_acknowledged_once_and_can_be_new_again(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    ids = [estate.asset, estate.asset]
    async with opened(dsn) as db:
        first = await acknowledge_assets(db, asset_ids=ids)
        assert (first.changed, first.audit_group > 0) == (1, True)
        second = await acknowledge_assets(db, asset_ids=ids)
        assert (second.changed, second.audit_group) == (0, 0)
        assert (await acknowledge_assets(db, asset_ids=ids, withdraw=True)).changed == 1
    assert await value(conn, "select acknowledged_at from asset") is None


async def test_a_description_is_cleaned_and_bounded(dsn: str, conn: Conn, estate: Estate) -> None:
    async with opened(dsn) as db:
        assert (await describe_assets(db, asset_ids=[estate.asset], description="  mail\u0301 ")).changed == 1
        assert await value(conn, "select description from asset") == "mai\u013a"
        for bad in ("x" * 501, "a\x1b[31m", "a\u202eb", "a\nb"):
            with pytest.raises(Invalid) as refused:
                await describe_assets(db, asset_ids=[estate.asset], description=bad)
            assert refused.value.field == "description"
        assert (await describe_assets(db, asset_ids=[estate.asset], description="")).changed == 1


async def test_an_act_on_many_assets_has_to_be_confirmed(dsn: str, conn: Conn, estate: Estate) -> None:
    ids = [await estate.world.asset() for _ in range(30)]
    await conn.commit()
    async with opened(dsn) as db:
        rehearsed = await assign_assets(db, asset_ids=ids, client_id=estate.acme, dry_run=True)
        assert rehearsed.preview is not None
        assert rehearsed.preview.confirm_assets == 30
        with pytest.raises(Conflict, match="30 of 31"):
            await assign_assets(db, asset_ids=ids, client_id=estate.acme)
        done = await assign_assets(db, asset_ids=ids, client_id=estate.acme, confirmed_assets=30)
    assert done.changed == 30


async def one_owner(conn: Conn, assets: Sequence[int]) -> None:
    """Each series is bound only while its asset is the bucket's client's, and by no two at once."""
    wrong = await value(
        conn,
        "select count(*) from binding b join series s on s.id = b.series_id join bucket k on k.id = b.bucket_id"
        " where s.asset_id = any(%s) and not exists (select from assignment x where x.asset_id = s.asset_id"
        " and x.client_id = k.client_id and x.from_slot <= b.from_slot and x.to_slot >= b.to_slot)",
        list(assets),
    )
    assert wrong == 0


async def test_two_people_who_move_one_asset_to_two_clients_leave_it_with_one(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    gamma = await estate.world.client("gamma")
    await estate.world.bucket(gamma, name="gamma ram")
    await conn.commit()
    async with opened(dsn) as db:
        for hours in range(4):
            at = NOON + timedelta(hours=hours)
            await asyncio.gather(
                assign_assets(db, asset_ids=[estate.asset], client_id=estate.beta, since=at),
                assign_assets(db, asset_ids=[estate.asset], client_id=gamma, since=at),
                _rebound(db, conn),
            )
            found = await assignments(conn, estate.asset)
            assert found[0] == (estate.acme, 0, slot_of(NOON))
            assert [span[2] for span in found[:-1]] == [span[1] for span in found[1:]]
            await one_owner(conn, [estate.asset])
    assert await bindings(conn, estate.series) != []


async def _rebound(db: Database, conn: Conn) -> None:
    await conn.execute("update asset set rebind = true")
    await conn.commit()
    await rebind(db)


async def test_an_asset_that_moves_to_and_fro_is_billed_to_one_client_in_every_slot(
    dsn: str, conn: Conn, estate: Estate
) -> None:
    async with opened(dsn) as db:
        for hours, client in enumerate((estate.beta, estate.acme, estate.beta, 0, estate.acme)):
            await assign_assets(
                db, asset_ids=[estate.asset], client_id=client, since=NOON + timedelta(hours=hours)
            )
    found = await bindings(conn, estate.series)
    assert [(bucket, slot_start(start)) for bucket, start, _ in found[1:]] == [
        (estate.beta_ram, NOON),
        (estate.ram, NOON + timedelta(hours=1)),
        (estate.beta_ram, NOON + timedelta(hours=2)),
        (estate.ram, NOON + timedelta(hours=4)),
    ]
    assert found[3][2] == slot_of(NOON + timedelta(hours=3))
    await one_owner(conn, [estate.asset])


async def test_the_client_is_told_of_a_new_description(dsn: str, conn: Conn, estate: Estate) -> None:
    heard = []

    async with opened(dsn) as db:
        listening = news.listen(db)
        assert await anext(listening) is None
        await describe_assets(db, asset_ids=[estate.asset], description="old rack")
        while (one := await anext(listening)) is not None:
            heard.append(one)
            break
        await listening.aclose()
    assert heard == [news.News("asset", frozenset({estate.acme}))]

"""News of changes: told to whoever watches, collapsed, and told again after a break."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from aggregator.errors import Invalid
from aggregator.rpc.changes import Changes, Subscription
from aggregator.store import news
from aggregator.store.database import Database

pytestmark = pytest.mark.storage

PATIENCE_SECONDS = 20.0


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=2)
    yield database
    await database.close()


@pytest.fixture
async def changes(db: Database) -> AsyncIterator[Changes]:
    made = Changes(db)
    await made.start()
    await until_listening(db, made)
    yield made
    await made.stop()


async def until_listening(db: Database, changes: Changes) -> None:
    """Returns once an announcement arrives."""
    probe = changes.subscribe(["job"])
    for _ in range(200):
        await announce(db, "job")
        if await within(probe, 0.1) == "job":
            return
    raise AssertionError("nothing was heard")


async def announce(db: Database, *nouns: str) -> None:
    async with db.transaction() as conn:
        await news.announce(conn, *nouns)


async def within(subscription: Subscription, seconds: float = PATIENCE_SECONDS) -> str | None:
    try:
        return await asyncio.wait_for(anext(subscription), seconds)
    except TimeoutError:
        return None


async def test_a_change_is_told_when_its_transaction_commits(db: Database, changes: Changes) -> None:
    watching = changes.subscribe([])
    async with db.transaction() as conn:
        await news.announce(conn, "client")
        await conn.rollback()
    await announce(db, "bucket")
    assert await within(watching) == "bucket"


async def test_only_what_was_asked_for_is_told(db: Database, changes: Changes) -> None:
    assets, clients = changes.subscribe(["asset"]), changes.subscribe(["client", "bucket"])
    await announce(db, "asset", "client")
    assert await within(assets) == "asset"
    assert await within(clients) == "client"
    assert await within(clients, 0.2) is None


async def test_many_changes_of_a_noun_are_one(db: Database, changes: Changes) -> None:
    watching, last = changes.subscribe(["asset"]), changes.subscribe(["client"])
    for _ in range(50):
        await announce(db, "asset")
    await announce(db, "client")
    assert await within(last) == "client"
    assert await within(watching) == "asset"
    assert await within(watching, 0.2) is None


async def test_waiting_in_vain_loses_nothing(db: Database, changes: Changes) -> None:
    watching = changes.subscribe(["asset"])
    assert await within(watching, 0.05) is None
    await announce(db, "asset")
    assert await within(watching) == "asset"


async def test_an_unknown_noun_is_refused(db: Database) -> None:
    with pytest.raises(Invalid, match="'weather'"):
        Changes(db).subscribe(["weather"])


async def test_after_a_break_everything_counts_as_changed(
    db: Database, changes: Changes, conn: psycopg.AsyncConnection
) -> None:
    watching = changes.subscribe(["reading", "agent"])
    await conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and query = any(%s)",
        [["listen ullage_change", "select 1"]],
    )
    await conn.commit()
    assert {await within(watching), await within(watching)} == {"reading", "agent"}
    await until_listening(db, changes)


async def test_subscriptions_end_with_the_aggregator(db: Database) -> None:
    changes = Changes(db)
    await changes.start()
    watching = changes.subscribe([])
    ended = asyncio.create_task(anext(watching, "ended"))
    await asyncio.sleep(0)
    await changes.stop()
    assert await asyncio.wait_for(ended, PATIENCE_SECONDS) == "ended"
    assert await anext(changes.subscribe([]), "ended") == "ended"


async def test_a_subscription_that_nobody_holds_is_forgotten(changes: Changes) -> None:
    kept = changes.subscribe([])
    changes.subscribe([])
    assert list(changes._subscriptions) == [kept]

"""What a migrated database is, on either server."""

import psycopg
import pytest

from aggregator.store.migrate import migrate
from tests.servers import Database

pytestmark = pytest.mark.storage


async def test_raw_readings_are_a_hypertable_exactly_where_timescaledb_is(
    conn: psycopg.AsyncConnection, database: Database
) -> None:
    asked = await conn.execute("select count(*) from pg_extension where extname = 'timescaledb'")
    assert await asked.fetchone() == (1 if database.kind == "timescaledb" else 0,)
    if database.kind == "timescaledb":
        asked = await conn.execute(
            "select count(*) from timescaledb_information.hypertables where hypertable_name = 'tick'"
        )
        assert await asked.fetchone() == (1,)


async def test_a_second_migration_finds_nothing_to_do(dsn: str) -> None:
    assert await migrate(dsn) == []


async def test_an_empty_database_gets_every_migration(empty_database: Database) -> None:
    assert (await migrate(empty_database.dsn))[0].startswith("0001")

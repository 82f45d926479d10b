"""A world to fill and a look at it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast

import psycopg
import pytest

from aggregator.jobs import Jobs
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import World


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("set timezone = 'UTC'")
        yield World(conn)


@pytest.fixture
def jobs(db: Database) -> Jobs:
    """The timetable, not started: a job runs when a test runs it."""
    seconds = {"rollup": 60, "provisioning": 86_400, "binding": 30, "billing": 3600, "projection": 3600}
    return Jobs(db, seconds=seconds, clock=lambda: datetime.now(UTC))


@pytest.fixture
def context() -> Context:
    """The services that are tested here ask nothing of it."""
    return cast(Context, None)

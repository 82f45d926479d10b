"""Fixtures for every test: databases that are fresh, migrated and one's own.

A test that asks for `database`, `dsn`, `conn` or `empty_database` runs on TimescaleDB; marked `storage` it runs once
more on the embedded plain PostgreSQL.
"""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from hypothesis import settings

from deploy.timescaledb import Unobtainable
from tests.servers import Database, Kind, Server, Servers, kinds

# Shared machines make single examples slow at times; what an example shows does not depend on that.
settings.register_profile("ullage", deadline=None)
settings.load_profile("ullage")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a database test on each server it is for."""
    if "server" in metafunc.fixturenames:
        storage = metafunc.definition.get_closest_marker("storage") is not None
        metafunc.parametrize("server", kinds(storage=storage), indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The session's servers; none is started before it is asked for."""
    started = Servers()
    yield started
    started.close()


@pytest.fixture(scope="session")
def server(servers: Servers, request: pytest.FixtureRequest) -> Server:
    """The server this test runs on."""
    kind: Kind = request.param
    try:
        return servers.get(kind)
    except Unobtainable as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A migrated database of the test's own: `dsn` and `kind`."""
    with server.database(migrated=True) as made:
        yield made


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database of the test's own in which nothing has been done yet."""
    with server.database(migrated=False) as made:
        yield made


@pytest.fixture
def dsn(database: Database) -> str:
    """How to connect to `database`."""
    return database.dsn


@pytest.fixture
async def conn(dsn: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection to `database`, autocommit off; what is not committed is rolled back at the end."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        yield connection
        await connection.rollback()

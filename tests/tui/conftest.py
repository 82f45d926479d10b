"""Fixtures of the terminal's tests: one authority, and an aggregator on the loopback that gives scripted answers."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from tests.tui.commands import Command, Done, Worker
from tests.tui.driving import Driver, driven
from tests.tui.estate import estate
from tests.tui.estate_triage import monday
from tests.tui.scripted import Script, Scripted
from tests.tui.triaging import opened


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whom the terminal trusts."""
    return trustme.CA()


@pytest.fixture
def script() -> Script:
    """A dozen clients with sixty assets; change it before or after the aggregator runs."""
    return estate()


@pytest.fixture
async def aggregator(script: Script, authority: trustme.CA) -> AsyncIterator[Scripted]:
    """Running; gone after the test."""
    scripted = Scripted(script, authority)
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """Runs commands, one after another."""
    made = Worker()
    yield made
    made.close()


@pytest.fixture
def ullage(aggregator: Scripted, tmp_path: Path, worker: Worker) -> Command:
    """Runs a command against the scripted aggregator."""

    settings = aggregator.environment(tmp_path)

    async def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
        return await worker.run(*arguments, environment=settings | environment, stdin=stdin)

    return run


@pytest.fixture
def new(aggregator: Scripted) -> Scripted:
    """Forty assets as they stand there on a Monday: six kinds, four of them with a suggestion."""
    monday(aggregator.script)
    return aggregator


@pytest.fixture
async def triage(new: Scripted) -> AsyncIterator[Driver]:
    """The screen of these, with the suggestions there."""
    async with driven(new) as driver:
        await opened(driver)
        yield driver

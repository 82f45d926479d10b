"""Fixtures of the terminal's tests: one authority, and an aggregator on the loopback that gives scripted answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.tui.commands import Command, Done, finish, start
from tests.tui.estate import estate
from tests.tui.scripted import Script, Scripted


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


@pytest.fixture
def ullage(aggregator: Scripted, tmp_path: Path) -> Command:
    """Runs a command against the scripted aggregator."""

    async def run(*arguments: str, **environment: str) -> Done:
        return await finish(
            await start(*arguments, environment={**aggregator.environment(tmp_path), **environment})
        )

    return run

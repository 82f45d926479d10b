"""Names that agents supply: no screen breaks, and nothing in them reaches the terminal as a command."""

import asyncio
import os
import pty
import sys
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Script, Scripted
from tui.guard import Guard
from ullage.wire import from_time

# What the names of builders.HOSTILE would do: title, clipboard, clear, C1, direction, link.
HARMFUL = (b"\x1b]0;", b"\x1b]52;", b"\x1b[2J", b"\x9b31m", "\u202e".encode(), b"\x1b]8;")


@pytest.fixture
def script() -> Script:
    """Every text that the terminal shows is hostile, each row in another way."""
    script = Script()
    for number, name in enumerate(builders.HOSTILE, start=1):
        of = builders.client(number, name, time_zone=name[:40], cycle_anchor=name[:40], currency=name[:3])
        bucket = builders.bucket(
            number, name, of, source_type=name, unit_type=name, symbol=name, currency=name
        )
        script.clients.append(of)
        script.buckets.append(bucket)
        script.readings.append(builders.reading(bucket, 1))
        script.assets.append(
            builders.asset(
                number,
                name,
                description=name,
                external_id=name,
                address=name,
                scope=name,
                source_type=name,
                labels={name[:50]: name},
                client_id=number,
                client_name=name,
                series_unbound=2,
                unbound_since=from_time(builders.ago(days=3)),
            )
        )
    first = script.clients[0]
    script.dashboard = builders.dashboard(
        health=builders.health(problems=list(builders.HOSTILE), database=first.name)
    )
    for top, name in zip(script.dashboard.top_clients, builders.HOSTILE, strict=False):
        top.client_name = name
    script.dashboard.new_overages[0].bucket_name = builders.HOSTILE[4]
    script.dashboard.revenue[0].month = builders.HOSTILE[0]
    return script


def check(driver: Driver) -> None:
    """The program runs, and what it draws holds nothing that a terminal acts on."""
    assert driver.app.is_running
    drawn = driver.seen()
    assert not [c for c in drawn if unicodedata.category(c)[0] == "C" and c != "\n"]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_no_name_breaks_a_list_or_reaches_it_raw(aggregator: Scripted, size: tuple[int, int]) -> None:
    async with driven(aggregator, size=size) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        for key in ("1", "2", "3", "4", "5"):
            await driver.press(key)
            await driver.until(lambda: driver.figures() is not None, "the figures")
            check(driver)


@pytest.mark.parametrize("key", ["2", "3", "5"])
async def test_no_name_breaks_the_screen_it_opens(aggregator: Scripted, key: str) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        await driver.press(key)
        await driver.until(lambda: driver.figures() is not None, "the list")
        for _ in builders.HOSTILE:
            await driver.press("enter")
            await driver.until(
                lambda: len(driver.app.screen_stack) == 2 and driver.figures(), "the row's screen"
            )
            check(driver)
            await driver.press("escape", "j")


async def test_the_palette_shows_hostile_names_as_text(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        await driver.press("colon", *"asset boom")
        await driver.see("[/x] [red]boom[/]")
        await driver.press("enter")
        await driver.see("Assets › [/x] [red]boom[/]")


async def test_no_escape_sequence_of_a_name_is_written_to_the_terminal(
    aggregator: Scripted, tmp_path: Path
) -> None:
    written = await on_a_terminal(aggregator, tmp_path, b"3", b"4", b"5", b"2")
    # The names were drawn, as text.
    assert b"boom" in written
    assert b"]52;c;aGVsbG8=" in written
    for sequence in HARMFUL:
        assert sequence not in written


async def on_a_terminal(aggregator: Scripted, folder: Path, *keys: bytes) -> bytes:
    """Everything the real program writes to its terminal while these keys are pressed, a while for each."""
    controller, terminal = pty.openpty()
    environment = {
        **os.environ,
        **aggregator.environment(folder),
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        "LINES": "24",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tui",
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    os.set_blocking(controller, False)
    written = bytearray()

    async def read(seconds: float) -> None:
        for _ in range(int(seconds / 0.05)):
            await asyncio.sleep(0.05)
            try:
                written.extend(os.read(controller, 1 << 20))
            except (BlockingIOError, OSError):
                continue

    try:
        await read(2.5)
        for key in (*keys, b"q"):
            os.write(controller, key)
            await read(0.7)
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(controller)
    assert process.returncode == 0
    return bytes(written)


@pytest.mark.parametrize("name", builders.HOSTILE)
def test_the_guard_leaves_nothing_that_acts_and_every_cell_where_it_is(name: str) -> None:
    line = [Segment("│ ", Style(bold=True)), Segment(name), Segment(" 漢 │")]
    guarded = Guard().apply(line, Color(0, 0, 0))
    assert not [c for one in guarded for c in one.text if unicodedata.category(c)[0] == "C"]
    assert [cell_len(one.text) for one in guarded] == [cell_len(one.text) for one in line]
    assert [one.style for one in guarded] == [one.style for one in line]


def test_the_guard_passes_on_what_is_harmless_as_it_is() -> None:
    line = [Segment("Brook & Sons — 漢 💶 é ▲", Style(bold=True))]
    assert Guard().apply(line, Color(0, 0, 0)) is line

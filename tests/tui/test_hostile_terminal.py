"""The bytes that the real program writes to a terminal while every text is hostile: none but its own sequences."""

import asyncio
import base64
import csv
import re
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.tui.estate import estate
from tests.tui.poison import Poisoned
from tests.tui.terminals import HEALTHY, Terminal, on_terminal
from tests.tui.test_slow_link import RICH_COLOUR
from tui.catalogue import PLACES

# Colours and weights, places of the cursor; then modes: no wrapping, cursor, mouse, focus, other screen, paste; the
# keyboard protocol on and off, what the terminal is asked for, and the shape of the mouse pointer. No title, no link.
OURS = re.compile(
    rb"\x1b\[[0-9;:]*m|\x1b\[\d+;\d+H|\x1b\[\?(?:7|25|1000|1003|1004|1006|1015|1049|2004|2026|2048)[hl]|"
    rb"\x1b\[>\d+u|\x1b\[<u|\x1b\[\?(?:2026|2048)\$p|\x1b\]22;default\x07"
)
COPIED = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")
# As a terminal sends it that was put into the keyboard protocol: the byte alone, when the program is late to read it,
# would be one key together with the next.
ESCAPE = b"\x1b[27u"
QUIET_SECONDS = 0.12
SECONDS_MAX = 10.0


def foreign(written: bytes) -> list[str]:
    """What is neither text nor ours; lines end in CR LF."""
    rest = OURS.sub(b"", written).decode("utf-8")
    found = [at for at, one in enumerate(rest) if unicodedata.category(one)[0] == "C" and one not in "\r\n"]
    return [repr(rest[at : at + 12]) for at in found]


async def press(terminal: Terminal, *keys: bytes) -> None:
    """Until nothing more is drawn for any of these keys."""
    for key in keys:
        terminal.press(key)
        async with asyncio.timeout(SECONDS_MAX):
            before = -1
            while before != len(terminal.drawn):
                before = len(terminal.drawn)
                await asyncio.sleep(QUIET_SECONDS)
    assert terminal.process.returncode is None


async def reach(terminal: Terminal, keys: bytes, words: bytes) -> int:
    """Where what is drawn for the keys begins, once the words are in it."""
    since = len(terminal.drawn)
    terminal.press(keys)
    await terminal.until(words, since=since)
    return since


def test_sequences_of_others_are_found() -> None:
    """So that the tests below can fail."""
    assert foreign(b"\x1b[1;2H\x1b[38;2;1;2;3mname\x1b[0m\r\n\x1b[?25h") == []
    for other in (
        "\x1b]0;owned\x07",
        "\x1b[2J",
        "\x9b31m",
        "\u202e",
        "\x1b]8;;https://evil.example\x1b\\",
        "\x07",
    ):
        assert foreign(other.encode())


@pytest.fixture
async def aggregator(authority: trustme.CA) -> AsyncIterator[Poisoned]:
    """All of whose names are hostile."""
    scripted = Poisoned(estate(assets=24), authority)
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.mark.parametrize("arguments", [(), ("--slow-link",)], ids=["fast", "slow"])
async def test_what_is_written_is_text_and_our_own_sequences(
    aggregator: Poisoned, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with on_terminal(aggregator, tmp_path, *arguments) as terminal:
        await terminal.until(HEALTHY)
        for place in PLACES if not arguments else PLACES[3:8]:
            where = place.digit.encode() if place.digit else b":"
            keys = (where,) if place.digit else (where, place.title.encode(), b"\r")
            await press(terminal, *keys, b"\r", ESCAPE, b"v", ESCAPE)
        for keys in ((b"2", b"E", ESCAPE), (b"5", b"T", ESCAPE), (b"3", b"!", ESCAPE)):
            await press(terminal, *keys)
        await reach(terminal, b":", b"A screen, or client")
        await reach(terminal, b"asset boom", b"boom")
        await press(terminal, ESCAPE, b"3")
        since = await reach(terminal, b"y", b"Copied")
        (copied,) = COPIED.findall(terminal.drawn[since:])
        assert foreign(base64.b64decode(copied)) == []
        exported = tmp_path / "assets.csv"
        await reach(terminal, b"e", b"enter writes, esc cancels")
        await reach(terminal, b"\x15" + str(exported).encode() + b"\r", b"24 rows in")
        told = exported.read_text("utf-8")
        assert foreign(told.encode()) == []
        rows = list(csv.reader(told.splitlines()))
        assert len(rows) == 1 + len(aggregator.script.assets)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
        terminal.press(b"q")
        assert await terminal.ends() == 0
        # The clipboard was written to once, when it was asked for.
        assert len(COPIED.findall(terminal.drawn)) == 1
        assert foreign(COPIED.sub(b"", terminal.drawn)) == []
        assert not arguments or not RICH_COLOUR.search(terminal.drawn)

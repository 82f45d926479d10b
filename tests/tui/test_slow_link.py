"""Terminals that take little: ``--slow-link``, no mouse, no colours, old terminals, and locales that are not UTF-8."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.scripted import Scripted
from tests.tui.terminals import HEALTHY, on_terminal
from tui.terminal import PLAIN_THEME, can_draw, charset_remedy, is_plain, prepare, speaks_unicode

MOUSE = re.compile(rb"\x1b\[\?100[0236]h")
# Colours by red, green and blue, or by one of 256 numbers.
RICH_COLOUR = re.compile(rb"\x1b\[[0-9;]*[34]8;[25];")
ANY_COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[25];[0-9;]*)[;m]")
# Python without its own remedies for such locales.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_slow_link_is_told_to_textual() -> None:
    environment = {"TERM": "xterm-256color"}
    prepare(environment, slow_link=True)
    assert environment["TEXTUAL_FPS"] == "10"
    assert environment["TEXTUAL_ANIMATIONS"] == "none"
    assert environment["TEXTUAL_SMOOTH_SCROLL"] == "0"
    assert environment["TEXTUAL_THEME"] == PLAIN_THEME


def test_textual_knows_what_it_is_told() -> None:
    """In a process of its own, because Textual reads its environment once."""
    program = (
        "import os, json; from tui.terminal import prepare; prepare(os.environ, slow_link=True)\n"
        "from textual import constants as c, theme\n"
        "print(json.dumps([c.MAX_FPS, c.TEXTUAL_ANIMATIONS, c.SMOOTH_SCROLL, c.DEFAULT_THEME in theme.BUILTIN_THEMES]))"
    )
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("TEXTUAL_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=surroundings, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [10, "none", False, True]


def test_a_fast_link_is_left_alone() -> None:
    environment = {"TERM": "xterm-256color"}
    prepare(environment, slow_link=False)
    assert environment == {"TERM": "xterm-256color"}


def test_what_a_person_has_set_stays() -> None:
    environment = {"TERM": "linux", "TEXTUAL_THEME": "nord", "TEXTUAL_FPS": "2"}
    prepare(environment, slow_link=True)
    assert (environment["TEXTUAL_THEME"], environment["TEXTUAL_FPS"]) == ("nord", "2")


@pytest.mark.parametrize(
    ("term", "draws", "plain"),
    [
        ("", False, False),
        ("dumb", False, False),
        ("vt100", True, True),
        ("linux", True, True),
        ("xterm-256color", True, False),
        ("screen", True, False),
        ("alacritty", True, False),
    ],
)
def test_a_terminal_is_known_by_its_name(term: str, draws: bool, plain: bool) -> None:
    assert (can_draw({"TERM": term}), is_plain({"TERM": term})) == (draws, plain)


def test_an_encoding_that_has_no_lines_is_named_with_the_remedy() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="iso8859-15")
    assert not speaks_unicode(stream)
    assert "iso8859-15" in charset_remedy(stream)
    assert "LC_ALL=C.UTF-8" in charset_remedy(stream)
    assert speaks_unicode(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


@pytest.mark.parametrize("how", ["option", "environment"])
async def test_over_a_slow_link_there_is_no_mouse_and_no_rich_colour(
    aggregator: Scripted, tmp_path: Path, how: str
) -> None:
    arguments = ("--slow-link",) if how == "option" else ()
    environment = {} if how == "option" else {"ULLAGE_SLOW_LINK": "1"}
    async with on_terminal(aggregator, tmp_path, *arguments, environment=environment) as terminal:
        await terminal.until(HEALTHY)
        assert not MOUSE.search(terminal.drawn)
        assert not RICH_COLOUR.search(terminal.drawn)


async def test_without_the_option_there_are_both(aggregator: Scripted, tmp_path: Path) -> None:
    """So that the test above can fail."""
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        assert MOUSE.search(terminal.drawn)
        assert RICH_COLOUR.search(terminal.drawn)


async def test_the_mouse_alone_can_be_left_to_the_terminal(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path, "--no-mouse") as terminal:
        await terminal.until(HEALTHY)
        assert not MOUSE.search(terminal.drawn)
        assert RICH_COLOUR.search(terminal.drawn)


@pytest.mark.parametrize("term", ["vt100", "linux"])
async def test_old_terminals_get_what_they_know(aggregator: Scripted, tmp_path: Path, term: str) -> None:
    async with on_terminal(aggregator, tmp_path, environment={"TERM": term}) as terminal:
        await terminal.until(HEALTHY)
        assert not RICH_COLOUR.search(terminal.drawn)
        assert b"\x1b[>" not in terminal.drawn
        terminal.press(b"q")
        assert await terminal.ends() == 0


@pytest.mark.parametrize("arguments", [(), ("--slow-link",)], ids=["fast", "slow"])
async def test_no_color_is_respected(
    aggregator: Scripted, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async with on_terminal(aggregator, tmp_path, *arguments, environment={"NO_COLOR": "1"}) as terminal:
        await terminal.until(HEALTHY)
        greys = re.compile(
            rb"[34]8;2;(\d+);\1;\1(?!\d)|[34]8;5;(?:23[2-9]|24\d|25[0-5]|0|7|8|15|16|231)(?!\d)"
        )
        assert not ANY_COLOUR.search(greys.sub(b"", terminal.drawn))
        terminal.press(b"q")
        assert await terminal.ends() == 0


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {}], ids=str)
async def test_without_a_locale_it_is_drawn_in_utf_8(
    aggregator: Scripted, tmp_path: Path, locale: dict[str, str]
) -> None:
    async with on_terminal(aggregator, tmp_path, environment=locale) as terminal:
        await terminal.until(HEALTHY)
        terminal.drawn.decode("utf-8")
        terminal.press(b"q")
        assert await terminal.ends() == 0


async def test_in_another_character_set_it_is_said_what_to_do(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path, environment=ASCII) as terminal:
        assert await terminal.ends() == 2
        await asyncio.sleep(0.1)
        assert b"LC_ALL=C.UTF-8" in terminal.drawn
        assert b"\x1b" not in terminal.drawn


async def test_commands_write_what_a_locale_lacks_as_json_does(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.clients[0].name = "Jürgen 𝄞"
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}

    async def listed(**locale: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "clients", "list", "--format", "json"),
            stdout=subprocess.PIPE,
            env={**surroundings, **aggregator.environment(tmp_path), **locale},
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out

    plain = await listed(**ASCII)
    assert plain.isascii()
    assert json.loads(plain) == json.loads(await listed(LC_ALL="C.UTF-8"))


async def test_a_slow_aggregator_does_not_hold_the_picture_back(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        aggregator.script.delay_seconds = 5.0
        before = len(terminal.drawn)
        terminal.press(b"2")
        await terminal.until("… loading".encode(), since=before)
        assert b"Brook & Sons" not in terminal.drawn[before:]
        aggregator.script.delay_seconds = 0.0
        terminal.press(b"r")
        await terminal.until(b"Brook & Sons", since=before)


async def test_an_open_filter_writes_nothing_by_itself(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path) as terminal:
        await terminal.until(HEALTHY)
        before = len(terminal.drawn)
        terminal.press(b"2")
        await terminal.until(b"Brook & Sons", since=before)
        before = len(terminal.drawn)
        terminal.press(b"/")
        await terminal.until(b"part of a name", since=before)
        while before != len(terminal.drawn):
            # Until what belongs to the key has come.
            before = len(terminal.drawn)
            await asyncio.sleep(1.0)
        await asyncio.sleep(1.5)
        assert terminal.drawn[before:] == b""

"""Over a slow link the same picture arrives in fewer bytes: what a terminal makes of both is compared cell by cell."""

import random
import re
from pathlib import Path

import pytest

from tests.tui.scripted import Scripted
from tests.tui.terminals import HEALTHY, on_terminal
from tui.thrift import Thrift

COLUMNS, ROWS = 40, 8
TOKEN = re.compile(r"\x1b\[([0-9;]*)m|\x1b\[(\d+);(\d+)H|\x1b\[\?1049h|\r|\n|(.)", re.DOTALL)
Cell = tuple[str, frozenset[str], str, str]


class Screen:
    """A terminal that knows SGR and where to write; slow and simple, and nothing of it is the program's."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Cell] = {}
        self.row = self.column = 1
        self.attributes: set[str] = set()
        self.foreground = self.background = ""

    def take(self, written: str) -> None:
        for token in TOKEN.finditer(written):
            if token[1] is not None:
                self.style(token[1].split(";"))
            elif token[2] is not None:
                self.row, self.column = int(token[2]), int(token[3])
            elif token[0] == "\r":
                self.column = 1
            elif token[0] == "\n":
                self.row += 1
            elif token[4] is not None:
                self.put(token[4])

    def put(self, character: str) -> None:
        attributes, foreground = frozenset(self.attributes), self.foreground
        if character == " " and not attributes & {"4", "7", "9"}:
            # Nothing is seen of these.
            attributes, foreground = frozenset(), ""
        self.cells[self.row, self.column] = (character, attributes, foreground, self.background)
        self.column += 1

    def style(self, codes: list[str]) -> None:
        while codes:
            code = codes.pop(0)
            if code in ("", "0"):
                self.attributes, self.foreground, self.background = set(), "", ""
            elif code in ("38", "48"):
                count = 4 if codes[0] == "2" else 2
                colour = ";".join(codes[:count])
                codes = codes[count:]
                if code == "38":
                    self.foreground = colour
                else:
                    self.background = colour
            elif code == "39" or 30 <= int(code) <= 37 or 90 <= int(code) <= 97:
                self.foreground = "" if code == "39" else code
            elif code == "49" or 40 <= int(code) <= 47 or 100 <= int(code) <= 107:
                self.background = "" if code == "49" else code
            else:
                self.attributes.add(code)


def written(chance: random.Random) -> str:
    """As Textual writes: a place, pieces with their style and a reset, line ends between."""
    parts = []
    for _ in range(chance.randint(1, 12)):
        parts.append(f"\x1b[{chance.randint(1, ROWS)};{chance.randint(1, COLUMNS)}H")
        for _ in range(chance.randint(1, 6)):
            codes = chance.sample(["1", "2", "3", "4", "7", "9"], chance.choice([0, 0, 0, 1, 2]))
            codes += chance.choice(
                [[], ["39"], ["31"], ["92"], ["38", "5", "49"], ["38", "2", "1", "0", "39"]]
            )
            codes += chance.choice(
                [[], ["49"], ["44"], ["103"], ["48", "5", "4"], ["48", "2", "7", "7", "1"]]
            )
            text = chance.choice([" ", "     ", "web-1", "  12 €", "—", "\r\n"])
            parts.append(f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes else text)
    return "".join(parts)


@pytest.mark.parametrize("seed", range(300))
def test_the_picture_is_the_same(seed: int) -> None:
    chance = random.Random(seed)
    plain, packed, thrift = Screen(), Screen(), Thrift()
    for _ in range(5):
        content = written(chance)
        plain.take(content)
        packed.take(thrift.pack(content))
        assert packed.cells == plain.cells


def test_a_style_in_force_is_not_written_again() -> None:
    assert Thrift().pack("\x1b[1mab\x1b[0m\x1b[1mcd\x1b[0m") == "\x1b[1mabcd"


def test_blanks_between_words_need_no_style() -> None:
    row = "\x1b[39;49m \x1b[0m\x1b[2;39;49m 1\x1b[0m\x1b[39;49m  \x1b[0m\x1b[2;39;49mx\x1b[0m"
    assert Thrift().pack(row) == " \x1b[2m 1  x"


def test_what_follows_a_style_at_the_end_has_none() -> None:
    assert Thrift().pack("\x1b[31mx\x1b[0m\x1b[?1049l") == "\x1b[31mx\x1b[m\x1b[?1049l"


def test_a_terminal_that_is_taken_again_begins_without_a_style() -> None:
    thrift = Thrift()
    thrift.pack("\x1b[31mx")
    assert thrift.pack("\x1b[?1049h") == "\x1b[?1049h\x1b[m"
    assert thrift.pack("\x1b[31my") == "\x1b[31my"


def test_what_the_clipboard_gets_passes_through() -> None:
    assert Thrift().pack("\x1b]52;c;d2ViLTE=\a") == "\x1b]52;c;d2ViLTE=\a"


async def test_the_program_draws_with_it(aggregator: Scripted, tmp_path: Path) -> None:
    async with on_terminal(aggregator, tmp_path, "--slow-link") as terminal:
        await terminal.until(HEALTHY)
        resets = len(re.findall(rb"\x1b\[0?m", terminal.drawn))
        styles = len(re.findall(rb"\x1b\[[0-9;]+m", terminal.drawn))
        assert resets * 2 < styles
        terminal.press(b"q")
        assert await terminal.ends() == 0
        assert terminal.drawn.rstrip().endswith(b"\x1b[?1004l")

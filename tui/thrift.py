"""Fewer bytes for the same picture: of the styles that are written, only what changes what the terminal shows.

Textual writes every piece of a line with its whole style before it and a reset behind it; in tables that is more than the
text. Here the style in force is known, a blank needs its background alone, and only differences are written. Everything
else passes through as it is: nothing is assumed of the terminal beyond SGR (ECMA-48, 8.3.117).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_STYLE = re.compile(r"\x1b\[([0-9;]*)m")
# What needs no style: where the next text goes.
_MOVE = re.compile(r"(?:\x1b\[[0-9;]*H|[\r\n])+")
_PIECE = re.compile(rf"({_STYLE.pattern}|{_MOVE.pattern})")
_COLOUR = re.compile(r"[34][0-9]|9[0-7]|10[0-7]")
# Behind 38 and 48: one of 256 colours, or red, green and blue.
_COLOUR_PARTS = {"5": 2, "2": 4}
_BEGIN = "\x1b[?1049h"
# Attributes that show on a blank, in the colour of the text: underlines, reverse, struck out, overline.
_ON_BLANKS = frozenset({"4", "7", "9", "21", "53"})
# What ends attributes.
_ENDED = {
    "22": {"1", "2"},
    "23": {"3"},
    "24": {"4", "21"},
    "25": {"5", "6"},
    "27": {"7"},
    "28": {"8"},
    "29": {"9"},
    "55": {"53"},
}


@dataclass(frozen=True, slots=True)
class _Style:
    """What is in force; "" is the terminal's own colour."""

    attributes: frozenset[str] = frozenset()
    foreground: str = ""
    background: str = ""

    def looks_on_blanks_like(self, other: "_Style") -> bool:
        """Whether blanks look the same in both."""
        return self.background == other.background and not (self.attributes | other.attributes) & _ON_BLANKS


_PLAIN = _Style()


class Thrift:
    """Of one terminal, from when the program takes it."""

    def __init__(self) -> None:
        self._wanted = _PLAIN
        self._shown = _PLAIN

    def pack(self, written: str) -> str:
        """Shows the same as ``written``."""
        out: list[str] = []
        at = 0
        for piece in _PIECE.finditer(written):
            if piece.start() > at:
                out.append(self._text(written[at : piece.start()]))
            at = piece.end()
            if piece[2] is None:
                out.append(piece[0])
            else:
                self._wanted = _after(self._wanted, piece[2])
        if at < len(written):
            out.append(self._text(written[at:]))
        return "".join(out)

    def _text(self, text: str) -> str:
        """With what it needs before it."""
        if _BEGIN in text:
            # Another program may have left its style here.
            self._shown = self._wanted = _PLAIN
            return f"{text}\x1b[m"
        wanted, shown = self._wanted, self._shown
        if wanted == shown or (text.isspace() and wanted.looks_on_blanks_like(shown)):
            return text
        self._shown = wanted
        return f"{_change(shown, wanted)}{text}"


@lru_cache(4096)
def _after(style: _Style, parameters: str) -> _Style:
    """The style in force after an SGR with these parameters."""
    attributes, foreground, background = set(style.attributes), style.foreground, style.background
    left = (parameters or "0").split(";")
    while left:
        code = left.pop(0)
        if code in {"", "0"}:
            attributes, foreground, background = set(), "", ""
        elif code in _ENDED:
            attributes -= _ENDED[code]
        elif not _COLOUR.fullmatch(code):
            attributes.add(code)
        else:
            length = _COLOUR_PARTS.get(left[0], 0) if code in {"38", "48"} and left else 0
            colour = "" if code in {"39", "49"} else ";".join((code, *left[:length]))
            del left[:length]
            if code[0] in "39":
                foreground = colour
            else:
                background = colour
    return _Style(frozenset(attributes), foreground, background)


@lru_cache(4096)
def _change(shown: _Style, wanted: _Style) -> str:
    """The shortest SGR from one to the other: the difference, or everything anew."""
    anew = [*sorted(wanted.attributes), wanted.foreground, wanted.background]
    ways = [["0", *filter(None, anew)] if any(anew) else [""]]
    if shown.attributes <= wanted.attributes:
        difference = sorted(wanted.attributes - shown.attributes)
        if wanted.foreground != shown.foreground:
            difference.append(wanted.foreground or "39")
        if wanted.background != shown.background:
            difference.append(wanted.background or "49")
        ways.append(difference)
    return f"\x1b[{min((';'.join(way) for way in ways), key=len)}m"

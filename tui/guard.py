"""The last guard before the terminal: whatever a screen forgot to clean, nothing that a terminal acts on leaves a line.

Screens clean what they show by ``format.clean``, which says so with a sign. Fields hold texts as they are, because they
are sent as they are; there, and wherever somebody forgot, such characters are not written.
"""

import unicodedata

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_REPLACEMENT = "\ufffd"


class Guard(LineFilter):
    """Takes control and format characters out of lines; every line keeps its width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Lines that hold none, which is nearly all, are passed on as they are."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [
            segment
            if segment.text.isprintable()
            else Segment(harmless(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def harmless(text: str) -> str:
    """The same in as many cells."""
    kept = (
        _REPLACEMENT * cell_len(one)
        if unicodedata.category(one)[0] == "C" or unicodedata.category(one) in {"Zl", "Zp"}
        else one
        for one in text
    )
    return "".join(kept)

"""The program's colours, in one place. Each has a word or a sign beside it wherever it means something."""

import os

from textual.theme import Theme

_AMBER = "#d9a05b"
_BLUE = "#7aa7d9"
INK = "#15171c"
PAPER = "#d8d4cc"

_GREEN = "#8fb573"
_YELLOW = "#e5b567"
_RED = "#e8836b"

# For cells and bars. In a theme of the terminal's own colours these are the terminal's own too: fewer bytes, and as the
# person has chosen them. Chosen once, because a program has one terminal.
_OWN_COLOURS = os.environ.get("TEXTUAL_THEME", "").startswith("ansi")
GOOD = "green" if _OWN_COLOURS else _GREEN
ATTENTION = f"bold {'yellow' if _OWN_COLOURS else _YELLOW}"
BAD = f"bold {'red' if _OWN_COLOURS else _RED}"
FAINT = "dim"
AMBER = "yellow" if _OWN_COLOURS else _AMBER
BLUE = "blue" if _OWN_COLOURS else _BLUE

# How a commit and its usage stand to one another, on all screens that say so.
STATES = {
    "over": ("▲ over", BAD),
    "under": ("▼ under", ATTENTION),
    "mixed": ("◆ mixed", BAD),
    "even": ("= even", GOOD),
}

THEME = Theme(
    name="cask",
    primary=_AMBER,
    secondary=_BLUE,
    accent=_AMBER,
    warning=_YELLOW,
    error=_RED,
    success=_GREEN,
    foreground=PAPER,
    background=INK,
    surface=INK,
    panel="#20242c",
    dark=True,
    variables={
        "border": "#3a404c",
        "block-cursor-background": _AMBER,
        "block-cursor-foreground": INK,
        "block-cursor-text-style": "none",
        "footer-background": INK,
        "footer-key-foreground": _AMBER,
        "footer-description-foreground": "#9a968e",
        "input-selection-background": f"{_BLUE} 35%",
    },
)

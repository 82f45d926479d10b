"""What the terminal at the other end can show, and what that means for the screens.

Textual reads its own switches from the environment when it is first imported, so ``prepare`` comes before that.
"""

import codecs
import sys
from collections.abc import Mapping, MutableMapping
from typing import TextIO

SLOW_FRAMES_PER_SECOND = 10
# Colours by number, which the terminal chooses: fewer bytes than colours by their red, green and blue.
PLAIN_THEME = "ansi-dark"
# Terminals that know eight or sixteen colours and no keyboard protocol.
_PLAIN_TERMS = ("linux", "vt", "ansi", "cons", "xterm-16color", "rxvt-16color")
_ESCAPES = "ullage.escapes"


def can_draw(environment: Mapping[str, str]) -> bool:
    """Whether TERM names something with a cursor that can be moved."""
    return environment.get("TERM", "dumb") not in {"", "dumb", "unknown"}


def is_plain(environment: Mapping[str, str]) -> bool:
    """Whether it is an old terminal or a console: few colours, nothing of what was added later."""
    return environment.get("TERM", "").startswith(_PLAIN_TERMS) and not environment.get("COLORTERM")


def prepare(environment: MutableMapping[str, str], *, slow_link: bool) -> None:
    """Tells Textual how to behave; what the person has set already stays."""
    wanted: dict[str, str] = {}
    if slow_link:
        wanted |= {
            "TEXTUAL_FPS": str(SLOW_FRAMES_PER_SECOND),
            "TEXTUAL_ANIMATIONS": "none",
            # Scrolling goes by lines, not by parts of them.
            "TEXTUAL_SMOOTH_SCROLL": "0",
        }
    if slow_link or is_plain(environment):
        wanted["TEXTUAL_THEME"] = PLAIN_THEME
    if is_plain(environment):
        wanted["TEXTUAL_DISABLE_KITTY_KEY"] = "1"
    for name, value in wanted.items():
        environment.setdefault(name, value)


def speaks_unicode(stream: TextIO) -> bool:
    """Whether lines, dots and names of all languages can be drawn on it."""
    return codecs.lookup(stream.encoding).name.startswith("utf")


def charset_remedy(stream: TextIO) -> str:
    """Why there are no screens where ``speaks_unicode`` is False, and what to do."""
    return (
        f"The screens need UTF-8, and the locale here says {stream.encoding}: start with LC_ALL=C.UTF-8, "
        "in a terminal that shows UTF-8. All commands work as they are."
    )


def escape_what_cannot_be_written() -> None:
    """On stdout and stderr: what the locale cannot express is written as JSON writes it, instead of ending the program."""
    codecs.register_error(_ESCAPES, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and not speaks_unicode(stream):
            stream.reconfigure(errors=_ESCAPES)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end

"""The person's clipboard by way of the terminal (OSC 52): what to write, and what to say about it.

The text goes through SSH to the terminal that the person sits at; no terminal tells whether it took it. tmux takes it from
programs only with ``set -g set-clipboard on`` (its default is ``external``); wrapping it to go past tmux would need
``allow-passthrough on``, which is off by default too. GNU screen passes on what is wrapped, in pieces.
"""

import base64
from collections.abc import Mapping

from tui.format import clean, plural

# xterm and hterm take sequences of at most 100,000 bytes, see hterm's osc52.sh. Of these 8 are not text, and base64
# makes 4 bytes of 3.
TEXT_BYTES_MAX = 74_994
# Versions before 4.2 take no longer strings; see "Going by the screen history" in the same script.
_SCREEN_BYTES_MAX = 256
_ESCAPE = "\x1b"
_TMUX_TIP = "tmux needs `set -g set-clipboard on`"


def copy_sequence(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """What to write to the terminal, empty where nothing can be copied; and a sentence to show.

    ``environment`` tells what is between this program and the terminal.
    """
    cleaned = _cleaned(text)
    content = cleaned.encode("utf-8")
    if not content:
        return "", "There is nothing to copy here."
    if len(content) > TEXT_BYTES_MAX:
        return "", (
            f"Not copied: {len(content) // 1000:,} kB is more than terminals take at once "
            f"({TEXT_BYTES_MAX // 1000} kB). Export it into a file instead."
        )
    encoded = base64.b64encode(content).decode("ascii")
    sequence = f"{_ESCAPE}]52;c;{encoded}\a"
    lines = cleaned.count("\n") + 1
    copied = f"Copied {plural(lines, 'line') if lines > 1 else plural(len(cleaned), 'character')}."
    if environment.get("TMUX"):
        return sequence, f"{copied} Nothing arrived? {_TMUX_TIP}."
    if environment.get("STY"):
        return _in_pieces(
            sequence
        ), f"{copied} Nothing arrived? The terminal around screen must allow OSC 52."
    if environment.get("TERM", "").startswith(("tmux", "screen")):
        # A session of tmux at the person's end of the SSH connection.
        return sequence, f"{copied} Nothing arrived? {_TMUX_TIP}."
    return (
        sequence,
        f"{copied} Nothing arrived? The terminal must allow OSC 52; otherwise select with Shift+mouse.",
    )


def _cleaned(text: str) -> str:
    """Only newlines and tabs are left of what controls, and none at the end: a shell would run what was pasted."""
    lines = text.replace("\r\n", "\n").split("\n")
    length = max(len(text), 1)
    kept = ("\t".join(clean(cell, length) for cell in line.split("\t")) for line in lines)
    return "\n".join(kept).rstrip("\n")


def _in_pieces(sequence: str) -> str:
    """As device control strings, which screen unwraps and passes on one after another."""
    starts = range(0, len(sequence), _SCREEN_BYTES_MAX)
    pieces = (sequence[start : start + _SCREEN_BYTES_MAX] for start in starts)
    return "".join(f"{_ESCAPE}P{piece}{_ESCAPE}\\" for piece in pieces)
